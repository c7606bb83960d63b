"""A run of ImageNet's size that was never trained: all its metadata, and of its heavy shards a sample.

Written through the store's own functions. Every value a page computes with has the right shape, type and kind; what is
large repeats itself within each chunk, so that it costs the reader its full size and the disk little: logits at the
`dense` epochs excepted, which are noise and as long on disk as a network's. What is not in the sample is not marked, as in
a run under way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from store import shards
from store.objects import Objects, connect
from store.runs import Run, create_run
from store.schema import CONTROLS, KINDS, MEASURES, images_per_block, layout
from store.shards import Artifact
from tests.worlds import add_training, attributes

TECHNIQUES = ("grad-cam", "grad-cam++", "smooth-grad-cam++", "layer-cam", "cam")
TITLES = ("Grad-CAM", "Grad-CAM++", "SmoothGradCAM++", "Layer-CAM", "CAM")
RESNET50: tuple[int, ...] = (64, *(64, 64, 256, 256), *(64, 64, 256) * 2, *(128, 128, 512, 512), *(128, 128, 512) * 3)
RESNET50 += (*(256, 256, 1024, 1024), *(256, 256, 1024) * 5, *(512, 512, 2048, 2048), *(512, 512, 2048) * 2)
FEATURES, SIDE, MAP, NEAR, RANKS = 2048, 224, 7, 10, 9
ALIKE = 32  # neighbouring images whose light logits are the same but at their class


@dataclass(frozen=True)
class Size:
    """How large a run is. dense: the epochs whose logits do not compress; sampled: those that have features."""

    images: int = 50_000
    classes: int = 1000
    epochs: int = 100
    techniques: int = 5
    filters: tuple[int, ...] = RESNET50
    dense: tuple[int, ...] = (0, 50, 99, 100)
    sampled: tuple[int, ...] = (0, 100)
    patterns: int = 10_000

    @property
    def labels(self) -> np.ndarray:
        return np.arange(self.images) % self.classes


def make_large(folder: Path, size: Size) -> str:
    """The run's id. Its embedding is of every epoch, its weights of none, its filters of the last."""
    objects = connect(str(folder))
    data = add_images(objects, size)
    facts = attributes("large", size.epochs, size.classes, range(size.epochs + 1), data, 2 * MAP)
    layer = {"name": "features.4", "channels": FEATURES, "height": MAP, "width": MAP, "nonnegative": True}
    facts |= {"layers": [layer], "network": "resnet50", "parameters": 25_557_032}
    run = create_run(objects, "large-0123456789", facts)
    add_training(run, size.epochs)
    for epoch, artifact in promised(run, "evaluation-0a", "evaluation", size, {"train_images": 4000}):
        artifact.write(epoch, evaluation_at(size, epoch))
    for number in range(size.techniques):
        add_maps(run, size, number)
    add_embedding(run, size)
    add_filters(run, size)
    run.say({"state": "running", "doing": "features", "done": size.epochs, "of": 2 * size.epochs, "seconds_left": 9e4})
    return run.id


def sizes(size: Size) -> dict[str, int]:
    names = {"epoch": size.epochs + 1, "image": size.images, "class": size.classes, "true": size.classes}
    names |= {"predicted": size.classes, "split": 2, "measure": len(MEASURES), "y": MAP, "x": MAP, "axis": 2}
    names |= {"explained": 2, "feature": FEATURES, "neighbour": NEAR, "filter": sum(size.filters), "rank": RANKS}
    return names | {"layer": len(size.filters), "place": 2, "pattern": size.patterns, "search": 2}


def promised(
    run: Run, name: str, kind: str, size: Size, facts: dict[str, Any], at: Sequence[int] | None = None, **more: int
) -> list[tuple[int, Artifact]]:
    """Allocates an artifact of all epochs (or those `at`); gives it with each."""
    every = range(size.epochs + 1) if at is None else at
    facts = {"evaluation": "evaluation-0a", "dataset": run.attributes["dataset"], "version": 1} | facts
    artifact = run.add(name, kind, sizes(size) | more, every, facts)
    return [(epoch, artifact) for epoch in every]


