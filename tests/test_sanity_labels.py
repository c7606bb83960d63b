"""Label randomisation on the Sanity page: asked for by a button, compared once it is there, and no run stands in its way."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.access import actions
from app.sanity import labels, twins
from precompute.recipe import Recipe, parse
from store.objects import connect
from store.runs import Run, open_run
from store.seals import sealed
from tests import visits
from tests.test_sanity_page import opened, texts
from tests.worlds import make_world

LABELS = "shuffled labels"


def run_of(folder: Path, name: str = "world") -> Run:
    return open_run(connect(str(folder)), f"{name}-0123456789")


def add_twin(folder: Path, name: str, training: dict[str, Any] | None = None, **world: Any) -> None:
    """Another run in the store at `folder`, the same as the world's but for its labels and these fields of its training."""
    make_world(folder / name, name=name, **world)
    made = folder / name / "runs" / f"{name}-0123456789"
    facts = json.loads((made / "zarr.json").read_text())
    facts["attributes"]["recipe"]["training"] |= {"shuffled_labels": True} | (training or {})
    facts["attributes"] = sealed(facts["attributes"])
    (made / "zarr.json").write_text(json.dumps(facts))
    (made / "summary.json").unlink(missing_ok=True)
    made.rename(folder / "runs" / made.name)
    shutil.rmtree(folder / name)
    visits.later()


def looked(folder: Path, monkeypatch: pytest.MonkeyPatch, run: str = "world") -> AppTest:
    return opened(folder, monkeypatch, check=LABELS, run=f"{run}-0123456789")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    make_world(tmp_path)
    return tmp_path


def test_shuffled_labels_are_asked_for_by_a_button(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    def retrain(recipe: Recipe, **said: Any) -> str:
        sent.append((recipe, said))
        return ""

    monkeypatch.setattr(actions, "retrain", retrain)
    page = looked(made, monkeypatch)
    assert "There is no such run yet." in texts(page) and "shuffled_labels = true" in page.code[0].value
    page.number_input(key="labels.epochs.world-0123456789").set_value(9).run()
    page.button(key="labels.train").click().run()
    ((recipe, said),) = sent
    assert recipe.training.shuffled_labels and recipe.training.epochs == 9 and recipe.name == "world-shuffled"
    assert recipe.artifacts.saliency and recipe.artifacts.sanity is None and said["parent"] == "world-0123456789"
    before = parse(dict(run_of(made).recipe)).training.model_dump()
    assert recipe.training.model_dump() == before | {"shuffled_labels": True, "epochs": 9}


def test_of_maps_made_twice_the_later_ones_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"technique": "cam", "layer": "features.4", "options": {}}
    later, earlier = SimpleNamespace(attributes=facts), SimpleNamespace(attributes=dict(facts))
    monkeypatch.setattr(labels, "of_kind", lambda *_: [later, earlier])  # the latest first
    assert list(labels.latest(None, None).values()) == [later]  # type: ignore[arg-type]


def test_a_viewer_cannot_train(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_READ_ONLY", "1")
    page = looked(made, monkeypatch)
    assert page.button(key="labels.train").disabled and "only shows runs" in texts(page)


def test_both_runs_maps_are_compared_once_they_are_there(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_twin(made, "other")
    page = looked(made, monkeypatch)
    assert "other-0123456789 knows" in texts(page) and "this run knows" in texts(page)
    assert "not finished" not in texts(page) and "differ in more" not in texts(page)
    table = page.dataframe[0].value
    assert twins.shuffled(run_of(made, "other")) and not twins.shuffled(run_of(made))
    assert {cell.partition("#")[2] for cell in table["Technique"]} == {"Grad-CAM", "CAM"}
    assert (table["Images"] + table["Without a value"]).tolist() == [24, 24]
    assert "itself was trained on shuffled labels" in texts(looked(made, monkeypatch, "other"))


def test_a_run_that_failed_is_told_and_asked_for_again(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_twin(made, "broken", finished=-1, status={"state": "failed", "reason": "no memory"})
    page = looked(made, monkeypatch)
    assert "broken-0123456789, on shuffled labels: This run failed: no memory." in texts(page)
    assert not page.button(key="labels.train").disabled


def test_one_under_way_is_compared_with_a_word(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_twin(made, "slow", finished=1)
    said = texts(looked(made, monkeypatch))
    assert (
        "Run slow-0123456789, on shuffled labels, is not finished yet: training, epoch 1 of 3 can be looked at" in said
    )
    assert "after epoch 1; this run knows" in said


def test_what_is_finished_and_the_same_training_comes_first(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, rate = run_of(made), run_of(made).recipe["training"]["learning_rate"]
    monkeypatch.setenv("LOUPE_STORE", str(made))
    add_twin(made, "faster", {"learning_rate": 1.5})
    assert twins.twins(run)[0].differences == (f"learning_rate 1.5 instead of {rate}",)
    add_twin(made, "longer", {"epochs": 9}, finished=1)
    assert [item.run.id[:6] for item in twins.twins(run)] == ["faster", "longer"], "an end to look at, before all else"
    page = looked(made, monkeypatch)
    assert "differ in more than labels and epochs: learning_rate 1.5" in texts(page)
    assert "Run longer-0123456789, on shuffled labels, is not finished yet" in texts(page)
    add_twin(made, "same")
    assert twins.twins(run)[0].run.id == "same-0123456789" and not twins.twins(run)[0].differences
