"""Where runs disagree: the images they share, and how far their predicted distributions lie apart. Arrays in, arrays out."""

from collections.abc import Sequence
from functools import reduce

import numpy as np

BLOCK_VALUES = 4_000_000  # in float64 at a time: those of ImageNet's images and four runs take 1.6 GB


def shared(sources: Sequence[np.ndarray]) -> np.ndarray:
    """The images that several selections of one data set have in common, as numbers in each: (image, selection).

    sources: for each selection the number of each of its images in the test split. Their order is the first selection's.
    """
    common = reduce(np.intersect1d, sources)
    places = np.stack([placed(source, common) for source in sources], 1)  # (image, selection)
    return places[np.argsort(places[:, 0])]


def placed(source: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where the numbers `wanted` stand in `source`."""
    order = np.argsort(source, kind="stable")
    return order[np.searchsorted(source, wanted, sorter=order)]


def divergence(distributions: Sequence[np.ndarray]) -> np.ndarray:
    """Jensen-Shannon divergence of R distributions (image, class), equally weighted, as a share of its maximum: (image,).

    0: all runs say the same; 1: each is certain of another class, as far as there are so many. NaN where a run says
    nothing that is a number. Lin, Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 37, 1991,
    eq. 5.1. It is convex, so it is largest where each run is certain and they are spread evenly over the classes.
    """
    count, classes = distributions[0].shape
    apart = np.empty(count)
    block = max(1, BLOCK_VALUES // (classes * len(distributions)))
    for start in range(0, count, block):
        each = np.stack([item[start : start + block].astype(np.float64) for item in distributions])  # (R, block, class)
        apart[start : start + block] = entropy(each.mean(0)) - entropy(each).mean(0)
    spread = np.bincount(np.arange(len(distributions)) % classes) / len(distributions)
    return np.clip(apart / (entropy(spread) or 1.0), 0, 1)


def entropy(chances: np.ndarray) -> np.ndarray:
    """Shannon entropy over the last axis, in nats; 0 log 0 is 0."""
    return -(chances * np.log(np.where(chances > 0, chances, 1))).sum(-1)


def ranked(apart: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Places of the kept images, greatest divergence first, equal ones in their order, those without a number last."""
    places = np.flatnonzero(keep)
    return places[np.argsort(-np.nan_to_num(apart[places], nan=-1), kind="stable")]


def difference(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, bool]:
    """Second minus first confusion matrix (true, predicted), and whether in shares of the row.

    Counts where every class has as many images in both, else shares of each true class's images.
    """
    if (first.sum(1) == second.sum(1)).all():
        return (second.astype(np.int64) - first).astype(np.float64), False
    one, other = (matrix / np.maximum(matrix.sum(1, keepdims=True), 1) for matrix in (first, second))
    return other - one, True
