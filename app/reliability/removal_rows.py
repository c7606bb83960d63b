"""Rows of Remove and Retrain: against the control that is as blurry as the technique, with and without retraining."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from app.pictures import percent
from app.reliability import ranked
from app.reliability.parts import FAILS, MISSING, NOT, PASSES, TOLD, Chart, Line, Row, numbers
from app.reliability.sources import COMPUTING, Sources
from app.roar import stored
from app.roar.stored import Grid, Point
from precompute.roar.cells import REPLACEMENTS

ASK = (
    "Not computed. Name it in [artifacts.roar] of the recipe and run it again: that trains networks on changed images."
)
TITLES = {"roar": "Remove and retrain", "road": "Removal without retraining", "seeds": "Variance over seeds"}
PREFERRED = ("mean", "noisy-linear", "blur")  # what is looked at first where several stand for removed pixels
Pair = tuple[Point, Point]  # of a technique and of its control, at the same fraction
BEYOND = 1.96  # standard errors, where a side has one value only


def roar(of: Sources) -> Row:
    """Whether a network retrained without what a technique calls important learns less than without what its control does."""
    return removal(of, "roar", retrained=True)


def road(of: Sources) -> Row:
    """The same for the trained network, as it is."""
    return removal(of, "road", retrained=False)


def found(of: Sources, name: str) -> Grid | Row:
    """The grid, or the row that says why there is none with this technique."""
    title = TITLES[name]
    if of.grid is None:
        return Row(name, title, MISSING, ASK, page="roar")
    if reason := stored.obstacle(of.run):
        return Row(name, title, NOT, reason, page="roar")
    grid = stored.grid(of.run)
    if grid is None:
        return Row(name, title, MISSING, ASK, page="roar")
    if reason := grid.obstacles.get(of.technique, ""):
        return Row(name, title, NOT, reason, page="roar")
    if of.technique not in grid.techniques:
        return Row(name, title, MISSING, ASK, page="roar")
    return grid


def removal(of: Sources, name: str, *, retrained: bool) -> Row:
    title, grid = TITLES[name], found(of, name)
    if isinstance(grid, Row):
        return grid
    ways = [by for by, again in grid.ways if again == retrained and by in PREFERRED]
    if name == "road" and "noisy-linear" in ways:
        ways = ["noisy-linear"]
    if retrained and not ways and (reason := grid.obstacles.get("Retraining", "")):
        return Row(name, title, NOT, reason, page="roar")
    if not ways:
        words = f"The grid holds nothing {'with' if retrained else 'without'} retraining."
        return Row(name, title, MISSING, words, page="roar")
    by = min(ways, key=PREFERRED.index)
    curves = {item: grid.curve(item, by, retrained) for item in (of.technique, *nulls(of, grid))}
    way = (("way", f"{REPLACEMENTS[by].title}, {'retrained' if retrained else 'not retrained'}"),)
    if not curves[of.technique]:
        return Row(name, title, MISSING, COMPUTING, page="roar", at=way)
    return replace(judged(of, name, by, curves, grid), at=way)


def nulls(of: Sources, grid: Grid) -> list[str]:
    """The controls a curve is drawn with: the one it is judged by first."""
    others = ("random", "random-blurred", "centre", "sobel", "pixel")
    return [item for item in dict.fromkeys((ranked.control(of), *others)) if item in grid.techniques]


def judged(of: Sources, name: str, by: str, curves: dict[str, list[Point]], grid: Grid) -> Row:
    title, own, against = TITLES[name], curves[of.technique], ranked.control(of)
    chart = chart_of(of, curves, by)
    collapses = sum(point.collapses for point in own)
    lost = f" {collapses} collapsed training{'s' * (collapses != 1)} left out." if collapses else ""
    told = f"Accuracy by share removed ({by}): {curve_words(own)}.{lost}{ranked.note(of)}"

    def without(why: str) -> Row:
        return Row(name, title, TOLD, f"{why} {told}", page="roar", chart=chart)

    if other := ranked.unlike(of, grid.artifact.attributes):
        return without(f"No verdict on these maps: {other}.")
    if not curves.get(against):
        return without(f"No verdict without the control '{stored.named(against)}', {ranked.like(of)}.")
    if coarser := ranked.coarser(of):
        return without(f"No verdict: {coarser}.")
    pairs = shared(own, curves[against])
    if not pairs:
        return without("No verdict: no share is finished for both.")
    state, said, rule = verdict(pairs, stored.named(against), "training" if name == "roar" else "look")
    return Row(name, title, state, f"{said} {told}", rule, "roar", f"{percent(means(pairs)[0])} right", chart)


def verdict(pairs: Sequence[Pair], control: str, what: str) -> tuple[str, str, str]:
    """Whether the one learns less than its control, the numbers, and the rule. what: a training or a look."""
    mean, highest, other, lowest = means(pairs)
    count, images = min(len(point.kept) for pair in pairs for point in pair), tested(pairs[0][0])
    said = f"{percent(mean)} right on average, {control.lower()} {percent(other)}"
    said += f" ({count} {what}{'s' * (count != 1)} a share, {images:,} test images)."
    if count > 1:
        rule = (
            "Passes where even its highest accuracies, averaged over all shares removed, lie below the lowest of "
            f"'{control.lower()}'."
        )
        return PASSES if highest < lowest else FAILS, said, rule
    ours, theirs = (np.mean([binomial(pair[side]) for pair in pairs]) for side in range(2))
    error = BEYOND * float(np.hypot(ours, theirs))
    rule = (
        f"With one {what} a share, passes where it lies below '{control.lower()}' by more than {error:.1%}: {BEYOND} binomial "
        f"standard errors of the difference, of {images:,} test images."
    )
    if abs(mean - other) <= error:
        return TOLD, f"No verdict: both differ by less than one {what} can tell. {said}", rule
    return PASSES if mean < other else FAILS, said, rule


def shared(own: Sequence[Point], other: Sequence[Point]) -> list[Pair]:
    """Points of both at each fraction that both have; one at which all trainings of either collapsed is left out."""
    theirs = {point.fraction: point for point in other}
    pairs = [(point, theirs[point.fraction]) for point in own if point.fraction in theirs]
    return [(one, two) for one, two in pairs if len(one.kept) and len(two.kept)]


def means(pairs: Sequence[Pair]) -> tuple[float, float, float, float]:
    """Mean and highest accuracy of the one, mean and lowest of the other; over the seeds, then over the fractions."""
    each = [(a.kept.mean(), a.kept.max(), b.kept.mean(), b.kept.min()) for a, b in pairs]
    mean, highest, other, lowest = (float(value) for value in np.mean(each, axis=0))
    return mean, highest, other, lowest


def tested(point: Point) -> int:
    """How many test images an accuracy is counted on."""
    return int(point.results[0].confusion.sum())


def binomial(point: Point) -> float:
    """Standard error of an accuracy: √(p(1 − p)/n), with one right and one wrong image more, so that 100% is not sure.

    Fractions are counted on the same images, so errors may go together: they are averaged, and do not shrink.
    """
    images = tested(point)
    right = (point.mean_kept * images + 1) / (images + 2)
    return float(np.sqrt(right * (1 - right) / images))


def curve_words(points: Sequence[Point]) -> str:
    """10%: 97%, 30%: 91%; what collapsed is said to have."""
    return ", ".join(
        f"{percent(point.fraction)}: {percent(point.mean_kept) if len(point.kept) else 'collapsed'}" for point in points
    )


def chart_of(of: Sources, curves: dict[str, list[Point]], by: str) -> Chart:
    own = curves[of.technique]
    fractions = [point.fraction for point in own]
    lines = tuple(
        Line(stored.named(name).lower(), at(points, fractions))
        for name, points in curves.items()
        if name != of.technique
    )
    kept = [point.kept if len(point.kept) else np.array([np.nan]) for point in own]
    alt = f"Accuracy by share of pixels removed, replaced by {by}: {curve_words(own)}"
    places = tuple(percent(fraction) for fraction in fractions)
    return Chart(
        places,
        numbers([point.mean_kept for point in own]),
        lines,
        0,
        1,
        alt,
        "removed",
        numbers([item.min() for item in kept]),
        numbers([item.max() for item in kept]),
    )


def at(points: Sequence[Point], fractions: Sequence[float]) -> tuple[float | None, ...]:
    means = {point.fraction: point.mean_kept for point in points}
    return numbers([means.get(fraction, np.nan) for fraction in fractions])


# Seeds


def seeds(of: Sources) -> Row:
    """How much retrained networks vary with their seed alone."""
    name, title, grid = "seeds", TITLES["seeds"], found(of, "seeds")
    if isinstance(grid, Row):
        return grid
    ways = [by for by, again in grid.ways if again and by in PREFERRED]
    points = grid.curve(of.technique, min(ways, key=PREFERRED.index), True) if ways else []
    points = [point for point in points if len(point.results) > 1]
    if not points:
        return Row(name, title, MISSING, "Needs two retrained networks or more at a share removed.", page="roar")
    by = min(ways, key=PREFERRED.index)
    others = {point.fraction: point.deviation for point in grid.curve("random", by, True) if len(point.results) > 1}
    baseline = grid.baseline()
    plain = f"; nothing removed {baseline.deviation:.2%}" if baseline and len(baseline.results) > 1 else ""
    each = ", ".join(f"{percent(point.fraction)}: {point.deviation:.2%}" for point in points)
    least = min(len(point.results) for point in points)
    words = f"Standard deviation of the accuracy over {least} seeds (ddof 0), by share removed: {each}{plain}."
    if other := ranked.unlike(of, grid.artifact.attributes):
        words = f"Of other maps: {other}. {words}"
    words += ranked.note(of)
    fractions = [point.fraction for point in points]
    line = numbers([others.get(fraction, np.nan) for fraction in fractions])
    own = [point.deviation for point in points]
    top = max([0.01, *own, *(value for value in line if value is not None)])
    lines = (Line("random", line),) if others else ()
    places = tuple(percent(fraction) for fraction in fractions)
    return Row(
        name, title, TOLD, words, page="roar", chart=Chart(places, numbers(own), lines, 0, top, words, "removed")
    )
