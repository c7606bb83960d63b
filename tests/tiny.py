"""A real run that takes a second: a data set of bright squares in an .npz, and recipes on it."""

from pathlib import Path
from typing import Any

import numpy as np

from precompute.recipe import Recipe, parse

SIDE, CLASSES = 16, 3


def write_images(folder: Path, *, train: int = 48, test: int = 18) -> Path:
    """Three classes, told apart by where a bright square lies in the noise."""
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", train), ("test", test)):
        labels = np.arange(count) % CLASSES
        pixels = random.integers(0, 80, (count, SIDE, SIDE), np.uint8)
        for image, label in enumerate(labels):
            pixels[image, 5 * label : 5 * label + 5, 5:10] = 230
        arrays |= {f"{split}_x": pixels, f"{split}_y": labels}
    path = folder / "squares.npz"
    np.savez(path, **arrays)
    return path


def fields(folder: Path, **changes: Any) -> dict[str, Any]:
    """A recipe's fields; `changes` are by dotted name with "__" for the dot: training__epochs=3."""
    recipe: dict[str, Any] = {
        "name": "tiny",
        "data": {"set": "npz", "options": {"path": str(folder / "squares.npz")}},
        "model": {"network": "gap", "options": {"width": 4}},
        "training": {"epochs": 2, "batch_size": 16, "learning_rate": 0.05, "precision": "float32"},
        "artifacts": {"saliency": {"techniques": ["grad-cam"], "layers": ["auto"], "precision": "float32"}},
    }
    for name, value in changes.items():
        *path, last = name.split("__")
        section = recipe
        for part in path:
            section = section.setdefault(part, {})
        section[last] = value
    return recipe


def recipe(folder: Path, **changes: Any) -> Recipe:
    if not (folder / "squares.npz").exists():
        write_images(folder)
    return parse(fields(folder, **changes))


COLOURS = ("red", "green", "blue")


def write_colours(folder: Path, *, train: int = 96, test: int = 18) -> Path:
    """Three classes, told apart by the colour of a bar that lies wherever it likes in the noise, but never stands."""
    random = np.random.default_rng(1)
    arrays: dict[str, np.ndarray] = {"class_names": np.array(COLOURS)}
    for split, count in (("train", train), ("test", test)):
        labels = np.arange(count) % CLASSES
        pixels = random.integers(0, 60, (count, SIDE, SIDE, 3), np.uint8)
        for image, label in enumerate(labels):
            top, left = random.integers(0, SIDE - 5), random.integers(0, SIDE - 10)
            pixels[image, top : top + 5, left : left + 10, label] = 230
        arrays |= {f"{split}_x": pixels, f"{split}_y": labels}
    path = folder / "colours.npz"
    np.savez(path, **arrays)
    return path


def colour_recipe(folder: Path, **changes: Any) -> Recipe:
    """A network that knows the colours after a second."""
    write_colours(folder)
    options = {"data__options": {"path": str(folder / "colours.npz")}, "training__epochs": 4, "training__batch_size": 8}
    return parse(fields(folder, **{**options, **changes}))
