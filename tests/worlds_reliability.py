"""Made-up checks of which it is known what a card must say of them, beside the worlds of tests/worlds.py."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from store.objects import connect
from store.runs import Run, open_run
from store.schema import ORDERS, SHIFTS
from tests import worlds_input
from tests.worlds_attention import add_attention

LAYER, SIDE, INPUT_SIDE, IMAGES = "features.4", 6, worlds_input.SIDE, 10
STAGES, DRAWS, LAGS, CLASSES = 3, 3, 2, 4
FRACTIONS = (0.1, 0.5, 0.9)
LAST = 3  # epoch

# Rank correlations: after an exact shift, with all layers drawn anew, under noise. Controls: chance, and what never changes
GOOD, BAD = (1.0, 0.1, 0.95), (0.4, 0.9, 0.2)
RANDOM, EDGES = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
SUBJECTS = {
    ("cam", LAYER): GOOD,
    ("grad-cam", LAYER): (1.0, 0.9, 0.95),  # as blind to the weights as an edge detector
    ("integrated-gradients", "input"): BAD,
    ("random", LAYER): RANDOM,
    ("random", "input"): RANDOM,
    ("edges", "input"): EDGES,
}
Curves = Mapping[str, Sequence[Sequence[float]]]  # accuracies by technique, fraction and seed
CURVES: Curves = {
    "none": [[0.96, 0.98]],
    "cam": [[0.9, 0.92], [0.6, 0.62], [0.4, 0.42]],
    "integrated-gradients": [[0.97, 0.98], [0.95, 0.96], [0.95, 0.25]],  # the last seed collapses
    "random": [[0.95, 0.96], [0.9, 0.92], [0.8, 0.84]],
    "random-blurred": [[0.93, 0.94], [0.8, 0.82], [0.6, 0.64]],
}


def make_judged(folder: Path, *, largest: float = 3e-6, done: bool = True, grid: bool = True, **world: object) -> Run:
    """A world with checks of CAM, Grad-CAM and integrated gradients at the last epoch. largest: change of a logit."""
    run = worlds_input.make_world(folder, **world)  # type: ignore[arg-type]
    run.objects.delete_each([f"runs/{run.id}/summary.json"])  # what is added here is not in it
    run = open_run(run.objects, run.id)
    for kind, arrays in (("shift", shift(largest)), ("randomisation", anew()), ("stability", steady())):
        add_check(run, f"sanity-{kind}", arrays, done=done)
    add_attention(run, "cam", (("box", "box"), ("drawn", "corner")), run.attributes["kept"])
    if grid:
        add_grid(run, CURVES)
    if not run.missing():
        run.summarise()
    return open_run(connect(str(folder)), run.id)


def add_check(run: Run, kind: str, arrays: Mapping[str, np.ndarray], *, done: bool) -> None:
    sizes = {"epoch": run.epochs + 1, "technique": len(SUBJECTS), "image": IMAGES, "mode": len(SHIFTS)}
    sizes |= {"order": len(ORDERS), "stage": STAGES, "draw": DRAWS, "lag": LAGS}
    facts = {
        "evaluation": "evaluation-0a", "dataset": run.attributes["dataset"], "images": IMAGES, "obstacles": {}, "seed": 0,
        "techniques": [subject(*key) for key in SUBJECTS], "version": 1, "epochs": "last",
        "options": {"strength": -1.0, "stages": STAGES, "draws": DRAWS, "noise": 0.05, "earlier": LAGS},
        "layers": [["head"], ["features.3"], ["features.0"]],
    }  # fmt: skip
    artifact = run.add(f"{kind}-0b", kind, sizes, [run.epochs], facts)
    if done:
        artifact.write(run.epochs, {name: values[None] for name, values in arrays.items()})


def subject(name: str, layer: str) -> dict[str, object]:
    side, control = (INPUT_SIDE if layer == "input" else SIDE), name in ("random", "edges")
    facts = {"name": name, "title": name, "layer": layer, "height": side, "width": side}
    return facts | {"signed": False, "control": control, "options": {}}


def column(which: int, *shape: int) -> np.ndarray:
    """One of the correlations of every subject, (technique, *shape); the last image's map is flat."""
    found = np.array([values[which] for values in SUBJECTS.values()], np.float32)
    found = np.broadcast_to(found.reshape(-1, *[1] * len(shape)), (len(SUBJECTS), *shape)).copy()
    found[..., -1] = np.nan
    return found


