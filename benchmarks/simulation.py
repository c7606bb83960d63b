"""Simulation in images per second beside the bare forward pass of the same network on the same batches, change by change.

Run it from the root with `python -m benchmarks.simulation`. Forward pass and simulation take turns, point by point, within
one run; a figure is the ratio of the summed processor time. The simulation is what `precompute run` does for a batch: all
points of a change, its transform, the network, ranks and sums. The last line printed is one JSON object, ratio name -> number.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from torch import Tensor, nn

from precompute import simulation
from precompute.bench import batch_of
from precompute.catalogue import CHANGES, TRANSFORMS
from precompute.models import build, frozen


@dataclass(frozen=True)
class Case:
    """A network and its input; a batch is that of `precompute run`, at most `most` images (`few` with --quick)."""

    network: str
    side: int
    most: int
    few: int


CASES = {
    "vgg16-32": Case("vgg16-small", 32, 32, 16),
    "efficientnet-lite0-224": Case("efficientnet-lite0", 224, 10, 4),
    "gap-32 (tiny)": Case("gap", 32, 250, 250),
}
SLOW = 0.2  # of a forward pass: a transform that takes more is named


def classifier(case: Case) -> nn.Module:
    statistics = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
    return frozen(build(case.network, classes=10, channels=3, size=case.side, **statistics))


def seconds(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def forward(model: nn.Module, images: Tensor) -> None:
    with torch.inference_mode():
        model(images)


def measured(model: nn.Module, images: Tensor, name: str, rounds: int, points: Sequence[float]) -> tuple[float, float]:
    """Seconds an image of the bare forward pass, and of the simulation of one change."""
    fast, labels = images.contiguous(memory_format=torch.channels_last), np.arange(len(images)) % 10
    found, whole = simulation.empty(name, len(images), 10, len(points)), slice(0, len(images))
    total = []  # (bare, simulated)
    for _ in range(rounds + 1):
        taken = [0.0, 0.0]
        for point in points:  # what the attack's gradient costs is spread over all points below
            taken[0] += seconds(lambda: forward(model, fast))
            if name != "fgsm":
                taken[1] += seconds(
                    lambda point=point: simulation.look(model, images, labels, name, [point], found, whole)
                )
        if name == "fgsm":
            taken[1] += seconds(lambda: simulation.look(model, images, labels, name, points, found, whole))
        total.append(taken)
    bare, simulated = (median(item[which] for item in total[1:]) for which in (0, 1))  # the first round does not count
    each = len(images) * len(points)
    return bare / each, simulated / each


def transform_seconds(images: Tensor, name: str, rounds: int) -> float:
    """Of the transform alone, an image, at a value that is not the identity."""
    item = CHANGES[name]
    value = item.high if item.binary else item.low + 0.3 * (item.high - item.low)
    with torch.inference_mode():
        return median(seconds(lambda: simulation.at(images, name, value)) for _ in range(rounds)) / len(images)


def table(label: str, case: Case, options: argparse.Namespace) -> dict[str, float]:
    """Measures one case, prints it, and gives its ratios."""
    model, count = classifier(case), min(batch_of(case.side), case.few if options.quick else case.most)
    images = torch.rand(count, 3, case.side, case.side, generator=torch.Generator().manual_seed(0))
    rounds, names = (2, ("rotation", "hue", "blur")) if options.quick else (3, tuple(CHANGES))
    print(
        f"{label}, batch {count}, {options.threads} thread(s): images/s; the transform alone as a share of a forward pass"
    )
    ratios, slow = {}, []
    for name in names:
        points = CHANGES[name].points()[:: 4 if options.quick and name != "fgsm" else 1]
        bare, simulated = measured(model, images, name, rounds, points)
        alone = transform_seconds(images, name, rounds) / bare if name in TRANSFORMS else float("nan")
        ratios[name] = bare / simulated
        slow += [f"{name} {alone:.0%}"] if alone > SLOW else []
        print(
            f"  {name:16} {1 / simulated:9.1f}  forward {1 / bare:9.1f}  ratio {bare / simulated:.3f}  transform {alone:6.1%}"
        )
    if slow:
        print(f"  slower than {SLOW:.0%} of a forward pass: {', '.join(slow)}")
    mean = len(ratios) / sum(1 / ratio for ratio in ratios.values())  # of the whole job, points of all changes together
    return {f"{label} simulation: speed / forward": round(mean, 3)} | {
        f"{label} {name}: speed / forward": round(ratio, 3) for name, ratio in ratios.items()
    }


def main() -> None:
    """Measure, print a table for each case, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer images, changes, points and rounds")
    parser.add_argument("--case", choices=CASES, help="only this one")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    ratios: dict[str, float] = {}
    for label, case in CASES.items():
        if options.case in (None, label):
            ratios |= table(label, case, options)
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()
