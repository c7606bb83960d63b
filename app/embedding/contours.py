"""Where classes overlap on a map: how many images of two classes lie close to each place, and lines of equal numbers."""

from dataclasses import dataclass, field

import numpy as np

CELLS = 96  # a side of the grid that numbers are computed on
REACH = 0.02  # standard deviation of the Gaussian around each image, of the side of the unit square
STEP, MOST = 3, 4  # lines at 1, 3, 9, ... images; the highest ones where there are more
ANY = -1


@dataclass(frozen=True)
class Contours:
    """segments: by line, those of it, (m, 4): x0, y0, x1, y1 in the unit square. levels: images of either class nearby."""

    levels: tuple[int, ...]
    segments: tuple[np.ndarray, ...] = field(repr=False)

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self.segments)


def overlap(places: np.ndarray, classes: np.ndarray, count: int, pair: tuple[int, int] = (ANY, ANY)) -> Contours:
    """Lines around the places (n, 2) in the unit square that images of two classes share; of those of `pair` where it is one.

    Of one class, its overlap with whichever other is densest there. A place counts as many images as the second densest
    class has around it, each by a Gaussian of height 1.
    """
    crowds = crowd(places, classes, count)  # (class, y, x)
    chosen = list(dict.fromkeys(item for item in pair if item != ANY))
    if len(chosen) == 2:
        shared = crowds[chosen].min(0)
    elif chosen:
        shared = np.minimum(crowds[chosen[0]], np.delete(crowds, chosen[0], 0).max(0, initial=0))
    else:
        shared = np.partition(crowds, -2, axis=0)[-2] if count > 1 else np.zeros_like(crowds[0])
    levels = [STEP**power for power in range(20) if STEP**power < shared.max()][-MOST:]
    return Contours(tuple(levels), tuple(line(shared, level) for level in levels))


def crowd(places: np.ndarray, classes: np.ndarray, count: int) -> np.ndarray:
    """How many images of each class lie around the centre of each cell, (class, y, x) float32."""
    x, y = (np.clip((places * CELLS).astype(int), 0, CELLS - 1)).T
    cells = np.bincount((classes * CELLS + y) * CELLS + x, minlength=count * CELLS**2)
    apart = (np.arange(CELLS) - np.arange(CELLS)[:, None]) / (CELLS * REACH)
    near = np.exp(-(apart**2) / 2).astype(np.float32)  # (cell, cell)
    return near @ cells.reshape(count, CELLS, CELLS).astype(np.float32) @ near


def line(values: np.ndarray, level: float) -> np.ndarray:
    """Segments (m, 4) of the line at which a grid (y, x) crosses a level, in the unit square.

    Each cell between four centres is two triangles; a triangle with one corner beyond the others is crossed once.
    """
    rows, columns = np.mgrid[: values.shape[0], : values.shape[1]]
    spots = np.stack([(columns + 0.5) / values.shape[1], (rows + 0.5) / values.shape[0], values], -1)  # (y, x, 3)
    corners = spots[:-1, :-1], spots[:-1, 1:], spots[1:, :-1], spots[1:, 1:]
    found = []
    for three in (corners[:3], corners[1:]):
        triangles = np.stack(three, 2).reshape(-1, 3, 3)  # (t, corner, (x, y, value))
        above = triangles[..., 2] > level
        crossed = above.any(1) & ~above.all(1)
        triangles, above = triangles[crossed], above[crossed]
        alone = (above == (above.sum(1) == 1)[:, None]).argmax(1)  # the corner on a side of its own
        ends = [between(triangles, alone, (alone + turn) % 3, level) for turn in (1, 2)]
        found.append(np.concatenate(ends, 1))
    return np.concatenate(found).astype(np.float32)


def between(triangles: np.ndarray, one: np.ndarray, other: np.ndarray, level: float) -> np.ndarray:
    """Where the edge from one corner to another of each triangle has the level: x and y, (t, 2)."""
    each = np.arange(len(triangles))
    start, end = triangles[each, one], triangles[each, other]
    share = (level - start[:, 2]) / (end[:, 2] - start[:, 2])
    return (start + share[:, None] * (end - start))[:, :2]
