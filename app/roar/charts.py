"""The chart of Remove and retrain: accuracy by share removed, a dot a training; a line and a band for their median and range."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd

from app.charts import INK, PADDING, PETROFF
from app.roar import published
from app.roar.stored import Grid, Point, named
from precompute.roar.cells import CONTROLS

HEIGHT = 380
GREY = "#8a9096"
FORMS = ("trained", "collapsed")
COLOURS = tuple(colour for place, colour in enumerate(PETROFF) if place not in (3, 8))  # grey is the report's


@dataclass(frozen=True)
class Drawn:
    """What is drawn: for each ranking its points by share removed, the baseline first; and lines of the report's own.

    every: all rankings of the grid. with_collapsed: whether medians and ranges are over all trainings. majority: share of the
    largest class.
    """

    curves: dict[str, list[Point]]
    every: tuple[str, ...]
    with_collapsed: bool
    majority: float
    report: tuple[str, ...] = ()


def drawn(grid: Grid, way: tuple[str, bool], *, with_collapsed: bool, report: bool) -> Drawn:
    first = grid.baseline(way[1])
    curves = {name: [*([first] if first else []), *grid.curve(name, *way)] for name in grid.techniques}
    curves = {name: points for name, points in curves.items() if any(point.fraction for point in points)}
    confusion = next(iter(grid.results.values())).confusion
    majority = float(confusion.sum(1).max() / max(confusion.sum(), 1))
    names = tuple(name for name in published.RECALL if name in curves) if report and way == ("mean", True) else ()
    return Drawn(curves, tuple(grid.techniques), with_collapsed, majority, names)


def of_grid(grid: Grid, way: tuple[str, bool], *, with_collapsed: bool, report: bool, dark: bool) -> alt.LayerChart:
    return chart(drawn(grid, way, with_collapsed=with_collapsed, report=report), dark=dark)


def medians(of: Drawn) -> pd.DataFrame:
    """A row a ranking and fraction; where no training is left, because all collapsed, there is none."""
    rows = [
        (named(name), point.fraction, *point.range(with_collapsed=of.with_collapsed))
        for name, points in of.curves.items()
        for point in points
    ]
    table = pd.DataFrame(rows, columns=["ranking", "removed", "lowest", "accuracy", "highest"])
    return table[np.isfinite(table.accuracy)]


def dots(of: Drawn) -> pd.DataFrame:
    """A row a training."""
    rows = [
        (named(name), point.fraction, item.accuracy, item.train_accuracy, item.cell.seed, FORMS[item.collapsed])
        for name, points in of.curves.items()
        for point in points
        if point.fraction
        for item in point.results
    ]
    return pd.DataFrame(rows, columns=["ranking", "removed", "accuracy", "train", "seed", "form"])


def theirs(of: Drawn) -> pd.DataFrame:
    """The report's accuracies, as they follow of its tables."""
    rows = [
        (f"{named(name)} (report)", fraction, accuracy)
        for name in of.report
        for fraction, accuracy in zip(published.FRACTIONS, published.accuracy(name), strict=True)
    ]
    return pd.DataFrame(rows, columns=["ranking", "removed", "accuracy"])


def chart(of: Drawn, *, dark: bool) -> alt.LayerChart:
    """Controls are dashed; a collapsed training is a cross; grey lines are the report's own, the lowest that of guessing."""
    x = alt.X(
        "removed:Q", title="pixels removed", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%", tickCount=10)
    )
    y, low = (
        alt.Y(
            f"{field}:Q", title="accuracy on test images", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%")
        )
        for field in ("accuracy", "lowest")
    )
    colour, dashes = looks_of([named(name) for name in of.curves], [named(name) for name in of.every])
    base = alt.Chart(medians(of))
    band = base.mark_area(opacity=0.16, aria=False, tooltip=None).encode(x=x, y=low, y2="highest:Q", color=colour)
    lines = base.mark_line(strokeWidth=2.2).encode(x=x, y=y, color=colour, strokeDash=dashes)
    shape = alt.Shape("form:N", scale=alt.Scale(domain=list(FORMS), range=["circle", "cross"]), legend=None)
    points = (
        alt.Chart(dots(of))
        .mark_point(size=46, filled=True, opacity=0.75)
        .encode(x=x, y=y, color=colour, shape=shape, tooltip=tooltips())
    )
    guess = pd.DataFrame({"accuracy": [of.majority], "what": ["always the largest class"]})
    rule = alt.Chart(guess).mark_rule(strokeDash=[2, 3], color=GREY).encode(
        y=y, tooltip=["what:N", alt.Tooltip("accuracy:Q", format=".2%")]
    )  # fmt: skip
    layers = [rule, band, lines, points]
    if of.report:
        layers.insert(1, reported(theirs(of), x, y))
    first = next(iter(of.curves.values()), [])
    if first and not first[0].fraction:
        layers.append(baseline(first[0], x, y, dark=dark))
    return alt.layer(*layers).properties(height=HEIGHT, padding=PADDING)


