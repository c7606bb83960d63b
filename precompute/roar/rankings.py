"""The order in which each image's pixels are removed: by a technique's map, or by a control.

Orders of techniques are stored, block by block, for all cells and workers; those of controls are as quick to make again.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from precompute.bench import Bench, Shard, to_float
from precompute.catalogue import TECHNIQUES, resolve
from precompute.material import select
from precompute.recipe import digest
from precompute.roar import removal
from precompute.roar.cells import CONTROLS
from precompute.roar.controls import Look, enlarged
from precompute.saliency import explain
from precompute.saliency.layers import layer_at, obstacle
from precompute.sanity.shift import outputs
from precompute.techniques import INPUT, layer_of
from precompute.wanted import Roar
from store.shards import Artifact

BLOCK = 2048  # images
SPLITS = ("train", "test")
SEED = 0  # of random rankings and of ties
LARGEST = 256  # pixels a side: places in the order are 16-bit numbers
MOST_BYTES = 16e9  # of memory that the images of a grid may take; those of CUB-200-2011 at 224 pixels a side take 7e9
AT_ONCE, VALUES = 1000, 4_000_000  # images, and pixels, that are put in order or replaced together, at most


def plan(bench: Bench) -> list[Artifact]:
    """One artifact a technique; that of one which does not apply to the network has no arrays, but the reason."""
    asked = bench.recipe.artifacts.roar
    if asked is None or cellless(bench, asked):
        return []
    return [artifact_of(bench, name) for name in dict.fromkeys(asked.techniques)]


def artifact_of(bench: Bench, technique: str) -> Artifact:
    asked = wish(bench)
    facts: dict[str, Any] = {
        "technique": technique,
        "layer": layer(bench, technique),
        "options": asked.ranking(technique),
        "version": TECHNIQUES[technique].version,
        "explained": asked.explained,
        "images": [asked.train_images, asked.test_images],
        "ties": SEED,
    }
    name = f"ranking-{technique.replace('+', 'p')}-{digest(facts)}"
    if name in bench.run.opened:
        return bench.run.opened[name]
    train, test = (len(numbers(bench, split)) for split in SPLITS)
    facts |= {"title": TECHNIQUES[technique].title, "train": train, "test": test}
    if reason := inapplicable(bench, technique):
        return bench.run.add(name, "ranking", {}, (), facts | {"obstacle": reason})
    facts |= {"tested": [] if asked.test_images == "all" else numbers(bench, "test").tolist()}
    sizes = {"image": min(BLOCK, train + test), "y": bench.data.size, "x": bench.data.size}
    return bench.run.add(name, "ranking", sizes | {"block": blocks(bench)}, range(blocks(bench)), facts)


def hindrance(bench: Bench, asked: Roar) -> str:
    """Why no pixels can be put in order here, as a sentence; "" where they can."""
    if bench.data.size > LARGEST:
        return f"The images are larger than {LARGEST} pixels a side; set a smaller size in the data set's options."
    if (needed := held(bench, asked)) > MOST_BYTES:
        return (
            f"The images would take {needed / 1e9:.0f} GB of memory, more than {MOST_BYTES / 1e9:.0f} GB: set train_images "
            "and test_images of artifacts.roar, or a smaller size in the data set's options."
        )
    return ""


def untrainable(bench: Bench, asked: Roar) -> str:
    """Why nothing can be retrained here; "" where it can."""
    if not len(bench.data.train.labels):
        return "There are no training images, so there is nothing to retrain on."
    if asked.epochs is None and (bench.run.origin == "imported" or not bench.recipe.training.epochs):
        return "The run was not trained here, so it is not known for how long to retrain: set artifacts.roar.epochs."
    return ""


def cellless(bench: Bench, asked: Roar) -> str:
    """Why the grid has no cell at all; "" where it has some."""
    if (bench.data.test.labels < 0).any():
        return "Some test images have no label, so there is no accuracy to compare."
    return hindrance(bench, asked) or ("" if asked.not_retrained else untrainable(bench, asked))


def held(bench: Bench, asked: Roar) -> float:
    """Bytes that a cell holds in memory: images of both splits, their order, and those of one without their pixels."""
    train, test = (len(numbers(bench, split)) for split in SPLITS)
    channels = len(bench.data.mean)
    whole = max(train if asked.retrained else 0, test)
    return bench.data.size**2 * ((channels + 2.0) * (train + test) + 4.0 * channels * whole)


def at_once(side: int) -> int:
    """Images whose pixels are put in order, or replaced, together."""
    return max(1, min(AT_ONCE, VALUES // side**2))


def inapplicable(bench: Bench, technique: str) -> str:
    """Why a technique has no map of this network; "" where it has."""
    sample = torch.zeros(1, bench.run_channels, bench.data.size, bench.data.size)
    place = layer_at(bench.first_classifier(), sample, layer(bench, technique))
    return obstacle(technique, bench.first_classifier(), place, sample) or ""


def layer(bench: Bench, technique: str) -> str:
    """The layer a technique explains: the one asked for, or the input where it explains that."""
    asked = wish(bench).layer
    return layer_of(technique, bench.run.attributes["default_layer"] if asked == "auto" else asked)


def wish(bench: Bench) -> Roar:
    return bench.recipe.artifacts.roar or Roar()


def numbers(bench: Bench, split: str) -> np.ndarray:
    """The images of a split that the grid is made with."""
    key, asked = f"roar numbers {split}", wish(bench)
    if key not in bench.measured:
        of, few = (bench.data.train, asked.train_images) if split == "train" else (bench.data.test, asked.test_images)
        bench.measured[key] = select(of.labels, few)
    return bench.measured[key]


def layers(bench: Bench) -> int:
    """How many tasks a block has: one a layer."""
    return len({layer(bench, name) for name in wish(bench).techniques})


def promised(bench: Bench) -> range:
    asked = bench.recipe.artifacts.roar
    return range(0 if asked is None or cellless(bench, asked) else blocks(bench))


def blocks(bench: Bench) -> int:
    return -(-sum(len(numbers(bench, split)) for split in SPLITS) // BLOCK)


def compute(bench: Bench, artifacts: Sequence[Artifact], block: int) -> Mapping[str, Shard]:
    """The order of removal of one block of images, by techniques that share a pass, at the last epoch."""
    first, shape = artifacts[0], (block_size(artifacts[0]), bench.data.size, bench.data.size)
    orders = {item.path: np.zeros((1, *shape), np.uint16) for item in artifacts}
    for split, part, place in parts(first, block):
        for start in range(part.start, part.stop, bench.batch):
            within = slice(start, min(start + bench.batch, part.stop))
            images = to_float(pixels(bench, split)[within], bench.device)
            ties = draws(split, numbers(bench, split)[within], bench.data.size)
            found = importance(bench, artifacts, images, labels(bench, split)[within])
            at = place + start - part.start
            for item in artifacts:
                orders[item.path][0, at : at + len(images)] = removal.ranks(found[item.path], ties)
            bench.progress.tick()
    return {path: {"rank": values} for path, values in orders.items()}


def total(artifact: Artifact) -> int:
    return artifact.attributes["train"] + artifact.attributes["test"]


def block_size(artifact: Artifact) -> int:
    """Images in a block of this artifact, which another BLOCK may have been begun with."""
    return artifact.array("rank").shape[1]


def parts(artifact: Artifact, block: int) -> Iterator[tuple[str, slice, int]]:
    """What a block is made of: split, images of it, and where in the block they begin."""
    train, size = artifact.attributes["train"], block_size(artifact)
    begin, end = block * size, min((block + 1) * size, total(artifact))
    if begin < train:
        yield "train", slice(begin, min(end, train)), 0
    if end > train:
        yield "test", slice(max(begin - train, 0), end - train), max(train - begin, 0)


def importance(bench: Bench, artifacts: Sequence[Artifact], images: Tensor, true: np.ndarray) -> dict[str, np.ndarray]:
    """Maps (n, H, W) of images for the class asked for; by magnitude where a technique explains the pixels themselves."""
    network, facts = bench.classifier(bench.run.epochs), artifacts[0].attributes
    predicted = facts["explained"] == "predicted"
    classes = outputs(network, images).argmax(1).cpu() if predicted else torch.from_numpy(true.astype(np.int64))
    techniques = {item.attributes["technique"]: item.attributes["options"] for item in artifacts}
    found = explain(network, images, classes[:, None], layer=facts["layer"], techniques=techniques).maps
    return {item.path: sized(found[item.attributes["technique"]], item, images) for item in artifacts}


def sized(maps: Tensor, artifact: Artifact, images: Tensor) -> np.ndarray:
    at_input = artifact.attributes["layer"] == INPUT
    return enlarged(maps.abs() if at_input else maps, images.shape[2:])


# What all cells share, kept between them


def pixels(bench: Bench, split: str) -> np.ndarray:
    """The images (n, side, side, C) uint8 of a split; larger training squares are cropped at their centre."""
    key = f"roar {split}"
    if key not in bench.measured:
        images, side = bench.data.train if split == "train" else bench.data.test, bench.data.size
        raw = images.read(numbers(bench, split))
        margin = (raw.shape[1] - side) // 2
        bench.measured[key] = raw[:, margin : margin + side, margin : margin + side]
    return bench.measured[key]


def labels(bench: Bench, split: str) -> np.ndarray:
    images = bench.data.train if split == "train" else bench.data.test
    return images.labels[numbers(bench, split)]


def draws(split: str, of: np.ndarray, side: int) -> np.ndarray:
    """Random numbers (n, side, side) in [0, 1), each image's own, whatever block or batch it is in."""
    return np.stack([np.random.default_rng([SEED, SPLITS.index(split), int(n)]).random((side, side)) for n in of])


