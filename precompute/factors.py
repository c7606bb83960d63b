"""How bright, how contrasty, how colourful an image is, and which colour it has: what some changes of an image change.

They tell how the training set itself is spread along a change. What cannot be measured, such as how far a photograph was
turned, has none. All take images (n, C, H, W) in [0, 1] and give (n,).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from precompute.augmentation import grey

BINS = 24
COLOURLESS = 0.5 / 255  # mean chroma below which an image has no hue


@dataclass(frozen=True)
class Factor:
    """One measure of an image, from `low` to `high` in `unit`; a circle closes there."""

    measure: Callable[[Tensor], Tensor]
    title: str
    unit: str
    low: float
    high: float
    circle: bool = False

    @property
    def edges(self) -> np.ndarray:
        """Of the bins of its histograms, (BINS + 1,)."""
        return np.linspace(self.low, self.high, BINS + 1)

    def counts(self, values: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
        """Histograms (class, BINS + 1) of values (n,) by class; the last bin counts images that have no such value."""
        there = np.isfinite(values)
        place = np.clip(np.searchsorted(self.edges, np.where(there, values, self.low), side="right") - 1, 0, BINS - 1)
        table = np.zeros((classes, BINS + 1), np.int32)
        np.add.at(table, (labels, np.where(there, place, BINS)), 1)
        return table

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Mean of values (n, …) over the first axis, of a circle's around it; NaN where there is none."""
        there = np.isfinite(values)
        if not self.circle:
            total = np.where(there, values, 0).sum(0)
            return np.divide(total, there.sum(0), out=np.full(total.shape, np.nan), where=there.any(0))
        turns = np.where(there, np.exp(2j * np.pi * np.where(there, values, 0) / self.high), 0).sum(0)
        around = np.angle(turns) / (2 * np.pi) * self.high % self.high
        return np.where(np.abs(turns) > 1e-9, around, np.nan)


def brightness(images: Tensor) -> Tensor:
    """Mean luma."""
    return grey(images).mean((1, 2, 3))


def contrast(images: Tensor) -> Tensor:
    """Standard deviation of luma over the pixels."""
    return grey(images).flatten(1).std(1, correction=0)


def saturation(images: Tensor) -> Tensor:
    """Mean chroma: largest minus smallest of a pixel's values, which is saturation times value of HSV."""
    return chroma(images).mean((1, 2))


def hue(images: Tensor) -> Tensor:
    """Mean hue in degrees, [0, 360): around the colour circle, each pixel weighted by its chroma; NaN of grey images.

    Hue is the angle in the plane across the grey axis: within 1.2 degrees that of HSV's hexagon.
    """
    red, green, blue = images.unbind(1) if images.shape[1] == 3 else images.expand(-1, 3, -1, -1).unbind(1)
    x, y = red - (green + blue) / 2, (green - blue) * (math.sqrt(3) / 2)  # (n, H, W)
    weight = chroma(images) / torch.hypot(x, y).clamp(min=1e-12)
    angle = torch.atan2((y * weight).mean((1, 2)), (x * weight).mean((1, 2))).rad2deg() % 360
    return torch.where(saturation(images) > COLOURLESS, angle, angle.new_tensor(math.nan))


def chroma(images: Tensor) -> Tensor:
    return images.amax(1) - images.amin(1)  # (n, H, W)


# By the change that changes it
FACTORS: dict[str, Factor] = {
    "brightness": Factor(brightness, "mean luma", "", 0, 1),
    "contrast": Factor(contrast, "standard deviation of luma", "", 0, 0.5),
    "saturation": Factor(saturation, "mean chroma", "", 0, 1),
    "hue": Factor(hue, "mean hue", "°", 0, 360, circle=True),
}
