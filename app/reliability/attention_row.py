"""The row about where a technique's evidence lies: over all images, and in the class in which that is most out of the ordinary."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t as student

from app import reading
from app.attention import stored
from app.attention.stored import Curve
from app.pictures import percent
from app.reliability.parts import MISSING, NOT, TOLD, Chart, Line, Row, numbers
from app.reliability.sources import COMPUTING, Sources
from precompute.regions import CONFIDENCE
from store.schema import CONTROLS, EXPLAINED, UNLABELLED
from store.shards import Artifact

NAME, TITLE = "attention", "Attention"
NO_REGIONS = (
    "The data has no boxes. Name a region in the recipe, artifacts.attention.regions = { corner = [0, 0, 0.2, 0.2] }, or "
    "draw one on the Attention page."
)
CONTROL_TITLES = {"uniform": "uniform map", "random": "random map", "centre": "centre prior"}
PREDICTED = "Of maps of the predicted class, because no image has a label."
TRUE = EXPLAINED.index("true")
FEW, MANY = 5, 200  # images that a class has at least to be looked at by itself; classes up to which each one is


@dataclass(frozen=True)
class Extreme:
    """A class and a region; mean share of the evidence with the ends of an interval that holds for all `among` together."""

    region: str
    chosen: int
    mean: float
    low: float
    high: float
    among: int  # pairs of a class and a region


def looks(of: Sources) -> Row:
    """Where the evidence lies: about the network rather than the technique, so there is no verdict."""
    return replace(row(of), at=(("layer", of.layer), ("evidence", of.technique)))


def row(of: Sources) -> Row:
    source = of.attention
    if source.artifact is None:
        return Row(NAME, TITLE, MISSING, "No attention in numbers: run the recipe again.", page="attention")
    if not source.artifact.attributes["regions"]:
        return Row(NAME, TITLE, NOT, NO_REGIONS, page="attention")
    if source.epoch is None:
        return Row(NAME, TITLE, MISSING, COMPUTING, page="attention")
    told, here, slot = stored.told(source.artifact), of.attention_epochs.index(source.epoch), slot_of(of)
    everything = np.arange(len(reading.labels(of.data)))
    curves = [stored.curve(source.artifact, name, of.attention_epochs, slot, everything) for name in told]
    curves = [curve for curve in curves if np.isfinite(curve.values[0, here])]
    if not curves:
        return Row(NAME, TITLE, MISSING, "No image has both a region and evidence at this epoch.", page="attention")
    said = [share_words(curve, here) for curve in curves] + ([] if slot == TRUE else [PREDICTED])
    drawn, whose = curves[0], ""
    if found := standing_out(of, source.artifact, source.epoch, told):
        images = stored.of_class(of.data, found.chosen)
        drawn = stored.curve(source.artifact, found.region, of.attention_epochs, slot, images)
        whose = reading.class_names(of.run)[found.chosen]
        said.append(f"Most out of the ordinary is {whose}: {extreme_words(found)}")
    chart = chart_of(drawn, here, whose)
    return Row(NAME, TITLE, TOLD, " ".join(said) + source.note(of.epoch), page="attention", chart=chart)


def slot_of(of: Sources) -> int:
    """Maps of the true class where there is one, else of the predicted class."""
    return TRUE if reading.labelled(of.data) else EXPLAINED.index("predicted")


def standing_out(of: Sources, artifact: Artifact, epoch: int, regions: Sequence[str]) -> Extreme | None:
    """The region and class whose share is surest to be more than every control's, by their ratio; None where none is.

    A network that takes a shortcut for one class is not seen in a mean over all. The largest of many is large by chance, so
    intervals are widened by as many as are looked at (Bonferroni): all of them together hold with 95%.
    """
    labels = reading.labels(of.data)
    order = np.argsort(labels, kind="stable")[int((labels == UNLABELLED).sum()) :]  # images class by class
    classes, counts = np.unique(labels[order], return_counts=True)
    if not 1 < len(classes) <= MANY:
        return None
    places, starts = [stored.regions(artifact).index(name) for name in regions], np.cumsum(counts) - counts
    share = reading.measured(artifact, "share", epoch)[TRUE][order][:, places].astype(np.float64)  # (image, region)
    others = reading.measured(artifact, "control", epoch)[:, order][..., places]  # (control, image, region)
    known = np.isfinite(share)
    number = np.add.reduceat(known, starts, axis=0, dtype=np.int64)  # (class, region)

    def mean_of(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(np.where(known, values, 0), starts, axis=-2) / np.maximum(number, 1)

    looked, mean, most = number >= FEW, mean_of(share), mean_of(others).max(0)
    if not (among := int(looked.sum())):
        return None
    free = np.maximum(number - 1, 1)
    variance = mean_of((share - mean.repeat(counts, 0)) ** 2) / free  # of the mean
    half = student.ppf(1 - (1 - CONFIDENCE) / 2 / among, free) * np.sqrt(variance)
    ratio = np.divide(mean - half, most, out=np.zeros_like(mean), where=looked & (most > 0))
    best = np.unravel_index(ratio.argmax(), ratio.shape)
    if ratio[best] <= 1:
        return None
    low, high = float((mean - half)[best]), float((mean + half)[best])
    return Extreme(regions[best[1]], int(classes[best[0]]), float(mean[best]), low, high, among)


def extreme_words(found: Extreme) -> str:
    where = f"{percent(found.mean)} of the evidence in {named(found.region)}"
    spread = f"{percent(max(found.low, 0))} to {percent(min(found.high, 1))}"
    return f"{where} ({spread}, widened for {found.among} pairs of a class and a region), more than what knows nothing."


def share_words(curve: Curve, here: int) -> str:
    """7% of the evidence in the box (6 to 8%), less than what knows nothing (uniform map 25%, centre prior 40%)."""
    mean, low, high = curve.values[:, here]
    others = {CONTROL_TITLES[name]: float(curve.control(name)[0, here]) for name in CONTROLS}
    least, most = min(others.values()), max(others.values())
    against = "more than" if low > most else "less than" if high < least else "about as much as"
    listed = ", ".join(f"{title} {percent(value)}" for title, value in others.items())
    spread = f" ({percent(low)} to {percent(high)})" if np.isfinite(low) else ""
    return f"{percent(mean)} of the evidence in {named(curve.region)}{spread}, {against} what knows nothing ({listed})."


def named(region: str) -> str:
    """A region as it stands in a sentence."""
    return "the box" if region == "box" else region.removeprefix("drawn: ").removeprefix("part: ")


def chart_of(curve: Curve, here: int, whose: str) -> Chart:
    nulls = tuple(Line(CONTROL_TITLES[name], numbers(curve.control(name)[0])) for name in CONTROLS)
    mean, low, high = curve.values
    what = f"images of {whose}" if whose else "all images"
    where, after = named(curve.region), share_words(curve, here)
    alt = f"Share of the evidence in {where} by epoch, {what}. After epoch {curve.epochs[here]}: {after}"
    return Chart(tuple(map(str, curve.epochs)), numbers(mean), nulls, 0, 1, alt, "epoch", numbers(low), numbers(high))
