"""What is counted from the cells of the grid. No torch here: the app counts with the same functions.

A confusion (..., K, K) holds numbers of test images by true and predicted class.
"""

import numpy as np

DDOF = 0  # of every standard deviation: divided by the number of trainings, as the report's own figures are
NEAR_MAJORITY = 0.01  # an accuracy so near to that of always naming the largest class is none
ONE_CLASS = 0.95  # share of the images that are given one class, from which on a training counts as collapsed


def accuracy(confusion: np.ndarray) -> np.ndarray:
    """Share (...) of the images that are right."""
    return divided(np.trace(confusion, axis1=-2, axis2=-1), confusion.sum((-2, -1)))


def recall(confusion: np.ndarray) -> np.ndarray:
    """Of the images of each class, the share (..., K) that is found. The report's appendix calls this precision."""
    return divided(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-1))


def precision(confusion: np.ndarray) -> np.ndarray:
    """Of the images taken for each class, the share (..., K) that is right; NaN where none is taken for it."""
    return divided(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-2))


def collapsed(confusion: np.ndarray) -> np.ndarray:
    """Whether (...) a training ended in naming one class: it is no statement about pixels then.

    Its accuracy is within a point of the largest class's share, or more than 95 % of the images get one class.
    """
    images = confusion.sum((-2, -1))
    majority = divided(confusion.sum(-1).max(-1), images)
    named = divided(confusion.sum(-2).max(-1), images)
    return (np.abs(accuracy(confusion) - majority) <= NEAR_MAJORITY) | (named > ONE_CLASS)


def diverged(loss: np.ndarray) -> np.ndarray:
    """Whether (...) the loss (..., epochs) of a training was no number any more, so that it stopped: it counts as collapsed."""
    return np.isnan(loss).any(-1)


def mean(values: np.ndarray) -> np.ndarray:
    """Over the trainings, the first axis; NaN where there is none."""
    return over_known(np.nanmean, values)


def deviation(values: np.ndarray) -> np.ndarray:
    """Standard deviation over the trainings (ddof 0)."""
    return over_known(lambda known, axis: np.nanstd(known, axis=axis, ddof=DDOF), values)


def over_known(function: object, values: np.ndarray) -> np.ndarray:
    """A function of the first axis, NaN where all there is NaN."""
    values = np.asarray(values, np.float64)
    empty = np.isnan(values).all(0) if len(values) else np.ones(values.shape[1:], bool)
    if not len(values):
        return np.full(values.shape[1:], np.nan)
    return np.where(empty, np.nan, function(np.where(empty, 0.0, values), axis=0))  # type: ignore[operator]


def divided(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, above / below, np.nan)
