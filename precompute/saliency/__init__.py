"""Saliency: where in an image a network finds what speaks for a class."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from precompute.catalogue import TECHNIQUES, entry, resolve
from precompute.saliency.passes import PRECISIONS, Pass, device_of
from store.errors import BadInput


@dataclass(frozen=True, eq=False)
class Explained:
    """Maps of one batch, by technique; on the CPU, un-normalised, at the layer's resolution.

    maps: (N, E, h, w) float32 each; poles: how many values in their weights were set to zero because a denominator
    vanished; logits: (N, K) float32, of the same forward pass.
    """

    maps: dict[str, Tensor]
    poles: dict[str, int]
    logits: Tensor


def explain(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    *,
    layer: str,
    techniques: Mapping[str, Mapping[str, Any]],
    precision: str = "float32",
    seed: int = 0,
) -> Explained:
    """Explain E classes of each image by several techniques, which share one forward pass wherever they can.

    images: (N, C, H, W) in [0, 1]; classes: (N, E) int64; techniques: names of the catalogue with their options. An
    image's classes that are equal are explained once. `layers.obstacle` tells what applies to a network.
    """
    if classes.dim() != 2 or len(classes) != len(images):
        raise BadInput(f"expected classes (N, E) for {len(images)} images, got {tuple(classes.shape)}")
    if precision not in PRECISIONS:
        raise BadInput(f"expected a precision among {', '.join(PRECISIONS)}, got {precision!r}")
    device = device_of(model)
    needed, place = distinct(classes.to(device))
    shared = Pass(model, images.to(device), needed, layer, precision, seed)
    maps, poles = {}, {}
    for name, options in techniques.items():
        technique = entry(TECHNIQUES, name, "technique")
        shared.poles.zero_()
        found = resolve(technique.function)(shared, **technique.options(**options).model_dump())  # (N, R, h, w)
        maps[name] = torch.take_along_dim(found, place[:, :, None, None], 1).cpu()  # (N, E, h, w)
        poles[name] = int(shared.poles.gather(1, place).sum())
    return Explained(maps, poles, shared.logits.cpu())


def distinct(classes: Tensor) -> tuple[Tensor, Tensor]:
    """Pack each row's different classes to the left: (N, R) classes, and the place (N, E) where each went.

    R is the largest number of different classes in a row; shorter rows are filled up with their first.
    """
    same = classes[:, :, None] == classes[:, None, :]  # (N, E, E)
    first = same.int().argmax(2)  # (N, E)
    is_first = first == torch.arange(classes.shape[1], device=classes.device)
    place = (is_first.cumsum(1) - 1).gather(1, first)  # (N, E)
    columns = int(place.max()) + 1
    return classes[:, :1].repeat(1, columns).scatter(1, place, classes), place
