"""Small synthetic stores: runs that were never trained, with seeded random values of the right shape and kind."""

import json
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from store import shards
from store.objects import Objects, connect
from store.runs import Run, create_run, open_run
from store.schema import KINDS, MEASURES, TRAINING_MEASURES, images_per_block, layout
from store.seals import sealed
from tests.worlds_embedding import add_embedding

TECHNIQUES = {"grad-cam": ("Grad-CAM", False), "cam": ("CAM", True)}
OBSTACLES = {"grad-cam++": ("Grad-CAM++", "Grad-CAM++ is not defined here: this world has no gradients.")}
# A folder of worlds to copy, which takes a tenth of the time of making them; tests/conftest.py names it.
TEMPLATES: Path | None = None


def make_world(
    folder: Path,
    *,
    name: str = "world",
    epochs: int = 3,
    classes: int = 4,
    images: int = 24,
    side: int = 12,
    channels: int = 1,
    kept: Sequence[int] | None = None,
    finished: int | None = None,
    status: dict[str, object] | None = None,
    summarise: bool = True,
    perplexities: Sequence[int] = (),
) -> str:
    """A run in the store at `folder`; the epochs up to `finished` (all) are done. Returns its id.

    With `perplexities` it has an embedding; one that is negative has no map, but a reason.
    """
    objects = connect(str(folder))
    kept = tuple(kept if kept is not None else range(epochs + 1))
    finished = epochs if finished is None else finished
    done = finished == epochs
    wanted = (name, epochs, classes, images, side, channels, kept, finished)
    if TEMPLATES and makers() == MAKERS and f"{name}-0123456789" not in objects.folders("runs"):
        run = copied(objects, TEMPLATES / uuid.uuid5(uuid.NAMESPACE_OID, repr(wanted)).hex, wanted)
    else:
        run = computed(objects, *wanted)
    if perplexities:
        add_embedding(run, kept, np.arange(images) % classes, finished, perplexities)
    run.say(
        status
        or {
            "state": "finished" if done else "running",
            "doing": "" if done else "training",
            "done": max(finished, 0),
            "of": epochs,
            "seconds_left": None if done else 40.0,
        }
    )
    if done and summarise:
        run.summarise()
    return run.id


def computed(
    objects: Objects,
    name: str,
    epochs: int,
    classes: int,
    images: int,
    side: int,
    channels: int,
    kept: Sequence[int],
    finished: int,
) -> Run:
    """A run and its artifacts, without a status."""
    labels = np.arange(images) % classes
    data = make_images(objects, labels, side, channels, classes)
    run = create_run(objects, f"{name}-0123456789", attributes(name, epochs, classes, kept, data, side))
    add_training(run, finished)
    add_evaluation(run, kept, labels, classes, finished, data)
    add_saliency(run, kept, labels, classes, finished)
    return run


def copied(objects: Objects, template: Path, wanted: tuple[Any, ...]) -> Run:
    """The same from a template, which is computed when it is first asked for; made now, and a run of its own."""
    if not template.exists():
        computed(connect(f"{template}-half"), *wanted)
        Path(f"{template}-half").rename(template)
    shutil.copytree(template, str(objects.local), dirs_exist_ok=True, copy_function=added)
    path = f"runs/{wanted[0]}-0123456789"
    facts = objects.get_json(f"{path}/zarr.json")
    facts["attributes"] = sealed(facts["attributes"] | {"uuid": uuid.uuid4().hex, "created": time.time()})
    objects.put(f"{path}/zarr.json", json.dumps(facts).encode())
    return open_run(objects, path.removeprefix("runs/"))


def added(source: str, target: str) -> None:
    """Copies a file that is not there yet: worlds of one store may share their images."""
    if not os.path.exists(target):  # noqa: PTH110, a hundred files a world
        shutil.copyfile(source, target)


def left(artifact: shards.Artifact, epochs: Iterable[int], finished: int) -> list[int]:
    """The epochs up to `finished` that are not there yet: a world that goes on keeps what it has."""
    there = artifact.marked()
    return [epoch for epoch in epochs if epoch <= finished and epoch not in there]


