"""Training: the same bits every time, also after a kill; what is stored for an epoch is what its weights give."""

import os
import time
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from precompute import train, training_images
from precompute.bench import classifier, open_bench, to_float
from precompute.making import make
from precompute.recipe import Recipe
from precompute.train import mean_loss
from precompute.training_images import TrainingImages
from store import runs
from store.errors import BadInput, Busy
from store.objects import connect
from store.runs import Run
from store.weights import tensors
from tests import tiny
from tests.preloaded import Process


def weights(run: Run) -> dict[int, dict[str, np.ndarray]]:
    artifact = run.artifact("weights")
    return {epoch: tensors(artifact, epoch) for epoch in artifact.marked()}


def same_weights(first: Run, second: Run) -> bool:
    one, two = weights(first), weights(second)
    return one.keys() == two.keys() and all(
        np.array_equal(one[epoch][name], two[epoch][name]) for epoch in one for name in one[epoch]
    )


def made(folder: Path, recipe: Recipe) -> Run:
    return make(connect(str(folder)), recipe)


def test_the_same_recipe_gives_the_same_bits(tmp_path: Path) -> None:
    recipe = tiny.recipe(tmp_path, training__augmentation={"shift": 0.1, "flip": True, "rotate": 10, "brightness": 0.2})
    assert same_weights(made(tmp_path / "a", recipe), made(tmp_path / "b", recipe))


def test_images_that_are_at_hand_are_not_held_twice_and_batches_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_images, "GATHERED", 20)  # of 48
    recipe = tiny.recipe(tmp_path, training__augmentation={"shift": 0.1})
    bench = open_bench(connect(str(tmp_path / "store")), recipe, "cpu")  # on another device they are held there
    away = replace(bench, data=replace(bench.data, train=replace(bench.data.train, at_hand=False)))
    beside, held = TrainingImages(bench), TrainingImages(away)
    assert beside.held is None and held.held is not None
    numbers = torch.tensor([40, 3, 21, 3])
    for one, two in zip(
        *(item.batch(numbers, torch.Generator().manual_seed(0)) for item in (beside, held)), strict=True
    ):
        assert torch.equal(one, two)


def test_another_seed_gives_other_weights_from_the_start(tmp_path: Path) -> None:
    one, two = (
        made(tmp_path / "a", tiny.recipe(tmp_path)),
        made(tmp_path / "a", tiny.recipe(tmp_path, training__seed=1)),
    )
    assert not np.array_equal(weights(one)[0]["features.0.weight"], weights(two)[0]["features.0.weight"])


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "step", "one-cycle"])
def test_training_is_the_plain_loop_one_would_write(optimizer: str, schedule: str, tmp_path: Path) -> None:
    """A bare loop with torch's own optimizer and schedule, on the same order of images, ends at the same weights."""
    recipe = tiny.recipe(
        tmp_path,
        training__optimizer=optimizer,
        training__schedule=schedule,
        training__step_epochs=1,
        training__weight_decay=0.01,
        training__learning_rate=0.01,
        training__label_smoothing=0.1,
    )
    run = made(tmp_path / "store", recipe)
    network, history = classifier(run, 0).requires_grad_(True).train(), run.artifact("training")
    o = recipe.training
    rule = {
        "sgd": lambda p: torch.optim.SGD(p, o.learning_rate, momentum=0.9, nesterov=True, weight_decay=0.01),
        "adam": lambda p: torch.optim.Adam(p, o.learning_rate, weight_decay=0.01),
        "adamw": lambda p: torch.optim.AdamW(p, o.learning_rate, weight_decay=0.01),
        "rmsprop": lambda p: torch.optim.RMSprop(p, o.learning_rate, momentum=0.9, weight_decay=0.01),
    }[optimizer](network.parameters())
    steps = 6
    rates = {
        "constant": torch.optim.lr_scheduler.LambdaLR(rule, lambda step: 1.0),
        "cosine": torch.optim.lr_scheduler.CosineAnnealingLR(rule, steps),
        "step": torch.optim.lr_scheduler.StepLR(rule, 3),
    }
    rate = (
        rates[schedule]
        if schedule in rates
        else torch.optim.lr_scheduler.OneCycleLR(rule, o.learning_rate, total_steps=steps + 1, cycle_momentum=False)
    )
    with np.load(tmp_path / "squares.npz") as arrays:
        images, labels = (
            to_float(arrays["train_x"][..., None], torch.device("cpu")),
            torch.from_numpy(arrays["train_y"]),
        )
    for epoch in (1, 2):
        losses = []
        for numbers in torch.randperm(48, generator=torch.Generator().manual_seed(epoch)).split(16):
            loss = F.cross_entropy(network(images[numbers]), labels[numbers], label_smoothing=0.1)
            rule.zero_grad()
            loss.backward()
            rule.step()
            rate.step()
            losses.append(loss.item())
        assert history.read("measures", epoch)[0] == pytest.approx(np.mean(losses), rel=1e-4)
        stored = tensors(run.artifact("weights"), epoch)
        for name, tensor in network.network.state_dict().items():
            np.testing.assert_allclose(stored[name], tensor.detach().numpy(), rtol=1e-3, atol=1e-5, err_msg=name)


