"""The recorder: a training with it is the training without it, to the last bit; what it records is what a run here holds."""

import os
import random
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from precompute.making import make
from precompute.networks import gap_net
from precompute.recipe import Recipe
from precompute.recorder import Recorder
from precompute.undisturbed import undisturbed
from store import runs
from store.errors import BadInput, Busy, LoupeError, NoSpace
from store.objects import Objects, connect
from store.weights import tensors
from tests import tiny
from tests.preloaded import Process


class WithDropout(nn.Module):
    """What users write: layers, dropout, batch norm."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3))
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(4, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.pool(self.features(images)).flatten(1))


def factory(*, classes: int) -> nn.Module:
    """Draws from the global generators, as users' code does, so that a recorder which let it would be noticed."""
    random.random()
    np.random.rand()  # noqa: NPY002
    torch.rand(1)
    return WithDropout(classes)


def recipe(folder: Path, **changes: Any) -> Recipe:
    fields = {"model__network": "tests.test_recorder:factory", "model__options": {}, "training__epochs": 3}
    return tiny.recipe(folder, **fields | changes)


def trained(
    folder: Path, after: Callable[[int, float], None] = lambda epoch, loss: None, model: nn.Module | None = None
) -> tuple[list[float], dict[str, Tensor]]:
    """A plain loop with all that draws random numbers: order, dropout, augmentation from torch, numpy and random."""
    with np.load(folder / "squares.npz") as arrays:
        images = torch.from_numpy(arrays["train_x"][:, None]).float() / 255
        labels = torch.from_numpy(arrays["train_y"])
    model = model or fresh()
    optimizer, losses = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9), []
    for epoch in range(1, 4):
        model.train()
        for numbers in torch.randperm(48).split(16):
            batch = images[numbers] + 0.1 * torch.from_numpy(np.random.rand(16, 1, 16, 16)).float()  # noqa: NPY002, as old loops do
            batch = batch.flip(-1) if random.random() < 0.5 else batch
            loss = F.cross_entropy(model(batch), labels[numbers])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        after(epoch, float(np.mean(losses[-3:])))
    return losses, model.state_dict()


def fresh(seed: int = 3) -> nn.Module:
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)
    return WithDropout(3)


def recorded(folder: Path, asked: Recipe, **options: Any) -> tuple[Recorder, list[float], dict[str, Tensor]]:
    model = fresh()
    with Recorder(model, asked, store=str(folder / "store"), **options) as recorder:
        losses, state = trained(folder, lambda epoch, loss: recorder.epoch(loss=loss), model)
    return recorder, losses, state


def test_losses_and_weights_are_the_same_with_and_without_it(tmp_path: Path) -> None:
    asked = recipe(tmp_path)
    fresh()
    losses, state = trained(tmp_path)
    recorder, with_it, its_state = recorded(tmp_path, asked)
    assert with_it == losses
    assert all(torch.equal(its_state[name], value) for name, value in state.items())
    run = runs.open_run(connect(str(tmp_path / "store")), recorder.run_id)
    assert run.origin == "recorded"
    assert run.status().state == "finished"
    assert run.verify() == []
    assert run.artifact("weights").marked() == run.of_kind("saliency")[0].marked() == (0, 1, 2, 3)
    stored = tensors(run.artifact("weights"), 3)
    assert all(np.array_equal(stored[name], value.numpy()) for name, value in state.items())
    measures = run.artifact("training").read("measures", (1, 2, 3))
    np.testing.assert_allclose(measures[:, 0], np.reshape(losses, (3, 3)).mean(1))
    assert (measures[:, 2] > 0).all()


def test_the_process_around_it_stays_as_it_was(tmp_path: Path) -> None:
    asked, model = recipe(tmp_path), fresh()
    model.features.eval()
    model.head.weight.grad = torch.ones_like(model.head.weight)

    def state() -> tuple[Any, ...]:
        modes = [module.training for module in model.modules()]
        flags = [torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_default_dtype()]
        cudnn = torch.backends.cudnn
        flags += [cudnn.benchmark, cudnn.deterministic, cudnn.enabled, torch.get_deterministic_debug_mode()]
        grads = [item.grad is None or item.grad.tolist() for item in model.parameters()]
        drawn = random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()  # noqa: NPY002
        return modes, flags, grads, drawn, torch.is_autocast_enabled("cpu"), torch.get_default_device()

    torch.set_default_dtype(torch.float64)
    torch.backends.cudnn.benchmark = True
    try:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            before = state()
            recorder = Recorder(model, asked, store=str(tmp_path / "store"))
            assert state() == before
            recorder.epoch(loss=1.0)
            recorder.close()
            assert state() == before
    finally:
        torch.set_default_dtype(torch.float32)
        torch.backends.cudnn.benchmark = False
    assert not recorder.warned


