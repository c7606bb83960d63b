"""What every place that holds objects must keep: the same tests for a local folder and for an object store.

A test module inherits `StoreContract` and gives it the fixture `objects`.
"""

import json

import numpy as np
import pytest

from store import encoding, runs, shards
from store.errors import BadInput, Corrupt, LoupeError, Missing
from store.objects import Objects
from store.runs import Run
from store.schema import KINDS, VERSION, images_per_block, layout
from store.shards import Artifact
from store.weights import tensors

EPOCHS, IMAGES, CLASSES = 3, 7, 4
SIZES = {
    "epoch": EPOCHS + 1,
    "image": IMAGES,
    "class": CLASSES,
    "split": 2,
    "true": CLASSES,
    "predicted": CLASSES,
    "measure": 3,
}


def make_images(objects: Objects, data_id: str = "digits-1") -> Artifact:
    """Seven random 6×6 images."""
    random, block = np.random.default_rng(0), images_per_block(6, 1)
    sizes = {"image": IMAGES, "y": 6, "x": 6, "channel": 1}
    layouts = {name: layout(KINDS["images"][name], sizes, block=block) for name in ("pixels", "label", "source")}
    artifact = shards.create(objects, f"datasets/{data_id}", layouts, {"kind": "images", "promised": [0]})
    numbers = np.arange(IMAGES, dtype=np.int32)
    pixels = random.integers(0, 256, (IMAGES, 6, 6, 1), np.uint8)
    artifact.write(0, {"pixels": pixels, "label": numbers % CLASSES, "source": numbers})
    return artifact


def make_run(objects: Objects, run_id: str = "demo-1", data_id: str = "digits-1") -> Run:
    facts = {"dataset": data_id, "recipe": {"name": "demo"}, "classes": list("abcd"), "epochs": EPOCHS}
    return runs.create_run(objects, run_id, facts)


def evaluation(run: Run) -> Artifact:
    return run.add("evaluation-1", "evaluation", SIZES, range(EPOCHS + 1), {})


def values(epoch: int) -> dict[str, np.ndarray]:
    """What an evaluation holds at an epoch; all different from epoch to epoch, and of one size on disk."""
    random = np.random.default_rng(epoch)
    return {
        "logits": random.normal(size=(1, IMAGES, CLASSES)).astype(np.float32),
        "loss": random.normal(size=(1, 2)),
        "accuracy": random.random((1, 2)),
        "confusion": random.integers(0, 9, (1, CLASSES, CLASSES), np.int32),
        "by_class": random.random((1, CLASSES, 3)),
    }


def finished(objects: Objects) -> tuple[Run, Artifact]:
    """A run whose four epochs are all evaluated."""
    make_images(objects)
    run = make_run(objects)
    artifact = evaluation(run)
    for epoch in range(EPOCHS + 1):
        assert artifact.write(epoch, values(epoch))
    return run, artifact


def again(artifact: Artifact) -> Artifact:
    """The artifact as a new reader finds it."""
    return shards.find(artifact.objects, artifact.path)


def damage(artifact: Artifact, how: str, name: str = "logits", epoch: int = 2) -> None:
    """Spoils one stored shard."""
    key, objects = artifact.key(name, epoch), artifact.objects
    data = objects.get(key)
    assert data
    if how == "missing":
        objects.delete_each([key])
    else:
        middle = len(data) // 2
        flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        other = objects.get(artifact.key(name, epoch - 1))
        assert how != "other epoch" or (other and len(other) == len(data)), "its size must not give it away"
        objects.put(key, {"flipped": flipped, "empty": b"", "other epoch": other, "short": data[:-1]}[how] or b"")


