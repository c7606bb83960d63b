"""What a re-train will take, time and disk, from what the run it starts from took. No torch here.

Each part is scaled by what it grows with: epochs, images, techniques, layers. What was never measured is left out and said.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from precompute import catalogue
from precompute.catalogue import CHANGES
from precompute.recipe import Recipe
from precompute.wanted import Saliency
from store.errors import LoupeError
from store.runs import Run, dataset
from store.shards import Artifact

Found = TypeVar("Found")

SHARED_PASS = 1.0  # techniques that share one pass; one that draws noisy copies costs a pass for each
PARTS = {
    "training": "training",
    "evaluation": "evaluation",
    "saliency": "maps",
    "cases": "maps of recommended cases",
    "features": "features",
    "embedding": "embedding",
    "activations": "activations of all filters",
    "patterns": "patterns of filters",
    "simulation": "simulation",
}


@dataclass(frozen=True)
class Estimate:
    """`seconds` and `bytes` of the known parts, None where there is none; `basis` says from what, `unknown` what is left out."""

    seconds: float | None
    bytes: int | None
    basis: str
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class Size:
    """What the cost of a run grows with."""

    epochs: int
    kept: int  # epochs whose weights are kept, and looked at
    trained: float  # images
    evaluated: float
    sampled: float  # training images that are evaluated
    classes: int
    saliency: Saliency | None
    perplexities: int = 0  # maps of the features
    network: int = 0  # epochs whose filters are looked at
    changes: int = 0  # of the images, at each epoch that is simulated
    simulated: int = 0  # these epochs
    looks: float = 0  # images at all points of all changes, at one of them

    @property
    def layers(self) -> int:
        return len(self.saliency.layers) if self.saliency else 0

    @property
    def maps(self) -> int:
        """Maps of one image."""
        return self.layers * len(self.saliency.techniques) if self.saliency else 0

    @property
    def passes(self) -> float:
        """What the maps of one image at one layer cost, in forward and backward passes."""
        if not self.saliency:
            return 0
        draws = [self.saliency.of(name).get("draws", 0) for name in self.saliency.techniques]
        return sum(draws) + SHARED_PASS * (0 in draws)

    @property
    def cases(self) -> int:
        return self.classes * self.saliency.cases if self.saliency else 0


def estimate(parent: Run, before: Recipe, after: Recipe, *, trained_already: bool = False) -> Estimate:
    """What `after` will take, by what `parent`, made by `before`, took; without the training where its weights are there."""
    if different := incomparable(before, after):
        return Estimate(None, None, f"{different}, so nothing of what {parent.id} took applies", tuple(PARTS.values()))
    facts = dataset(parent.objects, parent.attributes["dataset"]).attributes
    one, other = size(parent, facts, before), size(parent, facts, after)
    seconds, unknown = time(parent, one, other)
    if trained_already:
        seconds.pop("training", None)
    space = disk(parent, one, other)
    return Estimate(
        sum(seconds.values()) if seconds else None,
        int(sum(space.values())) if space else None,
        f"measured in {parent.id}, on {device(parent)}" if seconds or space else f"{parent.id} measured nothing",
        tuple(PARTS[name] for name in unknown),
    )


def incomparable(before: Recipe, after: Recipe) -> str:
    """What differs so much that no rate can be carried over; "" where nothing does."""
    if before.data != after.data:
        return "the data are others"
    if before.model.model_dump(exclude={"weights"}) != after.model.model_dump(exclude={"weights"}):
        return "the network is another"
    return ""


def size(parent: Run, facts: Mapping[str, object], recipe: Recipe) -> Size:
    trained = max(int(str(facts.get("train_images", 0))) - len(recipe.training.leave_out), 0)
    tests = int(str(facts.get("test_images", 0)))
    classes, images = len(parent.classes), recipe.evaluation.images
    return Size(
        epochs=recipe.training.epochs,
        kept=len(recipe.kept_epochs()),
        trained=trained,
        evaluated=tests if images == "all" else min(tests, int(images) * classes),
        sampled=min(trained, recipe.evaluation.train_images),
        classes=classes,
        saliency=recipe.artifacts.saliency,
        perplexities=len(recipe.artifacts.embedding.perplexities) if recipe.artifacts.embedding else 0,
        network=looked_at(recipe, recipe.artifacts.network.epochs) if recipe.artifacts.network else 0,
        **simulated(recipe, facts, classes),
    )


def simulated(recipe: Recipe, facts: Mapping[str, object], classes: int) -> dict[str, int]:
    """What the cost of a simulation grows with. Hue and saturation of grey images are none."""
    options, grey = recipe.artifacts.simulation, facts.get("channels") == 1
    if options is None:
        return {}
    names = [name for name in dict.fromkeys(options.changes) if not (grey and name in catalogue.COLOURFUL)]
    tests = int(str(facts.get("test_images", 0)))
    few = [int(number) for number in (recipe.evaluation.images, options.images) if number != "all"]
    looks = min([tests, *(number * classes for number in few)]) * sum(len(CHANGES[name].points()) for name in names)
    return {"changes": len(names), "simulated": looked_at(recipe, options.epochs), "looks": looks}


def looked_at(recipe: Recipe, which: str) -> int:
    """How many epochs a costly artifact is made of."""
    return len(recipe.kept_epochs()) if which == "kept" else 1


# Time


def time(parent: Run, one: Size, other: Size) -> tuple[dict[str, float], list[str]]:
    """Seconds of each part that was measured, and the parts asked for that were not."""
    rates = {name: rate for name, rate in parent.status().rates.items() if math.isfinite(rate) and rate > 0}
    if seconds := epoch_seconds(parent):
        rates["training"] = seconds
    steps = {
        "training": other.epochs,
        "evaluation": other.kept,
        "saliency": other.kept * other.layers,
        "cases": other.kept * other.layers * bool(other.cases),
        "features": other.kept * bool(other.perplexities),
        "embedding": other.kept * bool(other.perplexities),
        "activations": other.network,
        "patterns": other.network,
        "simulation": other.simulated * other.changes,
    }
    grown = {
        "training": share(other.trained, one.trained),
        "evaluation": share(other.evaluated + other.sampled, one.evaluated + one.sampled),
        "saliency": share(other.evaluated * other.passes, one.evaluated * one.passes),
        "cases": share(other.cases * other.passes, one.cases * one.passes),
        "features": share(other.evaluated, one.evaluated),
        "embedding": share(other.evaluated * other.perplexities, one.evaluated * one.perplexities),
        "activations": share(other.evaluated, one.evaluated),
        "patterns": share(other.evaluated, one.evaluated),
        "simulation": share(share(other.looks, other.changes), share(one.looks, one.changes)),
    }
    known = {name: rates[name] * count * grown[name] for name, count in steps.items() if count and name in rates}
    known = {name: seconds for name, seconds in known.items() if math.isfinite(seconds)}
    return known, [name for name, count in steps.items() if count and name not in known]


def share(after: float, before: float) -> float:
    """How many times as much; NaN where there was nothing to compare with."""
    return after / before if before else math.nan


def epoch_seconds(parent: Run) -> float | None:
    """Median seconds of an epoch's training; None before one was trained."""
    measures = attempt(lambda: parent.artifact("training"))
    epochs = [epoch for epoch in (measures.marked() if measures else ()) if epoch]
    values = attempt(lambda: measures.read("measures", epochs)[:, 2]) if measures and epochs else None
    known = values[np.isfinite(values) & (values > 0)] if values is not None else []
    return float(np.median(known)) if len(known) else None


