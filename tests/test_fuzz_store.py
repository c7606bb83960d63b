"""Damaged and foreign stores: what is read is what was written, or a sentence; nothing outside is read, written or deleted."""

import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from precompute.__main__ import mend
from precompute.making import make
from precompute.repairing import remade, remove_damage
from store import folders, judgements, runs, soundness
from store.errors import BadInput, Corrupt, LoupeError
from store.judgements import Observation
from store.objects import Objects, connect
from store.runs import Run, create_run, open_run
from store.seals import sealed
from tests import tiny, worlds
from tests.fuzz import store_contents
from tests.fuzz.full import OTHER, RUN
from tests.fuzz.running import draws

EVALUATION = "evaluation-0a"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with one finished run, and a file beside it that is no concern of the store's."""
    worlds.make_world(tmp_path / "store", epochs=1)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x.json").write_text('{"secret": 1}')
    return tmp_path / "store"


@pytest.fixture
def objects(folder: Path) -> Objects:
    return connect(str(folder))


def run_in(objects: Objects) -> Run:
    return open_run(objects, RUN)


def changed(folder: Path, path: str, old: str, new: str) -> None:
    place = folder / path
    text = place.read_text()
    assert old in text
    place.write_text(text.replace(old, new, 1))


# Links, pipes, and names that no object has


def test_a_link_that_leads_out_is_not_followed(objects: Objects, folder: Path) -> None:
    outside = folder.parent / "outside"
    (folder / "runs/linked.json").symlink_to(outside / "x.json")
    (folder / "runs/linked").symlink_to(outside)
    for path in ("runs/linked.json", "runs/linked/x.json"):
        assert objects.get(path) is None and objects.stat(path) is None
    assert not any("linked" in stat.path for stat in objects.under("runs"))
    found, (problem,) = runs.all_runs(objects)
    assert [run.id for run in found] == [RUN] and "leads out" in problem
    for act in (lambda: objects.put("runs/linked/new.json", b""), lambda: objects.delete_each(["runs/linked/x.json"])):
        with pytest.raises(BadInput, match="leads out"):
            act()
    objects.delete("runs/linked")
    assert [path.name for path in outside.iterdir()] == ["x.json"] and not (folder / "runs/linked").is_symlink()


def test_a_link_inside_the_store_is_followed_and_deleted_alone(objects: Objects, folder: Path) -> None:
    (folder / "runs/alias").symlink_to(folder / "runs" / RUN)
    assert open_run(objects, "alias").uuid == run_in(objects).uuid
    objects.delete("runs/alias")
    assert run_in(objects).verify() == []


def test_a_pipe_is_not_waited_for(objects: Objects, folder: Path) -> None:
    os.mkfifo(folder / "runs" / RUN / "pipe.json")
    found: list[object] = []
    asking = threading.Thread(target=lambda: found.append(objects.get(f"runs/{RUN}/pipe.json")), daemon=True)
    asking.start()
    asking.join(5)
    assert found == [None]


def test_no_name_in_a_file_leads_out_or_to_all_of_them(objects: Objects, folder: Path) -> None:
    for path in (
        f"runs/{RUN}/../../../outside/x.json/zarr.json",
        "../outside/x.json",
        f"{folder.parent}/outside/x.json",
    ):
        for act in (objects.clear, objects.make_way):
            with pytest.raises(BadInput):
                act(path)
        assert objects.stat(path) is None and objects.get(path) is None
    assert (folder.parent / "outside/x.json").exists()
    there = objects.folders("datasets")
    for number, name in enumerate(("", "..", ".", "../runs")):
        runs.delete_run(objects, runs.create_run(objects, f"hostile-{number}", {"dataset": name}).id)
    assert objects.folders("datasets") == there and run_in(objects).verify() == []


