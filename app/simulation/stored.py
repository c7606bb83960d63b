"""What a run holds of its images under each change, and what follows of it for classes and images."""

from dataclasses import dataclass

import numpy as np

from app import reading
from app.memory import OF_ALL_IMAGES, remembered
from app.saliency.stored import of_kind
from app.selection import Selection
from precompute.catalogue import CHANGES
from store.shards import Artifact

LOW, HIGH = 0, -1  # of the stored quantiles: 10 and 90 %


@dataclass(frozen=True)
class Measure:
    """One way to say how a class fares: what a person reads, the label of its axis, and whether less is better."""

    title: str
    axis: str
    help: str
    reverse: bool = False


MEASURES: dict[str, Measure] = {
    "probability": Measure(
        "probability", "mean probability of the true class", "of its true class, averaged over the images of a class"
    ),
    "first": Measure(
        "ranked first", "share ranked first", "share of a class's images whose true class is ranked first"
    ),
    "rank": Measure(
        "rank", "mean rank of the true class", "mean rank of the true class; of ties the worse", reverse=True
    ),
    "overall": Measure(
        "over all images",
        "mean probability over all images",
        "of the class, averaged over all images whatever they show: what it takes from others shows as a rise",
    ),
}


@dataclass(frozen=True)
class Curves:
    """Artifacts by change, in the order of the catalogue, and why others are not there."""

    by_change: dict[str, Artifact]
    reasons: tuple[str, ...]

    def at(self, epoch: int) -> dict[str, Artifact]:
        """Those finished at an epoch."""
        return {name: item for name, item in self.by_change.items() if epoch in reading.epochs(item)}

    @property
    def epochs(self) -> tuple[int, ...]:
        """At which any of them is finished."""
        return tuple(sorted({epoch for item in self.by_change.values() for epoch in reading.epochs(item)}))

    @property
    def promised(self) -> tuple[int, ...]:
        """At which any of them is there, or is still to be computed."""
        return tuple(sorted({epoch for item in self.by_change.values() for epoch in item.promised}))


def curves(selected: Selection) -> Curves:
    """Those of the images that are evaluated; the latest where a change was simulated with several options."""
    found: dict[str, Artifact] = {}
    for artifact in of_kind(selected.run, "simulation", selected.evaluation):
        found.setdefault(artifact.attributes["change"], artifact)
    known = [name for name in CHANGES if name in found]
    reasons = [found[name].attributes["obstacle"] for name in known if "obstacle" in found[name].attributes]
    there = {name: found[name] for name in known if "obstacle" not in found[name].attributes}
    return Curves(there, tuple(dict.fromkeys(reasons)))


def points(artifact: Artifact) -> np.ndarray:
    """The values of its change, (P,)."""
    return np.array(artifact.attributes["points"])


def identity(artifact: Artifact) -> int:
    """The place of the point that changes nothing."""
    return artifact.attributes["points"].index(artifact.attributes["identity"])


def numbers(artifact: Artifact, epoch: int) -> np.ndarray:
    """Number of each image among the evaluated ones, (n,)."""
    return reading.measured(artifact, "number", epoch)


def along(artifact: Artifact, data: Artifact, epoch: int, measure: str) -> np.ndarray:
    """How each class fares at each point by one of MEASURES, (class, P); NaN of a class without images."""
    if measure in ("probability", "overall"):
        return reading.measured(artifact, "mean" if measure == "probability" else "mean_of_all", epoch)
    return of_ranks(artifact, data, epoch, measure)


@remembered(OF_ALL_IMAGES)
def of_ranks(artifact: Artifact, data: Artifact, epoch: int, measure: str) -> np.ndarray:
    ranks = reading.measured(artifact, "rank", epoch)  # (n, P)
    values = ranks == 1 if measure == "first" else ranks
    true, counts = reading.labels(data)[numbers(artifact, epoch)], np.array(artifact.attributes["counts"])
    total = np.zeros((len(counts), ranks.shape[1]))
    np.add.at(total, true, values)
    return np.divide(total, counts[:, None], out=np.full_like(total, np.nan), where=counts[:, None] > 0)


def spread(artifact: Artifact, data: Artifact, epoch: int, measure: str, chosen: int) -> np.ndarray:
    """From 10 to 90% of the images of a class at each point, (2, P); (0, P) without images, or of a measure of none."""
    own = ranks_of(artifact, data, epoch, chosen)
    if measure == "probability" and len(own):
        return reading.measured(artifact, "quantiles", epoch)[chosen][[LOW, HIGH]]
    if measure == "rank" and len(own):
        return np.quantile(own, (0.1, 0.9), axis=0)
    return np.zeros((0, own.shape[1]))