def device(parent: Run) -> str:
    facts = parent.attributes.get("provenance", {})
    threads = f" with {facts['threads']} threads" if facts.get("device") == "cpu" and "threads" in facts else ""
    return f"{'a CPU' if facts.get('device') == 'cpu' else facts.get('device', 'an unknown machine')}{threads}"


# Disk


def disk(parent: Run, one: Size, other: Size) -> dict[str, float]:
    """Bytes by kind, from the shards the parent has; empty where it has none."""
    each: dict[str, list[float]] = {}
    for artifact in parent.artifacts().values():
        if (bytes_ := shard_bytes(artifact)) is not None:
            each.setdefault(artifact.kind, []).append(bytes_)
    mean = {kind: sum(values) / len(values) for kind, values in each.items()}
    images, cases = share(other.evaluated, one.evaluated), share(other.cases, one.cases)
    count = {
        "training": other.epochs + 1.0,
        "weights": other.kept,
        "evaluation": other.kept * images,
        "saliency": other.kept * images * other.maps,
        "cases": other.kept * cases * other.maps,
        "features": other.kept * images * bool(other.perplexities),
        "embedding": other.kept * images * other.perplexities,
        "activations": other.network * images,
        "patterns": other.network,
        "simulation": other.simulated * share(other.looks, share(one.looks, one.changes)),
    }
    return {kind: mean[kind] * number for kind, number in count.items() if kind in mean and math.isfinite(number)}


def shard_bytes(artifact: Artifact) -> float | None:
    """Mean bytes of a finished shard, all its arrays together."""
    marked = attempt(artifact.marked)
    if not marked:
        return None
    sizes = [sum(int(item["size"]) for item in artifact.known[index].values()) for index in marked]
    return sum(sizes) / len(sizes)


def attempt(read: Callable[[], Found]) -> Found | None:
    """An estimate is no place to stumble over damage."""
    try:
        return read()
    except LoupeError:
        return None
