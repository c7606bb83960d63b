"""Saliency: where in an image a network finds what speaks for a class."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from precompute.catalogue import TECHNIQUES, entry, resolve
from precompute.saliency.passes import PRECISIONS, Pass, device_of
from precompute.techniques import INPUT, layer_of
from store.errors import BadInput


@dataclass(frozen=True, eq=False)
class Explained:
    """Maps of one batch, by technique; on the CPU, un-normalised, at the layer's resolution (the image's, at the input).

    maps: (N, E, h, w) float32 each; poles: how many values in their weights were set to zero because a denominator
    vanished; logits: (N, K) float32, of the same forward pass; completeness: (N, E, 2), of the techniques that promise to
    add up, the sum of a map's attributions and the difference of logits that it is to be.
    """

    maps: dict[str, Tensor]
    poles: dict[str, int]
    logits: Tensor
    completeness: dict[str, Tensor] = field(default_factory=dict)


def explain(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    *,
    layer: str,
    techniques: Mapping[str, Mapping[str, Any]],
    precision: str = "float32",
    seed: int = 0,
    span: Tensor | None = None,
) -> Explained:
    """Explain E classes of each image by several techniques, which share one forward pass wherever they can.

    images: (N, C, H, W) in [0, 1]; classes: (N, E) int64; techniques: names of the catalogue with their options. An
    image's classes that are equal are explained once. `layers.obstacle` tells what applies to a network. Techniques that
    explain the image itself do so whatever the layer, which may be INPUT, and always in float32. span: (N, 1, 1, 1), of which
    the noise of techniques is a share; without it, the range of each image's values.
    """
    if classes.dim() != 2 or len(classes) != len(images):
        raise BadInput(f"Expected classes (N, E) for {len(images)} images, got {tuple(classes.shape)}.")
    if precision not in PRECISIONS:
        raise BadInput(f"Expected a precision among {', '.join(PRECISIONS)}, got {precision!r}.")
    images = images.to(device_of(model))
    span = None if span is None else span.to(images.device)
    needed, place = distinct(classes.to(images.device))
    passes: dict[str, Pass] = {}
    found = Explained({}, {}, torch.zeros(0))
    for name, options in techniques.items():
        technique = entry(TECHNIQUES, name, "technique")
        where = layer_of(name, layer)
        if where == INPUT and not technique.at_input:
            raise BadInput(f"{technique.title} explains a layer of the network; expected its name, got {layer!r}.")
        exact = "float32" if where == INPUT else precision
        seen = passes.setdefault(where, Pass(model, images, needed, where, exact, seed, span))
        seen.poles.zero_()
        maps = resolve(technique.function)(seen, **technique.options(**options).model_dump())  # (N, R, h, w)
        found.maps[name] = torch.take_along_dim(maps, place[:, :, None, None], 1).cpu()  # (N, E, h, w)
        found.poles[name] = int(seen.poles.gather(1, place).sum())
        if technique.complete:
            found.completeness[name] = torch.take_along_dim(seen.completeness, place[:, :, None], 1).cpu()
    seen = passes.get(layer) or next(iter(passes.values()), None) or Pass(model, images, needed, layer, precision, seed)
    return replace(found, logits=seen.logits.cpu())


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
