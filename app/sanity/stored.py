"""What a run holds of its sanity checks, and the numbers that pages draw from it. Reliability cards read it, too."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from app import reading
from app.saliency.stored import of_kind
from store.runs import Run
from store.schema import ORDERS, SHIFTS
from store.shards import Artifact

SHIFT, RANDOMISATION, STABILITY = "sanity-shift", "sanity-randomisation", "sanity-stability"
KINDS = (SHIFT, RANDOMISATION, STABILITY)
RANDOM, EDGES = "random", "edges"  # names of controls


@dataclass(frozen=True)
class Subject:
    """A technique at a layer, or a control; `place` is its index along the dimension `technique`."""

    place: int
    name: str
    title: str
    layer: str
    height: int
    width: int
    signed: bool
    control: bool
    options: tuple[tuple[str, Any], ...]

    @property
    def key(self) -> str:
        return f"{self.name} {self.layer}"

    @property
    def about(self) -> str:
        """Its entry on the Methods page, where the random map of these checks is not the random order of a grid."""
        return "random-map" if self.name == RANDOM else self.name

    @property
    def size(self) -> str:
        return f"{self.height} × {self.width}"


@dataclass(frozen=True)
class Spread:
    """Values of some images: median, 10 and 90%, how many, and how many are NaN because a map was flat or too small."""

    median: float
    low: float
    high: float
    count: int
    without: int


@dataclass(frozen=True)
class Certificate:
    """How far the shifted network differs from the trained one: over `images`, at a strength."""

    mode: str
    strength: float
    largest: float  # change of a logit
    changed: float  # share of predictions
    images: int


def check(run: Run, evaluation: Artifact, kind: str) -> Artifact | None:
    """The latest artifact of one of KINDS about the images of an evaluation."""
    return next(iter(of_kind(run, kind, evaluation)), None)


def subjects(artifact: Artifact) -> tuple[Subject, ...]:
    """The techniques, in the order of the dimension of that name, and the controls after them."""
    every = enumerate(artifact.attributes["techniques"])
    return tuple(
        Subject(place, **{name: of[name] for name in FACTS}, options=tuple(sorted(of["options"].items())))
        for place, of in every
    )


FACTS = ("name", "title", "layer", "height", "width", "signed", "control")


def subject(artifact: Artifact, name: str, layer: str = "") -> Subject | None:
    """A technique or control by its name, at a layer where several are held."""
    return next((item for item in subjects(artifact) if item.name == name and layer in ("", item.layer)), None)


def control_of(artifact: Artifact, of: Subject) -> Subject | None:
    """The random map of the same size as a technique's."""
    return subject(artifact, RANDOM, of.layer)


def values(artifact: Artifact, epoch: int, name: str) -> np.ndarray:
    """Any array at a finished epoch."""
    return reading.measured(artifact, name, epoch)


def spread(found: np.ndarray) -> Spread:
    """Of values (n,), NaN left out."""
    known = found[np.isfinite(found)]
    low, median, high = np.quantile(known, (0.1, 0.5, 0.9)) if len(known) else (np.nan,) * 3
    return Spread(float(median), float(low), float(high), len(known), found.size - len(known))


# Input shift


def certificate(artifact: Artifact, epoch: int, mode: str) -> Certificate:
    """The largest change of a logit over all images, and the share of them that is taken for another class."""
    place = SHIFTS.index(mode)
    logit = values(artifact, epoch, "logit")[place]  # (image,)
    changed = values(artifact, epoch, "changed")[place]
    strength = float(artifact.attributes["options"]["strength"])
    return Certificate(mode, strength, float(logit.max()), float(changed.mean()), len(logit))


def reaction(artifact: Artifact, epoch: int, of: Subject, mode: str, measure: str = "spearman") -> np.ndarray:
    """How alike a technique's maps are before and after the shift, (image,); measure: an array's name."""
    return values(artifact, epoch, measure)[of.place, SHIFTS.index(mode)]


# Randomisation


def cascade(
    artifact: Artifact, epoch: int, of: Subject, order: str = "cascading", measure: str = "spearman"
) -> np.ndarray:
    """How alike maps are while layers are drawn anew, (stage, draw, image), the topmost stage first."""
    return values(artifact, epoch, measure)[of.place, ORDERS.index(order)]


def by_stage(found: np.ndarray) -> np.ndarray:
    """Medians over the images of (stage, draw, image): (stage, draw); NaN where no image has a value."""
    return nan_median(found)


def after_all(artifact: Artifact, epoch: int, of: Subject, measure: str = "spearman") -> np.ndarray:
    """How alike the maps of a network without anything learned are, all draws together, (draw × image,)."""
    return cascade(artifact, epoch, of, "cascading", measure)[-1].ravel()


def stages(artifact: Artifact) -> tuple[str, ...]:
    """A name for each stage, the topmost first: its lowest layer, down to which layers are drawn anew."""
    return tuple(str(names[0]) for names in artifact.attributes["layers"])


# Stability


def under_noise(artifact: Artifact, epoch: int, of: Subject, measure: str = "spearman") -> np.ndarray:
    """How alike maps of clean and noisy images are, (draw, image)."""
    return values(artifact, epoch, measure)[of.place]


def over_epochs(artifact: Artifact, epoch: int, of: Subject) -> tuple[tuple[int, ...], np.ndarray]:
    """The epochs before, latest first, and how alike their maps are to this epoch's, (lag, image)."""
    earlier = values(artifact, epoch, "earlier")
    there = earlier >= 0
    return tuple(int(item) for item in earlier[there]), values(artifact, epoch, "over_epochs")[of.place][there]


def nan_median(found: np.ndarray) -> np.ndarray:
    """Median over the last axis without NaN; NaN where there is nothing else, without a warning."""
    some = np.isfinite(found).any(-1)
    filled = np.where(some[..., None], found, 0)
    return np.where(some, np.nanmedian(filled, -1), np.nan)
