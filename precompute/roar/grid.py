"""The grid as an artifact: each cell a shard, computed by whoever claims it, and never twice.

A larger grid is another artifact; cells that an earlier one holds are taken over from it.
"""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from precompute import models
from precompute.bench import Bench, Shard, network_facts, to_float
from precompute.catalogue import TECHNIQUES
from precompute.recipe import Training, digest
from precompute.roar import rankings, removal
from precompute.roar.cells import CONTROLS, NONE, REPLACEMENTS, Cell, cells, determining, ranked
from precompute.roar.rankings import SPLITS, at_once, labels, order, pixels, wish
from precompute.roar.retraining import confusion, retrain
from precompute.roar.tables import accuracy
from precompute.wanted import Roar
from store.shards import Artifact

VERSION = 1


def plan(bench: Bench) -> list[Artifact]:
    """The one grid a recipe asks for. Cells of techniques that do not apply are not promised."""
    asked = bench.recipe.artifacts.roar
    if asked is None:
        return []
    every = cells(asked)
    facts = shared(bench) | {"cells": [cell.facts() for cell in every]}
    name = f"roar-{digest(facts)}"
    if name in bench.run.opened:
        return [bench.run.opened[name]]
    facts |= {"ranked": list(ranked(asked)), "splits": list(SPLITS), "dataset": bench.images.name}
    if reason := rankings.cellless(bench, asked):
        return [bench.run.add(name, "roar", {}, (), facts | {"obstacle": reason})]
    obstacles = {
        item.attributes["technique"]: item.attributes["obstacle"]
        for item in rankings.plan(bench)
        if "obstacle" in item.attributes
    }
    untrained = rankings.untrainable(bench, asked) if asked.retrained else ""
    promised = [
        index
        for index, cell in enumerate(every)
        if cell.technique not in obstacles and not (cell.retrained and untrained)
    ]
    facts |= {"obstacles": obstacles | ({"Retraining": untrained} if untrained else {})}
    facts |= {"used": [len(labels(bench, split)) for split in SPLITS]}
    classes = len(bench.run.classes)
    sizes = {"cell": len(every), "true": classes, "predicted": classes, "split": len(SPLITS)}
    return [bench.run.add(name, "roar", sizes | {"round": facts["epochs"]}, promised, facts)]


def shared(bench: Bench) -> dict[str, Any]:
    """What all cells have in common, beside the run: with its own facts it determines the values of each."""
    asked = wish(bench)
    names, newer = sorted({*asked.techniques}), versions(asked)
    return {
        "epochs": asked.epochs or max(bench.recipe.training.epochs, 1),
        "images": [asked.train_images, asked.test_images],
        "explained": asked.explained,
        "layer": asked.layer,
        "options": {name: asked.ranking(name) for name in names},
        "ties": rankings.SEED,
        "training": {**bench.recipe.training.identity(), "epochs": None, "seed": bench.recipe.training.seed},
        "precision": bench.precision(bench.recipe.training.precision),
        "version": VERSION,
    } | ({"versions": newer} if newer else {})


def versions(asked: Roar) -> dict[str, int]:
    """Of what orders and replaces pixels, where it is no longer the first: so grids of the first keep their names."""
    names = {*asked.techniques, *asked.controls, *asked.retrained, *asked.not_retrained}
    entries = {name: entry for table in (TECHNIQUES, CONTROLS, REPLACEMENTS) for name, entry in table.items()}
    return {name: entries[name].version for name in sorted(names) if entries[name].version > 1}


def count(bench: Bench) -> range:
    """The numbers of the cells, before anything is known of the network."""
    asked = bench.recipe.artifacts.roar
    return range(0 if asked is None or rankings.cellless(bench, asked) else len(cells(asked)))


def reads(bench: Bench, artifact: Artifact, index: int) -> Sequence[tuple[Artifact, tuple[int, ...]]]:
    """A cell needs the whole ranking of its technique."""
    technique = artifact.attributes["cells"][index]["technique"]
    return [(item, item.promised) for item in rankings.plan(bench) if item.attributes["technique"] == technique]


def typical(artifact: Artifact, index: int) -> bool:
    """Whether a cell takes as long as most: the own network's look takes less than a training, and comes first."""
    every = artifact.attributes["cells"]
    return bool(every[index]["retrained"]) or not any(every[at]["retrained"] for at in artifact.promised)


