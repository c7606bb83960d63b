"""Which images to look at first: SalienCNN's three recommended cases, from the logits of one epoch, and a fourth, from how
their maps changed. numpy only, no torch."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cases:
    """Image numbers, most confident first; an empty array where no image qualifies."""

    correct: np.ndarray  # of the class, and taken for it
    taken_for_it: np.ndarray  # of another class, or unlabelled, but taken for it
    missed: np.ndarray  # of the class, but taken for another


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, in float64."""
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    powers = np.exp(shifted)
    return powers / powers.sum(-1, keepdims=True)


def recommended(logits: np.ndarray, labels: np.ndarray, chosen: int) -> Cases:
    """The three cases of class `chosen`, from logits (image, class) and labels (image,) of one epoch.

    Confidence is the probability of the predicted class; equal ones keep the order of the images, so the result is
    deterministic. No image is in two cases. SalienCNN, section 2, leaves the choice among many open.
    """
    return ranked(logits.argmax(-1), probabilities(logits).max(-1), labels, chosen)


def ranked(predicted: np.ndarray, confidence: np.ndarray, labels: np.ndarray, chosen: int) -> Cases:
    """The same from the class each image is taken for (image,) and its probability (image,)."""
    order = np.argsort(-confidence, kind="stable")
    of_class, as_class = labels[order] == chosen, predicted[order] == chosen
    return Cases(order[of_class & as_class], order[~of_class & as_class], order[of_class & ~as_class])


def most_changed(likeness: np.ndarray, labels: np.ndarray, chosen: int) -> np.ndarray:
    """Numbers of the images of class `chosen` whose map changed most first.

    likeness: rank correlation (image,) of each image's map with an earlier one; images of which it is unknown (NaN) are left
    out, equal ones keep their order.
    """
    order = np.argsort(likeness, kind="stable")  # NaN last
    return order[(labels[order] == chosen) & np.isfinite(likeness[order])]
