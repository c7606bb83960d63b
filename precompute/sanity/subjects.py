"""What is checked: the techniques of a run, and controls of which it is known beforehand how they come out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from precompute.saliency import explain
from precompute.sanity.randomisation import seed_of
from precompute.techniques import INPUT

RANDOM, EDGES = "random", "edges"  # names of controls
TITLES = {RANDOM: "Random map", EDGES: "Edge detector"}
SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))


@dataclass(frozen=True)
class Subject:
    """A technique at a layer, with the size of its maps, or a control, whose maps ask no network."""

    name: str
    title: str
    layer: str
    height: int
    width: int
    signed: bool
    control: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, Any]:
        """What an artifact says about it."""
        return asdict(self)


def controls(subjects: Sequence[Subject], side: int) -> list[Subject]:
    """A random map of each size there is, which nothing may make alike, and an edge detector, which no network changes."""
    sizes = dict.fromkeys((item.layer, item.height, item.width) for item in subjects)
    found = [Subject(RANDOM, TITLES[RANDOM], *size, signed=True, control=True) for size in sizes]
    return [*found, Subject(EDGES, TITLES[EDGES], INPUT, side, side, signed=False, control=True)]


def maps_of(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    subjects: Sequence[Subject],
    *,
    numbers: Sequence[int] | np.ndarray,
    seed: int,
    draw: int,
    span: Tensor | None = None,
) -> list[np.ndarray]:
    """Raw maps (N, h, w) float32 of images (N, C, H, W) for one class each (N,), by subject.

    numbers: (N,), of the images, and draw, that of the look: no random map is drawn twice, however images are batched. seed is
    that of the techniques' own noise, which is a share of `span` (N, 1, 1, 1), or else of the range of each image.
    """
    found: dict[int, np.ndarray] = {}
    layers = dict.fromkeys(item.layer for item in subjects if not item.control)
    for layer in layers:
        of_layer = {place: item for place, item in enumerate(subjects) if item.layer == layer and not item.control}
        wanted = {item.name: item.options for item in of_layer.values()}
        maps = explain(model, images, classes[:, None], layer=layer, techniques=wanted, seed=seed, span=span).maps
        found |= {place: maps[item.name][:, 0].numpy() for place, item in of_layer.items()}
    for place, item in enumerate(subjects):
        if item.control:
            seeds = [seed_of(seed, draw, place, int(number)) for number in numbers]
            found[place] = random_maps(item, seeds) if item.name == RANDOM else edges(images).cpu().numpy()
    return [found[place] for place in range(len(subjects))]


def random_maps(subject: Subject, seeds: Sequence[int]) -> np.ndarray:
    """Standard normal values (N, h, w), one map a seed."""
    shape = (subject.height, subject.width)
    return np.stack([np.random.default_rng(seed).standard_normal(shape, np.float32) for seed in seeds])


def edges(images: Tensor) -> Tensor:
    """The magnitude of Sobel's gradient of the mean channel: (N, H, W)."""
    kernel = torch.tensor(SOBEL, dtype=images.dtype, device=images.device)
    kernels = torch.stack([kernel, kernel.T])[:, None]  # (2, 1, 3, 3)
    grey = F.pad(images.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    return F.conv2d(grey, kernels).norm(dim=1)
