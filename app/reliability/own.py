"""Rows about the technique and its maps themselves: whether it applies, how fine it is, whether it adds up."""

import numpy as np

from app import reading
from app.pictures import percent
from app.reliability.parts import FAILS, MISSING, NOT, PASSES, TOLD, Chart, Line, Row, numbers, quantiles
from app.reliability.sources import COMPUTING, Sources
from precompute.catalogue import TECHNIQUES
from precompute.completeness import FLAGGED, gap
from precompute.techniques import INPUT

ENOUGH = 0.95  # of the maps add up, where a technique passes
WIDEST = 0.05  # relative gap at the end of its chart


def applies(of: Sources) -> Row:
    title = "Applies"
    if reason := of.maps.attributes.get("obstacle"):
        return Row("applies", title, NOT, reason, page="saliency")
    place = "the input itself" if of.layer == INPUT else f"layer {of.layer}"
    count, finished = len(reading.labels(of.data)), len(reading.epochs(of.maps))
    images = f"{count:,} image{'s' * (count != 1)}"
    if not finished:
        return Row("applies", title, TOLD, f"At {place}; no epoch of its maps is finished yet.", page="saliency")
    return Row(
        "applies",
        title,
        TOLD,
        f"At {place}: maps of {images} at {finished} epoch{'s' * (finished != 1)}.",
        page="saliency",
    )


def resolution(of: Sources) -> Row:
    height, width, side = of.maps.attributes["height"], of.maps.attributes["width"], of.data.attributes["size"]
    each = side / max(height, width)
    pixels = "each pixel has a value" if each <= 1 else f"one value for {each:.3g} × {each:.3g} pixels"
    words = f"{height} × {width} for images of {side} × {side}: {pixels}."
    values = tuple(item / side for item in (max(height, width), 1))
    alt = f"{max(height, width)} of {side} values a side; a map that says nothing of where has 1"
    chart = Chart(("",), values[:1], (Line("one value in all", values[1:]),), 0, 1, alt)
    return Row("resolution", "Resolution", TOLD, words, page="saliency", chart=chart)


def completeness(of: Sources) -> Row:
    name, title = "completeness", "Completeness"
    entry = TECHNIQUES.get(of.technique)
    if not (entry and entry.complete):
        return Row(name, title, NOT, "Its maps promise no sum.")
    if "completeness" not in of.maps.attributes["arrays"]:
        return Row(name, title, MISSING, "These maps were computed before the gap was kept; run the recipe again.")
    there = reading.epochs(of.maps)
    if not there:
        return Row(name, title, MISSING, COMPUTING, page="saliency")
    epoch = min(there, key=lambda item: abs(item - of.epoch))
    gaps = gap(reading.measured(of.maps, "completeness", epoch)).ravel()  # (explained × image,)
    gaps = gaps[np.isfinite(gaps)]
    if not len(gaps):
        return Row(name, title, MISSING, "No map of this epoch is a number.", page="saliency")
    sound, (low, middle, high) = float((gaps < FLAGGED).mean()), quantiles(gaps)
    words = f"{percent(sound)} of the maps add up within 1%; the median gap is {middle:.2%}."
    words += f" After epoch {epoch}." if epoch != of.epoch else ""
    rule = f"Passes where {percent(ENOUGH)} of the maps miss the logit's difference by less than 1% of it."
    alt = f"Gap: median {middle:.2%}, 10 to 90% of the maps {low:.2%} to {high:.2%}; flagged from 1%"
    own = numbers(np.minimum([middle], WIDEST))
    ends = [numbers(np.minimum([item], WIDEST)) for item in (low, high)]
    chart = Chart(("",), own, (), 0, WIDEST, alt, below=ends[0], above=ends[1], rule=FLAGGED)
    state = PASSES if sound >= ENOUGH else FAILS
    return Row(name, title, state, words, rule, "saliency", f"{percent(sound)} add up", chart)