def test_with_class_weights_the_loss_of_an_image_counts_by_its_class_also_where_labels_are_smoothed() -> None:
    logits, labels, weights = torch.randn(6, 3), torch.tensor([0, 1, 2, 1, 0, 2]), torch.tensor([1.0, 3.0, 0.5])
    target = F.one_hot(labels, 3) * 0.7 + 0.1  # (n, K)
    each = -(target * logits.log_softmax(1)).sum(1)
    expected = (weights[labels] * each).sum() / weights[labels].sum()
    torch.testing.assert_close(mean_loss(logits, labels, weights, 0.3), expected)
    plain = F.cross_entropy(logits, labels, weights)
    torch.testing.assert_close(mean_loss(logits, labels, weights, 0.0), plain)


def test_class_weights_and_images_left_out_are_those_of_a_plain_loop(tmp_path: Path) -> None:
    """Loss of a step: Σ w[y] · loss / Σ w[y]; the images left out are never seen, the others keep their order."""
    recipe = tiny.recipe(tmp_path, training__class_weights={"1": 3.0, "2": 0.5}, training__leave_out=[0, 7, 8])
    run = made(tmp_path / "store", recipe)
    network = classifier(run, 0).requires_grad_(True).train()
    rule = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9, nesterov=True)
    with np.load(tmp_path / "squares.npz") as arrays:
        rest = np.setdiff1d(np.arange(48), [0, 7, 8])
        images = to_float(arrays["train_x"][rest][..., None], torch.device("cpu"))
        labels = torch.from_numpy(arrays["train_y"][rest])
    weight = torch.tensor([1.0, 3.0, 0.5])
    for epoch in (1, 2):
        for numbers in torch.randperm(45, generator=torch.Generator().manual_seed(epoch)).split(16):
            each = F.cross_entropy(network(images[numbers]), labels[numbers], reduction="none")
            w = weight[labels[numbers]]
            rule.zero_grad()
            ((w * each).sum() / w.sum()).backward()
            rule.step()
        stored = tensors(run.artifact("weights"), epoch)
        for name, tensor in network.network.state_dict().items():
            np.testing.assert_allclose(stored[name], tensor.detach().numpy(), rtol=1e-3, atol=1e-5, err_msg=name)
    assert run.of_kind("evaluation")[0].attributes["train_images"] == 45


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"training__class_weights": {"seven": 2.0}}, "class_weights names seven; the classes of .* are: 0, 1, 2"),
        ({"training__leave_out": [48]}, "leave_out names image 48; the training images of .* are 0 to 47"),
        ({"training__leave_out": [n for n in range(48) if n % 3]}, "fewer than two classes"),
    ],
)
def test_what_cannot_be_weighted_or_left_out_is_said(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=said):
        open_bench(connect(str(tmp_path / "store")), tiny.recipe(tmp_path, **changes))


@pytest.mark.parametrize(("optimizer", "momentum"), [("sgd", 0.0), ("sgd", 0.7), ("rmsprop", 0.3)])
@pytest.mark.parametrize("schedule", list(train.SCHEDULES))
def test_the_momentum_is_the_recipes_at_every_step(
    optimizer: str, momentum: float, schedule: str, tmp_path: Path
) -> None:
    options = tiny.recipe(
        tmp_path, training__optimizer=optimizer, training__momentum=momentum, training__schedule=schedule
    ).training
    rule = train.OPTIMIZERS[optimizer](torch.nn.Linear(2, 2), options)
    rate = train.SCHEDULES[schedule](rule, options, 6)
    for _ in range(6):
        assert rule.param_groups[0]["momentum"] == momentum
        rule.step()
        rate.step()


def test_weights_that_are_no_numbers_are_never_stored(tmp_path: Path) -> None:
    """One step an epoch: the loss before it is finite, the weights after it are not."""
    recipe = tiny.recipe(tmp_path, training__batch_size=48, training__schedule="constant")
    huge = recipe.model_copy(update={"training": recipe.training.model_copy(update={"learning_rate": 1e38})})
    objects = connect(str(tmp_path / "store"))
    with pytest.raises(train.Diverged, match="in epoch"):
        make(objects, huge)
    run = runs.open_run(objects, runs.run_ids(objects)[0])
    for epoch in run.artifact("weights").marked():
        assert all(np.isfinite(value).all() for value in tensors(run.artifact("weights"), epoch).values())


