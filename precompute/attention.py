"""Attention in numbers: what share of each saliency map lies where, and how a map changes from epoch to epoch.

Regions are the bounding box and the parts of a data set that has them, and rectangles a recipe names. SalienCNN shows by
single images that a network "learns to look at head and neck"; here it is a share with an interval, epoch by epoch.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from precompute import maps
from precompute.bench import Bench, Shard
from precompute.drift import correlation, ranks
from precompute.recipe import digest
from precompute.regions import boxes, controls, discs, rectangle, shares, weights
from precompute.wanted import Attention
from store.schema import CONTROLS, EXPLAINED
from store.shards import Artifact

# CUB's parts at head and neck. A data set that has them all, and boxes, gets the regions head, body and background
HEAD = ("beak", "crown", "forehead", "left eye", "nape", "right eye", "throat")
MOST_VALUES = 16_000_000  # of masks, or of maps that are ranked, at a time


@dataclass(frozen=True)
class Region:
    """One region of every image. kind: "group" (of a partition of the image), "box", "part" or "drawn" (in the recipe)."""

    kind: str
    name: str
    corners: tuple[float, ...] = ()


def plan(bench: Bench) -> list[Artifact]:
    """One artifact for each saliency artifact that has maps."""
    options = bench.recipe.artifacts.attention
    if options is None:
        return []
    return [attention_artifact(bench, item, options) for item in maps.plan(bench) if "obstacle" not in item.attributes]


def parts(bench: Bench) -> int:
    """How many tasks an epoch has: one a layer."""
    return maps.parts(bench) if bench.recipe.artifacts.attention else 0


def reads(bench: Bench, artifact: Artifact, epoch: int) -> list[tuple[Artifact, tuple[int, ...]]]:
    """The maps one epoch needs: its own, and those it compares them with."""
    source = bench.run.artifact(artifact.attributes["saliency"])
    return [(source, (*compared(bench.kept_epochs(), epoch), epoch))]


def attention_artifact(bench: Bench, saliency: Artifact, options: Attention) -> Artifact:
    found, of = regions(bench, options), saliency.attributes
    facts: dict[str, object] = {"saliency": saliency.name, "version": 2, "regions": [vars(item) for item in found]}
    if any(item.kind in ("group", "part") for item in found):
        facts["radius"] = options.radius
    name = saliency.name.replace("saliency-", "attention-", 1).rsplit("-", 1)[0] + f"-{digest(facts)}"
    keys = ("technique", "title", "layer", "height", "width", "signed", "evaluation", "dataset")
    facts |= {key: of[key] for key in keys} | {"explained": list(EXPLAINED), "controls": list(CONTROLS)}
    sizes = {"epoch": bench.run.epochs + 1, "image": len(bench.evaluated), "earlier": bench.run.epochs + 1}
    sizes |= {"explained": len(EXPLAINED), "control": len(CONTROLS)}
    return bench.run.add(
        name, "attention", sizes | ({"region": len(found)} if found else {}), bench.kept_epochs(), facts
    )


def regions(bench: Bench, options: Attention) -> list[Region]:
    """All regions, in the order of the stored arrays."""
    data = bench.data
    has_box, has_parts = data.test.boxes is not None, data.test.parts is not None
    head = has_box and has_parts and set(HEAD) <= set(data.part_names)
    groups = ("head", "body", "background") if head else ("background",) if has_box else ()
    found = [Region("group", name) for name in groups]
    found += [Region("box", "box")] if has_box else []
    found += [Region("part", name) for name in data.part_names] if has_parts else []
    return found + [Region("drawn", name, corners) for name, corners in options.regions.items()]


def compute(bench: Bench, artifacts: Sequence[Artifact], epoch: int) -> Mapping[str, Shard]:
    """Shares and likenesses of all techniques at one layer and epoch, from their stored maps."""
    of = artifacts[0].attributes
    shape, count = (of["height"], of["width"]), len(bench.evaluated)
    found = {item.path: empty(len(of["regions"]), count) for item in artifacts}
    sources = {item.path: bench.run.artifact(item.attributes["saliency"]) for item in artifacts}
    for part, masks, known in projected(bench, of, shape) if of["regions"] else ():
        of_masks = partial(shares, regions=masks, side=bench.data.size, known=known)
        without = [of_masks(plain) for plain in controls(np.arange(count)[part], *shape)]
        for path, shard in found.items():
            stored = sources[path].read("maps", epoch, slice(None), part)  # (2, n, h, w), divided by a scale
            shard["control"][:, part] = without
            shard["share"][:, part] = [of_masks(item) for item in stored]
        bench.progress.tick()
    for path, shard in found.items():
        places = bench.run.artifact(path.rsplit("/", 1)[-1]).array("likeness").shape[1]
        shard["likeness"] = likeness(bench, sources[path], epoch, places)
    return {path: {name: values[None] for name, values in shard.items()} for path, shard in found.items()}


def empty(count: int, images: int) -> dict[str, np.ndarray]:
    if not count:
        return {}
    return {
        "share": np.empty((len(EXPLAINED), images, count), np.float32),
        "control": np.empty((len(CONTROLS), images, count), np.float32),
    }


# Regions


def projected(
    bench: Bench, of: Mapping[str, Any], shape: tuple[int, int]
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """The regions on the cells of maps of that shape (n, R, h, w), and which are known (n, R), a few images at a time."""
    found = [Region(item["kind"], item["name"], tuple(item["corners"])) for item in of["regions"]]
    step = max(1, MOST_VALUES // (len(found) * bench.data.size**2))
    for start in range(0, len(bench.evaluated), step):
        part = slice(start, min(start + step, len(bench.evaluated)))
        masks = masks_of(bench, found, bench.evaluated[part], of.get("radius", 0))
        known = np.asarray(masks.any((2, 3)))  # (n, R)
        grouped = [place for place, item in enumerate(found) if item.kind == "group"]
        if grouped:  # one that is empty has nothing, so that they add up
            known[:, grouped] = known[:, [item.kind == "box" for item in found]]
        yield part, weights(masks, *shape), known


def masks_of(bench: Bench, found: Sequence[Region], numbers: np.ndarray, radius: float) -> np.ndarray:
    """Which pixels of test images `numbers` lie in each region, (n, R, side, side)."""
    data, side = bench.data, bench.data.size
    whole = (len(numbers), side, side)
    masks = {
        (item.kind, item.name): np.broadcast_to(rectangle(item.corners, side), whole)
        for item in found
        if item.kind == "drawn"
    }
    inside, lengths = np.zeros(whole, bool), np.full(len(numbers), float(side))  # radii are shares of these
    if data.test.boxes is not None:
        edges = np.clip(data.test.boxes[numbers], 0, side)  # (n, 4)
        inside = masks["box", "box"] = boxes(edges, side)
        masks["group", "background"] = ~inside & np.isfinite(edges).all(1)[:, None, None]
        area = (edges[:, 2] - edges[:, 0]) * (edges[:, 3] - edges[:, 1])
        lengths = np.where(area > 0, np.sqrt(np.maximum(area, 0)), lengths)
    if data.test.parts is not None:
        around = discs(data.test.parts[numbers], radius * lengths, side)  # (n, P, side, side)
        masks |= {("part", name): around[:, place] for place, name in enumerate(data.part_names)}
    if Region("group", "head") in found:
        near = np.any([masks["part", name] for name in HEAD], axis=0)
        masks["group", "head"], masks["group", "body"] = near & inside, inside & ~near
    return np.stack([masks[item.kind, item.name] for item in found], 1)


# Change


def likeness(bench: Bench, source: Artifact, epoch: int, places: int) -> np.ndarray:
    """Rank correlation (earlier, N) of the maps of the true class with those of earlier epochs.

    Compared are the epoch itself (1, NaN where flat), the kept one before, the first trained one, and at the last all.
    places: length along `earlier`, of a recorded run that stopped early more than there are epochs.
    """
    _, _, count, height, width = source.array("maps").shape
    found = np.full((places, count), np.nan, np.float16)
    classes, others = source.read("explained_class", epoch)[0], compared(bench.kept_epochs(), epoch)
    same = {
        other: source.read("explained_class", other)[0] == classes for other in others
    }  # unlabelled images: the predicted
    step = max(1, MOST_VALUES // (height * width))
    for part in (slice(start, start + step) for start in range(0, count, step)):
        own = ranks(source.read("maps", epoch, 0, part))  # (n, h·w)
        found[epoch, part] = correlation(own, own)
        for other in others:
            alike = correlation(own, ranks(source.read("maps", other, 0, part)))
            found[other, part] = np.where(same[other][part], alike, np.nan)
            bench.progress.tick()
    return found


def compared(kept: Sequence[int], epoch: int) -> list[int]:
    """The kept epochs whose maps those of `epoch` are compared with."""
    before = [item for item in kept if item < epoch]
    return before if epoch == kept[-1] else sorted({*before[-1:], *[item for item in before if item][:1]})
