"""The Network page's charts: a filter's answer by class, and what happens to predictions without some filters."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from app import charts
from app.charts import PADDING, PETROFF, RIGHT, WRONG

MOST = 12  # classes shown where there are many
ROW, AROUND = 20, 50  # pixels of a class, and around all of them
ABLATION = 190
WITHOUT = ("all filters", "without these", "without others")
GROUPS = ("with the pattern", "other images")


def classes_shown(means: np.ndarray) -> list[int]:
    """All classes in their order; of many, those of the largest means (K,)."""
    order = np.argsort(-np.nan_to_num(means, nan=-np.inf), kind="stable")
    return list(range(len(means))) if len(means) <= MOST else order[:MOST].tolist()


def profile_spec(means: np.ndarray, names: Sequence[str], mean: float) -> dict[str, Any]:
    """Mean answers by class (K,) as bars, and the mean over all images as a line."""
    shown = classes_shown(means)
    table = pd.DataFrame({"class": [names[index] for index in shown], "answer": means[shown].astype(float)})
    colours = tuple(PETROFF[index] if len(names) <= len(PETROFF) else RIGHT for index in shown)
    tables = {0: table, 1: pd.DataFrame({"mean": [mean]})}
    return charts.with_tables(profile_shape(tuple(table["class"]), colours), tables)


@lru_cache(maxsize=200)
def profile_shape(order: tuple[str, ...], colours: tuple[str, ...]) -> dict[str, Any]:
    """Bars without their values: table 0, and the line: table 1."""
    x = alt.X("answer:Q", title="mean answer", scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=4, titlePadding=4))
    bars = alt.Chart(pd.DataFrame({"class": [order[0]], "answer": [0.0]})).mark_bar().encode(
        y=alt.Y("class:N", sort=list(order), title=None,
                axis=alt.Axis(ticks=False, domain=False, labelLimit=120, labelOverlap=False)),
        x=x,
        color=alt.Color("class:N", scale=alt.Scale(domain=list(order), range=list(colours)), legend=None),
        tooltip=["class:N", alt.Tooltip("answer:Q", format=".4g", title="mean answer")],
    )  # fmt: skip
    line = alt.Chart(pd.DataFrame({"mean": [0.0]})).mark_rule(color="#808080", strokeDash=[4, 3]).encode(
        x=alt.X("mean:Q"), tooltip=[alt.Tooltip("mean:Q", format=".4g", title="mean over all images")]
    )  # fmt: skip
    return charts.spec(alt.layer(bars, line).properties(height=ROW * len(order) + AROUND, padding=PADDING))


Measured = tuple[str, float, float, np.ndarray]  # images, with all filters, without these, (R,) without random ones


def ablation_table(groups: Sequence[Measured]) -> pd.DataFrame:
    """One row a dot."""
    rows = []
    for name, whole, without, random in groups:
        rows += [(name, kind, float(value)) for kind, value in zip(WITHOUT[:2], (whole, without), strict=True)]
        rows += [(name, WITHOUT[2], float(value)) for value in random]
    return pd.DataFrame(rows, columns=["images", "network", "value"])


@lru_cache(maxsize=10)
def ablation_shape(title: str) -> dict[str, Any]:
    """Dots by network and group of images, without their values: table 0."""
    empty = pd.DataFrame([(GROUPS[0], WITHOUT[0], 0.0)], columns=["images", "network", "value"])
    points = alt.Chart(empty).mark_point(filled=True, size=70, opacity=0.6, strokeWidth=1).encode(
        y=alt.Y("network:N", sort=list(WITHOUT), title=None,
                axis=alt.Axis(ticks=False, domain=False, labelLimit=130, labelOverlap=False, grid=True)),
        yOffset=alt.YOffset("images:N", sort=list(GROUPS), scale=alt.Scale(paddingOuter=0.6)),
        x=alt.X("value:Q", title=title, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%", tickCount=5)),
        color=alt.Color("images:N", sort=list(GROUPS), scale=alt.Scale(domain=list(GROUPS), range=[WRONG, RIGHT]),
                        legend=alt.Legend(title=None, orient="top", direction="horizontal", offset=2)),
        shape=alt.Shape("images:N", scale=alt.Scale(domain=list(GROUPS), range=["circle", "diamond"]), legend=None),
        tooltip=["images:N", "network:N", alt.Tooltip("value:Q", format=".1%", title=title)],
    )  # fmt: skip
    return charts.spec(points.properties(height=ABLATION, padding=PADDING))


def ablation_spec(title: str, groups: Sequence[Measured]) -> dict[str, Any]:
    """A measure of each group of images with all filters, without the selected ones, and without random ones."""
    return charts.with_tables(ablation_shape(title), {0: ablation_table(groups)})
