"""What the network took each image for, from the logits of an epoch: read a few thousand images at a time.

The logits of 50,000 images and 1,000 classes are 200 MB, their probabilities as much again; what pages ask about all
images is a few numbers of each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from app.memory import OF_ALL_IMAGES, remembered
from precompute.cases import probabilities
from store.shards import Artifact

VALUES = 4_000_000  # logits looked at together


@dataclass(frozen=True)
class Taken:
    """Of every image: the predicted class, its probability, and that of the class after it (0 where there is one class)."""

    predicted: np.ndarray
    confidence: np.ndarray
    second: np.ndarray

    @property
    def nbytes(self) -> int:
        return self.predicted.nbytes + self.confidence.nbytes + self.second.nbytes


@remembered(OF_ALL_IMAGES)
def taken(evaluation: Artifact, epoch: int) -> Taken:
    """What the network says at an epoch; probabilities in float64."""
    parts = [summed(logits) for logits in blocks(evaluation, epoch)]
    return Taken(*joined(parts))


def summed(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predicted class, its probability and the second one (n,) each, of logits (n, K): bit for bit those of the softmax."""
    best, rows = logits.argmax(-1), np.arange(len(logits))
    below = logits.astype(np.float64) - logits[rows, best][:, None]  # (n, K), 0 at the predicted class
    total = np.exp(below).sum(-1)
    below[rows, best] = -np.inf
    return best, 1 / total, np.exp(below.max(-1)) / total


@dataclass(frozen=True)
class Likeliest:
    """Of every image: its likeliest classes, first the likeliest, and their probabilities, (n, count) each."""

    classes: np.ndarray
    chances: np.ndarray

    @property
    def nbytes(self) -> int:
        return self.classes.nbytes + self.chances.nbytes


@remembered(OF_ALL_IMAGES)
def likeliest(evaluation: Artifact, epoch: int, count: int) -> Likeliest:
    """The so many likeliest classes of each image, all where there are fewer; equal ones in the order of the classes.

    The first one is the predicted class: the order is that of the logits, whose probabilities may be rounded to the same.
    """
    found = []
    for logits in blocks(evaluation, epoch):
        classes = first(logits, count)
        found.append((classes, np.take_along_axis(probabilities(logits), classes, 1)))
    return Likeliest(*joined(found))


def first(values: np.ndarray, count: int) -> np.ndarray:
    """Places of the `count` largest of each row (n, K), largest first, equal ones and those that are no number in order."""
    values, count = np.where(np.isnan(values), -np.inf, values), min(count, values.shape[1])
    last = np.partition(values, -count, axis=1)[:, -count, None]  # (n, 1), the least of them
    above, equal = values > last, values == last
    taken = above | (equal & (np.cumsum(equal, axis=1) <= count - above.sum(1, keepdims=True)))
    some = np.nonzero(taken)[1].reshape(len(values), count)
    return np.take_along_axis(some, np.argsort(-np.take_along_axis(values, some, 1), axis=1, kind="stable"), 1)


# A few thousand images at a time


def rows_at_once(evaluation: Artifact, runs: int = 1) -> int:
    """How many images' logits of so many runs are looked at together: whole chunks."""
    array = evaluation.array("logits")
    classes, rows = array.shape[2], array.chunks[1]
    return max(1, VALUES // (classes * rows * runs)) * rows


def blocks(evaluation: Artifact, epoch: int) -> Iterator[np.ndarray]:
    """The logits (n, K) of all images, in their order."""
    count, step = evaluation.array("logits").shape[1], rows_at_once(evaluation)
    for start in range(0, count, step):
        yield evaluation.read("logits", epoch, slice(start, start + step))


def chances_of(evaluation: Artifact, epoch: int, images: np.ndarray) -> np.ndarray:
    """Probabilities (n, K) of some images, float32."""
    asked, place = np.unique(images, return_inverse=True)
    start, end = (int(asked[0]), int(asked[-1]) + 1) if len(asked) else (0, 0)
    some = slice(start, end) if end - start == len(asked) else asked.tolist()  # a slice is quicker to read than a list
    return probabilities(evaluation.read("logits", epoch, some))[place].astype(np.float32)


def joined(parts: Sequence[tuple[np.ndarray, ...]]) -> list[np.ndarray]:
    """Arrays of the blocks one after the other, read-only."""
    arrays = [np.concatenate(part) for part in zip(*parts, strict=True)]
    for values in arrays:
        values.setflags(write=False)
    return arrays
