"""What the colour of a dot says, and which dots are shown."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.charts import PETROFF, RIGHT, WRONG
from app.pictures import colours
from app.reading import NO_LABEL
from store.schema import UNLABELLED

WORDS = ("true class", "predicted class", "correctness", "confidence", "margin")
OTHERS = "#b8bcc0"  # classes that have no colour of their own; point_cloud_drawing.js draws these dots first


@dataclass(frozen=True)
class Outcome:
    """Of every image at an epoch: true and predicted class, the largest probability, and by how much it is the largest."""

    true: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    margin: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Which images have a label."""
        return self.true != UNLABELLED

    @property
    def wrong(self) -> np.ndarray:
        return self.known & (self.true != self.predicted)


@dataclass(frozen=True)
class Filter:
    """Which dots are shown. pair: classes, as true or predicted; -1: any. least, most: confidence in percent."""

    wrong: bool = False
    pair: tuple[int, int] = (-1, -1)
    least: int = 0
    most: int = 100


@dataclass(frozen=True)
class Colours:
    """levels (image,) are places in the palette; see Cloud."""

    levels: np.ndarray
    palette: tuple[str, ...]
    legend: tuple[str, ...]


def shown(of: Outcome, by: Filter) -> np.ndarray:
    """Which images pass the filter, (image,) bool. Of a pair, those of either class that are taken for either."""
    passed = (of.confidence * 100 >= by.least - 1e-4) & (of.confidence * 100 <= by.most + 1e-4)
    if by.wrong:
        passed &= of.wrong
    chosen = [item for item in by.pair if item >= 0]
    if len(set(chosen)) == 2:
        passed &= np.isin(of.true, chosen) & np.isin(of.predicted, chosen)
    elif chosen:
        passed &= (of.true == chosen[0]) | (of.predicted == chosen[0])
    return passed


def coloured(of: Outcome, by: str, names: Sequence[str], chosen: int) -> Colours:
    """By one of WORDS. Of more than ten classes, the chosen one and those most confused with it have a colour."""
    if by == "correctness":
        level = np.where(of.known, of.wrong, 2).astype(np.uint8)
        rest = not of.known.all()
        return Colours(level, (RIGHT, WRONG, *([OTHERS] * rest)), ("right", "wrong", *([NO_LABEL] * rest)))
    if by in ("confidence", "margin"):
        scale = tuple("#{:02x}{:02x}{:02x}".format(*colour) for colour in colours("viridis"))
        share = of.confidence if by == "confidence" else of.margin
        ends = ("0%", "100%") if by == "confidence" else ("0%: undecided", "100%")
        return Colours((share * 255).round().astype(np.uint8), scale, ends)
    classes = of.true if by == "true class" else of.predicted
    own = coloured_classes(of, len(names), chosen)
    level = np.full(len(names) + 1, len(own), np.uint8)  # the last is of those without a label, -1
    level[own] = np.arange(len(own))
    others = [
        word for word, there in (("other classes", len(own) < len(names)), (NO_LABEL, classes.min() < 0)) if there
    ]
    legend = [names[item] for item in own] + [" or ".join(others)] * bool(others)
    return Colours(level[classes], (*PETROFF[: len(own)], *([OTHERS] * bool(others))), tuple(legend))


def coloured_classes(of: Outcome, count: int, chosen: int) -> np.ndarray:
    """All where there are no more than colours; else the chosen one, then those it is confused with, most often first."""
    if count <= len(PETROFF):
        return np.arange(count)
    wrong = of.wrong
    confused = np.bincount(of.predicted[wrong & (of.true == chosen)], minlength=count)
    confused += np.bincount(of.true[wrong & (of.predicted == chosen)], minlength=count)
    confused[chosen] = len(of.true) + 1
    return np.argsort(-confused, kind="stable")[: min(len(PETROFF), np.count_nonzero(confused))]
