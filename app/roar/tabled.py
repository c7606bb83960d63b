"""The tables of Remove and retrain: the report's three, with its own figures in grey beside ours, and every training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from app.address import KEPT, forget_unless, one_of
from app.roar import published
from app.roar.charts import GREY
from app.roar.stored import Grid, Point, named
from precompute.roar import tables
from precompute.roar.cells import NONE
from store.runs import Run

PERCENT = st.column_config.NumberColumn(format="%.2f%%")
MEASURES = {"recall": tables.recall, "precision": tables.precision}


def comparable(run: Run, grid: Grid, side: int) -> tuple[bool, str]:
    """Whether the report's figures are about the same, its test images of ten digits and its network; if not quite, why not.

    side: of the images, in pixels.
    """
    used, whole = grid.artifact.attributes["used"][1], published.TEST_IMAGES.sum()
    if tuple(run.classes) != published.CLASSES or run.recipe["model"]["network"] != "roar-cnn":
        return False, ""
    if (used, side) == (whole, published.SIDE):
        return True, ""
    return False, (
        f"The report's own figures do not stand beside these: they are of {whole:,} test images of {published.SIDE} pixels "
        f"a side, these of {used:,} of {side}."
    )


def grey(table: pd.DataFrame, subset: Any) -> Styler:
    """The table with a part of it in grey, which takes four times as long to send as without."""
    return table.style.format(na_rep="").set_properties(subset=subset, color=GREY)


# Table I


def deviations(grid: Grid, way: tuple[str, bool], *, report: bool) -> pd.DataFrame:
    """A row a ranking and fraction: accuracies, their mean with and without collapsed trainings, and their deviation.

    All in per cent. report: with the report's own deviation and the accuracy that follows of its other tables.
    """
    rows = []
    for name in grid.techniques:
        for point in grid.curve(name, *way):
            rows.append(row(point) | (theirs(point) if report and way == ("mean", True) else {}))
    first = grid.baseline(way[1])
    return pd.DataFrame([row(first), *rows] if first else rows)


def row(point: Point) -> dict[str, object]:
    values = 100 * point.accuracies
    return {
        "ranking": named(point.technique),
        "removed": 100 * point.fraction,
        "trainings": len(values),
        "collapsed": point.collapses,
        "mean": values.mean(),
        "without collapsed": 100 * point.mean_kept,
        "median": float(np.median(values)),
        "lowest": values.min(),
        "highest": values.max(),
        "deviation": 100 * point.deviation,
    }


def theirs(point: Point) -> dict[str, object]:
    """The report's figures of the same point, NaN where it has none."""
    if point.technique not in published.RECALL or point.fraction not in published.FRACTIONS:
        return {}
    place = published.FRACTIONS.index(point.fraction)
    return {
        "report: mean": 100 * published.accuracy(point.technique)[place],
        "report: deviation": published.DEVIATION[point.technique][place],
        "report: collapsed": published.collapses(point.technique)[place],
    }


def draw_deviations(grid: Grid, way: tuple[str, bool], *, report: bool) -> None:
    table = deviations(grid, way, report=report)
    reported = [name for name in table.columns if name.startswith("report")]
    st.dataframe(
        grey(table, (slice(None), reported)) if reported else table,
        hide_index=True,
        column_config={name: PERCENT for name in table.columns if table[name].dtype.kind == "f"}
        | {"removed": st.column_config.NumberColumn(format="%.0f%%")}
        | {"report: collapsed": st.column_config.NumberColumn(format="%d")},
        height="content",
        placeholder="–",
        alt="Mean and standard deviation of the accuracy by ranking and share removed",
    )
    st.caption(
        "Standard deviation over the trainings with ddof 0, as in the report's Table I. A training counts as collapsed where "
        "its accuracy is within one point of always naming the largest class, or more than 95% of the images get one class."
    )
    if report:
        st.caption(
            "The report prints its accuracies as a chart only. Those here follow of its Tables II and III, by the number of "
            "test images of each digit; so do its collapsed trainings, which it does not mention."
        )


# Tables II and III


def by_class(
    grid: Grid, way: tuple[str, bool], technique: str, measure: str, classes: Sequence[str], *, report: bool
) -> pd.DataFrame:
    """As the report's: two rows a fraction, mean and standard deviation over the trainings of each class, in per cent."""
    rows = []
    for point in grid.curve(technique, *way):
        values = 100 * np.stack([MEASURES[measure](item.confusion) for item in point.results])  # (trainings, K)
        share = f"{point.fraction:.0%}"
        rows += [(share, "ours", *tables.mean(values)), (share, "± sd", *tables.deviation(values))]
        if report and measure == "recall" and theirs(point):
            place = published.FRACTIONS.index(point.fraction)
            rows.append((share, "report", *published.RECALL[technique][place]))
            rows.append((share, "± sd, report", *published.RECALL_DEVIATION[technique][place]))
    return pd.DataFrame(rows, columns=["removed", "", *classes])


def draw_by_class(grid: Grid, way: tuple[str, bool], classes: Sequence[str], *, report: bool) -> None:
    forget_unless("ranking", grid.techniques)
    with st.container(horizontal=True, gap="medium"):
        technique = st.selectbox("Ranking", grid.techniques, format_func=named, key="ranking", width=260, **KEPT)
        measure = one_of("Measure", list(MEASURES), "rate", default="recall")
    table = by_class(grid, way, technique, measure, classes, report=report and way == ("mean", True))
    number = st.column_config.NumberColumn(format="%.1f")
    reported = table.index[table[""].str.endswith("report")]
    st.dataframe(
        grey(table, (reported, slice(None))) if len(reported) else table,
        hide_index=True,
        height="content",
        placeholder="–",
        column_config={name: number for name in classes},
        alt=f"{measure.capitalize()} of each class by share removed, in per cent",
    )
    st.caption(
        "Recall: share of a class's images that are found. Precision: share of the images taken for a class that are of it; "
        "empty where none is taken for it. In per cent."
    )
    if report:
        st.caption(
            "The report's Tables II and III say precision and hold recall: where one digit is named for every image, that digit "
            "stands there at 100, and its precision would be 11."
        )


# Every training


def draw_trainings(grid: Grid, way: tuple[str, bool]) -> None:
    """One row a cell; the accuracy on training images tells a network that could not learn from one that learned by heart."""
    chosen = [
        item
        for item in grid.results.values()
        if item.cell.retrained == way[1] and item.cell.replacement in (way[0], NONE)
    ]
    rows = [
        {
            "ranking": named(item.cell.technique),
            "removed": 100 * item.cell.fraction,
            "seed": item.cell.seed,
            "accuracy, test": 100 * item.accuracy,
            "accuracy, training": 100 * item.train_accuracy,
            "last loss": item.loss[-1] if len(item.loss) else np.nan,
            "collapsed": item.collapsed,
            "seconds": item.seconds,
        }
        for item in sorted(chosen, key=lambda item: (item.cell.technique, item.cell.fraction, item.cell.seed))
    ]
    table = pd.DataFrame(rows)
    columns = {name: PERCENT for name in table.columns if name.startswith("accuracy")}
    columns |= {"removed": st.column_config.NumberColumn(format="%.0f%%")}
    columns |= {"seconds": st.column_config.NumberColumn(format="%.1f")}
    st.dataframe(table, hide_index=True, column_config=columns, alt="Every training, with its accuracies")