class StoreContract:
    """Needs the fixture `objects`: an empty place."""

    def test_objects_come_back_as_they_were_put(self, objects: Objects) -> None:
        assert objects.get("a/b") is None
        assert objects.stat("a/b") is None
        objects.put("a/b", b"one")
        objects.put("a/b", b"second")
        objects.put("a/c/d", b"")
        assert objects.get("a/b") == b"second"
        assert objects.stat("a/b").size == 6
        assert sorted(stat.path for stat in objects.under("a")) == ["a/b", "a/c/d"]
        assert objects.folders("a") == ["c"]
        assert objects.folders("nowhere") == []
        assert objects.delete("a") == 6
        assert list(objects.under("a")) == []

    def test_only_the_first_of_two_creates(self, objects: Objects) -> None:
        assert objects.create("mark", b"mine")
        assert not objects.create("mark", b"yours")
        assert objects.get("mark") == b"mine"

    def test_deleting_what_is_not_there_is_no_matter(self, objects: Objects) -> None:
        objects.delete_each(["nothing"])
        assert objects.delete("nothing") == 0

    def test_text_that_is_not_json_is_named(self, objects: Objects) -> None:
        objects.put("runs/a/status.json", b"{half")
        with pytest.raises(LoupeError, match=r"runs/a/status\.json is damaged"):
            objects.get_json("runs/a/status.json")

    def test_a_finished_index_reads_back(self, objects: Objects) -> None:
        _, artifact = finished(objects)
        for reader in (artifact, again(artifact)):
            assert reader.marked() == (0, 1, 2, 3)
            assert reader.missing() == ()
            for name, value in values(2).items():
                np.testing.assert_array_equal(reader.read(name, 2), value[0])
                assert reader.read(name, 2).dtype == KINDS["evaluation"][name].dtype
        np.testing.assert_array_equal(
            artifact.read("loss", [0, 1]), np.concatenate([values(0)["loss"], values(1)["loss"]])
        )
        np.testing.assert_array_equal(artifact.read("loss", [3, 1])[0], values(3)["loss"][0])
        np.testing.assert_array_equal(
            artifact.read("logits", [1, 2], 3), np.stack([values(1)["logits"][0, 3], values(2)["logits"][0, 3]])
        )
        assert artifact.read("logits", [], 3).shape == (0, CLASSES)
        assert artifact.verify() == []

    def test_what_is_not_marked_is_not_shown(self, objects: Objects) -> None:
        artifact = evaluation(make_run(objects))
        with pytest.raises(Missing, match=r"evaluation-1 has no finished logits at 0"):
            artifact.read("logits", 0)
        artifact.write(1, values(1))
        objects.delete_each([artifact.mark_key(1)])
        reader = again(artifact)
        assert reader.marked() == ()
        with pytest.raises(Missing):
            reader.read("loss", 1)
        assert len(reader.verify()) == EPOCHS + 1

    def test_written_twice_the_first_stays(self, objects: Objects) -> None:
        artifact = evaluation(make_run(objects))
        assert artifact.write(0, values(0))
        assert artifact.write(0, values(0)), "the same values again are no conflict"
        assert again(artifact).write(0, values(0))
        assert not again(artifact).write(0, values(1)), "other values are"
        np.testing.assert_array_equal(again(artifact).read("logits", 0), values(0)["logits"][0])

    def test_leftovers_of_a_killed_writer(self, objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shards, "LEFTOVER_SECONDS", 0.3)
        artifact = evaluation(make_run(objects))
        for epoch, left in ((0, 0), (1, 3)):  # the same bytes, which are taken over; other bytes, which are not
            objects.put(
                artifact.key("logits", epoch), encoding.encode(artifact.array("logits"), epoch, values(left)["logits"])
            )
            assert artifact.write(epoch, values(epoch))
            np.testing.assert_array_equal(again(artifact).read("logits", epoch), values(epoch)["logits"][0])
        assert all("not finished" in problem for problem in artifact.verify())

    def test_a_mark_that_another_writer_sets_meanwhile_wins(
        self, objects: Objects, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both find the epoch unfinished; the other is done before we place our first object."""
        artifact, other = (evaluation(make_run(objects)) for _ in range(2))
        place = Artifact.place

        def after_the_other(self: Artifact, index: int, data: dict[str, bytes]) -> bool:
            monkeypatch.setattr(Artifact, "place", place)
            other.write(0, values(1))
            return place(self, index, data)

        monkeypatch.setattr(Artifact, "place", after_the_other)
        assert not artifact.write(0, values(2))
        np.testing.assert_array_equal(again(artifact).read("loss", 0), values(1)["loss"][0])

    @pytest.mark.parametrize("how", ["flipped", "missing", "empty", "short", "other epoch"])
    def test_damage_is_found_and_never_shown(self, objects: Objects, how: str) -> None:
        _, artifact = finished(objects)
        damage(artifact, how)
        found = artifact.verify()
        assert len(found) == 1
        assert "evaluation-1/logits/c/2" in found[0]
        reader = again(artifact)
        with pytest.raises(Corrupt, match=r"evaluation-1/logits/c/2.*precompute verify demo-1 --repair"):
            reader.read("logits", 2, 0)
        with pytest.raises(Corrupt):
            reader.read("logits", [1, 2, 3], 0)
        np.testing.assert_array_equal(reader.read("logits", 1), values(1)["logits"][0])
        np.testing.assert_array_equal(reader.read("loss", 2), values(2)["loss"][0])

    @pytest.mark.parametrize("how", ["flipped", "missing", "empty"])
    def test_damaged_images_are_found_too(self, objects: Objects, how: str) -> None:
        run, _ = finished(objects)
        damage(runs.dataset(objects, "digits-1"), how, "pixels", 0)
        assert [problem for problem in run.verify() if "datasets/digits-1/pixels" in problem]
        with pytest.raises(Corrupt, match="pixels"):
            runs.dataset(objects, "digits-1").read_blocks("pixels", [0])

    def test_a_discarded_index_is_written_anew(self, objects: Objects) -> None:
        _, artifact = finished(objects)
        damage(artifact, "flipped")
        artifact.discard(2)
        assert artifact.missing() == (2,)
        assert artifact.write(2, values(2))
        assert artifact.verify() == []

    def test_wrong_shapes_and_names_are_refused(self, objects: Objects) -> None:
        artifact = evaluation(make_run(objects))
        with pytest.raises(BadInput, match=r"an array of shape \(1, 2\) was expected, not \(2,\)"):
            artifact.write(0, values(0) | {"loss": np.zeros(2)})
        with pytest.raises(BadInput, match="written together"):
            artifact.write(0, {"loss": np.zeros((1, 2))})
        with pytest.raises(BadInput, match="written together"):
            artifact.write(0, values(0) | {"other": np.zeros(1)})
        with pytest.raises(BadInput):
            artifact.write(EPOCHS + 1, values(0))
        assert artifact.marked() == ()

    def test_who_creates_a_run_second_reads_the_first(self, objects: Objects) -> None:
        first, second = make_run(objects), runs.create_run(objects, "demo-1", {"recipe": "another"})
        assert first.uuid == second.uuid
        assert second.recipe == {"name": "demo"}

    def test_a_summary_opens_the_same_run(self, objects: Objects) -> None:
        run, artifact = finished(objects)
        assert run.missing() == {}
        run.summarise()
        opened = runs.open_run(objects, run.id)
        found = opened.artifacts()["evaluation-1"]
        assert found.known == again(artifact).known | artifact.known
        assert found.marked() == (0, 1, 2, 3)
        np.testing.assert_array_equal(found.read("loss", 3), values(3)["loss"][0])
        assert opened.verify() == []
        opened.reopen()
        assert objects.get(f"{run.path}/summary.json") is None

    def test_the_status_is_what_was_said_last(self, objects: Objects) -> None:
        run = make_run(objects)
        assert run.status().state == "unknown"
        run.say({"state": "running", "doing": "training", "done": 1, "of": 4, "seconds_left": 3.5, "reason": ""})
        assert (run.status().doing, run.status().seconds_left) == ("training", 3.5)

    def test_a_newer_schema_is_not_opened_and_not_lost(self, objects: Objects) -> None:
        finished(objects)
        make_run(objects, "old-1")
        metadata = objects.get_json("runs/demo-1/zarr.json")
        metadata["attributes"]["schema"] = VERSION + 1
        objects.put("runs/demo-1/zarr.json", json.dumps(metadata).encode())
        with pytest.raises(BadInput, match=r"newer Loupe.*Update Loupe"):
            runs.open_run(objects, "demo-1")
        opened, problems = runs.all_runs(objects)
        assert [run.id for run in opened] == ["old-1"]
        assert len(problems) == 1
        runs.delete_run(objects, "old-1")
        assert objects.get("datasets/digits-1/pixels/c/0/0/0/0"), "the newer run's images are still its own"

    @pytest.mark.parametrize("name", ["../x", "..", ".", "", "a/b", "/etc", "a\\b", "a\0b", "a" * 121, ".hidden"])
    def test_a_name_that_leaves_its_folder_is_refused(self, objects: Objects, name: str) -> None:
        for act in (runs.open_run, runs.delete_run, runs.dataset, lambda *given: runs.create_run(*given, {})):
            with pytest.raises(BadInput):
                act(objects, name)

    def test_a_run_that_is_not_there(self, objects: Objects) -> None:
        make_run(objects, "other-1")
        with pytest.raises(Missing, match=r"no run 'demo-1'.*Runs there: other-1"):
            runs.open_run(objects, "demo-1")
        with pytest.raises(Missing, match="no artifact"):
            runs.open_run(objects, "other-1").artifact("saliency-x")

    def test_deleting_a_run_frees_it_and_keeps_shared_images(self, objects: Objects) -> None:
        run, _ = finished(objects)
        make_run(objects, "twin-1")
        size, freed = run.size(), runs.delete_run(objects, "demo-1")
        assert 0 < size - freed < 2000, "all but the run's own facts, which go first"
        assert list(objects.under("runs/demo-1")) == []
        assert again(runs.dataset(objects, "digits-1")).verify() == []
        assert runs.delete_run(objects, "twin-1") > 0
        assert list(objects.under("")) == []

    def test_what_an_interrupted_delete_leaves_is_no_run_and_can_be_deleted(self, objects: Objects) -> None:
        finished(objects)
        objects.delete_each(["runs/demo-1/zarr.json"])
        assert runs.all_runs(objects) == ([], [])
        assert runs.delete_run(objects, "demo-1") > 0
        assert list(objects.under("runs")) == []

    def test_foreign_files_do_no_harm(self, objects: Objects) -> None:
        run, artifact = finished(objects)
        for path in (
            "runs/.DS_Store",
            f"{run.path}/.DS_Store",
            f"{run.path}/notes/readme.txt",
            f"{artifact.path}/done/.DS_Store",
        ):
            objects.put(path, b"?")
        assert again(artifact).marked() == (0, 1, 2, 3)
        assert list(runs.open_run(objects, run.id).artifacts()) == ["evaluation-1"]
        assert runs.all_runs(objects)[1] == []

    def test_weights_come_back_bit_for_bit(self, objects: Objects) -> None:
        random = np.random.default_rng(0)
        state = {
            "conv.weight": random.normal(size=(3, 2, 2, 2)).astype(np.float32),
            "norm.count": np.array(17, np.int64),
            "conv.bias": np.array([np.nan, -0.0, 1e-42], np.float32),
        }
        rows: list[dict[str, object]] = []
        flat: dict[str, np.ndarray] = {"float32": np.empty(0, np.float32), "int64": np.empty(0, np.int64)}
        for name, tensor in state.items():
            array = str(tensor.dtype)
            rows.append({"name": name, "array": array, "start": len(flat[array]), "shape": list(tensor.shape)})
            flat[array] = np.append(flat[array], tensor)
        sizes = {"epoch": 2} | {f"{name}.value": len(array) for name, array in flat.items()}
        weights = make_run(objects).add("weights", "weights", sizes, [0, 1], {"tensors": rows})
        assert weights.write(1, {name: array[None] for name, array in flat.items()})
        found = tensors(again(weights), 1)
        assert list(found) == list(state)
        assert all(
            found[name].tobytes() == tensor.tobytes() and found[name].shape == tensor.shape
            for name, tensor in state.items()
        )
