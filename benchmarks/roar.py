"""The Remove-and-Retrain report's grid in runs per hour, beside a plain script with captum and a DataLoader.

Run it from the root with `python -m benchmarks.roar`. Both do the same: integrated gradients (50 steps) of every image, the
share of pixels removed, and a training of the report's network on what is left (batches of 64, SGD), with a test at the end.
They take turns on some thousand real digits; their processor time an image gives the hours of the report's grid: MNIST's
70,000 images, 5 fractions × 5 seeds × 2 estimators, 10 epochs. The last line printed is one JSON object, ratio name -> number.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from captum.attr import IntegratedGradients
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from precompute.bench import batch_of
from precompute.datasets import mnist5000
from precompute.models import build, frozen
from precompute.recipe import Training
from precompute.roar import removal
from precompute.roar.rankings import draws
from precompute.roar.retraining import confusion, retrain
from precompute.saliency import explain

TRAIN, TEST, EPOCHS, RUNS, STEPS, FRACTION = 60_000, 10_000, 10, 50, 50, 0.5
MEAN, STD = 0.1307, 0.3081
PARTS = ("explaining", "removing", "training", "testing")


@dataclass(frozen=True)
class Work:
    """The parts of the grid as functions: importance of images, images without pixels, a training, an accuracy."""

    explaining: Callable[[Tensor], np.ndarray]
    removing: Callable[[Tensor, np.ndarray], Tensor]
    training: Callable[[Tensor, Tensor], nn.Module]
    testing: Callable[[nn.Module, Tensor, Tensor], float]


def network() -> nn.Module:
    return build("roar-cnn", classes=10, channels=1, size=28, mean=(MEAN,), std=(STD,))


# Loupe's way: what one cell of the grid does


def loupe(model: nn.Module) -> Work:
    options = Training(learning_rate=0.001, momentum=0.9, batch_size=64, epochs=1)

    def explaining(images: Tensor) -> np.ndarray:
        found = []
        for batch in images.split(batch_of(28)):
            with torch.no_grad():
                classes = model(batch).argmax(1)
            technique = {"integrated-gradients": {"steps": STEPS, "channels": "magnitude"}}
            maps = explain(model, batch, classes[:, None], layer="input", techniques=technique).maps
            found.append(maps["integrated-gradients"][:, 0])
        importance = torch.cat(found).numpy()
        return removal.ranks(importance, draws("train", np.arange(len(images)), 28))

    def removing(images: Tensor, order: np.ndarray) -> Tensor:
        mask = removal.removed(torch.from_numpy(order.astype(np.int32)), FRACTION)
        return removal.replaced(images, mask, "mean", torch.tensor([MEAN]), seed=0)

    def training(images: Tensor, labels: Tensor) -> nn.Module:
        fresh = network().to(memory_format=torch.channels_last)
        retrain(fresh, images, labels, options, precision="float32")
        return fresh

    def testing(trained: nn.Module, images: Tensor, labels: Tensor) -> float:
        return float(np.trace(confusion(trained, images, labels, 10)) / len(labels))

    return Work(explaining, removing, training, testing)


# The plain way: as the report describes it


def script(model: nn.Module) -> Work:
    def explaining(images: Tensor) -> np.ndarray:
        captum, found = IntegratedGradients(model), []
        for (batch,) in DataLoader(TensorDataset(images), batch_size=64):
            target = model(batch).argmax(1)
            baseline = torch.full_like(batch, MEAN)
            found.append(captum.attribute(batch, baseline, target=target, n_steps=STEPS).abs().sum(1))
        return torch.cat(found).numpy()

    def removing(images: Tensor, importance: np.ndarray) -> Tensor:
        values, count = torch.from_numpy(importance).flatten(1), round(FRACTION * 28 * 28)
        first = values.topk(count).indices
        return images.flatten(1).scatter(1, first, MEAN).view_as(images)

    def training(images: Tensor, labels: Tensor) -> nn.Module:
        fresh = network().train()
        optimizer = torch.optim.SGD(fresh.parameters(), lr=0.001, momentum=0.9, nesterov=True)
        for batch, true in DataLoader(TensorDataset(images, labels), batch_size=64, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(fresh(batch), true).backward()
            optimizer.step()
        return fresh

    def testing(trained: nn.Module, images: Tensor, labels: Tensor) -> float:
        trained.eval()
        right = 0
        with torch.no_grad():
            for batch, true in DataLoader(TensorDataset(images, labels), batch_size=64):
                right += int((trained(batch).argmax(1) == true).sum())
        return right / len(labels)

    return Work(explaining, removing, training, testing)


# Measuring


def clocked(function: Callable[[], object]) -> tuple[float, object]:
    begun = time.process_time()
    result = function()
    return time.process_time() - begun, result


def once(work: Work, images: Tensor, labels: Tensor) -> dict[str, float]:
    """Seconds an image of each part."""
    seconds = {}
    seconds["explaining"], order = clocked(lambda: work.explaining(images))
    seconds["removing"], changed = clocked(lambda: work.removing(images, order))  # type: ignore[arg-type]
    seconds["training"], trained = clocked(lambda: work.training(changed, labels))  # type: ignore[arg-type]
    seconds["testing"], _ = clocked(lambda: work.testing(trained, changed, labels))  # type: ignore[arg-type]
    return {name: value / len(labels) for name, value in seconds.items()}


def hours(each: dict[str, float]) -> float:
    """Of the report's grid; the random half of it needs no explaining. Each of the 50 runs removes, trains and tests."""
    run = (TRAIN + TEST) * each["removing"] + EPOCHS * TRAIN * each["training"] + TEST * each["testing"]
    return ((TRAIN + TEST) * each["explaining"] + RUNS * run) / 3600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000, help="digits measured with, at most 4000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="few digits, two rounds")
    options = parser.parse_args()
    count, rounds = (500, 2) if options.quick else (options.images, options.rounds)
    data = mnist5000().train
    numbers = np.linspace(0, len(data.labels) - 1, count).astype(np.int64)
    images = torch.from_numpy(data.read(numbers)).permute(0, 3, 1, 2).float() / 255
    labels = torch.from_numpy(data.labels[numbers])
    model = frozen(network())
    ways = {"plain": script(model), "loupe": loupe(model)}
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, work in ways.items():
            taken[name].append(once(work, images, labels))
    each = {name: {part: median(item[part] for item in found[1:]) for part in PARTS} for name, found in taken.items()}
    print(
        f"{count} digits, {torch.get_num_threads()} threads, processor time; the first of {rounds + 1} rounds left out"
    )
    for part in PARTS:
        plain, ours = each["plain"][part], each["loupe"][part]
        print(f"  {part:<12} plain {1e6 * plain:8.1f} µs an image, Loupe {1e6 * ours:8.1f}, ratio {plain / ours:.2f}")
    rate = {name: RUNS / hours(found) for name, found in each.items()}
    for name, value in rate.items():
        print(f"  {name:<12} {value:.1f} runs per hour of one processor; the report's grid in {RUNS / value:.2f} hours")
    print(json.dumps({"roar, runs per hour": round(rate["loupe"] / rate["plain"], 3)}))


if __name__ == "__main__":
    main()
