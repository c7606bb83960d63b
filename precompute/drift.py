"""How alike two maps of one image are, and from when on they stay alike. numpy only, no torch: the pages ask, too."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

ALIKE = 0.9  # rank correlation with the last map from which on a map counts as settled


def ranks(maps: np.ndarray) -> np.ndarray:
    """Ranks (n, h·w) of the values of each of maps (n, h, w), equal ones sharing theirs; centred, of length 1, NaN if flat."""
    values = maps.reshape(len(maps), -1).astype(np.float32)
    found = rankdata(values, axis=1, nan_policy="propagate") - (values.shape[1] + 1) / 2
    length = np.sqrt((found**2).sum(1, keepdims=True))  # (n, 1)
    return np.divide(found, length, out=np.full_like(found, np.nan), where=length > 0)


def correlation(ranked: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation (n,) of maps whose `ranks` (n, h·w) these are; NaN where one of two is flat."""
    return (ranked * others).sum(1)


def settled(likeness: np.ndarray, epochs: Sequence[int]) -> np.ndarray:
    """The epoch (n,) from which on each image's map stays at least ALIKE with the last one; NaN where that one is flat.

    likeness: (E, n), of the maps at `epochs` with the last of these; its own row is 1, NaN where it is flat.
    """
    apart = ~(likeness >= ALIKE)  # (E, n)
    apart[-1] = False
    last = len(epochs) - 1 - apart[::-1].argmax(0)  # the last epoch at which it is apart, where there is any
    first = np.where(apart.any(0), last + 1, 0)
    return np.where(np.isnan(likeness[-1]), np.nan, np.asarray(epochs, float)[first])
