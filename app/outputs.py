"""What the network took each image for, from the logits of an epoch: read a few thousand images at a time.

The logits of 50,000 images and 1,000 classes are 200 MB, their probabilities as much again; what pages ask about all
images is three numbers of each.
"""

from dataclasses import dataclass

import numpy as np

from app.memory import OF_ALL_IMAGES, remembered
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
    array = evaluation.array("logits")
    (_, count, classes), rows = array.shape, array.chunks[1]
    step = max(1, VALUES // (classes * rows)) * rows  # whole chunks
    parts = [summed(evaluation.read("logits", epoch, slice(at, at + step))) for at in range(0, count, step)]
    arrays = [np.concatenate(part) for part in zip(*parts, strict=True)]
    for values in arrays:
        values.setflags(write=False)
    return Taken(*arrays)


def summed(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predicted class, its probability and the second one (n,) each, of logits (n, K): bit for bit those of the softmax."""
    best, rows = logits.argmax(-1), np.arange(len(logits))
    below = logits.astype(np.float64) - logits[rows, best][:, None]  # (n, K), 0 at the predicted class
    total = np.exp(below).sum(-1)
    below[rows, best] = -np.inf
    return best, 1 / total, np.exp(below.max(-1)) / total
