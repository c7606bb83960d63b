"""What a grid will take, before it starts. No torch here.

The unit is a pass forward and back of one image, which the run's own training has measured: each cell is a training, a
ranking is so many passes an image, a look without gradient a third of one.
"""

from collections.abc import Mapping
from typing import Any

from precompute.roar.cells import NONE, cells
from precompute.techniques import passes
from precompute.wanted import Roar

LOOK = 1 / 3  # of a pass: forward alone
COMPANIONS = 2 * 21 + 2 * 10  # looks at an image, for two curves and for infidelity
MAPS = 2 + 10  # of an image: signed, by magnitude, and of noisy copies for sensitivity


def used(asked: Roar, facts: Mapping[str, Any], trained: int, classes: int) -> tuple[int, int]:
    """How many training and test images a grid is made with. facts: of the data set, with its numbers of images."""
    tests = int(facts.get("test_images", 0))
    return fewer(asked.train_images, trained, classes), fewer(asked.test_images, tests, classes)


def fewer(images: str | int, there: int, classes: int) -> int:
    return there if images == "all" else min(there, int(images) * classes)


def work(asked: Roar, train: int, test: int, epochs: int) -> dict[str, float]:
    """Passes by kind of artifact. epochs: those of the run's own training."""
    every = cells(asked)
    trainings, looks = sum(cell.retrained for cell in every), sum(not cell.retrained for cell in every)
    each = {name: 1 + LOOK + passes(name, asked.of(name)) for name in dict.fromkeys(asked.techniques)}
    count = len({cell.technique for cell in every} - {NONE})
    return {
        "ranking": (train + test) * sum(each.values()),
        "faithfulness": asked.companions * (count * COMPANIONS * LOOK + MAPS * sum(each.values())),
        "roar": trainings * ((asked.epochs or epochs) * train + LOOK * (train + test)) + looks * LOOK * test,
    }


def stored(asked: Roar, train: int, test: int, side: int) -> float:
    """Bytes of the rankings, which are nearly all there is: two a pixel, hardly compressed."""
    return 2.0 * len(set(asked.techniques)) * (train + test) * side**2
