"""What a run holds of its attention in numbers, and the same of a region that somebody draws, from the stored maps."""

from dataclasses import dataclass

import numpy as np

from app import reading
from app.memory import OF_ALL_IMAGES, remembered
from app.saliency.stored import of_kind
from app.selection import Selection
from precompute import catalogue
from precompute.regions import controls, interval, rectangle, shares, weights
from store.judgements import Region
from store.schema import CONTROLS
from store.shards import Artifact

DRAWN = "your region"
MOST_VALUES = 40_000_000  # of the maps of all epochs, kept for a region that is drawn; of more images some are left out


@dataclass(frozen=True, eq=False)
class Curve:
    """One region over epochs: mean share and its 95% interval over images (3, E), and how many of the images have it, (E,).

    controls: (control, 3, E), the same of maps that know nothing of the image.
    """

    region: str
    epochs: tuple[int, ...]
    values: np.ndarray
    controls: np.ndarray
    count: np.ndarray
    above: np.ndarray  # (3, E): mean difference from the uniform map, image by image, and its interval
    images: int  # looked at

    def control(self, name: str) -> np.ndarray:
        """(3, E)."""
        return self.controls[CONTROLS.index(name)]


# Which artifacts


def layers(now: Selection) -> dict[str, tuple[Artifact, ...]]:
    """What the run holds for the evaluated images, by layer: of each technique the latest, in the catalogue's order."""
    found: dict[tuple[str, str], Artifact] = {}
    for item in of_kind(now.run, "attention", now.evaluation):
        found.setdefault((item.attributes["layer"], item.attributes["technique"]), item)
    order = {name: place for place, name in enumerate(catalogue.TECHNIQUES)}
    held = sorted(found.values(), key=lambda item: order.get(item.attributes["technique"], len(order)))
    names = dict.fromkeys(item.attributes["layer"] for item in held)
    default = now.run.attributes["default_layer"]
    return {
        name: tuple(item for item in held if item.attributes["layer"] == name)
        for name in sorted(names, key=lambda name: name != default)
    }


def maps_of(now: Selection, artifact: Artifact) -> Artifact | None:
    """The saliency artifact that an artifact of attention is about, as long as it is there."""
    name = artifact.attributes["saliency"]
    return next((item for item in of_kind(now.run, "saliency", now.evaluation) if item.name == name), None)


def regions(artifact: Artifact) -> tuple[str, ...]:
    """The names of its regions, in the order in which they are stored."""
    return tuple(
        item["name"] if item["kind"] in ("group", "box") else f"{item['kind']}: {item['name']}"
        for item in artifact.attributes["regions"]
    )


def told(artifact: Artifact) -> tuple[str, ...]:
    """The regions a page shows first: head, body and background; without these the box, the parts, or what there is."""
    kinds = [item["kind"] for item in artifact.attributes["regions"]]
    names = regions(artifact)
    group = [name for name, kind in zip(names, kinds, strict=True) if kind == "group"]
    drawn = [name for name, kind in zip(names, kinds, strict=True) if kind == "drawn"]
    first = group if len(group) > 1 else ["box"] if "box" in names else list(names[:3])
    return tuple(dict.fromkeys([*first, *drawn]))


# Which images


def of_class(data: Artifact, chosen: int | None) -> np.ndarray:
    """Numbers of the evaluated images of a class, or of all of them."""
    labels = reading.labels(data)
    return np.arange(len(labels)) if chosen is None else np.flatnonzero(labels == chosen)


# Regions that are stored


def curve(artifact: Artifact, region: str, epochs: tuple[int, ...], slot: int, images: np.ndarray) -> Curve:
    """A stored region over finished epochs, of some images; slot: 0 maps of the true class, 1 of the predicted one."""
    place = regions(artifact).index(region)
    share = reading.measured(artifact, "share", epochs)[:, slot, images, place]  # (E, n)
    others = reading.measured(artifact, "control", epochs[0])[:, images, place]  # (control, n)
    return curve_of(region, epochs, share, others)


def curve_of(region: str, epochs: tuple[int, ...], share: np.ndarray, others: np.ndarray) -> Curve:
    """A curve of shares (E, n) and of those of the controls (control, n), which no training changes."""
    known = np.isfinite(share)  # (E, n)
    against = np.where(known, others[:, None, :], np.nan)  # of the same images
    return Curve(
        region,
        epochs,
        interval(share.T),
        np.stack([interval(item.T) for item in against]),
        known.sum(1),
        interval((share - against[CONTROLS.index("uniform")]).T),
        share.shape[1],
    )


# A region that is drawn


def drawn_curve(
    saliency: Artifact, side: int, epochs: tuple[int, ...], slot: int, corners: Region, images: np.ndarray
) -> Curve:
    """A rectangle over finished epochs, at the same place of every image; side: of the images."""
    numbers = tuple(few(images, saliency, len(epochs)).tolist())
    share = np.stack([drawn_shares(saliency, side, epoch, slot, corners, numbers) for epoch in epochs])  # (E, n)
    mask = projected(saliency, side, corners)
    plain = controls(np.array(numbers, np.int64), *mask.shape[-2:])
    return curve_of(DRAWN, epochs, share, np.stack([shares(item, mask, side)[:, 0] for item in plain]))


def few(images: np.ndarray, saliency: Artifact, epochs: int) -> np.ndarray:
    """As many of the images, evenly chosen, as can be read at so many epochs while somebody waits."""
    most = max(1, MOST_VALUES // (max(epochs, 1) * saliency.attributes["height"] * saliency.attributes["width"]))
    return images if len(images) <= most else images[np.linspace(0, len(images) - 1, most).round().astype(int)]


@remembered(OF_ALL_IMAGES)
def drawn_shares(
    saliency: Artifact, side: int, epoch: int, slot: int, corners: Region, images: tuple[int, ...]
) -> np.ndarray:
    """Share (n,) of the positive evidence of each image's map inside a rectangle."""
    mask = projected(saliency, side, corners)
    return reading.frozen(shares(stored_maps(saliency, epoch, slot, images), mask, side)[:, 0])


def projected(saliency: Artifact, side: int, corners: Region) -> np.ndarray:
    """A rectangle on a map's cells, (1, 1, h, w)."""
    return weights(rectangle(corners, side)[None, None], saliency.attributes["height"], saliency.attributes["width"])


@remembered(OF_ALL_IMAGES)
def stored_maps(saliency: Artifact, epoch: int, slot: int, images: tuple[int, ...]) -> np.ndarray:
    """Maps (n, h, w) divided by a scale each, float16; of their shard, only the chunks these images lie in are read."""
    return reading.frozen(saliency.read("maps", epoch, slot, list(images)))