def order(bench: Bench, ranked_by: str, split: str) -> np.ndarray:
    """Places (n, H, W) of the pixels in the order of removal, of all images of a split; the last one asked for is kept."""
    key = f"roar order {split} {ranked_by}"
    if key not in bench.measured:
        orders = [name for name in bench.measured if name.startswith("roar order")]
        for other in [name for name in orders if not name.endswith(f" {ranked_by}")]:
            del bench.measured[other]
        made = control if ranked_by in CONTROLS else stored
        bench.measured[key] = made(bench, ranked_by, split)
    return bench.measured[key]


def stored(bench: Bench, technique: str, split: str) -> np.ndarray:
    artifact = artifact_of(bench, technique)
    train, size = artifact.attributes["train"], block_size(artifact)
    begin, end = (0, train) if split == "train" else (train, total(artifact))
    first, last = begin // size, -(-end // size)  # only the blocks of the split: the whole order may be a gigabyte
    found = artifact.read("rank", range(first, last)).reshape(-1, bench.data.size, bench.data.size)
    return found[begin - first * size : end - first * size]


def control(bench: Bench, name: str, split: str) -> np.ndarray:
    images, function = pixels(bench, split), resolve(CONTROLS[name].function)
    places = np.empty(images.shape[:3], np.uint16)
    mean, std = torch.tensor(bench.data.mean), torch.tensor(bench.data.std)
    sizes, size = coarse(bench), at_once(bench.data.size)
    for start in range(0, len(images), size):
        part = slice(start, start + size)
        ties = draws(split, numbers(bench, split)[part], bench.data.size)
        look = Look(to_float(images[part], torch.device("cpu")), ties, mean, std, sizes)
        places[part] = removal.ranks(function(look), ties)
        bench.progress.tick()
    return places


def coarse(bench: Bench) -> tuple[int, int]:
    """Height and width of the default layer's maps."""
    default = bench.run.attributes["default_layer"]
    found = next(item for item in bench.run.attributes["layers"] if item["name"] == default)
    return found["height"], found["width"]
