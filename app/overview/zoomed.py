"""The confusion matrix of many classes: squares to zoom into, and names beside as many rows as have room for them."""

import json
from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from app import charts

LABELS = "@labels"  # stands for an expression, in a chart that is drawn for several orders of the classes


def confusion_map(
    table: pd.DataFrame, names: Sequence[str], chosen: pd.DataFrame, *, dark: bool = False
) -> alt.LayerChart:
    """Confusion matrix of many classes: only cells that hold images, as squares to zoom into. Tables as in `charts.confusion`.

    Some rows and columns are named, all of them once it is zoomed so far; LABELS stands for what `labels` gives.
    """
    ends = [-0.5, len(names) - 0.5]  # the middle of a cell is a whole number, where a label stands
    axis = {"labelExpr": LABELS, "tickMinStep": 1, "tickCount": 14, "ticks": False, "grid": False, "labelOverlap": True}
    down = alt.Axis(labelLimit=104, minExtent=112, maxExtent=112, titlePadding=12, **axis)
    across = alt.Axis(labelLimit=96, labelAngle=-50, minExtent=84, maxExtent=84, titlePadding=8, **axis)
    scale = alt.Scale(domain=ends, nice=False)
    x = alt.X("left:Q", title="predicted class (similar ones side by side)", scale=scale, axis=across)
    y = alt.Y("top:Q", title="true class", scale=alt.Scale(domain=ends[::-1], nice=False), axis=down)
    edges = {"left": "column", "end": "right", "top": "row", "below": "bottom"}
    shifted = {edge: f"datum.{field} - 0.5" for edge, field in edges.items()}
    zoom = alt.selection_interval(name="zoom", bind="scales", encodings=["x", "y"])
    squares = (
        alt.Chart(table)
        .transform_calculate(**shifted)
        .mark_rect(cursor="pointer", clip=True)
        .encode(
            x=x,
            x2="end:Q",
            y=y,
            y2="below:Q",
            color=charts.kind_colour(),
            opacity=charts.share_opacity(lowest=0.3),
            tooltip=charts.tooltip(),
        )
        .add_params(charts.pick_cell(), zoom)
    )
    ring = alt.Chart(chosen).transform_calculate(**shifted)
    ring = ring.mark_rect(fillOpacity=0, stroke=charts.INK[dark], strokeWidth=1.5, clip=True, tooltip=None)
    layers = alt.layer(squares, ring.encode(x=x, x2="end:Q", y=y, y2="below:Q"))
    return layers.properties(height=540, padding=charts.PADDING, view=alt.ViewConfig(stroke="#80808066"))


def labels(names: Sequence[str], order: np.ndarray) -> str:
    """The expression that names the row or column of a place when classes stand in `order`."""
    return f'{json.dumps([names[item] for item in order])}[datum.value] || ""'
