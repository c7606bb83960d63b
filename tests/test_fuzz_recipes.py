"""Recipes: a slice of `python -m tests.fuzz recipes`, and what it found."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.jobs import uploads
from app.retrain.fields import leaves
from precompute import batches
from precompute import recipe as recipes
from precompute.recipe import Recipe
from store.errors import BadInput
from tests import tiny
from tests.fuzz import recipes as fuzzer
from tests.fuzz import running

CASES = 40


def test_hostile_recipes_are_recipes_or_sentences(tmp_path: Path) -> None:
    check = fuzzer.tampered(tmp_path)
    problems = {case: running.tried(check, 0, case) for case in range(CASES)}
    assert not {case: problem for case, problem in problems.items() if problem}


def test_the_fuzzer_notices_a_raw_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = fuzzer.tampered(tmp_path)
    monkeypatch.setattr(recipes, "problems", lambda *_: ["x" * 10_000])
    assert any("characters" in running.tried(check, 0, case) for case in range(CASES))


@pytest.mark.parametrize(
    "text",
    [
        b"x = " + b"9" * 5000,  # int() refuses more than 4,300 digits with a plain ValueError
        b"x = " + b"[" * 5000,
        b"x = \xff",
    ],
)
def test_toml_that_python_stumbles_over_is_a_sentence(text: bytes) -> None:
    with pytest.raises(BadInput, match="mine is not valid TOML"):
        recipes.toml(text, "mine")


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else 0


@pytest.mark.parametrize(
    ("value", "words"),
    [(nested(200), "nested"), (16**5000, "too many digits"), (float("nan"), "not a finite number")],
    ids=("deep", "long", "nan"),
)
def test_options_hold_only_what_a_database_keeps(value: Any, words: str, tmp_path: Path) -> None:
    fields = tiny.fields(tmp_path, data__set="mine:images", data__options={"a": {"b": value}})
    with pytest.raises(BadInput, match=rf"recipe: data\.options\.a\.b is .*{words}"):
        recipes.parse(fields)
    with pytest.raises(BadInput, match=words):
        batches.expanded(fields | {"grid": {"training.seed": [0, 1]}}, "mine.toml")


def test_a_message_about_a_huge_value_is_short(tmp_path: Path) -> None:
    fields = tiny.fields(tmp_path, note="x" * 100_000) | {"y" * 100_000: 1} | {f"z{n}": 0 for n in range(99)}
    with pytest.raises(BadInput, match="and 91 more") as caught:
        recipes.parse(fields)
    assert len(str(caught.value)) < 10_000
    with pytest.raises(BadInput, match="No data set is called") as caught:
        recipes.parse(tiny.fields(tmp_path, data__set="x" * 100_000))
    assert len(str(caught.value)) < 3000


def test_a_grid_is_refused_before_it_is_built(tmp_path: Path) -> None:
    started = time.process_time()
    huge = {f"training.{name}": list(range(1000)) for name in ("seed", "epochs", "batch_size", "step_epochs")}
    for grid, words in (
        (huge, "more than 1000 points"),
        ({"training.seed": list(range(1000)), "training.leave_out": [list(range(10_000))]}, "at most 20,000,000"),
        ({".".join("a" * 3000): [1]}, "nested more than 20"),
        ({"name" + ".x" * 3000: [1]}, "leads to no section"),
    ):
        with pytest.raises(BadInput, match=words) as caught:
            batches.expanded(tiny.fields(tmp_path) | {"grid": grid}, "mine.toml")
        assert len(str(caught.value)) < 1000
    assert time.process_time() - started < 2


def test_files_with_too_many_runs_are_not_read_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    class File:
        name = "many.toml"

        def getvalue(self) -> bytes:
            read.append(self.name)
            return b""

    monkeypatch.setattr(uploads, "parsed", lambda name, body: [None] * 600)
    found, problems = uploads.checked([File()] * 50)
    assert not found and "more than 1,000 runs" in problems[0] and len(read) == 2


def test_the_form_leaves_what_cannot_be_read_for_the_schema_to_refuse() -> None:
    fields = {leaf.name: leaf for leaf in leaves(Recipe, {})}
    for name, typed in (("artifacts.saliency.options", "[" * 50_000), ("evaluation.images", "9" * 5000)):
        assert fields[name].meant(typed) == typed
    assert fields["evaluation.images"].meant("12") == 12


def test_draws_are_the_same_for_the_same_case() -> None:
    one, again, other = (running.draws(*pair).integers(0, 2**60) for pair in ((3, 7), (3, 7), (3, 8)))
    assert one == again != other
    assert isinstance(running.draws(0, 0), np.random.Generator)