def test_what_is_written_meanwhile_is_not_cleared_away(
    objects: Objects, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written_now(root: Path, path: str) -> bool:
        objects.create(path, b"1")
        return False

    monkeypatch.setattr(folders, "holds", written_now)
    objects.make_way(f"runs/{RUN}/new/c/0")
    assert (folder / "runs" / RUN / "new/c/0").read_bytes() == b"1"


def test_one_odd_name_does_not_hide_the_others(objects: Objects, folder: Path) -> None:
    before = sorted(stat.path for stat in objects.under(f"runs/{RUN}"))
    place = os.fsencode(folder / "runs" / RUN)
    for name in (b"new\nline.json", b"bad\xff.json", b"half.json#1"):
        Path(os.fsdecode(place + b"/" + name)).write_text("{}")
    (folder / "runs" / RUN / "circle").symlink_to(".")
    (folder / "runs" / RUN / "loop").symlink_to("loop")
    assert list(objects.under(f"runs/{RUN}/loop")) == []
    Path(os.fsdecode(os.fsencode(folder / "runs") + b"/bad\xff")).mkdir()
    assert sorted(stat.path for stat in objects.under(f"runs/{RUN}")) == before
    assert [run.id for run in runs.all_runs(objects)[0]] == [RUN]
    listed = next(stat for stat in objects.under("") if stat.path == before[0])
    asked = objects.stat(before[0])
    assert asked and (asked.size, asked.e_tag) == (listed.size, listed.e_tag)


# Facts


@pytest.mark.parametrize(
    ("old", "new"), [("kind 1", "kind 7"), ('"epochs": 1', '"epochs": 9'), ('"schema": 1', '"schema": "1"')]
)
def test_a_run_whose_facts_were_changed_is_not_shown(objects: Objects, folder: Path, old: str, new: str) -> None:
    changed(folder, f"runs/{RUN}/zarr.json", old, new)
    with pytest.raises(Corrupt, match=r"not what was written.*--repair"):
        run_in(objects)
    assert runs.all_runs(objects)[0] == []


@pytest.mark.parametrize(
    "text", ["[]", "3", "null", '{"attributes": []}', "[" * 100_000, '{"attributes": {"schema": "1", "uuid": 2}}']
)
def test_a_run_that_is_something_else_does_not_hide_the_others(objects: Objects, folder: Path, text: str) -> None:
    (folder / "runs/other").mkdir()
    (folder / "runs/other/zarr.json").write_text(text)
    found, problems = runs.all_runs(objects)
    assert [run.id for run in found] == [RUN] and len(problems) == 1


def test_a_date_that_is_no_number_does_not_hide_the_runs(objects: Objects, folder: Path) -> None:
    runs.create_run(objects, "other", {})
    facts = json.loads((folder / "runs/other/zarr.json").read_text())
    facts["attributes"] = {"schema": 1, "uuid": "u", "created": "yesterday"}
    (folder / "runs/other/zarr.json").write_text(json.dumps(facts))
    assert [run.id for run in runs.all_runs(objects)[0]] == [RUN]


def test_an_artifact_whose_facts_were_changed_is_named_and_the_others_are_there(objects: Objects, folder: Path) -> None:
    (folder / "runs" / RUN / "summary.json").unlink()
    changed(folder, f"runs/{RUN}/saliency-cam/zarr.json", '"signed"', '"signet"')
    run = run_in(objects)
    assert "saliency-cam" not in run.artifacts() and EVALUATION in run.artifacts()
    assert "not what was written" in run.unread["saliency-cam"]
    assert any("saliency-cam" in problem for problem in run.verify())


def test_a_whole_file_of_something_else_is_not_taken_for_what_lay_there(objects: Objects, folder: Path) -> None:
    worlds.make_world(folder, name="other", epochs=1, classes=7, images=12)
    run, other = folder / "runs" / RUN, folder / "runs/other-0123456789"
    shutil.copytree(run, folder / "runs/copied")
    (run / "summary.json").unlink()
    shutil.copy(run / "saliency-grad-cam/zarr.json", run / "saliency-cam/zarr.json")
    shutil.copy(other / "training/zarr.json", run / "training/zarr.json")
    assert set(run_in(objects).artifacts()) == {EVALUATION, "saliency-grad-cam", "saliency-grad-cam++"}
    assert len([problem for problem in run_in(objects).verify() if "Mend it" in problem]) == 2
    shutil.copy(other / "zarr.json", run / "zarr.json")
    with pytest.raises(Corrupt, match="not what was written"):
        run_in(objects)
    copied = open_run(objects, "copied")
    assert "saliency-cam" in copied.artifacts() and copied.verify() == []
    (folder / "runs/copied/summary.json").unlink()
    assert "saliency-cam" in open_run(objects, "copied").artifacts()


def test_values_are_not_read_by_a_changed_description(objects: Objects, folder: Path) -> None:
    changed(folder, f"runs/{RUN}/{EVALUATION}/logits/zarr.json", '"little"', '"big"')
    with pytest.raises(Corrupt, match="not what was written"):
        run_in(objects).artifact(EVALUATION).read("logits", 1)


def test_a_summary_that_was_changed_is_not_believed(objects: Objects, folder: Path) -> None:
    marks = run_in(objects).artifact(EVALUATION).marked()
    for old, new in (
        ('"saliency-cam"', '"saliency-can"'),
        ('"marks"', '"mark"'),
        ('"promised": [0, 1]', '"promised": [0]'),
        ('"size"', '"sixe"'),
    ):
        whole = (folder / "runs" / RUN / "summary.json").read_text()
        changed(folder, f"runs/{RUN}/summary.json", old, new)
        run = run_in(objects)
        assert run.artifacts()[EVALUATION].marked() == marks
        assert run.verify() == [f"runs/{RUN}/summary.json is not what was written."]
        (folder / "runs" / RUN / "summary.json").write_text(whole)
    changed(folder, f"runs/{RUN}/summary.json", '"blake2b": "', '"blake2b": "0')
    assert run_in(objects).verify() == [f"runs/{RUN}/summary.json is not what was written."]
    (folder / "runs" / RUN / "summary.json").unlink()
    assert ["not finished" in problem for problem in run_in(objects).verify()] == [True]


def test_a_whole_summary_of_something_else_is_not_believed(objects: Objects, folder: Path) -> None:
    place = folder / "runs" / RUN / "summary.json"
    written = json.loads(place.read_text())
    facts = {name: item["attributes"] for name, item in written["artifacts"].items()}
    other = dict(zip(("saliency-cam", "saliency-grad-cam"), ("saliency-grad-cam", "saliency-cam"), strict=True))
    for name, item in written["artifacts"].items():
        item["attributes"] = facts[other.get(name, name)]
    place.write_text(json.dumps(written))  # its seal, that of marks alone, fits
    assert run_in(objects).artifacts()["saliency-cam"].attributes["name"] == "saliency-cam"
    assert run_in(objects).verify() == [f"runs/{RUN}/summary.json is not what was written."]
    for name, item in written["artifacts"].items():
        item["attributes"] = sealed(facts[name] | {"created": 1.0})  # as it was once, in a backup
    place.write_text(json.dumps(written))
    assert f"runs/{RUN}/summary.json does not describe {EVALUATION} as it is." in run_in(objects).verify()


def test_a_mark_that_says_more_than_it_must_is_no_damage(objects: Objects, folder: Path) -> None:
    changed(folder, f"runs/{RUN}/{EVALUATION}/done/1.json", '"arrays": {', '"arrays": {"odd": 3, ')
    assert run_in(objects).verify() == []


def test_a_foreign_mark_finishes_nothing(objects: Objects, folder: Path) -> None:
    (folder / "runs" / RUN / "summary.json").unlink()
    done = folder / "runs" / RUN / EVALUATION / "done"
    (done / "1.json").rename(done / "7.json")
    assert run_in(objects).artifact(EVALUATION).marked() == (0,)


def test_what_zarr_says_of_the_members_is_verified(objects: Objects, folder: Path) -> None:
    changed(folder, f"runs/{RUN}/zarr.json", '"chunk_shape"', '"chunk_shade"')
    assert any("list the run's artifacts" in problem for problem in run_in(objects).verify())


def test_small_objects_that_were_changed_are_left_out(objects: Objects, folder: Path) -> None:
    run = run_in(objects)
    said = judgements.observe(run, Observation("The wing.", image=17))
    run.keep("lineage", {"parent": "p", "hypothesis": "less grass"})
    run.say({"state": "running", "at": "soon", "done": [], "of": None})
    assert run.status().state == "unknown" and len(run.kept("lineage")) == 1
    (kept,) = objects.under(f"{run.path}/lineage")
    changed(folder, f"{run.path}/observations/{said.id}.json", "17", "16")
    changed(folder, kept.path, "less", "more")
    assert judgements.observations(run) == [] and len(judgements.damaged(run)) == 1
    assert run.kept("lineage") == [] and any(kept.path in problem for problem in run.verify())


# Repair, and the fuzzer


def test_repair_mends_facts_and_what_stands_in_the_way(tmp_path: Path) -> None:
    objects = connect(str(tmp_path / "store"))
    run = make(objects, tiny.recipe(tmp_path, training__epochs=1))
    before = {
        name: item.read(name_of(item), item.marked()[-1]) for name, item in run.artifacts().items() if item.marked()
    }
    evaluation, weights = (run.of_kind(kind)[0].path for kind in ("evaluation", "weights"))
    for path in (f"{run.path}/zarr.json", f"{evaluation}/zarr.json", f"datasets/{run.attributes['dataset']}/zarr.json"):
        changed(tmp_path / "store", path, '"attributes"', '"attribuses"')
    objects.clear(f"{evaluation}/logits/c/1/0/0")
    (tmp_path / "store" / evaluation / "logits/c/1/0/0").mkdir()
    objects.delete(f"datasets/{run.attributes['training_images']}")
    (tmp_path / "store/datasets" / run.attributes["training_images"]).write_text("")
    objects.clear(f"{weights}/done/1.json")
    (tmp_path / "store" / weights / "done/1.json").symlink_to("/etc/hostname")
    for name in ("summary.json", "status.json"):
        objects.clear(f"{run.path}/{name}")
        (tmp_path / "store" / run.path / name).mkdir()
    with pytest.raises(LoupeError):
        open_run(objects, run.id)
    again, _ = remade(objects, run.id)
    assert again.id == run.id and again.verify()
    mend(again)
    again = open_run(objects, run.id)
    assert again.verify() == []
    for name, values in before.items():
        item = again.artifacts()[name]
        np.testing.assert_array_equal(item.read(name_of(item), item.marked()[-1]), values)


def test_repair_takes_away_a_link_to_another_runs_artifact_alone(objects: Objects, folder: Path) -> None:
    run = create_run(objects, "twin-1", {})
    (folder / "runs/twin-1" / EVALUATION).symlink_to(folder / "runs" / RUN / EVALUATION)
    assert run.artifacts() == {} and f"that of run {RUN}" in run.unread[EVALUATION]
    remove_damage(run)
    assert objects.folders("runs/twin-1") == [] and run_in(objects).verify() == []
    shutil.rmtree(folder / "runs" / RUN / EVALUATION)
    (folder / "runs" / RUN / EVALUATION).symlink_to(".")
    remove_damage(run_in(objects))
    assert EVALUATION not in objects.folders(f"runs/{RUN}") and run_in(objects).uuid


def name_of(item: object) -> str:
    return next(name for name in item.attributes["arrays"] if name not in ("measures",))  # type: ignore[attr-defined]


def test_a_slice_of_the_fuzzer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("READ_WHOLE", "ENDS"):  # the fuzzer sets these for good
        monkeypatch.setattr(soundness, name, getattr(soundness, name))
    monkeypatch.setenv("LOUPE_STORE", str(tmp_path))

    def make_two(folder: Path) -> None:
        worlds.make_world(folder, name=OTHER.removesuffix("-0123456789"), epochs=1, images=8)
        worlds.make_world(folder, epochs=1, images=12)

    check = store_contents.store_contents(tmp_path, make_two, ())
    assert [found for case in range(12) if (found := check(draws(6, case)))] == []
