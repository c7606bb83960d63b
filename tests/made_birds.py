"""A data set with CUB's parts and boxes, made up: a bright head on a darker body, left or right, in noise."""

import numpy as np

from precompute.datasets import DataSet, Images
from precompute.photographs import PARTS

SIDE = 28
BOX = (4, 7, 24, 21)  # left, top, right, bottom
HEAD = (1, 4, 5, 6, 9, 10, 14)  # beak, crown, forehead, eyes, nape, throat


def made_birds(*, size: int | None = None, parts: bool = True) -> DataSet:
    return DataSet(
        "Made birds", ("left", "right"), (0.3,), (0.3,), size or SIDE,
        train=split(32, 0, parts), test=split(12, 1, parts), part_names=PARTS if parts else (),
    )  # fmt: skip


def split(count: int, seed: int, parts: bool) -> Images:
    """Every fifth image has no box, every fourth no visible head."""
    random, labels = np.random.default_rng(seed), np.arange(count) % 2
    pixels = random.integers(0, 50, (count, SIDE, SIDE, 1), np.uint8)
    places = np.full((count, len(PARTS), 2), np.nan)
    edges = np.tile(np.array(BOX, float), (count, 1))
    for image, label in enumerate(labels):
        pixels[image, BOX[1] : BOX[3], BOX[0] : BOX[2]] = 120
        head = 17 if label else 5
        pixels[image, 9:15, head : head + 5] = 240
        places[image] = (14, 16)
        places[image, HEAD, :] = (head + 2.5, 12)
    edges[4::5] = np.nan
    places[3::4, HEAD, :] = np.nan
    names = tuple(f"bird {number}" for number in range(count))
    return Images(labels, pixels.__getitem__, names, boxes=edges, parts=places if parts else None)
