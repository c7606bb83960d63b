"""The grid of Remove and Retrain: technique × fraction × seed × replacement × retrained or not. No torch here.

One cell is one training on changed images, or one look at them by the run's own network.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from precompute.catalogue import Entry

if TYPE_CHECKING:  # it reads the tables below
    from precompute.wanted import Roar

NONE = "none"  # technique and replacement of the cells in which nothing is removed
SHARED = ("epochs", "images", "explained", "ties", "training", "precision", "version")  # what matters to every cell

CONTROLS: dict[str, Entry] = {
    "random": Entry(
        "precompute.roar.controls:random", "Random", "every pixel as likely as any other, drawn for each image"
    ),
    "sobel": Entry("precompute.roar.controls:sobel", "Sobel edges", "the image's own edges; no network is asked"),
    "pixel": Entry(
        "precompute.roar.controls:pixel", "Pixel value", "distance from the mean colour, in standard deviations"
    ),
    "centre": Entry("precompute.roar.controls:centre", "Centre", "the nearer to the middle of the image the earlier"),
    "random-blurred": Entry(
        "precompute.roar.controls:random_blurred",
        "Random, blurred",
        "random values at the resolution of the run's default layer, enlarged as its maps are",
    ),
}
REPLACEMENTS: dict[str, Entry] = {
    "mean": Entry("precompute.roar.removal:mean", "Mean", "the mean colour of the training images"),
    "blur": Entry("precompute.roar.removal:blurred", "Blur", "the image under a Gaussian of 10% of its side"),
    "noisy-linear": Entry(
        "precompute.roar.removal:noisy_linear",
        "Noisy linear (ROAD)",
        "each from its neighbours, removed ones among them, as a linear system says, and a little noise",
    ),
    "mask": Entry(
        "precompute.roar.removal:mask_alone",
        "Mask alone",
        "nothing of the image is left: white where a pixel was removed, black elsewhere",
    ),
}


@dataclass(frozen=True)
class Cell:
    """One training, or one look without. fraction: of the pixels removed; seed: counted from the run's own, 0."""

    technique: str
    fraction: float
    seed: int
    replacement: str
    retrained: bool

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def determining(grid: Mapping[str, Any], cell: Cell) -> list[Any]:
    """The facts of a grid that, within its run, determine the values of a cell.

    Options and versions of techniques and replacements that a cell does not have do not matter, nor does the layer to a
    control.
    """
    options, newer = grid["options"].get(cell.technique), grid.get("versions", {})
    versions = [newer.get(name, 1) for name in (cell.technique, cell.replacement)]
    return [*(grid[name] for name in SHARED), options, versions, "" if options is None else grid["layer"]]


def cells(asked: "Roar") -> tuple[Cell, ...]:
    """All cells in the order in which they are computed: looks first, then seed by seed, so that curves are soon whole."""
    return tuple(dict.fromkeys([*looks(asked), *trainings(asked)]))


def looks(asked: "Roar") -> Iterator[Cell]:
    """Those without retraining: the run's own network, once each."""
    if asked.not_retrained:
        yield Cell(NONE, 0.0, 0, NONE, False)
    for name in ranked(asked):
        for replacement in asked.not_retrained:
            yield from (Cell(name, fraction, 0, replacement, False) for fraction in asked.fractions)


def trainings(asked: "Roar") -> Iterator[Cell]:
    """Those with: for each seed the baseline, in which nothing is removed, and then every technique."""
    for seed in range(asked.seeds if asked.retrained else 0):
        yield Cell(NONE, 0.0, seed, NONE, True)
        for name in ranked(asked):
            for replacement in asked.retrained:
                yield from (Cell(name, fraction, seed, replacement, True) for fraction in asked.fractions)


def ranked(asked: "Roar") -> Sequence[str]:
    """What the pixels are ranked by: techniques, then controls."""
    return tuple(dict.fromkeys([*asked.techniques, *asked.controls]))


def title(technique: str, techniques: dict[str, Entry]) -> str:
    """What a person reads: a control's or a technique's title, "nothing removed" for the baseline."""
    if technique == NONE:
        return "Nothing removed"
    found = CONTROLS.get(technique) or techniques.get(technique)
    return found.title if found else technique


def removed_count(fraction: float, pixels: int) -> int:
    """How many of the pixels are removed: round(fraction · pixels), but never all."""
    return min(round(fraction * pixels), pixels - 1)