def add_images(objects: Objects, size: Size) -> str:
    """Every image a slope of its own, so that none is missing and all compress."""
    block = images_per_block(SIDE, 3)
    lengths = {"image": size.images, "y": SIDE, "x": SIDE, "channel": 3}
    layouts = {key: layout(KINDS["images"][key], lengths, block=block) for key in ("pixels", "label", "source")}
    facts = {
        "kind": "images",
        "promised": list(range(-(-size.images // block))),
        "title": "A made-up ImageNet",
        "mean": [0.5] * 3,
        "std": [0.25] * 3,
        "classes": [f"kind {index}" for index in range(size.classes)],
        "size": SIDE,
        "channels": 3,
        "part_names": [],
        "notes": [],
        "train_images": 1_281_167,
        "test_images": size.images,
        "selection": "all",
    }
    name = f"large-{size.images}-{size.classes}"
    artifact = shards.create(objects, f"datasets/{name}", layouts, facts)
    slope = (np.add.outer(np.arange(SIDE), np.arange(SIDE))[..., None] // 2).astype(np.uint8)  # (y, x, 1)
    for index in artifact.promised:
        numbers = np.arange(index * block, min((index + 1) * block, size.images))
        colours = (np.stack([numbers % 7, numbers % 11, numbers % 13], -1) * 19).astype(np.uint8)  # (n, 3)
        pixels = slope[None] + colours[:, None, None]  # they wrap
        artifact.write(
            index,
            {
                "pixels": pixels,
                "label": (numbers % size.classes).astype(np.int32),
                "source": numbers.astype(np.int32),
            },
        )
    return name


def logits_at(size: Size, epoch: int) -> np.ndarray:
    """(N, K): the true class stands out in more and more of the images; the others are noise."""
    random = np.random.default_rng(100 + epoch)
    labels, rows = size.labels, np.arange(size.images)
    if epoch in size.dense:
        values = random.standard_normal((size.images, size.classes), np.float32)
    else:
        few = random.standard_normal((-(-size.images // ALIKE), size.classes), np.float32)
        values = np.repeat(few, ALIKE, 0)[: size.images]
    known = random.random(size.images) < 0.76 * (1 - 0.9**epoch)
    confused = (labels + 1 + random.integers(0, 3, size.images)) % size.classes
    values[rows, np.where(known, labels, confused)] += 8
    return values


def evaluation_at(size: Size, epoch: int) -> dict[str, np.ndarray]:
    logits, labels = logits_at(size, epoch), size.labels
    predicted = logits.argmax(1)
    confusion = np.zeros((size.classes, size.classes), np.int32)
    np.add.at(confusion, (labels, predicted), 1)
    hits = np.diag(confusion).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = hits / confusion.sum(0), hits / confusion.sum(1)
        f1 = 2 * precision * recall / (precision + recall)
    accuracy = float((predicted == labels).mean())
    loss = 1 - accuracy + 0.1
    return {
        "logits": logits[None],
        "confusion": confusion[None],
        "by_class": np.stack([precision, recall, f1], -1)[None],
        "accuracy": np.array([[min(1.0, accuracy + 0.02), accuracy]]),
        "loss": np.array([[loss * 0.9, loss]]),
    }


def add_maps(run: Run, size: Size, number: int) -> None:
    """Maps of one technique at all epochs, full of noise, and how they change."""
    signed = TECHNIQUES[number] == "cam"
    facts = {"technique": TECHNIQUES[number], "title": TITLES[number], "layer": "features.4", "height": MAP}
    facts |= {"width": MAP, "options": {}, "precision": "float32", "signed": signed}
    random, shape = np.random.default_rng(number), (1, 2, size.images, MAP, MAP)
    noise = random.random(shape, np.float32) - (0.5 if signed else 0)
    scale = np.abs(noise).max((-1, -2))
    noise = (noise / scale[..., None, None]).astype(np.float16)
    name = f"saliency-{TECHNIQUES[number].replace('+', 'p')}-features.4-0a"
    for epoch, artifact in promised(run, name, "saliency", size, facts):
        classes = np.stack([size.labels, (size.labels + (epoch % 3 == 0)) % size.classes])[None]
        maps = np.roll(noise, 1000 * epoch, 2)
        shard = {"maps": maps, "scale": scale, "explained_class": classes.astype(np.int32)}
        artifact.write(epoch, shard | {"poles": np.zeros(1, np.int64)})
    if number > 1:
        return
    facts |= {"saliency": name, "regions": [], "explained": ["true", "predicted"], "controls": list(CONTROLS)}
    earlier = {"earlier": size.epochs + 1, "control": len(CONTROLS)}
    name = name.replace("saliency", "attention")
    for epoch, artifact in promised(run, name, "attention", size, facts | {"version": 2}, None, **earlier):
        likeness = np.full((1, size.epochs + 1, size.images), np.nan, np.float16)
        likeness[0, epoch], likeness[0, [max(epoch - 1, 0), min(1, epoch)]] = 1, random.random(size.images)
        artifact.write(epoch, {"likeness": likeness})


def add_embedding(run: Run, size: Size) -> None:
    """One map at every epoch; features and neighbours at the sampled ones."""
    random = np.random.default_rng(3)
    centres = random.normal(size=(size.classes, 2)) * 30
    for epoch, artifact in promised(
        run, "embedding-30", "embedding", size, {"features": "features-0a", "perplexity": 30}
    ):
        points = centres[size.labels] * epoch / size.epochs + random.normal(size=(size.images, 2)) * 3
        numbers = {"divergence": np.array([3.0]), "trustworthiness": np.array([0.9]), "move": np.array([0.1])}
        artifact.write(epoch, {"points": points[None].astype(np.float32)} | numbers)
    near = (np.arange(size.images)[:, None] + size.classes * np.arange(1, NEAR + 1)) % size.images
    shard = {"neighbours": near[None].astype(np.int32), "scale": np.ones((1, size.images), np.float32)}
    shard["distances"] = np.broadcast_to(np.arange(1, NEAR + 1, dtype=np.float32), (1, size.images, NEAR))
    values = np.repeat(random.random((-(-size.images // 16), FEATURES), np.float32), 16, 0)[: size.images]
    for epoch, artifact in promised(run, "features-0a", "features", size, {"width": FEATURES}):
        if epoch in size.sampled:
            artifact.write(epoch, shard | {"features": values[None].astype(np.float16)})


def add_filters(run: Run, size: Size) -> None:
    """Answers of all filters at the last epoch, those of each image alike; each pattern is one of two neighbouring layers."""
    random, filters, last = np.random.default_rng(4), sum(size.filters), (size.epochs,)
    offsets = np.concatenate([[0], np.cumsum(size.filters)])
    layers = [
        {"name": f"conv{number}", "filters": count, "height": MAP, "width": MAP, "offset": int(offsets[number])}
        for number, count in enumerate(size.filters)
    ]
    facts = {"reduction": "mean", "z_scored": True, "epochs": "last"}
    ((epoch, artifact),) = promised(
        run, "activations-0a", "activations", size, facts | {"layers": layers}, last, y=14, x=14
    )
    paths = (random.integers(0, 12, (size.images, len(layers), 2)) % np.array(size.filters)[:, None]).astype(np.int16)
    row = random.random(filters, np.float32).astype(np.float16)
    artifact.write(
        epoch,
        {
            "activation": np.broadcast_to(row, (1, size.images, filters)),
            "scale": np.ones((1, filters), np.float32),
            "mean": np.full((1, filters), 0.5, np.float32),
            "deviation": np.full((1, filters), 0.1, np.float32),
            "class_mean": np.broadcast_to(random.random(size.classes, np.float32), (1, filters, size.classes)),
            "top_image": random.integers(0, size.images, (1, filters, RANKS), np.int32),
            "top_value": np.broadcast_to(np.linspace(1, 0.5, RANKS, dtype=np.float32), (1, filters, RANKS)),
            "top_map": np.broadcast_to(random.integers(0, 255, (14, 14), np.uint8), (1, filters, RANKS, 14, 14)),
            "strongest": paths[None],
            "lead": np.ones((1, size.images, len(layers)), np.float32),
        },
    )
    facts |= {"activations": "activations-0a", "support": 5, "most": size.patterns, "options": {}}
    add_patterns(run, size, paths[..., 0], facts)


def add_patterns(run: Run, size: Size, paths: np.ndarray, facts: dict[str, Any]) -> None:
    ((epoch, artifact),) = promised(run, "patterns-0a", "patterns", size, facts, (size.epochs,))
    found = np.full((size.patterns, paths.shape[1]), -1, np.int16)
    support, by_class = np.zeros(size.patterns, np.int32), np.zeros((size.patterns, size.classes), np.int32)
    pairs = [(layer, image) for image in range(size.images) for layer in range(paths.shape[1] - 1)]
    for number, (layer, image) in enumerate(pairs[: size.patterns]):
        pair = paths[image, layer : layer + 2]
        having = np.flatnonzero((paths[:, layer : layer + 2] == pair).all(1)) if number < 50 else np.arange(image, 300)
        found[number, layer : layer + 2], support[number] = pair, len(having)
        by_class[number] = np.bincount(size.labels[having], minlength=size.classes)
    shard = {"filters": found, "support": support, "lift": np.full(size.patterns, 2, np.float32), "by_class": by_class}
    shard |= {"p_value": np.full(size.patterns, 0.005, np.float32), "kind": np.ones(size.patterns, np.int8)}
    artifact.write(
        epoch, {name: value[None] for name, value in shard.items()} | {"found": np.array([[size.patterns, 0]])}
    )
