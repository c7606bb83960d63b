"""Imported checkpoints give, byte for byte, what the run gives that they come from; what does not fit is named."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from precompute import importing, making, recipe, repairing
from precompute.bench import classifier
from precompute.checkpoints import fit, read_checkpoint
from precompute.importing import checkpoints, epoch_of, import_run
from precompute.making import make
from store import runs
from store.errors import BadInput, LoupeError, Missing
from store.objects import Objects, connect
from store.runs import Run
from tests import tiny

EVERY = ["cam", "grad-cam", "smooth-grad-cam++"]


def test_a_safetensors_file_is_read_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    network, file = nn.Linear(3, 2), tmp_path / "net-epoch-3.safetensors"
    save_file({f"module.{name}": value for name, value in network.state_dict().items()}, file)
    assert checkpoints(tmp_path) == {3: file}
    read = read_checkpoint(file)
    assert read.keys() == {"weight", "bias"} and torch.equal(read["weight"], network.weight)
    save_file({"weight": torch.ones(2, 3, dtype=torch.int8), "bias": torch.ones(2, dtype=torch.bfloat16)}, file)
    with pytest.raises(
        BadInput, match=r"fit the network: 1 of another type \(weight torch.int8 instead of torch.float32\)"
    ):
        fit(network, read_checkpoint(file), file.name)
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(BadInput, match=r"net-epoch-3.safetensors is not a checkpoint that can be read safely"):
        read_checkpoint(file)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Objects, Run]:
    """A run trained here, and its weights as anybody saves them: `checkpoints/net-epoch-<n>.pt`."""
    folder = tmp_path_factory.mktemp("world")
    objects = connect(str(folder / "store"))
    run = make(objects, tiny.recipe(folder, artifacts__saliency__techniques=EVERY))
    (folder / "checkpoints").mkdir()
    for epoch in run.artifact("weights").marked():
        torch.save(state(run, epoch), folder / f"checkpoints/net-epoch-{epoch}.pt")
    return folder, objects, run


def state(run: Run, epoch: int) -> dict[str, Tensor]:
    return classifier(run, epoch).network.state_dict()


def copied(world: tuple[Path, Objects, Run], tmp_path: Path, **changes: Any) -> recipe.Recipe:
    """The checkpoints in a folder of the test's own; the recipe for them."""
    shutil.copytree(world[0] / "checkpoints", tmp_path / "checkpoints")
    return tiny.recipe(world[0], **{"artifacts__saliency__techniques": EVERY, "training__epochs": 77} | changes)


def test_evaluation_maps_and_cases_are_those_of_the_run_they_come_from(
    world: tuple[Path, Objects, Run], tmp_path: Path
) -> None:
    _, objects, here = world
    there = import_run(objects, tmp_path / "checkpoints", copied(world, tmp_path))
    assert there.id != here.id
    assert there.origin == "imported"
    assert there.epochs == 2
    names = set(here.artifacts()) - {"training"}
    assert {name.partition("-")[0] for name in names} == {"weights", "evaluation", "saliency", "cases", "attention"}
    assert names == set(there.artifacts())
    for name in names:
        one, two = here.artifact(name), there.artifact(name)
        assert one.marked() == two.marked() == ((0, 1, 2) if one.promised else ())
        assert one.promised or "obstacle" in one.attributes
        for epoch in one.marked():
            for array in one.attributes["arrays"]:
                assert objects.get(one.key(array, epoch)) == objects.get(two.key(array, epoch)), (name, array, epoch)
    assert there.attributes["layers"] == here.attributes["layers"]
    assert there.status().state == "finished"
    assert runs.open_run(objects, there.id).verify() == []


