"""What a run is about: its data set, read and checked, and the evaluated images in the store."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import numpy as np

from precompute import datasets
from precompute.catalogue import resolve
from precompute.datasets import DataSet, Images
from precompute.recipe import Recipe, digest
from store import encoding, shards
from store.errors import BadInput
from store.objects import Objects
from store.schema import KINDS, images_per_block, layout
from store.shards import Artifact


@dataclass(frozen=True)
class Material:
    """What a recipe is about: its data, read, with the evaluated images in the store."""

    data: DataSet  # without the training images that the recipe leaves out
    all_training: Images
    images: Artifact
    evaluated: np.ndarray
    fingerprints: dict[str, str]


def gather(objects: Objects, recipe: Recipe) -> Material:
    """Reads the data and stores the evaluated images."""
    data = datasets.load(recipe.data.set, recipe.data.options)
    evaluated = select(data.test.labels, recipe.evaluation.images)
    prints = fingerprints(recipe, data)
    images = store_images(objects, data, evaluated, recipe, prints["data"])
    trained_on = without(data, recipe.training.leave_out)
    if recipe.training.shuffled_labels:
        trained_on = shuffled(trained_on, recipe.training.seed)
    check_weights(recipe, trained_on)
    return Material(trained_on, data.train, images, evaluated, prints)


def images_prefix(recipe: Recipe) -> str:
    """What the ids of all sets of images made from the recipe's data set begin with."""
    return f"{recipe.data.set.partition(':')[0].replace('.', '-')}-"


def thumbnails_id(recipe: Recipe, fingerprint: str) -> str:
    """Where the training images of a data set are kept, for all runs that were trained on some of them."""
    return f"{images_prefix(recipe)}{digest([fingerprint, 'training'])}-train"


def check_weights(recipe: Recipe, data: DataSet) -> None:
    """Raises BadInput where a class that is given a weight does not exist."""
    if unknown := [name for name in recipe.training.class_weights if name not in data.classes]:
        raise BadInput(
            f"training.class_weights names {', '.join(unknown)}; the classes of {data.name} are: {', '.join(data.classes)}."
        )


def fingerprints(recipe: Recipe, data: DataSet) -> dict[str, str]:
    """Digests of all content a run depends on: images, a weights file or the weights' name, the user's own code."""
    weights = Path(recipe.model.weights or "").expanduser()
    own = [name for name in (recipe.data.set, recipe.model.network) if ":" in name]
    return {
        "data": datasets.fingerprint(data),
        "weights": encoding.checksum(weights.read_bytes()) if weights.is_file() else recipe.model.weights or "",
        "code": encoding.checksum("".join(map(source, own)).encode()) if own else "",
    }


def source(function: str) -> str:
    """The code of the module in which a function lies; raises BadInput where it is not there."""
    resolve(function)
    return inspect.getsource(import_module(function.partition(":")[0]))


def select(labels: np.ndarray, images: str | int) -> np.ndarray:
    """Numbers of the evaluated test images: all, or the first n of each class, in their own order."""
    if images == "all":
        return np.arange(len(labels))
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], labels[order])
    return np.sort(order[np.arange(len(order)) - starts < int(images)])


def without(dataset: DataSet, left_out: Sequence[int]) -> DataSet:
    """The data set without these training images, the others in their order. Raises BadInput where too few are left."""
    if not left_out:
        return dataset
    images, count = dataset.train, len(dataset.train.labels)
    if outside := [number for number in left_out if number >= count]:
        raise BadInput(
            f"training.leave_out names image {outside[0]}; the training images of {dataset.name} are 0 to {count - 1}."
        )
    rest = np.setdiff1d(np.arange(count), np.asarray(left_out, np.int64))
    if len(np.unique(images.labels[rest])) < 2:
        raise BadInput("training.leave_out leaves images of fewer than two classes; there is nothing to tell apart.")
    train = Images(
        images.labels[rest],
        lambda numbers: images.read(rest[numbers]),
        tuple(images.names[number] for number in rest),
        None if images.boxes is None else images.boxes[rest],
        None if images.parts is None else images.parts[rest],
        at_hand=images.at_hand,
    )
    return replace(dataset, train=train)


def shuffled(dataset: DataSet, seed: int) -> DataSet:
    """The data set with the labels of its training images dealt out at random; the test images keep theirs.

    Adebayo et al., Sanity Checks for Saliency Maps, 2018, https://arxiv.org/abs/1810.03292, section 4.2.
    """
    labels = np.random.default_rng([seed, len(dataset.train.labels)]).permutation(dataset.train.labels)
    return replace(dataset, train=replace(dataset.train, labels=labels))


def store_images(objects: Objects, data: DataSet, evaluated: np.ndarray, recipe: Recipe, fingerprint: str) -> Artifact:
    """Keeps the evaluated images, once, for all runs that look at the same ones."""
    first = data.test.read(evaluated[:1])  # (1, H, W, C)
    if first.dtype != np.uint8 or first.shape[1] != first.shape[2]:
        raise BadInput(
            f"Data set '{data.name}': square uint8 images were expected from test.read, not {first.dtype} {first.shape[1:]}."
        )
    side, channels = first.shape[1], first.shape[3]
    block = images_per_block(side, channels)
    parts = 0 if data.test.parts is None else data.test.parts.shape[1]
    sizes = {"image": len(evaluated), "y": side, "x": side, "channel": channels, "corner": 4, "axis": 2, "part": parts}
    names = ["pixels", "label", "source"] + ["box"] * (data.test.boxes is not None) + ["part"] * bool(parts)
    layouts = {name: layout(KINDS["images"][name], sizes, block=block) for name in names}
    identity = digest([fingerprint, side, channels, recipe.evaluation.images])
    artifact = shards.create(
        objects,
        f"datasets/{recipe.data.set.partition(':')[0].replace('.', '-')}-{identity}",
        layouts,
        {
            "kind": "images",
            "schema": 1,
            "title": data.name,
            "classes": list(data.classes),
            "mean": list(data.mean),
            "std": list(data.std),
            "size": side,
            "channels": channels,
            "part_names": list(data.part_names),
            "notes": list(data.notes),
            "fingerprint": fingerprint,
            "train_images": len(data.train.labels),
            "test_images": len(data.test.labels),
            "selection": recipe.evaluation.images,
            "promised": list(range(layouts["pixels"].shards)),
        },
    )
    for index in artifact.missing():
        numbers = evaluated[index * block : (index + 1) * block]
        values = {"pixels": data.test.read(numbers), "label": data.test.labels[numbers], "source": numbers}
        values |= {"box": data.test.boxes[numbers]} if data.test.boxes is not None else {}
        values |= {"part": data.test.parts[numbers]} if data.test.parts is not None and parts else {}
        artifact.write(index, values)
    return artifact
