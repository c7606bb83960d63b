"""What a run holds of the features before the last layer: their neighbours, and t-SNE maps of them."""

from dataclasses import dataclass

import numpy as np

from app import reading
from app.memory import OF_ALL_IMAGES, remembered
from app.selection import Selection
from store.runs import Run
from store.shards import Artifact


@dataclass(frozen=True)
class Maps:
    """Maps by perplexity, smallest first, the features they are of, and why others are not there."""

    by_perplexity: dict[int, Artifact]
    features: Artifact | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Quality:
    """How far a map may be believed. move is NaN at the first epoch."""

    divergence: float
    trustworthiness: float
    move: float


def maps(selected: Selection) -> Maps:
    """Those of the images that are evaluated; the latest where there are several of one perplexity."""
    features = of_evaluation(selected.run, "features", selected.evaluation)
    found: dict[int, Artifact] = {}
    for artifact in of_evaluation(selected.run, "embedding", selected.evaluation):
        found.setdefault(artifact.attributes["perplexity"], artifact)
    reasons = [item.attributes["obstacle"] for _, item in sorted(found.items()) if "obstacle" in item.attributes]
    there = {perplexity: item for perplexity, item in sorted(found.items()) if "obstacle" not in item.attributes}
    whole = [item for item in features if "obstacle" not in item.attributes]
    return Maps(there, whole[0] if whole else None, tuple(dict.fromkeys(reasons)))


def of_evaluation(run: Run, kind: str, evaluation: Artifact) -> list[Artifact]:
    name = evaluation.name
    return [item for item in reading.artifacts(run, kind) if item.attributes["evaluation"] == name]


@remembered(OF_ALL_IMAGES)
def places(artifact: Artifact, epoch: int) -> np.ndarray:
    """The map in the unit square, (image, 2), its centre in the middle: whatever its size, all epochs fill it alike.

    NaN where the network diverged.
    """
    points = artifact.read("points", epoch)
    return reading.frozen(0.5 + points / (2 * radius(artifact, epoch)))


@remembered(1000)
def radius(artifact: Artifact, epoch: int) -> float:
    """Distance of the outermost point from the centre, in the map's own coordinates; 1 where all lie in one place."""
    return float(np.linalg.norm(artifact.read("points", epoch), axis=1).max()) or 1.0


@remembered(1000)
def quality(artifact: Artifact, epoch: int) -> Quality:
    return Quality(*(float(artifact.read(name, epoch)) for name in ("divergence", "trustworthiness", "move")))


@remembered(5000)
def neighbours(features: Artifact, epoch: int, image: int) -> tuple[tuple[int, float], ...]:
    """The images nearest by their features, nearest first, with their distances; none where the network diverged."""
    found, distances = (reading.measured(features, name, epoch)[image] for name in ("neighbours", "distances"))
    return tuple((int(other), float(far)) for other, far in zip(found, distances, strict=True) if other >= 0)