def test_another_seed_in_the_recipe_later_changes_no_map(
    world: tuple[Path, Objects, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seed decides the draws of smooth-grad-cam++: that of the first import holds."""
    _, objects, _ = world
    first = import_run(objects, tmp_path / "checkpoints", copied(world, tmp_path))
    asked = tiny.recipe(world[0], training__seed=9, artifacts__saliency__layers=["features.9"])
    monkeypatch.setattr("precompute.train.one_epoch", lambda *_: pytest.fail("trained"))
    more = make(objects, asked, on=first.id)
    assert more.id == first.id
    assert {item.attributes["layer"] for item in more.of_kind("saliency")} >= {"features.6", "features.9"}
    assert {fields["training"]["seed"] for fields in more.kept("asked")} == {0}
    assert more.verify() == []


def test_epochs_may_have_gaps_and_lack_the_first(world: tuple[Path, Objects, Run], tmp_path: Path) -> None:
    asked, folder = copied(world, tmp_path), tmp_path / "checkpoints"
    (folder / "net-epoch-0.pt").unlink()
    (folder / "net-epoch-2.pt").rename(folder / "net-epoch-20.pt")
    run = import_run(connect(str(tmp_path / "store")), folder, asked)
    assert run.artifact("weights").marked() == run.of_kind("saliency")[0].marked() == (1, 20)
    assert run.attributes["kept"] == [1, 20]
    assert "no checkpoint of epoch 0" in run.attributes["notes"][0]
    assert run.of_kind("evaluation")[0].array("accuracy").shape[0] == 21
    assert run.of_kind("cases")[0].marked() == (1, 20)
    assert run.verify() == []


def test_one_checkpoint_of_epoch_0_is_enough(world: tuple[Path, Objects, Run], tmp_path: Path) -> None:
    asked, folder = copied(world, tmp_path), tmp_path / "checkpoints"
    for epoch in (1, 2):
        (folder / f"net-epoch-{epoch}.pt").unlink()
    run = import_run(connect(str(tmp_path / "store")), folder, asked)
    assert run.epochs == 0
    assert run.of_kind("evaluation")[0].marked() == (0,)
    assert run.verify() == []
    assert recipe.parse(dict(run.recipe)).training.epochs == 1  # a recipe has one at least


def test_an_interrupted_import_goes_on(
    world: tuple[Path, Objects, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, objects = copied(world, tmp_path), connect(str(tmp_path / "store"))
    read, carry_out, done = importing.read_checkpoint, making.carry_out, []

    def fails(after: int) -> Any:
        left = [after]

        def count(*arguments: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return read(*arguments) if len(arguments) == 1 else carry_out(*arguments)

        return count

    for name, after in (("precompute.importing.read_checkpoint", 6), ("precompute.making.carry_out", 3)):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(name, fails(after))
            import_run(objects, tmp_path / "checkpoints", asked)
        done.append({stat.path: stat.e_tag for stat in objects.under("runs") if "/c/" in stat.path})
    run = import_run(objects, tmp_path / "checkpoints", asked)
    assert len(runs.run_ids(objects)) == 1
    after_all = {stat.path: stat.e_tag for stat in objects.under("runs")}
    assert len(done[0]) < len(done[1]) < len(after_all)
    assert all(after_all[path] == e_tag for earlier in done for path, e_tag in earlier.items())
    assert run.verify() == []


def test_lost_weights_are_mended_by_importing_again(world: tuple[Path, Objects, Run], tmp_path: Path) -> None:
    asked, objects = copied(world, tmp_path), connect(str(tmp_path / "store"))
    run = import_run(objects, tmp_path / "checkpoints", asked)
    objects.delete_each([run.artifact("weights").key("float32", 1)])
    repairing.remove_damage(runs.open_run(objects, run.id))
    left = make(objects, asked, on=run.id)
    assert left.status().reason == "The weights of epoch 1 are missing: import its checkpoints again."
    assert import_run(objects, tmp_path / "checkpoints", asked).verify() == []


def wrapped(weights: dict[str, Tensor]) -> dict[str, Any]:
    return {"epoch": 1, "model_state_dict": {f"module._orig_mod.{key}": value for key, value in weights.items()}}


def lacking_one(weights: dict[str, Tensor]) -> dict[str, Any]:
    return {key: value for key, value in weights.items() if key != "features.0.weight"} | {"other.bias": torch.zeros(2)}


def of_another_shape(weights: dict[str, Tensor]) -> dict[str, Any]:
    return weights | {"features.0.weight": torch.zeros(8, 1, 3, 3)}


def not_finite(weights: dict[str, Tensor]) -> dict[str, Any]:
    return weights | {"features.0.weight": torch.full((4, 1, 3, 3), torch.nan)}


def test_weights_in_wrappers_are_the_same_run(world: tuple[Path, Objects, Run], tmp_path: Path) -> None:
    _, objects, here = world
    asked, folder = copied(world, tmp_path), tmp_path / "checkpoints"
    first = import_run(objects, folder, asked)
    torch.save(wrapped(state(here, 1)), folder / "net-epoch-1.pt")
    assert import_run(objects, folder, asked).id == first.id
    torch.save(state(here, 0), folder / "net-epoch-1.pt")
    assert import_run(objects, folder, asked).id != first.id


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lacking_one, r"net-epoch-1.pt do not fit.*1 missing \(features.0.weight\); 1 unexpected \(other.bias\)"),
        (of_another_shape, r"net-epoch-1.pt.*features.0.weight \(8, 1, 3, 3\) instead of \(4, 1, 3, 3\)"),
        (not_finite, "net-epoch-1.pt holds weights that are not finite"),
        (lambda weights: [1, 2], "net-epoch-1.pt holds no state dict"),
        (lambda weights: nn.Linear(2, 2), "net-epoch-1.pt is not a checkpoint that can be read safely.*a whole model"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_stored(
    change: Any, words: str, world: tuple[Path, Objects, Run], tmp_path: Path
) -> None:
    asked, objects = copied(world, tmp_path), connect(str(tmp_path / "store"))
    torch.save(change(state(world[2], 1)), tmp_path / "checkpoints/net-epoch-1.pt")
    with pytest.raises(BadInput, match=words):
        import_run(objects, tmp_path / "checkpoints", asked)
    assert runs.run_ids(objects) == []


@pytest.mark.parametrize(
    ("names", "kind", "words"),
    [
        ([], Missing, "There are no checkpoints"),
        (["notes.txt"], Missing, r"files named \*.pt, \*.pth or \*.safetensors were expected, it holds \*.txt"),
        (["best.pt"], BadInput, "in best.pt it is none"),
        (["step-120000.pt"], BadInput, "in step-120000.pt it is 120000, and 10,000 is the most"),
        (["a-3.pt", "b-03.pth"], BadInput, "Epoch 3 is in a-3.pt and in b-03.pth"),
    ],
)
def test_a_folder_that_is_no_series_of_epochs_is_refused(
    names: list[str], kind: type[LoupeError], words: str, tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(kind, match=words):
        checkpoints(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Missing, match=r"There is no folder '.*nowhere'"):
        checkpoints(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "epoch"),
    [
        ("resnet50-epoch-12.pt", 12),
        ("epoch=3-accuracy=0.91.pt", 3),
        ("model.7.pth", 7),
        ("v1.0_004.pt", 4),
        ("epoch=4-loss=1e-05.pt", 4),
    ],
)
def test_the_last_whole_number_in_a_name_is_its_epoch(name: str, epoch: int) -> None:
    assert epoch_of(Path(name)) == epoch


def test_a_prefix_that_is_part_of_the_networks_own_names_stays() -> None:
    network = nn.Module()
    network.module = nn.Linear(2, 3)
    fit(network, {"weight": torch.ones(3, 2), "bias": torch.zeros(3)}, "a test")
    assert network.module.weight.sum() == 6


def test_other_images_left_out_of_the_training_are_another_run(
    world: tuple[Path, Objects, Run], tmp_path: Path
) -> None:
    """Training accuracy is of the images trained on: no evaluation may mix two sets of them."""
    asked, folder = copied(world, tmp_path), tmp_path / "checkpoints"
    without = tiny.recipe(world[0], artifacts__saliency__techniques=EVERY, training__leave_out=[0, 5])
    one, two = (import_run(world[1], folder, each) for each in (asked, without))
    assert one.id != two.id
    assert [run.of_kind("evaluation")[0].attributes["train_images"] for run in (one, two)] == [48, 46]
