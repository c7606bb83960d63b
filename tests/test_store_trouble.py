"""A store in which something went wrong: what is damaged can be deleted, and what was interrupted is never half seen."""

import json
from pathlib import Path

import pytest
from obstore.exceptions import GenericError

from store import folders, runs, summaries
from store import objects as places
from store.errors import BadInput, Corrupt, Unanswered
from store.objects import Objects, connect
from store.seals import sealed
from tests.store_contract import SIZES, make_images, make_run, values

NAMES = ["a//b", "a/../b", ".", "a\0b", "a\nb", "a\x7fb", "\ud800"]


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return connect(str(tmp_path / "store"))


def finished(objects: Objects, run_id: str = "demo-1") -> runs.Run:
    make_images(objects)
    run = make_run(objects, run_id)
    artifact = run.add("evaluation-1", "evaluation", SIZES, range(4), {"dataset": "digits-1"})
    for epoch in range(4):
        artifact.write(epoch, values(epoch))
    return run


def damage(objects: Objects, run_id: str) -> None:
    body = objects.get_json(f"runs/{run_id}/zarr.json")
    body["attributes"]["epochs"] = 99
    objects.put(f"runs/{run_id}/zarr.json", json.dumps(body).encode())


# Deleting


@pytest.mark.parametrize("how", ["changed", "no JSON"])
def test_a_run_with_damaged_facts_is_deleted_with_its_images(objects: Objects, how: str) -> None:
    finished(objects)
    if how == "changed":
        damage(objects, "demo-1")
    else:
        objects.put("runs/demo-1/zarr.json", b"{")
    with pytest.raises(Corrupt, match=r"precompute delete demo-1|Delete it"):
        runs.open_run(objects, "demo-1")
    assert runs.delete_run(objects, "demo-1") > 0
    assert list(objects.under("")) == []


def test_images_that_another_run_shows_stay(objects: Objects) -> None:
    finished(objects)
    make_run(objects, "twin-1")
    damage(objects, "demo-1")
    runs.delete_run(objects, "demo-1")
    assert objects.folders("runs") == ["twin-1"] and objects.folders("datasets") == ["digits-1"]


def test_images_stay_where_what_may_show_them_cannot_be_read(objects: Objects) -> None:
    finished(objects)
    make_run(objects, "twin-1", "another-1")
    objects.put("runs/twin-1/evaluation-2/zarr.json", b"{")
    runs.delete_run(objects, "demo-1")
    assert objects.folders("datasets") == ["digits-1"]


def test_a_run_whose_facts_are_a_folder_is_deleted(objects: Objects, tmp_path: Path) -> None:
    finished(objects)
    objects.delete_each(["runs/demo-1/zarr.json"])
    (tmp_path / "store/runs/demo-1/zarr.json").mkdir()
    runs.delete_run(objects, "demo-1")
    assert list(objects.under("")) == []


def test_of_a_link_to_a_run_only_the_link_is_deleted(objects: Objects) -> None:
    finished(objects)
    assert objects.local
    (objects.local / "runs/alias").symlink_to("demo-1")
    runs.delete_run(objects, "alias")
    assert objects.folders("runs") == ["demo-1"]
    assert runs.open_run(objects, "demo-1").artifact("evaluation-1").marked() == (0, 1, 2, 3)


def test_nothing_is_computed_into_what_is_another_runs(objects: Objects) -> None:
    finished(objects)
    run, foreign = make_run(objects, "twin-1"), objects.get("runs/demo-1/evaluation-1/zarr.json")
    objects.put("runs/twin-1/evaluation-1/zarr.json", foreign or b"")
    with pytest.raises(Corrupt, match=r"that of run demo-1.*verify twin-1 --repair"):
        run.add("evaluation-1", "evaluation", SIZES, range(4), {})


# Links inside the store, and a store that is moved


def test_what_lies_behind_a_link_is_cleared_and_the_link_stays(objects: Objects, tmp_path: Path) -> None:
    root = tmp_path / "store"
    (root / "runs/real/done").mkdir(parents=True)
    (root / "runs/alias").symlink_to("real")
    (root / "runs/real/done/0.json").write_text("?")
    objects.clear("runs/alias/done/0.json")
    assert (root / "runs/alias").is_symlink() and not (root / "runs/real/done/0.json").exists()
    (root / "runs/circle").symlink_to("circle")
    objects.clear("runs/circle/0.json")
    assert not (root / "runs/circle").is_symlink()


def test_a_store_that_was_moved_and_linked_to_is_still_itself(objects: Objects, tmp_path: Path) -> None:
    objects.put("runs/a.json", b"1")
    assert folders.inside(tmp_path / "store", "runs/a.json")
    (tmp_path / "store").rename(tmp_path / "larger disk")
    (tmp_path / "store").symlink_to("larger disk")
    (tmp_path / "larger disk/runs/b.json").symlink_to("a.json")
    assert objects.get("runs/b.json") == b"1"
    objects.put("runs/a.json", b"2")


# Names and errors


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_no_object_can_have(objects: Objects, name: str) -> None:
    assert objects.get(name) is None and objects.stat(name) is None
    for act in (lambda: objects.put(name, b""), lambda: objects.delete_each([name])):
        with pytest.raises(BadInput):
            act()


def test_a_mistake_of_ours_is_not_blamed_on_the_store() -> None:
    with pytest.raises(ValueError, match="ours") as found, places.translated("s3://bucket"):
        raise ValueError("ours")
    assert not isinstance(found.value, Unanswered)


def test_a_store_that_does_not_answer_is_no_damage(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    run = finished(objects)
    run.summarise()
    found = run.artifacts()

    def silent(*_: object, **__: object) -> None:
        raise GenericError("no connection")

    monkeypatch.setattr(places.obstore, "get", silent)
    with pytest.raises(Unanswered):
        summaries.problems(objects, run.path, found, found)
    with pytest.raises(Unanswered):
        run.verify()


def test_a_summary_that_was_interrupted_makes_no_run_finished(
    objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, real = finished(objects), Objects.put

    def killed(self: Objects, path: str, data: bytes) -> None:
        real(self, path, data)
        raise SystemExit

    monkeypatch.setattr(Objects, "put", killed)
    with pytest.raises(SystemExit):
        run.summarise()
    monkeypatch.undo()
    opened = runs.open_run(objects, run.id)
    assert not opened.summarised() and "not finished" in opened.verify()[0]
    opened.summarise()
    assert runs.open_run(objects, run.id).verify() == []


# What the app keeps


def test_a_run_whose_facts_were_written_anew_is_another_to_what_is_kept(objects: Objects) -> None:
    from app.memory import same_run

    run = finished(objects)
    settled = runs.Run(objects, run.id, sealed({**run.attributes, "epochs": 2}))
    assert same_run(settled) != same_run(run) == same_run(runs.open_run(objects, run.id))
