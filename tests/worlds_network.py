"""Activations and patterns for a made-up run: classes answer in filters of their own, the rest is noise."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from store.objects import connect
from store.runs import Run, dataset, open_run
from store.shards import Artifact
from tests.worlds import make_world

LAYERS = (6, 8, 10)  # filters of each
SUPPORT, RANKS, SIDE = 3, 5, 6
DEAD = 13  # a filter, among all, that answers 0 to every image


def make_network_world(
    folder: Path,
    *,
    network: bool = True,
    at: Sequence[int] | None = None,
    filters: Sequence[int] = LAYERS,
    **world: Any,
) -> str:
    """A world as make_world has it, with activations and patterns at the last epoch, of which those `at` (all) are there."""
    run = open_run(connect(str(folder)), make_world(folder, summarise=False, **world))
    if network:
        add_network(run, at, filters)
    if network and at is None and run.status().state == "finished":
        run.summarise()
    return run.id


def add_network(run: Run, at: Sequence[int] | None = None, filters: Sequence[int] = LAYERS) -> None:
    """The last epoch is promised, `at` are there. filters: of each layer."""
    epochs = (run.epochs,)
    labels = dataset(run.objects, run.attributes["dataset"]).read_blocks("label")
    offsets = np.concatenate([[0], np.cumsum(filters)])
    facts = {"evaluation": "evaluation-0a", "dataset": run.attributes["dataset"], "version": 1}
    layers = [
        {"name": f"features.{3 * number}", "filters": count, "height": 6, "width": 6, "offset": int(offsets[number])}
        for number, count in enumerate(filters)
    ]
    sizes = {
        **{"epoch": run.epochs + 1, "image": len(labels), "filter": int(offsets[-1]), "class": int(labels.max()) + 1},
        **{"rank": RANKS, "y": SIDE, "x": SIDE, "layer": len(filters), "place": 2, "pattern": 200, "search": 2},
    }
    options = {"reduction": "mean", "z_scored": True}
    activations = run.add("activations-0a", "activations", sizes, epochs, facts | options | {"layers": layers})
    patterns = run.add(
        "patterns-0a",
        "patterns",
        sizes,
        epochs,
        facts | {"activations": "activations-0a", "support": SUPPORT, "most": sizes["pattern"]},
    )
    for epoch in epochs if at is None else at:
        values = answers_at(epoch, labels, filters)
        write_activations(activations, epoch, values, labels, offsets)
        write_patterns(patterns, epoch, activations.read("strongest", epoch)[..., 0], labels)


def answers_at(epoch: int, labels: np.ndarray, filters: Sequence[int]) -> np.ndarray:
    """(N, F) float32, as exact as float16 keeps them: in each layer the filter with the class's number stands out."""
    random = np.random.default_rng(400 + epoch)
    values = random.uniform(0, 1, (len(labels), sum(filters)))
    offset = 0
    for count in filters:
        values[np.arange(len(labels)), offset + labels % count] += random.uniform(0, 4, len(labels))
        offset += count
    if values.shape[1] > DEAD:
        values[:, DEAD] = 0
    scale = values.max(0)
    return ((values / np.where(scale > 0, scale, 1)).astype(np.float16).astype(np.float32) * scale).astype(np.float32)


def scores(values: np.ndarray) -> np.ndarray:
    """z-scores (N, F); minus infinity for a filter that never differs."""
    deviation = values.std(0)
    return np.where(deviation > 0, (values - values.mean(0)) / np.where(deviation > 0, deviation, 1), -np.inf)


def write_activations(
    artifact: Artifact, epoch: int, values: np.ndarray, labels: np.ndarray, offsets: np.ndarray
) -> None:
    scale, order = values.max(0), np.argsort(-values, 0, kind="stable")[:RANKS].T  # (F,), (F, R)
    parts = np.split(scores(values), offsets[1:-1], axis=1)
    ranked = np.stack([np.argsort(-part, 1, kind="stable")[:, :2] for part in parts], 1)  # (N, L, 2)
    best = np.stack([-np.sort(-part, 1)[:, :2] for part in parts], 1)
    maps = np.zeros((values.shape[1], RANKS, SIDE, SIDE), np.uint8)
    maps[:, :, 1:4, 2:5] = 255
    shard = {
        "activation": (values / np.where(scale > 0, scale, 1)).astype(np.float16),
        "scale": scale.astype(np.float32),
        "mean": values.mean(0).astype(np.float32),
        "deviation": values.std(0).astype(np.float32),
        "class_mean": np.stack([values[labels == label].mean(0) for label in range(labels.max() + 1)], 1).astype(
            np.float32
        ),
        "top_image": order.astype(np.int32),
        "top_value": np.take_along_axis(values.T, order, 1).astype(np.float32),
        "top_map": maps,
        "strongest": ranked.astype(np.int16),
        "lead": (best[..., 0] - best[..., 1]).astype(np.float32),
    }
    artifact.write(epoch, {name: value[None] for name, value in shard.items()})


def write_patterns(artifact: Artifact, epoch: int, paths: np.ndarray, labels: np.ndarray) -> None:
    found = list(contiguous(paths))[: artifact.array("support").shape[1]]
    count, depth, classes = artifact.array("by_class").shape[1], paths.shape[1], int(labels.max()) + 1
    shard = {
        "filters": np.full((count, depth), -1, np.int16),
        "support": np.zeros(count, np.int32),
        "lift": np.full(count, np.nan, np.float32),
        "p_value": np.full(count, np.nan, np.float32),
        "kind": np.zeros(count, np.int8),
        "by_class": np.zeros((count, classes), np.int32),
    }
    for number, (layers, filters, having) in enumerate(found):
        shard["filters"][number, layers] = filters
        shard["support"][number] = having.sum()
        by_chance = np.prod([(paths[:, layer] == item).mean() for layer, item in zip(layers, filters, strict=True)])
        shard["lift"][number] = having.mean() / by_chance
        shard["p_value"][number] = 0.005 * (number + 1) if number else np.nan
        shard["kind"][number] = 1
        shard["by_class"][number] = np.bincount(labels[having], minlength=classes)
    shard["found"] = np.array([len(found), 0])
    artifact.write(epoch, {name: value[None] for name, value in shard.items()})


def contiguous(paths: np.ndarray) -> Iterable[tuple[list[int], list[int], np.ndarray]]:
    """Every run of two layers or more and filters that SUPPORT images share, by brute force: most images first."""
    found = []
    for start, end in combinations(range(paths.shape[1] + 1), 2):
        if end - start >= 2:
            for filters in np.unique(paths[:, start:end], axis=0):
                having = (paths[:, start:end] == filters).all(1)
                if having.sum() >= SUPPORT:
                    found.append((list(range(start, end)), filters.tolist(), having))
    return sorted(found, key=lambda item: -item[2].sum())
