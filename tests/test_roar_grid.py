"""The grid of Remove and Retrain: every cell is kept, shared and never computed twice; and its companions, and its cost."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from precompute import artifacts
from precompute.bench import Bench, open_bench, to_float
from precompute.making import make
from precompute.recipe import Recipe, digest
from precompute.roar import companions, cost, grid, rankings
from precompute.roar.cells import CONTROLS, NONE, REPLACEMENTS, Cell, cells, determining
from precompute.roar.retraining import retrain
from precompute.saliency import explain
from precompute.wanted import Roar
from store.claims import Claims
from store.objects import connect
from store.runs import Run
from store.shards import Artifact
from store.weights import tensors
from tests import tiny

# The grid


ASKED = {
    "techniques": ["grad-cam", "integrated-gradients", "cam"],
    "controls": ["random", "random-blurred"],
    "fractions": [0.3, 0.8],
    "seeds": 2,
    "retrained": ["mean", "mask"],
    "not_retrained": ["noisy-linear"],
    "companions": 6,
    "options": {"integrated-gradients": {"steps": 8}},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """A network with three linear layers, for which CAM is not defined, in blocks that end within the training images."""
    folder = tmp_path_factory.mktemp("grid")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rankings, "BLOCK", 20)
        run = make(connect(str(folder / "store")), recipe(folder))
    return folder, run


def recipe(folder: Path, **changes: object) -> Recipe:
    return tiny.recipe(
        folder, model__network="roar-cnn", model__options={}, artifacts__roar={**ASKED, **changes}, training__epochs=2
    )


@pytest.fixture
def bench(world: tuple[Path, Run], monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(rankings, "BLOCK", 20)
    return open_bench(connect(str(world[0] / "store")), recipe(world[0]))


def test_every_cell_is_there_and_those_that_cannot_be_are_not_promised(world: tuple[Path, Run]) -> None:
    _, run = world
    (found,) = run.of_kind("roar")
    assert run.missing() == {}
    assert run.verify() == []
    asked = [Cell(**facts) for facts in found.attributes["cells"]]
    assert asked == list(cells(Roar(**ASKED)))
    assert {asked[index].technique for index in found.promised} == {
        NONE,
        "grad-cam",
        "integrated-gradients",
        *ASKED["controls"],
    }
    assert list(found.attributes["obstacles"]) == ["cam"]
    assert (
        len(found.promised) == len(asked) - 2 * 2 * 2 - 2
    )  # without CAM's: fractions × replacements × seeds, and looks
    assert found.read("confusion", found.promised).sum((1, 2)).tolist() == [18] * len(found.promised)


def test_with_nothing_removed_and_its_own_seed_the_run_itself_comes_out(world: tuple[Path, Run], bench: Bench) -> None:
    _, run = world
    (found,) = run.of_kind("roar")
    baseline = [Cell(**facts) for facts in found.attributes["cells"]].index(Cell(NONE, 0.0, 0, NONE, True))
    stored = run.of_kind("evaluation")[0]
    assert (found.read("confusion", baseline) == stored.read("confusion", run.epochs)).all()
    np.testing.assert_array_equal(found.read("loss", baseline), run.artifact("training").read("measures", [1, 2])[:, 0])
    network = grid.fresh(bench, bench.recipe.training)
    images = grid.images_of(bench, Cell(NONE, 0.0, 0, NONE, True), "train")
    retrain(
        network, images, torch.from_numpy(rankings.labels(bench, "train")), bench.recipe.training, precision="float32"
    )
    weights = tensors(run.artifact("weights"), run.epochs)
    assert all((network.network.state_dict()[name].numpy() == value).all() for name, value in weights.items())


def test_a_stored_order_is_the_order_of_the_maps(bench: Bench) -> None:
    for split, images in (("train", bench.data.train), ("test", bench.data.test)):
        batch = to_float(images.read(np.arange(len(images.labels))), torch.device("cpu"))
        network = bench.classifier(bench.run.epochs)
        maps = explain(
            network,
            batch,
            network(batch).argmax(1)[:, None],
            layer="input",
            techniques={"integrated-gradients": {"steps": 8, "channels": "magnitude"}},
        ).maps["integrated-gradients"][:, 0]
        order = rankings.order(bench, "integrated-gradients", split)
        assert order.shape == maps.shape
        for image in range(len(maps)):
            values = np.empty(order[image].size)
            values[order[image].ravel()] = maps[image].abs().ravel()
            assert (np.diff(values) <= 1e-4 * values.max()).all()


def test_a_larger_grid_takes_over_the_cells_there_are(
    world: tuple[Path, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(world[0], tmp_path / "copy")
    monkeypatch.setattr(rankings, "BLOCK", 20)
    computed: list[Cell] = []
    original = grid.computed
    monkeypatch.setattr(
        grid, "computed", lambda bench, item, cell: computed.append(cell) or original(bench, item, cell)
    )
    changes = {"fractions": [0.3, 0.5, 0.8], "techniques": ["grad-cam"], "controls": ["random"], "retrained": ["mean"]}
    asked = tiny.recipe(
        world[0], model__network="roar-cnn", model__options={}, artifacts__roar={**ASKED, **changes}, training__epochs=2
    )
    run = make(connect(str(tmp_path / "copy" / "store")), asked)
    assert {cell.fraction for cell in computed} == {0.5}
    assert len(computed) == 2 * 2 + 2  # two rankings and two seeds, and two looks
    newest = run.of_kind("roar")[0]
    index = [Cell(**facts) for facts in newest.attributes["cells"]].index(Cell("random", 0.8, 1, "mean", True))
    earlier = run.of_kind("roar")[1]
    place = [Cell(**facts) for facts in earlier.attributes["cells"]].index(Cell("random", 0.8, 1, "mean", True))
    assert (newest.read("confusion", index) == earlier.read("confusion", place)).all()
    lost = newest.promised[-1]
    before = newest.read("confusion", lost)
    newest.discard(lost)
    run.reopen()
    computed.clear()
    again = make(connect(str(tmp_path / "copy" / "store")), asked)
    assert len(computed) <= 1  # resumed: nothing but the lost cell, and that from the earlier grid where it has it
    assert (again.of_kind("roar")[0].read("confusion", lost) == before).all()


def test_two_makers_share_the_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = recipe(tmp_path, techniques=[], controls=["random"], retrained=["mean"], not_retrained=[], companions=0)
    objects = connect(str(tmp_path / "store"))
    run = make(objects, asked.model_copy(update={"artifacts": asked.artifacts.model_copy(update={"roar": None})}))
    done: list[Cell] = []
    original = grid.computed
    monkeypatch.setattr(grid, "computed", lambda *given: done.append(given[2]) or original(*given))
    benches = [open_bench(objects, asked) for _ in range(2)]
    claims = [Claims(objects, f"{run.path}/claims") for _ in range(2)]
    for turn in range(6):
        one = turn % 2
        free = [task for task in artifacts.tasks(benches[one]) if task.kind == "roar" and claims[one].take(task.name)]
        assert len(free) == 6 - turn  # without those the other has claimed or finished
        for task in free[1:]:
            claims[one].release(task.name)
        artifacts.carry_out(benches[one], free[0])
    assert len(set(done)) == len(done) == 2 + 2 * 2
    for one in claims:
        one.close()
    assert not any(artifacts.tasks(bench) for bench in benches)


def test_a_newer_version_is_another_grid_and_keeps_the_cells_that_it_does_not_touch(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old,) = bench.run.of_kind("roar")
    before = grid.shared(bench)
    assert "versions" not in before  # so that names of the first versions stay
    assert old.name == f"roar-{digest(before | {'cells': old.attributes['cells']})}"
    monkeypatch.setitem(CONTROLS, "random", replace(CONTROLS["random"], version=2))
    monkeypatch.setitem(REPLACEMENTS, "mask", replace(REPLACEMENTS["mask"], version=3))
    after = grid.shared(bench)
    assert after == before | {"versions": {"mask": 3, "random": 2}}
    for cell in cells(Roar(**ASKED)):
        touched = cell.technique == "random" or cell.replacement == "mask"
        assert (determining(before, cell) == determining(after, cell)) != touched


def test_orders_are_read_by_the_blocks_they_were_stored_in_and_only_those_of_the_split(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    whole = rankings.artifact_of(bench, "grad-cam").read("rank", range(4)).reshape(-1, tiny.SIDE, tiny.SIDE)
    original = Artifact.read
    monkeypatch.setattr(Artifact, "read", lambda item, name, at: read.extend(at) or original(item, name, at))
    monkeypatch.setattr(rankings, "BLOCK", 7)
    for split, part, blocks in (("train", slice(48), [0, 1, 2]), ("test", slice(48, 66), [2, 3])):
        assert (rankings.stored(bench, "grad-cam", split) == whole[part]).all()
        assert read == blocks
        read.clear()


def test_looks_are_at_test_images_alone(world: tuple[Path, Run]) -> None:
    (found,) = world[1].of_kind("roar")
    accuracy = found.read("accuracy", found.promised)
    retrained = [found.attributes["cells"][index]["retrained"] for index in found.promised]
    assert np.isfinite(accuracy[:, 1]).all()
    assert (np.isfinite(accuracy[:, 0]) == retrained).all()


def test_where_a_run_cannot_be_retrained_it_is_still_looked_at(
    world: tuple[Path, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(world[0] / "store", tmp_path / "store")
    bench = open_bench(connect(str(tmp_path / "store")), recipe(world[0], fractions=[0.4]))
    asked = Roar(**ASKED)
    monkeypatch.setattr(Run, "origin", "imported")  # whose recipe gives it epochs all the same
    assert "set artifacts.roar.epochs" in rankings.cellless(bench, asked.model_copy(update={"not_retrained": ()}))
    assert rankings.untrainable(bench, asked.model_copy(update={"epochs": 3})) == ""
    assert rankings.cellless(bench, asked) == ""
    (found,) = grid.plan(bench)
    assert not any(found.attributes["cells"][index]["retrained"] for index in found.promised)
    assert len(found.promised) == 1 + 4  # nothing removed, and what can be ranked by
    assert "set artifacts.roar.epochs" in found.attributes["obstacles"]["Retraining"]


def test_unlabelled_images_have_companions_and_too_many_have_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, test = Roar(**ASKED), bench.data.test
    unlabelled = replace(bench, data=replace(bench.data, test=replace(test, labels=np.full_like(test.labels, -1))))
    assert "no label" in rankings.cellless(unlabelled, asked)
    assert len(companions.plan(unlabelled)) == len(ASKED["techniques"]) + len(ASKED["controls"])
    monkeypatch.setattr(rankings, "MOST_BYTES", 99_000)
    assert rankings.held(bench, asked) == 256 * (3 * 66 + 4 * 48)
    assert "set train_images" in rankings.hindrance(bench, asked)
    assert companions.plan(bench) == []
    assert rankings.at_once(28) == 1000 and 10 < rankings.at_once(224) < 100


def test_steps_are_as_many_as_are_planned(bench: Bench) -> None:
    assert artifacts.planned(bench) == artifacts.finished(bench)


# Companions


def test_whatever_is_set_around_them_companions_are_computed_in_float32(bench: Bench) -> None:
    found = companions.artifact_of(bench, "random")
    with torch.autocast("cpu", torch.bfloat16):
        again = companions.compute(bench, [found], bench.run.epochs)[found.path]
    for name in ("deletion", "infidelity"):
        assert (again[name][0] == found.read(name, bench.run.epochs)).all()


def test_companions_are_stored_for_techniques_and_controls(world: tuple[Path, Run]) -> None:
    found = {item.attributes["technique"]: item for item in world[1].of_kind("faithfulness")}
    assert set(found) == {*ASKED["techniques"], *ASKED["controls"]}
    assert "obstacle" in found["cam"].attributes
    for name in ("grad-cam", "integrated-gradients", "random"):
        last = world[1].epochs
        assert ((found[name].read("deletion", last) >= 0) & (found[name].read("insertion", last) <= 1)).all()
        assert np.isfinite(found[name].read("infidelity", last)).all()
        assert np.isnan(found[name].read("sensitivity", last)).all() == (name == "random")


# Its cost


def test_the_cost_counts_every_training() -> None:
    asked = Roar(techniques=("integrated-gradients",), controls=("random",), not_retrained=(), companions=0)
    work = cost.work(asked, 60_000, 10_000, 10)
    trainings = 5 * 5 * 2 + 5
    assert len(cells(asked)) == trainings
    assert work["roar"] == pytest.approx(trainings * (600_000 + 70_000 / 3))
    assert work["ranking"] == pytest.approx(70_000 * (50 + 4 / 3))
