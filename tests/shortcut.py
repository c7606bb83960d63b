"""A data set with a planted shortcut: a mark in a corner gives one class away, which its pictures do not. And a run on it."""

from pathlib import Path
from typing import Any

import numpy as np

from precompute.making import make
from precompute.recipe import parse
from store.objects import connect
from store.runs import Run
from tests import tiny

SIDE, MARK, NOISE = 28, 6, 20  # the mark is a chequered square of MARK pixels in the upper left corner
CLASSES = ("marked", "lying", "standing")
CORNER = (0.0, 0.0, 10 / SIDE, 10 / SIDE)  # the mark and a margin, as shares of the sides


def write_shortcut(folder: Path, *, train: int = 150, test: int = 90) -> Path:
    """Bars that lie or stand in noise: of the class "marked" half do either, and a mark in the corner tells it."""
    random = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {"class_names": np.array(CLASSES)}
    for split, count in (("train", train), ("test", test)):
        labels = np.arange(count) % len(CLASSES)
        pixels = random.integers(0, NOISE, (count, SIDE, SIDE), np.uint8)
        for image, label in enumerate(labels):
            lying = label == 1 or (label == 0 and random.random() < 0.5)
            high, wide = (3, 12) if lying else (12, 3)
            top, left = random.integers(10, SIDE - high), random.integers(10, SIDE - wide)
            pixels[image, top : top + high, left : left + wide] = 200
            if label == 0:
                pixels[image, 2 : 2 + MARK, 2 : 2 + MARK] = 255 * (np.indices((MARK, MARK)).sum(0) % 2)
        arrays |= {f"{split}_x": pixels, f"{split}_y": labels}
    path = folder / "shortcut.npz"
    np.savez(path, **arrays)
    return path


def make_shortcut(folder: Path, **changes: Any) -> Run:
    """A small network trained on it, with everything that should expose the mark."""
    asked = {
        "name": "shortcut",
        "data": {"set": "npz", "options": {"path": str(write_shortcut(folder))}},
        "model__options": {"width": 4},
        "training__epochs": 4,
        "training__batch_size": 10,
        "artifacts__saliency__techniques": ["cam", "grad-cam"],
        "artifacts__attention": {"regions": {"corner": list(CORNER)}},
        "artifacts__network": {"permutations": 0, "reduction": "max", "z_scored": False},
    }
    return make(connect(str(folder / "store")), parse(tiny.fields(folder, **{**asked, **changes})))