def test_what_is_computed_is_what_a_run_here_computes(tmp_path: Path) -> None:
    """The weights of a run trained here, recorded epoch by epoch, give the same artifacts, byte for byte."""
    asked, objects = tiny.recipe(tmp_path), connect(str(tmp_path / "store"))
    here, network = make(objects, asked), gap_net(classes=3, channels=1, width=4)
    states = [tensors(here.artifact("weights"), epoch) for epoch in range(3)]
    put = [{name: torch.from_numpy(value.copy()) for name, value in state.items()} for state in states]
    network.load_state_dict(put[0])
    with Recorder(nn.DataParallel(network), asked, store=str(tmp_path / "store")) as recorder:
        for state in put[1:]:
            network.load_state_dict(state)
            recorder.epoch()
    there = runs.open_run(objects, recorder.run_id)
    assert there.id != here.id
    names = set(here.artifacts()) - {"training"}
    assert names == set(there.artifacts()) - {"training"}
    for name in names:
        one, two = here.artifact(name), there.artifact(name)
        assert one.marked() == two.marked() == (0, 1, 2)
        for epoch in (0, 1, 2):
            for array in one.attributes["arrays"]:
                assert objects.get(one.key(array, epoch)) == objects.get(two.key(array, epoch)), (name, array, epoch)


def test_a_loop_that_stops_early_leaves_a_whole_run_of_the_epochs_there_were(tmp_path: Path) -> None:
    objects = connect(str(tmp_path / "store"))
    grid = {"techniques": ["gradient"], "controls": [], "fractions": [0.5], "retrained": [], "companions": 4}
    asked = recipe(tmp_path, training__epochs=9, evaluation__keep=2, artifacts__network={}, artifacts__roar=grid)
    with Recorder(fresh(), asked, store=objects.address) as recorder:
        for _ in range(3):
            recorder.epoch(loss=0.5)
    run = runs.open_run(objects, recorder.run_id)
    assert run.epochs == 3
    assert run.artifact("weights").marked() == run.of_kind("evaluation")[0].marked() == (0, 2, 3)
    assert run.artifact("training").marked() == (0, 1, 2, 3)
    assert run.of_kind("activations")[0].marked() == run.of_kind("faithfulness")[0].marked() == (3,), (
        "the last there is"
    )
    assert run.of_kind("ranking")[0].marked() == (0,), "a block, not an epoch"
    assert run.of_kind("roar")[0].marked() == (0, 1, 2), "cells"
    assert run.status().state == "finished"
    assert run.verify() == []


def test_an_epoch_more_than_the_recipe_says_is_warned_of(tmp_path: Path) -> None:
    recorder = Recorder(fresh(), recipe(tmp_path, training__epochs=1), store=str(tmp_path / "store"))
    recorder.epoch()
    with pytest.warns(RuntimeWarning, match="The recipe says 1 epochs"):
        recorder.epoch()
    recorder.close()
    run = runs.open_run(connect(str(tmp_path / "store")), recorder.run_id)
    assert run.epochs == 1
    assert run.verify() == []


def test_a_full_disk_is_warned_of_once_and_the_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, create, full = recipe(tmp_path), Objects.create, [False]
    fresh()
    losses, _ = trained(tmp_path)

    def create_or_fail(objects: Objects, path: str, data: bytes) -> bool:
        if full[0]:
            raise NoSpace("The disk is full.")
        return create(objects, path, data)

    monkeypatch.setattr(Objects, "create", create_or_fail)
    model = fresh()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with Recorder(model, asked, store=str(tmp_path / "store")) as recorder:

            def after(epoch: int, loss: float) -> None:
                full[0] = epoch < 3
                recorder.epoch(loss=loss)

            with_it, _ = trained(tmp_path, after, model)
    assert with_it == losses
    assert [str(item.message) for item in said if "Loupe" in str(item.message)] == [
        "Loupe could not record epoch 1: The disk is full."
    ]
    run = runs.open_run(connect(str(tmp_path / "store")), recorder.run_id)
    assert run.artifact("weights").marked() == run.of_kind("evaluation")[0].marked() == (0, 3)
    assert run.verify() == []


def test_shapes_that_change_and_warnings_made_errors_stop_nothing(tmp_path: Path) -> None:
    model = fresh()
    recorder = Recorder(model, recipe(tmp_path), store=str(tmp_path / "store"))
    model.head = nn.Linear(4, 5)
    with pytest.warns(RuntimeWarning, match=r"head.weight \(5, 4\) instead of \(3, 4\)"):
        recorder.epoch()
    recorder.warned = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recorder.epoch()
    assert runs.open_run(connect(str(tmp_path / "store")), recorder.run_id).status().state == "failed"
    recorder.close()


