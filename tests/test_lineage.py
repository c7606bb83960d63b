"""Which run descends from which, and what was changed."""

from pathlib import Path

import pytest

from app.runs import lineage
from app.runs.lineage import Asked
from store.objects import connect
from store.runs import Run


def run(name: str, created: float, **training: object) -> Run:
    recipe = {"name": name, "note": "", "data": {"set": "x:y"}, "model": {"network": "x:z"}, "training": training}
    return Run(connect(None), name, {"created": created, "recipe": recipe, "uuid": name})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_STORE", str(tmp_path))


def test_records_are_sorted_and_nonsense_is_left_out() -> None:
    kept = [{"parent": "b", "at": 2}, "nonsense", {"parent": "a", "hypothesis": None, "at": 1.5}, {"at": "yesterday"}]
    found = lineage.asked(kept)  # type: ignore[arg-type]
    assert [item.parent for item in found] == ["", "a", "b"]
    assert found[1] == Asked("a", "", "", 1.5)
    assert lineage.parents(found) == ["a", "b"]


def test_a_run_descends_from_the_first_older_run_that_is_there() -> None:
    runs = [run("c", 3), run("b", 2), run("a", 1)]
    history = {
        "c": [Asked("gone"), Asked("b"), Asked("a")],
        "a": [Asked("c")],  # asked for again while looking at c: a was there before
        "b": [Asked("b")],
    }
    assert lineage.tree(runs, history) == {"c": "b"}


def test_order_puts_descendants_below_and_keeps_the_order_of_siblings() -> None:
    parent = {"d": "b", "b": "a", "e": "a", "f": "not here"}
    names = ["f", "e", "d", "c", "b", "a"]
    assert lineage.ordered(names, parent) == [("f", 0), ("c", 0), ("a", 0), ("e", 1), ("b", 1), ("d", 2)]


def test_order_holds_each_name_once_in_a_chain_of_a_thousand() -> None:
    names = [str(number) for number in range(1000)]
    found = lineage.ordered(names, {str(number): str(number - 1) for number in range(1, 1000)})
    assert [name for name, _ in found] == names
    assert found[-1] == ("999", 999)


def test_family_is_the_whole_tree_with_generations() -> None:
    parent = {"d": "b", "b": "a", "e": "a", "z": "y"}
    for name in "abde":
        assert lineage.family(name, parent) == {"a": 0, "b": 1, "d": 2, "e": 1}
    assert lineage.family("y", parent) == {"y": 0, "z": 1}
    assert lineage.family("x", parent) == {"x": 0}


def test_changes_are_fields_of_the_recipe_with_both_values() -> None:
    before, after = run("one", 1, optimizer="sgd", epochs=10), run("two", 2, optimizer="adam", epochs=10, seed=3)
    assert lineage.changed(before, after) == {"training.optimizer": ("sgd", "adam"), "training.seed": ("0", "3")}
    assert lineage.short(lineage.changed(before, after)) == "optimizer: sgd → adam, seed: 0 → 3"
    assert lineage.changed(before, before) == {}


def test_a_recipe_nobody_can_check_any_more_is_compared_as_it_is() -> None:
    before, after = run("three", 1, warmth=1), run("four", 2, warmth=2)
    assert lineage.changed(before, after) == {"training.warmth": ("1", "2")}


def test_differing_fields_of_three() -> None:
    each = [{"a": "1", "b": "2"}, {"a": "1", "b": "3"}, {"a": "1", "c": "4"}]
    assert lineage.differing(each) == {"b": ("2", "3", ""), "c": ("", "", "4")}
