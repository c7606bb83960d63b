"""What a re-train will take, time and disk, from what the run it starts from took. No torch here.

Each part is scaled by what it grows with: epochs, images, techniques, layers. What was never measured is left out and said.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from precompute import catalogue, effort
from precompute.catalogue import CHANGES
from precompute.recipe import Recipe
from precompute.roar import cost
from precompute.sanity import cost as checking
from precompute.wanted import Artifacts, Saliency
from store.errors import LoupeError
from store.runs import Run, dataset
from store.shards import Artifact

Found = TypeVar("Found")

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
    "attention": "attention in numbers",
    **checking.WORDS,
    "ranking": "order of the pixels to remove",
    "faithfulness": "deletion, insertion, infidelity and sensitivity",
    "roar": "remove and retrain",
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
    values: float = 0  # of all maps of one image
    perplexities: int = 0  # maps of the features
    network: int = 0  # epochs whose filters are looked at
    changes: int = 0  # of the images, at each epoch that is simulated
    simulated: int = 0  # these epochs
    checks: Mapping[str, float] = field(default_factory=dict)  # maps of an image that each check takes, at an epoch
    checked: int = 0  # these epochs
    attended: int = 0  # maps of one image, of which shares are taken
    looks: float = 0  # images at all points of all changes, at one of them

    @property
    def layers(self) -> int:
        """At which maps are made, the input among them."""
        return len(effort.places(self.saliency)) if self.saliency else 0

    @property
    def maps(self) -> int:
        """Maps of one image."""
        return effort.maps(self.saliency) if self.saliency else 0

    @property
    def passes(self) -> float:
        """What the maps of one image at one layer cost, in forward and backward passes."""
        return effort.of_one_place(self.saliency) if self.saliency else 0

    @property
    def of_a_map(self) -> float:
        """Values of a map on the average."""
        return share(self.values, self.maps)

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
    if after.artifacts.roar:
        retrainings = removal(parent, facts, after, other.trained)
        seconds, unknown = seconds | retrainings, unknown + ["roar"] * (not retrainings)
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
        values=valued(parent, facts, recipe.artifacts.saliency),
        perplexities=len(recipe.artifacts.embedding.perplexities) if recipe.artifacts.embedding else 0,
        network=looked_at(recipe, recipe.artifacts.network.epochs) if recipe.artifacts.network else 0,
        attended=attended(recipe.artifacts),
        checks=checking.looks(recipe.artifacts, tests if images == "all" else min(tests, int(images) * classes)),
        checked=looked_at(recipe, recipe.artifacts.sanity.epochs) if recipe.artifacts.sanity else 0,
        **simulated(recipe, facts, classes),
    )


def removal(parent: Run, facts: Mapping[str, object], recipe: Recipe, trained: float) -> dict[str, float]:
    """Seconds of Remove and Retrain by kind, in terms of what the parent's training took; {} where that was not measured."""
    asked, each = recipe.artifacts.roar, epoch_seconds(parent)
    before = max(int(str(facts.get("train_images", 0))) - len(parent.recipe["training"].get("leave_out", ())), 0)
    if asked is None or each is None or not before:
        return {}
    train, test = cost.used(asked, facts, int(trained), len(parent.classes))
    return {kind: each / before * work for kind, work in cost.work(asked, train, test, recipe.training.epochs).items()}


def valued(parent: Run, facts: Mapping[str, object], saliency: Saliency | None) -> float:
    """How many values the maps of one image have."""
    return effort.values(saliency, parent.attributes, int(str(facts.get("size", 0)))) if saliency else 0


def attended(wanted: Artifacts) -> int:
    """How many maps of one image are looked at in numbers."""
    of = wanted.saliency
    return effort.maps(of) if of and wanted.attention else 0


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
    rates |= dict.fromkeys(other.checks, rates["saliency"]) if "saliency" in rates else {}  # they are made of maps
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
        "attention": other.kept * other.layers * bool(other.attended),
        **dict.fromkeys(other.checks, other.checked * other.layers),
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
        "attention": share(other.evaluated * other.attended, one.evaluated * one.attended),
        **{name: share(looks * other.passes, one.evaluated * one.passes) for name, looks in other.checks.items()},
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
        "saliency": other.kept * images * share(other.values, one.of_a_map),
        "cases": other.kept * cases * share(other.values, one.of_a_map),
        "features": other.kept * images * bool(other.perplexities),
        "embedding": other.kept * images * other.perplexities,
        "activations": other.network * images,
        "patterns": other.network,
        "simulation": other.simulated * share(other.looks, share(one.looks, one.changes)),
        "attention": other.kept * images * other.attended,
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