def compute(bench: Bench, artifacts: Sequence[Artifact], index: int) -> Mapping[str, Shard]:
    (grid,) = artifacts
    cell = Cell(**grid.attributes["cells"][index])
    return {grid.path: earlier(bench, grid, cell) or computed(bench, grid, cell)}


def earlier(bench: Bench, grid: Artifact, cell: Cell) -> Shard | None:
    """The cell as another grid of this run holds it, where all that determines it is the same."""
    wanted = determining(grid.attributes, cell)
    for other in bench.run.of_kind("roar"):
        if other.path == grid.path or "obstacle" in other.attributes:
            continue
        if determining(other.attributes, cell) != wanted:
            continue
        places = [index for index, facts in enumerate(other.attributes["cells"]) if facts == cell.facts()]
        if places and places[0] in other.marked():
            return {name: other.read(name, places[0])[None] for name in other.attributes["arrays"]}
    return None


def computed(bench: Bench, grid: Artifact, cell: Cell) -> Shard:
    """Removes the pixels, trains or does not, and counts. A look by the run's own network is one at test images alone."""
    began, losses, known = time.monotonic(), np.full(grid.attributes["epochs"], np.nan), math.nan
    if cell.retrained:
        network, losses, known = trained(bench, grid, cell)
    else:
        network = bench.classifier(bench.run.epochs)
    found = counted(bench, network, images_of(bench, cell, "test"), "test")
    return {
        "confusion": found[None],
        "accuracy": np.array([[known, float(accuracy(found))]]),
        "loss": losses[None],
        "seconds": np.array([time.monotonic() - began]),
    }


def trained(bench: Bench, grid: Artifact, cell: Cell) -> tuple[nn.Module, np.ndarray, float]:
    """A network trained without the cell's pixels, its loss (epochs,), and its accuracy on what it was trained on.

    The training images go when it is done, before the test images are made: either fills the memory.
    """
    options = bench.recipe.training.model_copy(
        update={"epochs": grid.attributes["epochs"], "seed": bench.recipe.training.seed + cell.seed}
    )
    network, images = fresh(bench, options), images_of(bench, cell, "train")
    losses = retrain(
        network,
        images,
        truth(bench, "train"),
        options,
        precision=grid.attributes["precision"],
        class_weights=weights(bench),
        tick=bench.progress.tick,
    )
    return network, losses, float(accuracy(counted(bench, network, images, "train")))


def counted(bench: Bench, network: nn.Module, images: Tensor, split: str) -> np.ndarray:
    """Numbers (K, K) of a split's images by true and predicted class."""
    return confusion(network, images, truth(bench, split), len(bench.run.classes), tick=bench.progress.tick)


def truth(bench: Bench, split: str) -> Tensor:
    return torch.from_numpy(labels(bench, split).astype(np.int64)).to(bench.device)


def fresh(bench: Bench, options: Training) -> nn.Module:
    """The run's architecture with weights drawn by the seed: what was learned before must not help."""
    facts = network_facts(bench.run)
    return models.build(**facts, seed=options.seed).to(bench.device, memory_format=torch.channels_last)


def weights(bench: Bench) -> Tensor | None:
    named = bench.recipe.training.class_weights
    each = [named.get(name, 1.0) for name in bench.data.classes]
    return torch.tensor(each, device=bench.device) if named else None


def images_of(bench: Bench, cell: Cell, split: str) -> Tensor:
    """All images (N, C, H, W) of a split, float32 in [0, 1], without the pixels that the cell removes."""
    raw, colour = pixels(bench, split), torch.tensor(bench.data.mean)
    places = None if cell.technique == NONE else order(bench, cell.technique, split)
    made = torch.empty((len(raw), raw.shape[3], *raw.shape[1:3]))
    size = at_once(bench.data.size)
    for start in range(0, len(raw), size):
        part = slice(start, start + size)
        made[part] = to_float(raw[part], torch.device("cpu"))
        if places is not None:
            mask = removal.removed(torch.from_numpy(places[part].astype(np.int32)), cell.fraction)
            seed = start * 2 + SPLITS.index(split)
            made[part] = removal.replaced(made[part], mask, cell.replacement, colour, seed)
        bench.progress.tick()
    return made.to(bench.device)
