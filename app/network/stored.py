"""What a run holds of its filters and of their patterns. Of the answers, only those of the images looked at are read."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from app import reading
from app.embedding.stored import of_evaluation
from app.memory import OF_ALL_IMAGES, remembered
from app.selection import Selection
from precompute import mining
from store.shards import Artifact

Filters = tuple[tuple[int, int], ...]  # layer and number within it


@dataclass(frozen=True)
class Found:
    """The latest activations and patterns of the evaluated images, and why there are none."""

    activations: Artifact | None
    patterns: Artifact | None
    reason: str = ""


@dataclass(frozen=True)
class Layer:
    """A convolution layer: its filters stand at `offset` among those of all layers."""

    name: str
    filters: int
    height: int
    width: int
    offset: int


@dataclass(frozen=True, eq=False)
class Usual:
    """How filters answer over all evaluated images, each (F,) float32; scale is that of the stored answers."""

    mean: np.ndarray
    deviation: np.ndarray
    scale: np.ndarray

    @property
    def differs(self) -> np.ndarray:
        """Which filters tell images apart, but for rounding; as precompute.paths has it."""
        return self.deviation > 1e-5 * self.scale


@dataclass(frozen=True, eq=False)
class Top:
    """The images (R,) a filter answers to most, its answers (R,), and its maps on them (R, h, w) in [0, 1]."""

    images: np.ndarray
    values: np.ndarray
    maps: np.ndarray


@dataclass(frozen=True, eq=False)
class Patterns:
    """All patterns of an epoch: filters (P, L), -1 where a layer is left out; the rest (P,). kind: see store/schema.py."""

    filters: np.ndarray = field(repr=False)
    support: np.ndarray = field(repr=False)
    lift: np.ndarray = field(repr=False)
    p_value: np.ndarray = field(repr=False)
    kind: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        return len(self.support)

    def of(self, pattern: int) -> Filters:
        row = self.filters[pattern]
        return tuple((int(layer), int(row[layer])) for layer in np.flatnonzero(row >= 0))


def found(selected: Selection) -> Found:
    """The latest patterns, and the activations they were found in; without patterns, the latest activations."""
    activations, patterns = (
        of_evaluation(selected.run, kind, selected.evaluation) for kind in ("activations", "patterns")
    )
    reasons = [item.attributes["obstacle"] for item in (*activations, *patterns) if "obstacle" in item.attributes]
    by_name = {item.name: item for item in activations if "obstacle" not in item.attributes}
    for item in patterns:
        if "obstacle" not in item.attributes and item.attributes["activations"] in by_name:
            return Found(by_name[item.attributes["activations"]], item)
    return Found(next(iter(by_name.values()), None), None, reasons[0] if reasons else "")


# Filters


@remembered(100)
def layers(activations: Artifact) -> tuple[Layer, ...]:
    """The convolution layers in order of depth."""
    return tuple(Layer(*(item[name] for name in Layer.__annotations__)) for item in activations.attributes["layers"])


def words(filters: Sequence[tuple[int, int]]) -> str:
    """Filters as a path. Layers count from 1, the one next to the image; filters from 0, as in the weights."""
    return " → ".join(f"l{layer + 1}:{number}" for layer, number in filters)


def known(filters: Filters, depth: tuple[Layer, ...]) -> Filters:
    """Those the network has: anybody may write into an address."""
    return tuple((layer, number) for layer, number in filters if layer < len(depth) and number < depth[layer].filters)


def flat(filters: Sequence[tuple[int, int]], depth: tuple[Layer, ...]) -> list[int]:
    """Places among all filters of all layers."""
    return [depth[layer].offset + number for layer, number in filters]


def at_place(place: int, depth: tuple[Layer, ...]) -> tuple[int, int]:
    """Layer and number of a filter by its place among all."""
    layer = max(index for index, item in enumerate(depth) if item.offset <= place)
    return layer, place - depth[layer].offset


@remembered(200)
def usual(activations: Artifact, epoch: int) -> Usual:
    return Usual(*(reading.frozen(activations.read(name, epoch)) for name in ("mean", "deviation", "scale")))


@remembered(2000)
def answers(activations: Artifact, epoch: int, image: int) -> np.ndarray:
    """Answers of all filters to one image, (F,) float32."""
    stored = activations.read("activation", epoch, image).astype(np.float32)
    return reading.frozen(stored * usual(activations, epoch).scale)


def deviations(values: np.ndarray, over: Usual) -> np.ndarray:
    """By how many standard deviations answers (..., F) are above their filter's mean; NaN for one that never differs."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(over.differs, (values - over.mean) / over.deviation, np.nan)


@remembered(500)
def top(activations: Artifact, epoch: int, place: int) -> Top:
    """Of the filter at a place among all."""
    images, values, maps = (activations.read(f"top_{name}", epoch, place) for name in ("image", "value", "map"))
    held = images >= 0
    return Top(images[held], values[held], maps[held].astype(np.float32) / 255)


@remembered(500)
def profile(activations: Artifact, epoch: int, place: int) -> np.ndarray:
    """Mean answer of a filter by true class, (K,)."""
    return reading.frozen(activations.read("class_mean", epoch, place))


# Patterns


@remembered(OF_ALL_IMAGES)
def strongest(activations: Artifact, epoch: int) -> np.ndarray:
    """The strongest filter of each layer for each image, (N, L) int16; -1: none answers."""
    return reading.frozen(np.ascontiguousarray(activations.read("strongest", epoch)[..., 0]))


@remembered(50)
def patterns(artifact: Artifact, epoch: int) -> Patterns:
    support = artifact.read("support", epoch)
    held = support > 0
    names = ("filters", "support", "lift", "p_value", "kind")
    return Patterns(*(reading.frozen(artifact.read(name, epoch)[held]) for name in names))


def by_class(artifact: Artifact, epoch: int, pattern: int) -> np.ndarray:
    """Images of a pattern by true class, (K,)."""
    return reading.measured(artifact, "by_class", epoch)[pattern]


@remembered(500)
def images_with(activations: Artifact, epoch: int, filters: Filters) -> np.ndarray:
    """Numbers of the images in which each of these filters is the strongest of its layer."""
    paths = strongest(activations, epoch)
    return reading.frozen(mining.having(paths, row(filters, paths.shape[1])))


def row(filters: Filters, depth: int) -> np.ndarray:
    """Filters as a pattern (L,) is stored."""
    found = np.full(depth, mining.NONE, np.int16)
    for layer, number in filters:
        found[layer] = number
    return found