def looks_of(titles: Sequence[str], every: Sequence[str], *, columns: int = 4) -> tuple[alt.Color, alt.StrokeDash]:
    """Those drawn, each in the colour that its place among all rankings of the grid gives it; dashes for controls.

    Both have the same legend, which Vega-Lite draws as one.
    """
    legend = alt.Legend(
        title=None,
        values=list(titles),
        orient="top",
        columns=columns,
        labelLimit=220,
        symbolType="stroke",
        symbolSize=256,  # as wide as two dashes
        symbolStrokeWidth=3,
        symbolOpacity=1,
    )
    controls = {item.title for item in CONTROLS.values()}
    colours = [COLOURS[place % len(COLOURS)] for place in range(len(every))]
    dashes = [[5, 3] if title in controls else [1, 0] for title in every]
    colour, dash = (
        channel("ranking:N", sort=list(every), scale=alt.Scale(domain=list(every), range=looks), legend=legend)
        for channel, looks in ((alt.Color, colours), (alt.StrokeDash, dashes))
    )
    return colour, dash


def reported(table: pd.DataFrame, x: alt.X, y: alt.Y) -> alt.Chart:
    tooltip = ["ranking:N", alt.Tooltip("removed:Q", format=".0%"), alt.Tooltip("accuracy:Q", format=".2%")]
    mark = alt.OverlayMarkDef(size=30, color=GREY)
    return alt.Chart(table).mark_line(color=GREY, opacity=0.7, point=mark).encode(
        x=x, y=y, detail="ranking:N", tooltip=tooltip
    )  # fmt: skip


def baseline(point: Point, x: alt.X, y: alt.Y, *, dark: bool) -> alt.Chart:
    """Every training with nothing removed."""
    rows = [("nothing removed", 0.0, item.accuracy, item.train_accuracy, item.cell.seed) for item in point.results]
    table = pd.DataFrame(rows, columns=["ranking", "removed", "accuracy", "train", "seed"])
    return alt.Chart(table).mark_point(size=46, filled=True, color=INK[dark]).encode(x=x, y=y, tooltip=tooltips()[:-1])


def tooltips() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("ranking:N"),
        alt.Tooltip("removed:Q", format=".0%"),
        alt.Tooltip("accuracy:Q", format=".2%", title="accuracy, test"),
        alt.Tooltip("train:Q", format=".2%", title="accuracy, training"),
        alt.Tooltip("seed:Q"),
        alt.Tooltip("form:N", title="training"),
    ]


def words(of: Drawn) -> str:
    """The chart in words, for who does not see it."""
    said = [f"{named(name)} {line(points, of.with_collapsed)}" for name, points in of.curves.items()]
    return "Median accuracy, and its range, by share of pixels removed. " + "; ".join(said) + "."


def line(points: Sequence[Point], with_collapsed: bool) -> str:
    parts = []
    for point in points:
        low, middle, high = point.range(with_collapsed=with_collapsed)
        between = f" ({low:.1%} to {high:.1%})" if len(point.results) > 1 else ""
        parts.append(f"{point.fraction:.0%}: {'collapsed' if np.isnan(middle) else f'{middle:.1%}{between}'}")
    return ", ".join(parts)
