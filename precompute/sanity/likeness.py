"""How alike two maps of one image are. numpy and scipy only, no torch: the app compares stored maps with it, too."""

import numpy as np
from scipy.ndimage import uniform_filter
from scipy.stats import rankdata

FLAT = 1e-6  # a map whose values differ by less, as a share of the largest magnitude, has no order that means anything
WINDOW = 7  # pixels a side, of structural similarity
SMALLEST = 32  # pixels a side: on smaller maps hardly a window fits


def spearman(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Rank correlation of maps (..., h, w), place by place, in [-1, 1]; ties get their mean rank. NaN where one is flat.

    Adebayo et al., Sanity Checks for Saliency Maps, 2018, https://arxiv.org/abs/1810.03292, section 3.
    """
    flat = is_flat(one) | is_flat(other)
    first, second = ranks(one), ranks(other)  # (..., h w), centred
    norm = np.sqrt((first**2).sum(-1) * (second**2).sum(-1))
    return np.where(flat, np.nan, (first * second).sum(-1) / np.where(norm > 0, norm, 1))


def spearman_absolute(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The same of the magnitudes: a technique whose signs alone turn still shows the same places."""
    return spearman(np.abs(one), np.abs(other))


def ssim(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Mean structural similarity of raw maps (..., h, w), in [-1, 1]; NaN where they are smaller than SMALLEST or both flat.

    Nothing is normalised; the range the constants are taken of is from the least to the largest value of both maps.

    Wang et al., Image Quality Assessment, 2004, eq. 13, with a uniform window as scikit-image has it.
    """
    if min(one.shape[-2:]) < SMALLEST:
        return np.full(one.shape[:-2], np.nan)
    x, y = one.astype(np.float64), other.astype(np.float64)
    span = np.maximum(x.max((-2, -1)), y.max((-2, -1))) - np.minimum(x.min((-2, -1)), y.min((-2, -1)))
    c1, c2 = ((share * span[..., None, None]) ** 2 for share in (0.01, 0.03))
    mx, my = local(x), local(y)
    unbiased = WINDOW**2 / (WINDOW**2 - 1)
    vx, vy = (unbiased * (local(a * a) - m * m) for a, m in ((x, mx), (y, my)))
    covariance = unbiased * (local(x * y) - mx * my)
    below = (mx**2 + my**2 + c1) * (vx + vy + c2)
    values = (2 * mx * my + c1) * (2 * covariance + c2) / np.where(below > 0, below, 1)
    edge = WINDOW // 2  # where the window leaves the map
    return np.where(span > 0, values[..., edge:-edge, edge:-edge].mean((-2, -1)), np.nan)


def largest(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Largest difference of raw maps (..., h, w), as a share of the largest magnitude of both; 0 where both are zero."""
    top = np.maximum(np.abs(one).max((-2, -1)), np.abs(other).max((-2, -1)))
    return np.abs(one - other).max((-2, -1)) / np.where(top > 0, top, 1)


def local(values: np.ndarray) -> np.ndarray:
    """Means over windows, map by map."""
    return uniform_filter(values, size=(*[0] * (values.ndim - 2), WINDOW, WINDOW))


def ranks(maps: np.ndarray) -> np.ndarray:
    """(..., h w) ranks of the values of each map, minus their mean."""
    found = rankdata(maps.reshape(*maps.shape[:-2], -1), axis=-1)
    return found - found.mean(-1, keepdims=True)


def is_flat(maps: np.ndarray) -> np.ndarray:
    """Which of (..., h, w) have the same value everywhere, or a value that is no number."""
    spread = maps.max((-2, -1)) - maps.min((-2, -1))
    return ~(spread > FLAT * np.abs(maps).max((-2, -1)))