def members(artifact: Artifact, data: Artifact, epoch: int, chosen: int) -> np.ndarray:
    """Places of the images of a class among those that were changed."""
    return np.flatnonzero(reading.labels(data)[numbers(artifact, epoch)] == chosen)


def ranks_of(artifact: Artifact, data: Artifact, epoch: int, chosen: int) -> np.ndarray:
    """Ranks (m, P) of the true class for the images of a class."""
    return reading.measured(artifact, "rank", epoch)[members(artifact, data, epoch, chosen)]


def of_image(artifact: Artifact, epoch: int, image: int, measure: str) -> np.ndarray | None:
    """One image's own curve (P,); None where it was not changed, or the measure is none of a single image."""
    place = np.flatnonzero(numbers(artifact, epoch) == image)
    array = {"probability": "chance", "rank": "rank"}.get(measure)
    return reading.measured(artifact, array, epoch)[place[0]] if len(place) and array else None


# Which classes


def shown(now: Selection, most: int) -> tuple[int, ...]:
    """The classes that get a line: all of few, else the chosen one and those it is most often confused with."""
    count = len(now.classes)
    if count <= most:
        return tuple(range(count))
    matrix = reading.measured(now.evaluation, "confusion", now.epoch)
    confused = matrix[now.chosen] + matrix[:, now.chosen]
    order = [int(item) for item in np.argsort(-confused, kind="stable") if item != now.chosen and confused[item]]
    return (now.chosen, *order[: most // 2])


# Which images


@dataclass(frozen=True)
class Hold:
    """How long an image is recognised along a change.

    value: the point nearest to the identity at which it no longer is, NaN where there is none. distance: how far that is,
    as a share of the way there is on its side; infinite where there is none. taken: what it is taken for there. least: the
    smallest probability of its true class at any point.
    """

    image: int
    value: float
    distance: float
    taken: int
    least: float


@remembered(500)
def holds(artifact: Artifact, data: Artifact, epoch: int, chosen: int) -> tuple[Hold, ...]:
    """Of each image of a class that is recognised unchanged, those that hold longest first."""
    own, here, at = members(artifact, data, epoch, chosen), identity(artifact), points(artifact)
    ranks, chances, taken, which = (
        reading.measured(artifact, name, epoch)[own] for name in ("rank", "chance", "predicted", "number")
    )
    way = np.where(at > at[here], at[-1] - at[here], at[here] - at[0])
    far = np.abs(at - at[here]) / np.where(way > 0, way, 1)  # (P,)
    found = []
    for row in np.flatnonzero(ranks[:, here] == 1):
        lost = np.where(ranks[row] > 1, far, np.inf)
        place, distance = int(lost.argmin()), float(lost.min())
        value, new = (float(at[place]), int(taken[row, place])) if np.isfinite(distance) else (np.nan, chosen)
        found.append(Hold(int(which[row]), value, distance, new, float(chances[row].min())))
    return tuple(sorted(found, key=lambda item: (-item.distance, -item.least, item.image)))


# What a class withstands

ENOUGH = 0.8  # of its recognised images stay recognised where a class withstands a change


@dataclass(frozen=True)
class Withstood:
    """Along one change: how many images of a class are recognised unchanged, and which share of them stays so, (P,)."""

    name: str
    points: tuple[float, ...]
    identity: int
    known: int
    share: tuple[float, ...]

    @property
    def reach(self) -> tuple[float, float]:
        """The values around the identity between which enough of them stay recognised."""
        low = high = self.identity
        while low > 0 and self.share[low - 1] >= ENOUGH:
            low -= 1
        while high < len(self.points) - 1 and self.share[high + 1] >= ENOUGH:
            high += 1
        return self.points[low], self.points[high]

    @property
    def whole(self) -> bool:
        return self.reach == (self.points[0], self.points[-1])

    @property
    def least(self) -> float:
        """How little of its range it takes to go beyond that on one side, as a share of this; infinite where nothing does."""
        start, ends = self.points[self.identity], (self.points[0], self.points[-1])
        lost = [(value, end) for value, end in zip(self.reach, ends, strict=True) if value != end]
        return min((abs(value - start) / abs(end - start) for value, end in lost), default=np.inf)


@remembered(2000)
def withstood(artifact: Artifact, data: Artifact, epoch: int, chosen: int) -> Withstood:
    ranks, here = ranks_of(artifact, data, epoch, chosen), identity(artifact)
    known = ranks[ranks[:, here] == 1] == 1  # (m, P)
    share = known.mean(0) if len(known) else np.full(ranks.shape[1], np.nan)
    return Withstood(
        artifact.attributes["change"], tuple(artifact.attributes["points"]), here, len(known), tuple(map(float, share))
    )
