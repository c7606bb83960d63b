"""A run for the Workbench at full size: a network that answers, and made-up results of thousands of images beside it.

The network has random weights, so that nothing is trained; what was "computed" with it is drawn at random, but of the right
shape and kind: features and a map, activations of every filter and the patterns in them, a curve along every change.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from precompute.answers import layers_of
from precompute.catalogue import CHANGES
from precompute.making import make
from precompute.models import build
from precompute.paths import strongest
from precompute.patterns import mined
from precompute.recipe import Recipe, parse
from store.objects import connect
from store.runs import Run
from tests.worlds import add_evaluation, make_images
from tests.worlds_simulation import add_change

CLASSES, SIDE, FEATURES = 10, 32, 512
RANKS, MAP = 10, 8
EPOCH = 0
MINED = {"support": 5, "length": 2, "most": 2000, "gapped": False, "permutations": 0, "seed": 0}


def recipe(folder: Path, network: str) -> Recipe:
    """Random weights, and no more images than it takes to open a run."""
    random = np.random.default_rng(0)
    arrays = {f"{split}_x": random.integers(0, 256, (CLASSES, SIDE, SIDE, 3), np.uint8) for split in ("train", "test")}
    np.savez(folder / "few.npz", **arrays, train_y=np.arange(CLASSES), test_y=np.arange(CLASSES))
    return parse(
        {
            "name": "workbench",
            "data": {"set": "npz", "options": {"path": str(folder / "few.npz")}},
            "model": {"network": network},
            "training": {"epochs": 0},
            "artifacts": {"saliency": {"techniques": ["grad-cam"]}},
        }
    )


def make_workbench(folder: Path, *, images: int = 10_000, network: str = "vgg16-small") -> str:
    """A run of so many images; its id."""
    folder.mkdir(parents=True, exist_ok=True)
    objects = connect(str(folder / "store"))
    made, labels = make(objects, recipe(folder, network)), np.arange(images) % CLASSES
    data = make_images(objects, labels, SIDE, 3, CLASSES)
    made.reopen()
    run = replace(made, attributes={**made.attributes, "dataset": data})  # the one the artifacts below are of
    add_evaluation(run, (EPOCH,), labels, CLASSES, EPOCH, data)
    add_map(run, labels)
    add_filters(run, labels, network)
    for name in CHANGES:
        add_change(run, name, (EPOCH,), (EPOCH,), "all")
    made.summarise()
    return made.id


def facts(run: Run) -> dict[str, object]:
    return {"evaluation": "evaluation-0a", "dataset": run.attributes["dataset"], "version": 1}


def add_map(run: Run, labels: np.ndarray) -> None:
    """Features in clouds around a centre for each class, their neighbours, and a map of two perplexities: two axes."""
    random = np.random.default_rng(1)
    centres = random.normal(size=(CLASSES, FEATURES)).astype(np.float32)
    values = 0.5 * centres[labels] + random.normal(size=(len(labels), FEATURES)).astype(np.float32)
    near, distances = neighbours(values, 10)
    sizes = {"epoch": 1, "image": len(labels), "feature": FEATURES, "neighbour": 10, "axis": 2}
    features = run.add("features-0a", "features", sizes, (EPOCH,), facts(run) | {"width": FEATURES})
    scale = np.abs(values).max(1)
    shard = {"features": (values / scale[:, None]).astype(np.float16), "scale": scale, "neighbours": near}
    features.write(EPOCH, {name: value[None] for name, value in (shard | {"distances": distances}).items()})
    angle = 2 * np.pi * labels / CLASSES
    points = 30 * np.stack([np.cos(angle), np.sin(angle)], 1) + random.normal(size=(len(labels), 2)) * 6
    for perplexity in (30, 100):
        of = facts(run) | {"features": "features-0a", "perplexity": perplexity}
        chart = run.add(f"embedding-{perplexity}", "embedding", sizes, (EPOCH,), of)
        numbers = {"divergence": 2.0, "trustworthiness": 0.9, "move": np.nan}
        shard = {name: np.array([value]) for name, value in numbers.items()}
        chart.write(EPOCH, {"points": points.astype(np.float32)[None], **shard})


def neighbours(values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest other rows of (n, d), block by block: numbers and distances (n, count)."""
    squares, found, far = (values**2).sum(1), [], []
    for start in range(0, len(values), 1000):
        rows = np.arange(start, min(start + 1000, len(values)))
        apart = squares[rows, None] + squares - 2 * values[rows] @ values.T  # (rows, n)
        apart[np.arange(len(rows)), rows] = np.inf
        near = np.argpartition(apart, count, 1)[:, :count]
        order = np.take_along_axis(near, np.take_along_axis(apart, near, 1).argsort(1), 1)
        found.append(order)
        far.append(np.sqrt(np.maximum(np.take_along_axis(apart, order, 1), 0)))
    return np.concatenate(found).astype(np.int32), np.concatenate(far).astype(np.float32)


def add_filters(run: Run, labels: np.ndarray, network: str) -> None:
    """Each class has some filters of its own in every layer that answer more; the patterns are those found in that."""
    model = build(network, classes=CLASSES, channels=3, size=SIDE, mean=(0.5,) * 3, std=(0.5,) * 3).eval()
    layers = layers_of(model, torch.zeros(1, 3, SIDE, SIDE))
    values = np.concatenate([answers(labels, layer["filters"], layer["offset"]) for layer in layers], 1)  # (N, F)
    sizes = {"epoch": 1, "image": len(labels), "filter": values.shape[1], "class": CLASSES, "rank": RANKS, "y": MAP}
    sizes |= {"x": MAP, "layer": len(layers), "place": 2, "pattern": MINED["most"], "search": 2}
    options = {"reduction": "mean", "z_scored": True, "layers": layers}
    held = run.add("activations-0a", "activations", sizes, (EPOCH,), facts(run) | options)
    statistics = {"scale": values.max(0), "mean": values.mean(0), "deviation": values.std(0)}
    ranked, lead = strongest(values, layers, statistics, z_scored=True)
    order = np.argsort(-values, 0)[:RANKS].T.astype(np.int32)  # (F, R)
    maps = np.zeros((values.shape[1], RANKS, MAP, MAP), np.uint8)
    maps[:, :, 2:5, 3:6] = 255
    shard = statistics | {
        "activation": (values / statistics["scale"]).astype(np.float16),
        "class_mean": np.stack([values[labels == number].mean(0) for number in range(CLASSES)], 1),
        "top_image": order,
        "top_value": np.take_along_axis(values.T, order, 1),
        "top_map": maps,
        "strongest": ranked,
        "lead": lead,
    }
    held.write(EPOCH, {name: value[None] for name, value in shard.items()})
    patterns = run.add(
        "patterns-0a", "patterns", sizes, (EPOCH,), facts(run) | {"activations": "activations-0a", **MINED}
    )
    patterns.write(EPOCH, mined(ranked[..., 0], labels, CLASSES, patterns))


def answers(labels: np.ndarray, filters: int, seed: int) -> np.ndarray:
    """Of one layer's filters, (N, filters) float32, not negative."""
    random = np.random.default_rng(seed)
    values = random.random((len(labels), filters), np.float32)
    rows, own = np.arange(len(labels)), random.integers(0, 3, len(labels))  # one of three filters of the class
    values[rows, (labels * 3 + own) % filters] += random.random(len(labels), np.float32) * 6
    return values