def test_stored_logits_are_those_of_the_stored_weights_and_looking_changes_nothing(tmp_path: Path) -> None:
    run = made(tmp_path / "store", tiny.recipe(tmp_path))
    evaluation, images = (
        run.of_kind("evaluation")[0],
        runs.dataset(run.objects, run.attributes["dataset"]).read_blocks("pixels"),
    )
    for epoch in (0, 1, 2):
        network = classifier(run, epoch)
        before = {name: value.clone() for name, value in network.state_dict().items()}
        with torch.no_grad():
            logits = network(to_float(images, torch.device("cpu")))
        np.testing.assert_allclose(logits.numpy(), evaluation.read("logits", epoch), atol=1e-5)
        assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    counted = tensors(run.artifact("weights"), 2)
    assert all(value == 6 for name, value in counted.items() if name.endswith("num_batches_tracked"))


def test_a_loss_that_is_no_number_ends_the_run_with_its_reason_and_keeps_what_was_finished(tmp_path: Path) -> None:
    recipe = tiny.recipe(tmp_path, training__learning_rate=10.0, training__epochs=30, training__optimizer="sgd")
    huge = recipe.model_copy(update={"training": recipe.training.model_copy(update={"learning_rate": 1e30})})
    objects = connect(str(tmp_path / "store"))
    with pytest.raises(train.Diverged, match="not finite any more in epoch 1, at a learning rate of 1e"):
        make(objects, huge)
    run = runs.open_run(objects, runs.run_ids(objects)[0])
    assert run.status().state == "failed"
    assert "smaller learning rate" in run.status().reason
    assert run.of_kind("evaluation")[0].marked() == (0,)
    assert run.of_kind("saliency")[0].read("scale", 0).shape == (2, 18)


def test_a_run_trained_elsewhere_to_other_weights_is_not_mixed_with(tmp_path: Path) -> None:
    """Two processes on one recipe whose bits differ: the second stops at the first epoch the other has finished."""
    objects, recipe = connect(str(tmp_path / "store")), tiny.recipe(tmp_path)
    bench = open_bench(objects, recipe)
    stored, history = train.allocate(bench)
    other = train.start(bench)
    with torch.no_grad():
        next(other.network.parameters()).add_(1)
    train.commit(bench, other, stored, history)
    objects.delete(f"{bench.run.path}/resume")  # nothing to go on from: this process begins at its own start
    with pytest.raises(Busy, match="Either another process is training it"):
        list(train.train(open_bench(objects, recipe)))
    assert runs.open_run(objects, bench.run.id).artifact("weights").marked() == (0,)


def test_killed_at_random_moments_and_resumed_a_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    tiny.write_images(tmp_path, train=480)
    path = Path(tmp_path / "tiny.toml")
    path.write_text(TOML.format(path=tmp_path / "squares.npz"))

    def running(store: str) -> Process:
        command = ["precompute", "run", str(path), "--store", str(tmp_path / store)]
        return Process(command, env=os.environ, out=tmp_path / "log")

    def at_work(since: float) -> bool:
        return any(run.status().at > since for run in runs.all_runs(connect(str(tmp_path / "killed")))[0])

    moments = Random(7)
    for _ in range(3):
        process = running("killed")
        began = time.time()
        while process.poll() is None and not at_work(since=began) and time.time() - began < 60:
            time.sleep(0.02)
        time.sleep(moments.uniform(0.05, 1.5))
        process.kill()
        process.wait()
        for run_id in runs.run_ids(connect(str(tmp_path / "killed"))):
            run = runs.open_run(connect(str(tmp_path / "killed")), run_id)
            assert not [problem for problem in run.verify() if "not finished" not in problem]
    assert [running(name).wait(600) for name in ("killed", "whole")] == [0, 0]
    killed, whole = (runs.all_runs(connect(str(tmp_path / name)))[0][0] for name in ("killed", "whole"))
    assert killed.verify() == []
    assert same_weights(killed, whole)


TOML = """
name = "tiny"
[data]
set = "npz"
options = {{ path = "{path}" }}
[model]
network = "gap"
options = {{ width = 4 }}
[training]
epochs = 6
batch_size = 16
precision = "float32"
augmentation = {{ shift = 0.1 }}
[artifacts.saliency]
techniques = ["grad-cam", "smooth-grad-cam++"]
precision = "float32"
"""