def attributes(name: str, epochs: int, classes: int, kept: Sequence[int], data: str, side: int) -> dict[str, object]:
    recipe = {
        "name": name,
        "note": "a world that was never trained",
        "data": {"set": "mnist5000", "options": {}},
        "model": {"network": "gap", "weights": None, "options": {}},
        "training": {
            "optimizer": "sgd",
            "learning_rate": 0.01,
            "epochs": epochs,
            "batch_size": 64,
            "seed": 0,
            "augmentation": {"shift": 0.1, "flip": False},
        },
        "evaluation": {"images": "all", "train_images": 4000, "keep": 1},
        "artifacts": {"saliency": {"techniques": list(TECHNIQUES)}, "attention": None},
    }
    layer = {"name": "features.4", "channels": 8, "height": side // 2, "width": side // 2, "nonnegative": True}
    provenance = {
        "commit": "0" * 40,
        "versions": {"torch": "2.15.0"},
        "device": "cpu",
        "threads": 2,
        "cpu": "AVX2",
        "precision": "float32",
    }
    return {
        "recipe": recipe,
        "classes": [f"kind {index}" for index in range(classes)],
        "epochs": epochs,
        "kept": list(kept),
        "dataset": data,
        "network": "gap-net",
        "layers": [layer],
        "default_layer": "features.4",
        "parameters": 1234,
        "provenance": provenance,
        "fingerprints": {"data": "abc"},
    }


def make_images(objects: Objects, labels: np.ndarray, side: int, channels: int, classes: int) -> str:
    """A data set: each class is a bright square at a place of its own, in noise."""
    count, random = len(labels), np.random.default_rng(1)
    pixels = random.integers(0, 60, (count, side, side, channels), np.uint8)
    for image, label in enumerate(labels):
        at = int(label) * max(1, side - 4) // classes
        pixels[image, at : at + 4, at : at + 4] = 220
    block = images_per_block(side, channels)
    sizes = {"image": count, "y": side, "x": side, "channel": channels}
    layouts = {key: layout(KINDS["images"][key], sizes, block=block) for key in ("pixels", "label", "source")}
    data_id = f"world-{count}-{classes}-{side}-{channels}"
    facts = {
        "kind": "images",
        "promised": list(range(-(-count // block))),
        "title": "A made-up world",
        "mean": [0.15] * channels,
        "classes": [f"kind {index}" for index in range(classes)],
        "size": side,
        "channels": channels,
        "part_names": [],
        "notes": ["no image was skipped"],
        "train_images": 4000,
        "test_images": count,
        "selection": "all",
    }
    artifact = shards.create(objects, f"datasets/{data_id}", layouts, facts)
    values = {"pixels": pixels, "label": labels.astype(np.int32), "source": np.arange(count, dtype=np.int32)}
    for index in artifact.missing():
        artifact.write(index, {key: value[index * block : (index + 1) * block] for key, value in values.items()})
    return data_id


def add_training(run: Run, finished: int) -> None:
    artifact = run.add(
        "training",
        "training",
        {"epoch": run.epochs + 1, "measure": len(TRAINING_MEASURES)},
        range(run.epochs + 1),
        {"measures": list(TRAINING_MEASURES)},
    )
    for epoch in left(artifact, range(run.epochs + 1), finished):
        measures = np.array([[2.0 / (epoch + 1), 0.01, 3.5]]) if epoch else np.full((1, 3), np.nan)
        artifact.write(epoch, {"measures": measures, "weights_digest": np.zeros(1, np.int64)})


def add_evaluation(
    run: Run,
    kept: Sequence[int],
    labels: np.ndarray,
    classes: int,
    finished: int,
    data: str,
    name: str = "evaluation-0a",
) -> None:
    sizes = {
        "epoch": run.epochs + 1,
        "image": len(labels),
        "class": classes,
        "split": 2,
        "true": classes,
        "predicted": classes,
        "measure": len(MEASURES),
    }
    artifact = run.add(name, "evaluation", sizes, kept, {"dataset": data, "train_images": 4000})
    for epoch in left(artifact, kept, finished):
        values = measures(logits_at(epoch, labels, classes), labels, classes)
        artifact.write(epoch, {name: value[None] for name, value in values.items()})


def logits_at(epoch: int, labels: np.ndarray, classes: int) -> np.ndarray:
    """Noise in which the true class stands out more with each epoch, (image, class)."""
    noise = np.random.default_rng(100 + epoch).normal(size=(len(labels), classes))
    return (noise + 4 * (1 - 0.75**epoch) * np.eye(classes)[labels]).astype(np.float32)


def measures(logits: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    """What an evaluation of one epoch holds, by the definitions."""
    predicted = logits.argmax(-1)
    confusion = np.zeros((classes, classes), np.int32)
    np.add.at(confusion, (labels, predicted), 1)
    hits = np.diag(confusion).astype(float)
    with np.errstate(invalid="ignore"):
        precision, recall = hits / confusion.sum(0), hits / confusion.sum(1)
        f1 = 2 * precision * recall / (precision + recall)
    accuracy = float((predicted == labels).mean())
    loss = float(np.mean(np.log(np.exp(logits).sum(-1)) - logits[np.arange(len(labels)), labels]))
    by_class = np.stack([precision, recall, f1], -1)
    return {
        "logits": logits,
        "confusion": confusion,
        "by_class": by_class,
        "accuracy": np.array([min(1.0, accuracy + 0.02), accuracy]),
        "loss": np.array([loss * 0.9, loss]),
    }


def add_saliency(
    run: Run,
    kept: Sequence[int],
    labels: np.ndarray,
    classes: int,
    finished: int,
    evaluation: str = "evaluation-0a",
    suffix: str = "",
) -> None:
    layer, count = run.attributes["layers"][0], len(labels)
    sizes = {"epoch": run.epochs + 1, "explained": 2, "image": count, "y": layer["height"], "x": layer["width"]}
    facts = {
        "layer": layer["name"],
        "height": layer["height"],
        "width": layer["width"],
        "options": {},
        "version": 1,
        "evaluation": evaluation,
        "precision": "float32",
    }
    for technique, (title, signed) in TECHNIQUES.items():
        artifact = run.add(
            f"saliency-{technique}{suffix}",
            "saliency",
            sizes,
            kept,
            {**facts, "technique": technique, "title": title, "signed": signed},
        )
        for epoch in left(artifact, kept, finished):
            predicted = logits_at(epoch, labels, classes).argmax(-1)
            artifact.write(epoch, maps_at(epoch, sizes, labels, predicted, signed=signed))
    for technique, (title, why) in OBSTACLES.items():
        run.add(
            f"saliency-{technique}{suffix}",
            "saliency",
            {},
            (),
            {**facts, "technique": technique, "title": title, "signed": False, "obstacle": why},
        )


def maps_at(
    epoch: int, sizes: dict[str, int], labels: np.ndarray, predicted: np.ndarray, *, signed: bool
) -> dict[str, np.ndarray]:
    random = np.random.default_rng(200 + epoch)
    maps = random.normal(size=(1, 2, len(labels), sizes["y"], sizes["x"]))
    maps = maps if signed else np.maximum(maps, 0)
    scale = np.abs(maps).max((-1, -2))
    return {
        "maps": (maps / scale[..., None, None]).astype(np.float16),
        "scale": scale.astype(np.float32),
        "explained_class": np.stack([labels, predicted])[None].astype(np.int32),
        "poles": np.zeros(1, np.int64),
    }


def makers() -> tuple[object, ...]:
    """What decides what a world holds; a test may put something else in its place."""
    return (
        dict(TECHNIQUES),
        dict(OBSTACLES),
        attributes,
        make_images,
        add_training,
        add_evaluation,
        add_saliency,
        logits_at,
        measures,
        maps_at,
    )


MAKERS = makers()
