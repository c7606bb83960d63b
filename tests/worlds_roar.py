"""Made-up grids of Remove and Retrain, beside the worlds of tests/worlds.py: what is removed first costs the most."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from precompute.roar.cells import NONE, Cell, cells, ranked
from precompute.wanted import Roar
from store.objects import connect
from store.runs import Run, dataset, open_run
from tests.worlds import make_world

ROUNDS, IMAGES = 3, 40  # epochs of a retraining, and test images of each class
ASKED: dict[str, Any] = {
    "techniques": ("integrated-gradients", "grad-cam"),
    "controls": ("random", "random-blurred"),
    "fractions": (0.3, 0.9),
    "seeds": 3,
    "retrained": ("mean", "mask"),
    "not_retrained": ("noisy-linear",),
}
LOSS = {"integrated-gradients": 0.95, "grad-cam": 0.6, "random": 0.25, "random-blurred": 0.4, NONE: 0.0}


def make_grid(
    folder: Path,
    *,
    asked: dict[str, Any] | None = None,
    done: Callable[[Cell], bool] = lambda cell: True,
    collapsed: Callable[[Cell], bool] = lambda cell: cell.technique == "integrated-gradients" and cell.fraction == 0.9,
    obstacles: dict[str, str] | None = None,
    companions: Sequence[str] = ("integrated-gradients", "random"),
    ordered: Sequence[str] = ("integrated-gradients",),
    **world: object,
) -> str:
    """A world with a grid. done: which cells are finished; collapsed: which of them name one class for every image."""
    run_id = make_world(folder, **{"summarise": False, **world})  # type: ignore[arg-type]
    run = open_run(connect(str(folder)), run_id)
    add_grid(run, Roar(**(ASKED if asked is None else asked)), done, collapsed, obstacles or {})
    for name in companions:
        add_companions(run, name)
    for name in ordered:
        add_order(run, name)
    if not run.missing():
        run.summarise()
    return run_id


def add_grid(
    run: Run,
    asked: Roar,
    done: Callable[[Cell], bool],
    collapsed: Callable[[Cell], bool],
    obstacles: dict[str, str],
    name: str = "roar-0123456789",
    **changes: object,
) -> None:
    """changes: to the facts of the grid."""
    every, classes = cells(asked), len(run.classes)
    facts = {
        "cells": [cell.facts() for cell in every],
        "ranked": list(ranked(asked)),
        "epochs": ROUNDS,
        "images": ["all", "all"],
        "used": [400, IMAGES * classes],
        "explained": "predicted",
        "layer": "auto",
        "options": {name: {} for name in asked.techniques},
        "ties": 0,
        "training": {},
        "precision": "float32",
        "splits": ["train", "test"],
        "obstacles": obstacles,
        "version": 1,
    } | changes
    promised = [index for index, cell in enumerate(every) if cell.technique not in obstacles]
    sizes = {"cell": len(every), "true": classes, "predicted": classes, "split": 2, "round": ROUNDS}
    artifact = run.add(name, "roar", sizes, promised, facts)
    for index in promised:
        if done(every[index]):
            artifact.write(index, shard(every[index], classes, collapsed(every[index]) and every[index].retrained))


def shard(cell: Cell, classes: int, collapsed: bool) -> dict[str, np.ndarray]:
    """Each class loses as many images to the next one as the ranking and the share removed say, and one more a seed."""
    counts = np.zeros((classes, classes), np.int32)
    wrong = min(IMAGES, round(IMAGES * LOSS[cell.technique] * cell.fraction) + cell.seed + 1)
    for number in range(classes):
        counts[number, number] = IMAGES - wrong
        counts[number, (number + 1) % classes] += wrong
    if collapsed:
        counts = np.zeros((classes, classes), np.int32)
        counts[:, 0] = IMAGES
    loss = np.linspace(2, 0.5, ROUNDS) if cell.retrained else np.full(ROUNDS, np.nan)
    right = np.trace(counts) / counts.sum()
    return {
        "confusion": counts[None],
        "accuracy": np.array([[min(1.0, right + 0.02), right]]),
        "loss": loss[None],
        "seconds": np.array([12.5]),
    }


def add_companions(run: Run, name: str) -> None:
    steps = [step / 4 for step in range(5)]
    facts = {"technique": name, "steps": steps, "version": 1, "title": name}
    sizes = {"epoch": run.epochs + 1, "image": 6, "step": len(steps)}
    artifact = run.add(f"faithfulness-{name}", "faithfulness", sizes, [run.epochs], facts)
    fall = np.linspace(1, 0, len(steps), dtype=np.float32)
    artifact.write(
        run.epochs,
        {
            "number": np.arange(6, dtype=np.int32)[None],
            "deletion": np.tile(fall, (1, 6, 1)),
            "insertion": np.tile(fall[::-1], (1, 6, 1)),
            "infidelity": np.full((1, 6), 0.4, np.float32),
            "sensitivity": np.full((1, 6), np.nan if name == "random" else 0.25, np.float32),
        },
    )


def add_order(run: Run, name: str) -> None:
    """Orders of ten training images and of every third test image, in blocks that end anywhere: image n begins at pixel n."""
    data = dataset(run.objects, run.attributes["dataset"])
    side, tested = data.attributes["size"], data.read_blocks("source")[::3].tolist()
    facts = {"technique": name, "options": {}, "explained": "predicted", "images": ["all", "all"]}
    facts |= {"title": name, "train": 10, "test": len(tested), "tested": tested}
    block, total = 4, 10 + len(tested)
    sizes = {"block": -(-total // block), "image": block, "y": side, "x": side}
    artifact = run.add(f"ranking-{name}", "ranking", sizes, range(sizes["block"]), facts)
    for index in artifact.promised:
        images = index * block + np.arange(block)
        orders = (np.arange(side * side)[None] - images[:, None]) % (side * side)
        artifact.write(index, {"rank": orders.reshape(1, block, side, side).astype(np.uint16)})
