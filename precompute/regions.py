"""How much of a map's positive evidence lies inside regions of the image. numpy only, no torch: the pages ask, too.

A map stays at its own resolution and is interpolated linearly to the image's pixels, as on the pages. That is linear, so a
region is projected onto the map's cells once, and a share is then a sum over few cells, the very one over all pixels.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.stats import t as student

CENTRE = 0.25  # standard deviation of the centre prior, as a share of the side
CONFIDENCE = 0.95


@cache
def between(cells: int, side: int) -> np.ndarray:
    """Weights (side, cells) of linear interpolation at the centres of `side` pixels, constant beyond the outermost cells."""
    at = np.clip((np.arange(side) + 0.5) * cells / side - 0.5, 0, cells - 1)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(cells)))


# Regions as masks over the pixels (…, side, side)


def rectangle(corners: Sequence[float], side: int) -> np.ndarray:
    """Which pixels (side, side) lie in left, top, right, bottom, in shares of the sides; at least one does."""
    x0, y0, x1, y1 = (np.asarray(corners, float) * side).tolist()
    return span(y0, y1, side)[:, None] & span(x0, x1, side)


def span(low: float, high: float, side: int) -> np.ndarray:
    first = min(int(np.rint(low)), side - 1)
    last = max(int(np.rint(high)), first + 1)
    return (np.arange(side) >= first) & (np.arange(side) < last)


def boxes(edges: np.ndarray, side: int) -> np.ndarray:
    """Pixels (n, side, side) inside x0, y0, x1, y1 (n, 4), rounded to whole pixels; none where there is no box (NaN)."""
    rounded = np.rint(edges)[:, :, None]  # (n, 4, 1)
    at = np.arange(side)
    columns = (at >= rounded[:, 0]) & (at < rounded[:, 2])  # (n, side); NaN compares as False
    rows = (at >= rounded[:, 1]) & (at < rounded[:, 3])
    return rows[:, :, None] & columns[:, None, :]


def discs(points: np.ndarray, radius: np.ndarray, side: int) -> np.ndarray:
    """Pixels (n, P, side, side) whose centre is at most radius (n,) from x, y of points (n, P, 2); none where these are NaN."""
    at = np.arange(side) + 0.5
    across = (at - points[..., 0, None]) ** 2  # (n, P, side)
    down = (at - points[..., 1, None]) ** 2
    with np.errstate(invalid="ignore"):
        return down[..., :, None] + across[..., None, :] <= (radius**2)[:, None, None, None]


# Shares


def weights(masks: np.ndarray, height: int, width: int) -> np.ndarray:
    """Masks (…, side, side) on a map's cells (…, height, width): the sum of a map times these is that over the pixels."""
    side = masks.shape[-1]
    if (height, width) == (side, side):
        return masks.astype(np.float32)
    rows, columns = (between(cells, side).astype(np.float32) for cells in (height, width))
    return rows.T @ masks.astype(np.float32) @ columns


def shares(maps: np.ndarray, regions: np.ndarray, side: int, known: np.ndarray | None = None) -> np.ndarray:
    """Shares (n, R) of the positive evidence of maps (n, h, w) inside regions, (n or 1, R, h, w) as `weights` gives them.

    Negative values count as 0, so of a signed technique this is the share of what speaks for the class. NaN where a map has
    no positive evidence or is no number, and where a region is not `known` (n, R); without this, where it is empty.
    """
    height, width = maps.shape[-2:]
    evidence = np.maximum(maps.astype(np.float64), 0)  # (n, h, w)
    total = evidence.reshape(len(maps), -1) @ whole(height, width, side)  # (n,)
    inside = np.einsum("nhw,nrhw->nr", evidence, np.broadcast_to(regions, (len(maps), *regions.shape[1:])))
    there = regions.sum((-2, -1)) > 0 if known is None else known  # (n, R)
    told = ((total > 0) & np.isfinite(total))[:, None] & there
    return np.divide(inside, total[:, None], out=np.full_like(inside, np.nan), where=told)


@cache
def whole(height: int, width: int, side: int) -> np.ndarray:
    """The region that is the whole image, on a map's cells, (height · width,)."""
    return np.outer(between(height, side).sum(0), between(width, side).sum(0)).ravel()


# Maps that know nothing of the image


def controls(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Maps (control, n, h, w) as schema.CONTROLS: uniform, random (seeded by the image's number), and the centre prior."""
    random = [np.random.default_rng(int(image)).random((height, width)) for image in images]
    shape = (len(images), height, width)
    return np.stack([np.ones(shape), np.reshape(random, shape), np.broadcast_to(centre(height, width), shape)])


def centre(height: int, width: int) -> np.ndarray:
    """The centre prior (h, w): a Gaussian about the middle of the image, CENTRE of the side wide, at the cells' centres."""
    down, across = ((np.arange(cells) + 0.5) / cells - 0.5 for cells in (height, width))
    return np.exp(-(down[:, None] ** 2 + across**2) / (2 * CENTRE**2))


# Over images


def interval(values: np.ndarray) -> np.ndarray:
    """Mean and the ends of its 95 % confidence interval over images, (3, …) of values (n, …); NaN are left out.

    Student's t: mean ± t·s/√n, s with ddof 1, t of n - 1 degrees of freedom. The ends are NaN of fewer than two images.
    """
    known = np.isfinite(values)
    count = known.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, values, 0).sum(0, dtype=np.float64) / count
        squares = (np.where(known, values - mean, 0) ** 2).sum(0)
        half = student.ppf((1 + CONFIDENCE) / 2, count - 1) * np.sqrt(squares / (count - 1) / count)
    return np.stack([mean, mean - half, mean + half])
