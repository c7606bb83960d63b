"""The Runs page: the table, ticks in the address, the comparison in every state, and deleting."""

import time
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import memory, outputs, probe, reading, renewing
from app.access import roles
from app.runs import comparison, deletion, lineage, roster, runs_table, side_by_side
from app.runs.roster import Curve, Known
from app.runs.runs_table import Wanted
from store import judgements, runs
from store.errors import Forbidden
from store.objects import connect
from store.runs import Run, Status
from tests import families, worlds
from tests.test_pages import PatientProbe, later, opened, sound, words

PAGE = "app/views/runs.py"
FIRST, SECOND, THIRD = (f"{name}-0123456789" for name in ("first", "second", "third"))

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "PATIENCE", 60)
    monkeypatch.setattr(probe, "shared", PatientProbe)
    st.cache_resource.clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOUPE_STORE", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("family")
    families.make_family(folder)
    return folder


@pytest.fixture
def family(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three runs, each re-trained from the one before, for tests that only look."""
    monkeypatch.setenv("LOUPE_STORE", str(made))
    return made


def table(app: AppTest) -> dict[str, list]:
    return app.dataframe[0].value.to_dict("list")


def pills(app: AppTest, key: str) -> object:
    return next(item for item in app.button_group if item.key == key)


# The table


def test_table_says_what_each_run_is_and_where_it_comes_from(family: Path) -> None:
    app = opened(PAGE)
    sound(app)
    shown = table(app)
    assert shown["run"] == [THIRD, SECOND, FIRST]
    assert shown["status"] == ["finished"] * 3
    assert shown["from"] == [SECOND, FIRST, ""]
    assert shown["changed"] == ["epochs: 3 → 5", "optimizer: sgd → adam", ""]
    assert shown["hypothesis"] == ["", "Adam looks at *heads*", ""]
    assert [len(curve) for curve in shown["curve"]] == [6, 4, 4]
    assert shown["accuracy"][2] == pytest.approx(100 * shown["curve"][2][-1])
    assert all(size > 0 for size in shown["size"])
    assert "3 runs." in words(app)


def test_lineage_order_indents_descendants(family: Path) -> None:
    shown = table(opened(PAGE, order="by lineage"))["run"]
    assert [name.strip("\N{NO-BREAK SPACE}└ ") for name in shown] == [FIRST, SECOND, THIRD]
    assert [len(name) - len(name.lstrip("\N{NO-BREAK SPACE}")) for name in shown] == [0, 3, 6]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"find": "HEADS"}, [SECOND]),
        ({"find": "third"}, [THIRD]),
        ({"find": "optimizer"}, [SECOND]),
        ({"state": "running"}, []),
        ({"state": "finished"}, [THIRD, SECOND, FIRST]),
        ({"verdict": "none yet"}, [THIRD, SECOND, FIRST]),
        ({"verdict": "keep"}, []),
        ({"data": "mnist5000"}, [THIRD, SECOND, FIRST]),
        ({"data": "nowhere"}, [THIRD, SECOND, FIRST]),
    ],
)
def test_filters_come_from_the_address(family: Path, query: dict[str, str], shown: list[str]) -> None:
    app = opened(PAGE, **query)
    sound(app)
    if shown:
        assert table(app)["run"] == shown
    else:
        assert "No run is like that" in words(app)
        assert not app.dataframe


def test_a_verdict_on_the_run_in_the_bar_is_in_the_table_at_once(folder: Path) -> None:
    run = families.make_run(folder, "only")
    app = opened(PAGE)
    assert table(app)["verdict"] == [""]
    judgements.decide(run, "reject", "it looks at the frame")
    reading.judged.clear()
    assert table(app.run())["verdict"] == ["reject"]


def test_a_live_run_says_how_far_it_is_and_a_failed_one_why(folder: Path) -> None:
    families.make_run(folder, "live", epochs=12, finished=7)
    families.make_run(folder, "failed", finished=1, status={"state": "failed", "reason": "the loss became NaN"})
    app = opened(PAGE, run="live-0123456789")
    sound(app)
    said = dict(zip(table(app)["run"], table(app)["status"], strict=True))
    assert said["live-0123456789"] == "running: epoch 7 of 12, about 40 s left"
    assert said["failed-0123456789"] == "failed: the loss became NaN"


def test_a_parent_that_was_deleted_is_said_to_be_gone(folder: Path) -> None:
    families.ask(families.make_run(folder, "orphan"), Run(connect(str(folder)), "gone-1", {}))
    assert table(opened(PAGE))["from"] == ["gone-1 (not here)"]


def test_three_hundred_runs_are_drawn_without_touching_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = {"name": "x", "data": {"set": "digits"}, "model": {"network": "gap"}, "training": {"learning_rate": 0.1}}
    facts = {"recipe": recipe, "epochs": 12, "created": 0}
    many = [Run(None, f"run{number}", {**facts, "uuid": str(number), "created": number}) for number in range(300)]  # type: ignore[arg-type]
    curve = Curve(12, tuple(np.linspace(0, 1, 13)), 0.1)
    known = {
        run.id: Known(Status("finished"), curve, (lineage.Asked(f"run{number // 2}"),))
        for number, run in enumerate(many)
    }
    monkeypatch.setattr("app.runs.lineage.fields", lambda run: {"training.seed": run.id, "training.epochs": "12"})
    started = time.perf_counter()
    rows = runs_table.chosen(runs_table.arranged(many, known, "by lineage"), Wanted(text="run1"))
    assert runs_table.frame(rows, known).num_rows == len(rows) > 100
    assert time.perf_counter() - started < 0.5


def test_facts_of_runs_are_read_again_only_where_they_were_written_again(
    family: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = reading.all_runs()[0]
    reading.listed.clear()
    monkeypatch.setattr(runs, "open_run", lambda *_: pytest.fail("read again"))
    assert reading.all_runs()[0] == before


def test_a_run_made_again_under_its_id_is_another(folder: Path) -> None:
    first = families.make_run(folder, "one")
    assert reading.all_runs()[0][0].uuid == first.uuid
    runs.delete_run(first.objects, first.id)
    second = families.make_run(folder, "one")
    reading.listed.clear()
    assert reading.all_runs()[0][0].uuid == second.uuid != first.uuid


# Ticks


def ticked(monkeypatch: pytest.MonkeyPatch, rows: list[int], names: tuple[str, ...], held: str = "") -> list[str]:
    """The ids in the address after the rows were ticked in a table of these names."""
    state = {"grid": {"selection": {"rows": rows}}, "runs.drawn": ("", 0, frozenset()), "held.compare": held}
    monkeypatch.setattr(st, "session_state", state)
    monkeypatch.setattr(st, "query_params", {})
    monkeypatch.setattr(st, "toast", lambda *_, **__: state.update(toast=True))
    runs_table.tick("grid", names)
    return [name for name in str(state["held.compare"]).split(",") if name] + (["toast"] if "toast" in state else [])


def test_ticks_go_into_the_address_in_the_order_of_ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("a", "b", "c", "d", "e")
    assert ticked(monkeypatch, [2], names) == ["c"]
    assert ticked(monkeypatch, [0, 2], names, held="c") == ["c", "a"]
    assert ticked(monkeypatch, [0], names, held="c,a") == ["a"]
    assert ticked(monkeypatch, [], names, held="c,a") == []


def test_a_fifth_tick_is_refused_and_rows_from_nowhere_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("a", "b", "c", "d", "e")
    assert ticked(monkeypatch, [0, 1, 2, 3, 4], names, held="b,c,d,e") == ["b", "c", "d", "e", "toast"]
    assert ticked(monkeypatch, [-1, 1, 99], names) == ["b"]


def test_runs_hidden_by_a_filter_stay_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ticked(monkeypatch, [1], ("a", "b"), held="hidden,a") == ["hidden", "b"]


def test_other_rows_or_ticks_set_elsewhere_get_a_grid_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {})
    first = runs_table.drawn_as(["a", "b"], [])
    assert runs_table.drawn_as(["a", "b"], []) == first
    assert runs_table.drawn_as(["b", "a"], []) != first
    second = runs_table.drawn_as(["b", "a"], ["a"])
    assert runs_table.drawn_as(["b", "a"], ["a"]) == second


# The comparison


def test_two_runs_are_compared_in_every_respect(family: Path) -> None:
    app = opened(PAGE, run=FIRST, epoch="2", compare=f"{FIRST},{SECOND}")
    sound(app)
    said = words(app)
    assert "2 runs compared" in [item.value for item in app.header]
    assert len(app.get("vega_lite_chart")) == 5  # three curves, the matrix, the lineage
    assert "B − A in numbers of images, B at epoch 2, A at epoch 2" in said
    assert "24 of 24 shared images, worst disagreement first" in said
    assert "Grad-CAM++ is not defined here" in said
    fields = app.dataframe[1].value
    assert fields[["field", "A", "B"]].to_numpy().tolist() == [["training.optimizer", "sgd", "adam"]]


def test_the_worst_disagreement_comes_first(family: Path) -> None:
    app = opened(PAGE, run=FIRST, epoch="2", compare=f"{FIRST},{SECOND}")
    found = side_by_side.together(comparison.sides(runs_of(app, FIRST, SECOND), app.session_state["selection"])[0])
    assert found is not None
    order = side_by_side.disagreement.ranked(found.apart, np.ones(24, bool))
    assert (np.diff(found.apart[order]) <= 0).all()
    assert found.apart[order[0]] > 0.1
    logits = [run.of_kind("evaluation")[0].read("logits", 2) for run in runs_of(app, FIRST, SECOND)]
    assert (found.differ == (logits[0].argmax(1) != logits[1].argmax(1))).all()


def test_disagreement_is_the_same_a_few_images_at_a_time(family: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(PAGE, run=FIRST, epoch="2", compare=f"{FIRST},{SECOND}")
    shown = comparison.sides(runs_of(app, FIRST, SECOND), app.session_state["selection"])[0]
    parts = [part for item in shown for part in (item.evaluation, item.data, item.epoch)]
    whole = side_by_side.of_runs(*parts)
    monkeypatch.setattr(outputs, "rows_at_once", lambda evaluation, runs: 7)
    few = side_by_side.of_runs.__wrapped__(*parts)  # type: ignore[attr-defined]
    for name in ("places", "labels", "predicted", "chances", "apart"):
        np.testing.assert_array_equal(getattr(few, name), getattr(whole, name))


def runs_of(app: AppTest, *names: str) -> list[Run]:
    there = {run.id: run for run in reading.all_runs()[0]}
    return [there[name] for name in names]


def test_filters_of_images(family: Path) -> None:
    app = opened(PAGE, run=FIRST, epoch="1", compare=f"{FIRST},{SECOND}")
    app.toggle(key="compare.differ").set_value(True).run()
    sound(app)
    fewer = int(words(app).split(" of 24 shared images")[0].split()[-1])
    assert 0 < fewer < 24
    app.toggle(key="compare.differ").set_value(False)
    app.selectbox(key="compare.class").set_value("kind 1").run()
    assert "6 of 24 shared images" in words(app)
    sound(app)


def test_each_choice_about_maps_draws(family: Path) -> None:
    app = opened(PAGE, run=FIRST, compare=f"{FIRST},{SECOND},{THIRD}")
    for key, value in (
        ("compare.explained", "predicted"),
        ("compare.scale", "of each map"),
        ("compare.techniques", []),
    ):
        app.session_state[key] = value
        app.run()
        sound(app)
    pills(app, "compare.pair").select("C − B").run()  # type: ignore[attr-defined]
    sound(app)
    assert "C − B in numbers of images" in words(app)


def test_a_shorter_run_is_shown_at_its_last_epoch(family: Path) -> None:
    app = opened(PAGE, run=THIRD, epoch="5", compare=f"{FIRST},{THIRD}")
    sound(app)
    assert "A holds no epoch 5; it is shown at epoch 3." in words(app)
    assert "B at epoch 5, A at epoch 3" in words(app)


def test_a_live_run_moves_nothing_and_offers_its_newer_epoch(folder: Path) -> None:
    families.make_run(folder, "whole", epochs=6)
    families.make_run(folder, "live", epochs=6, finished=2, seed=1)
    names = {"run": "whole-0123456789", "epoch": "5", "compare": "whole-0123456789,live-0123456789"}
    app = opened(PAGE, **names)
    sound(app)
    same = [memory.same_run(runs.open_run(connect(str(folder)), name)) for name in names["compare"].split(",")]
    assert ("work", *same) in renewing.RENEWALS.looks  # its maps come after the epoch itself, and no epoch may follow
    assert "B holds no epoch 5; it is shown at epoch 2." in words(app)
    families.make_run(folder, "live", epochs=6, finished=4, seed=1)
    later(app)
    sound(app)
    assert "it is shown at epoch 2" in words(app)
    app.button(key="compare.newer.B").click().run()
    assert "it is shown at epoch 4" in words(app)
    sound(app)


def test_a_run_without_a_finished_epoch_waits(folder: Path) -> None:
    families.make_run(folder, "whole")
    families.make_run(folder, "young", finished=-1)
    families.make_run(folder, "failed", finished=-1, status={"state": "failed", "reason": "no memory"})
    app = opened(PAGE, run="whole-0123456789", compare="whole-0123456789,young-0123456789")
    sound(app)
    assert "young-0123456789 has no finished epoch yet" in words(app)
    app = opened(PAGE, run="failed-0123456789", compare="whole-0123456789,failed-0123456789")
    assert "failed-0123456789 has no finished epoch, and nobody is computing one." in words(app)
    assert any(item.label.startswith("Judgement of failed-0123456789") for item in app.expander)


def test_runs_of_which_none_has_an_epoch_are_listed_too(folder: Path) -> None:
    families.make_run(folder, "young", finished=-1)
    families.make_run(folder, "younger", finished=-1)
    app = opened(PAGE, compare="young-0123456789,younger-0123456789")
    sound(app)
    assert table(app)["status"] == ["running: no epoch yet, about 40 s left"] * 2
    assert "2 runs compared" in [item.value for item in app.header]
    assert "None: the recipes are the same field by field" in words(app)


def test_many_classes_are_compared_without_names_in_the_cells(folder: Path) -> None:
    for seed in (0, 1):
        families.make_run(folder, f"run{seed}", seed=seed, classes=30, images=90, epochs=1)
    app = opened(PAGE, compare="run0-0123456789,run1-0123456789")
    sound(app)
    assert "Largest differences: kind" in words(app)


def test_what_was_expected_and_judged_is_there_when_opened(family: Path) -> None:
    app = opened(PAGE, run=FIRST, compare=f"{FIRST},{SECOND}")
    app.session_state[f"runs.judgement.{FIRST}"] = app.session_state[f"runs.beside.{SECOND}"] = True
    app.session_state["compare.provenance"] = True
    app.run()
    sound(app)
    assert "Nobody has decided about this run yet" in words(app)
    assert "Adam looks at *heads*" in words(app)
    assert "None: the same versions, device and configuration" in words(app)


def test_other_classes_leave_only_curves_to_compare(folder: Path) -> None:
    families.make_run(folder, "four")
    families.make_run(folder, "five", classes=5, images=25)
    app = opened(PAGE, run="five-0123456789", compare="four-0123456789,five-0123456789", **{"class": "kind 4"})
    sound(app)
    said = words(app)
    assert "different classes, so only their curves can be compared" in said
    assert "A knows no class kind 4" in said
    assert len(app.get("vega_lite_chart")) == 3


def test_other_images_leave_matrices_in_shares(folder: Path) -> None:
    families.make_run(folder, "some")
    families.make_run(folder, "more", images=40)
    app = opened(PAGE, run="some-0123456789", compare="some-0123456789,more-0123456789")
    sound(app)
    assert "none of them is shared" in words(app)
    assert "shares of the true class, because the evaluated images differ" in words(app)


def test_selections_of_one_data_set_are_matched_by_number(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [families.make_run(folder, "some"), families.make_run(folder, "more", images=40)]
    data = [reading.dataset(run.of_kind("evaluation")[0]) for run in runs]
    for item in data:
        item.attributes["fingerprint"] = "the same"  # type: ignore[index]
    assert side_by_side.same_images(data).tolist() == [[image, image] for image in range(24)]
    data[1].attributes["fingerprint"] = "another"  # type: ignore[index]
    assert len(side_by_side.same_images(data)) == 0


def test_who_lacks_a_layer_or_a_technique_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    families.make_run(folder, "both")
    monkeypatch.setattr(worlds, "TECHNIQUES", {"grad-cam": ("Grad-CAM", False)})
    families.make_run(folder, "one")
    app = opened(PAGE, run="both-0123456789", compare="both-0123456789,one-0123456789")
    sound(app)
    assert "B lacks CAM at features.4" in words(app)
    assert pills(app, "compare.techniques").options == ["Grad-CAM"]  # type: ignore[attr-defined]


def test_a_damaged_map_is_named_and_the_others_stay(folder: Path) -> None:
    runs = [families.make_run(folder, "one"), families.make_run(folder, "two", seed=1)]
    item = runs[1].artifact("saliency-cam")
    item.objects.put(item.key("maps", 3), b"short")
    app = opened(PAGE, run=runs[0].id, compare=",".join(run.id for run in runs))
    assert not app.exception
    assert {"saliency-cam" in error.value and "verify" in error.value for error in app.error} == {True}
    assert "24 of 24 shared images" in words(app)


# The address


@pytest.mark.parametrize(
    "compare",
    [
        "../../x,../../etc/passwd",
        ",".join(f"run{number}" for number in range(50)),
        f"{FIRST},gone-0000000000",
        "x" * 100_000,
        ",,,",
        f"{FIRST},{FIRST}",
        "<script>alert(1)</script>,[b](http://x)",
        "٣,\x00,%2e%2e",
    ],
)
def test_nonsense_in_the_address_is_ignored(family: Path, compare: str) -> None:
    app = opened(PAGE, compare=compare)
    sound(app)
    assert table(app)["run"] == [THIRD, SECOND, FIRST]
    assert not app.header
    assert not any(word in words(app) for word in ("passwd", "<script", "http:"))


def test_at_most_four_runs_are_compared(folder: Path) -> None:
    names = [families.make_run(folder, f"run{number}", seed=number, images=12, epochs=1).id for number in range(6)]
    app = opened(PAGE, compare=",".join(names))
    sound(app)
    assert "4 runs compared" in [item.value for item in app.header]


def test_missing_runs_are_said_and_forgotten(family: Path) -> None:
    app = opened(PAGE, compare=f"{FIRST},gone-0000000000")
    assert "One run that the address names is not in this store." in words(app)
    assert "not in this store" not in words(app.run())


# Deleting


def test_the_cost_of_deleting_is_said_first(folder: Path) -> None:
    first, second, _ = families.make_family(folder)
    judgements.decide(first, "keep")
    said = " ".join(deletion.cost(first, reading.all_runs()[0]))
    assert f"{first.size() / 1e6:,.1f} MB" in said
    assert "1 observation or verdict" in said
    assert f"Re-trained from it: {second.id}." in said
    assert "Re-trained" not in " ".join(deletion.cost(second, [second]))


def test_deleting_is_for_those_who_may(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = families.make_run(folder, "doomed")
    app = opened(PAGE, compare=run.id)
    assert [item for item in app.button if item.key == "runs.delete"]
    monkeypatch.setattr(roles, "refusal", lambda *_: "Only engineers may delete runs.")
    assert not [item for item in app.run().button if item.key == "runs.delete"]
    with pytest.raises(Forbidden):
        deletion.delete(run)
    assert table(app.run())["run"] == [run.id]