@pytest.mark.parametrize(
    ("model", "changes", "words"),
    [
        (nn.Linear(3, 3), {}, "do not fit the network: .*missing.*unexpected"),
        (WithDropout(5), {}, r"head.weight \(5, 4\) instead of \(3, 4\)"),
        (WithDropout(3), {"data__options": {"path": "nowhere.npz"}}, "There is no file"),
    ],
)
def test_what_cannot_be_recorded_is_said_at_once(
    model: nn.Module, changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    tiny.write_images(tmp_path)
    with pytest.raises(LoupeError, match=words):
        Recorder(model, recipe(tmp_path, **changes), store=str(tmp_path / "store"))
    assert runs.run_ids(connect(str(tmp_path / "store"))) == []


def test_weights_alone_are_recorded_at_once_and_looked_at_later(tmp_path: Path) -> None:
    asked, objects = recipe(tmp_path), connect(str(tmp_path / "store"))
    recorder, _, _ = recorded(tmp_path, asked, artifacts=False)
    run = runs.open_run(objects, recorder.run_id)
    assert sorted(run.artifacts()) == ["training", "weights"]
    assert f"--on {run.id}" in run.status().reason
    assert run.verify() == []
    with pytest.raises(BadInput, match="another network"):
        make(objects, tiny.recipe(tmp_path), on=run.id)
    whole = make(objects, asked, on=run.id)
    assert whole.of_kind("saliency")[0].marked() == (0, 1, 2, 3)
    assert whole.status().state == "finished"
    assert whole.verify() == []


def test_a_training_that_dies_leaves_its_epochs_to_be_finished(tmp_path: Path) -> None:
    asked, objects = recipe(tmp_path), connect(str(tmp_path / "store"))
    recorder = Recorder(fresh(), asked, store=objects.address)
    recorder.epoch()
    with pytest.raises(Busy, match="is being recorded"):
        make(objects, asked, on=recorder.run_id)
    with pytest.raises(ZeroDivisionError), recorder:
        print(1 / 0)
    run = runs.open_run(objects, recorder.run_id)
    assert run.status().state == "stopped"
    assert "The training ended with ZeroDivisionError" in run.status().reason
    whole = make(objects, asked, on=run.id)
    assert whole.epochs == 1
    assert whole.verify() == []


def test_afterwards_everything_is_put_back_even_if_it_failed() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), undisturbed():
        torch.rand(3)
        torch.set_default_dtype(torch.float64)
        print(1 / 0)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_default_dtype() is torch.float32


def test_of_two_processes_one_records_and_neither_is_changed(tmp_path: Path) -> None:
    tiny.write_images(tmp_path)
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    pair = [
        Process(
            ["tests.distributed", str(tmp_path)],
            env=os.environ | meeting | {"RANK": str(number)},
            out=tmp_path / f"log-{number}",
        )
        for number in (0, 1)
    ]
    assert [process.wait(120) for process in pair] == [0, 0]
    for number in (0, 1):
        assert (tmp_path / f"recorded-{number}").read_text() == (tmp_path / f"plain-{number}").read_text()
    assert (tmp_path / "run-1").read_text() == ""
    objects = connect(str(tmp_path / "store"))
    assert runs.run_ids(objects) == [(tmp_path / "run-0").read_text()]
    run = runs.open_run(objects, runs.run_ids(objects)[0])
    assert run.verify() == []
    assert run.artifact("training").read("measures", 1)[1] == 0.1


def free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_measures_it_does_not_know_are_warned_of_where_they_were_given_and_stop_nothing(tmp_path: Path) -> None:
    model = fresh()
    with Recorder(model, recipe(tmp_path), store=str(tmp_path / "store"), artifacts=False) as recorder:
        with pytest.warns(RuntimeWarning, match="not accuracy") as said:
            recorder.epoch(loss=0.5, accuracy=0.9)
        assert said[0].filename == __file__
    run = runs.open_run(connect(str(tmp_path / "store")), recorder.run_id)
    assert run.artifact("training").read("measures", 1)[0] == 0.5


def test_a_problem_is_warned_of_at_the_line_of_the_loop(tmp_path: Path) -> None:
    with (
        Recorder(
            fresh(), recipe(tmp_path, training__epochs=1), store=str(tmp_path / "store"), artifacts=False
        ) as recorder,
        pytest.warns(RuntimeWarning, match="1 epochs") as said,
    ):
        recorder.epoch()
        recorder.epoch()
    assert said[0].filename == __file__


def test_it_gives_signs_of_life_while_an_epoch_lasts_and_none_after_its_last_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages take a writer that has been silent for two minutes for dead; an epoch may last for hours."""
    monkeypatch.setattr("precompute.recorder.BEATS_EVERY", 0.1)
    recorder = Recorder(fresh(), recipe(tmp_path), store=str(tmp_path / "store"), artifacts=False)
    run = runs.open_run(connect(str(tmp_path / "store")), recorder.run_id)
    first = run.status().at
    time.sleep(0.6)
    assert run.status().state == "running" and run.status().at > first + 0.2
    recorder.epoch(loss=1.0)
    recorder.close()
    last = run.status()
    time.sleep(0.4)
    assert last.state == "stopped" and run.status() == last and not recorder.heart.is_alive()


def test_a_recording_that_ended_before_its_first_epoch_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, objects = recipe(tmp_path), connect(str(tmp_path / "store"))
    with monkeypatch.context() as broken, pytest.raises(NoSpace):
        broken.setattr(Recorder, "store", lambda *_: (_ for _ in ()).throw(NoSpace("No space is left.")))
        Recorder(fresh(), asked, store=str(tmp_path / "store"))
    run = runs.run_ids(objects)[0]
    for stat in list(objects.under(f"runs/{run}/claims")):  # its process is gone
        objects.delete_each([stat.path])
    with pytest.raises(BadInput, match="holds no epoch"):
        make(objects, asked, on=run)