def three(found: np.ndarray) -> dict[str, np.ndarray]:
    return {"spearman": found, "spearman_absolute": np.abs(found), "ssim": np.full_like(found, np.nan)}


def shift(largest: float) -> dict[str, np.ndarray]:
    found = column(0, len(SHIFTS), IMAGES)
    logit = np.full((len(SHIFTS), IMAGES), largest, np.float32)
    return {"number": np.arange(IMAGES, dtype=np.int32), "logit": logit, "changed": np.zeros(logit.shape, np.int8),
            "largest": 1 - found, **three(found)}  # fmt: skip


def anew() -> dict[str, np.ndarray]:
    """Correlations fall from 1 to what they are with all stages drawn anew, straight."""
    end = column(1, len(ORDERS), STAGES, DRAWS, IMAGES)
    share = np.linspace(1 / STAGES, 1, STAGES, dtype=np.float32)[:, None, None]
    found = (1 + (end - 1) * share).astype(np.float32)
    found[3:5] = end[3:5]  # a random map is random from the first stage on
    kept = np.full((len(ORDERS), STAGES, DRAWS), 0.25, np.float32)
    return {"number": np.arange(IMAGES, dtype=np.int32), "kept": kept, **three(found)}


def steady() -> dict[str, np.ndarray]:
    over = column(2, LAGS, IMAGES)
    return {"number": np.arange(IMAGES, dtype=np.int32), "kept": np.full(DRAWS, 0.9, np.float32),
            "earlier": np.array([2, 1], np.int32), "over_epochs": over, **three(column(2, DRAWS, IMAGES))}  # fmt: skip


# Remove and retrain


def add_grid(run: Run, curves: Curves, *, replacement: str = "mean", retrained: bool = True) -> None:
    cells = [
        {"technique": name, "fraction": 0.0 if name == "none" else FRACTIONS[place], "seed": seed,
         "replacement": "none" if name == "none" else replacement, "retrained": retrained}
        for name, points in curves.items() for place, seeds in enumerate(points) for seed in range(len(seeds))
    ]  # fmt: skip
    accuracies = [accuracy for points in curves.values() for seeds in points for accuracy in seeds]
    facts = {
        "cells": cells, "ranked": [name for name in curves if name != "none"], "epochs": 2, "images": ["all", "all"],
        "explained": "predicted", "layer": "auto", "options": {"cam": {}, "integrated-gradients": {}}, "ties": 0,
        "training": {}, "precision": "float32", "version": 1, "splits": ["train", "test"], "obstacles": {},
        "used": [100, 400], "dataset": run.attributes["dataset"],
    }  # fmt: skip
    sizes = {"cell": len(cells), "true": CLASSES, "predicted": CLASSES, "split": 2, "round": 2}
    grid = run.add("roar-0c", "roar", sizes, range(len(cells)), facts)
    for number, accuracy in enumerate(accuracies):
        arrays = {"confusion": confusion(accuracy), "accuracy": np.full(2, accuracy), "loss": np.array([1.0, 0.5])}
        grid.write(number, {name: values[None] for name, values in arrays.items()} | {"seconds": np.ones(1)})


def confusion(accuracy: float) -> np.ndarray:
    """Of 100 images a class; the wrong ones are taken for the next class, and for the first one where it collapsed."""
    found = np.zeros((CLASSES, CLASSES), np.int32)
    if accuracy == 1 / CLASSES:
        found[:, 0] = 100
        return found
    right = round(100 * accuracy)
    for true in range(CLASSES):
        found[true, true], found[true, (true + 1) % CLASSES] = right, 100 - right
    return found
