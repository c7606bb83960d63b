"""The Attention page's charts: shares by region over the epochs, and how alike a map is to earlier ones."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from app import charts
from app.attention.change import Change
from app.attention.stored import Curve
from app.charts import INK, PADDING, PETROFF
from app.simulation.charts import built, named
from precompute.drift import ALIKE

HEIGHT, LOW_HEIGHT = 320, 240
PICK = "pick"
KNOWN = {"head": PETROFF[0], "body": PETROFF[1], "background": PETROFF[3], "box": PETROFF[4], "your region": PETROFF[6]}
OTHERS = tuple(colour for colour in PETROFF if colour not in KNOWN.values())
WITH = ("the epoch before", "the last epoch")  # what a map is compared with
WITH_COLOURS = (PETROFF[1], PETROFF[0])


def palette(regions: Sequence[str]) -> tuple[str, ...]:
    """Head, body, background, box and a drawn region keep their colours; parts and the recipe's regions take turns."""
    others = [name for name in regions if name not in KNOWN]
    return tuple(KNOWN.get(name) or OTHERS[others.index(name) % len(OTHERS)] for name in regions)


# Shares


def share_spec(curves: Sequence[Curve], against: str, *, marked: int, dark: bool) -> dict[str, Any]:
    """Table 0: the marked epoch, 1: shares with their intervals, 2: the same of the control."""
    names, epochs = tuple(item.region for item in curves), curves[0].epochs
    high = max(float(np.nanmax(np.concatenate([item.values.ravel(), [0.05]]))) for item in curves)
    high = max([high, *(float(np.nanmax([*item.control(against)[0], 0])) for item in curves)])
    shares = pd.concat([table(item.region, epochs, item.values).assign(images=item.count) for item in curves])
    plain = pd.concat([table(item.region, epochs, item.control(against)) for item in curves])
    shape = share_shape(names, epochs, float(min(1, np.ceil(high * 10.5) / 10)), dark)
    return charts.with_tables(shape, {0: charts.marked_epoch(marked), 1: shares, 2: plain})


def table(name: str, epochs: Sequence[int], values: np.ndarray) -> pd.DataFrame:
    """Mean and interval (3, E), one row an epoch; those that are not known are left out."""
    mean, low, high = values.astype(float)
    found = pd.DataFrame({"name": name, "epoch": np.array(epochs), "mean": mean, "low": low, "high": high})
    return found[np.isfinite(found["mean"])]


@lru_cache(maxsize=200)
def share_shape(names: tuple[str, ...], epochs: tuple[int, ...], high: float, dark: bool) -> dict[str, Any]:
    x, colour = x_of(epochs), colour_of(names, palette(names))
    y, (band, lines) = with_intervals(x, "share of the positive evidence", [0, high], axis_of(".0%", 6), colour)
    tips = [
        "name:N",
        "epoch:Q",
        *(share_tip(field, title) for field, title in TIPS.items()),
        alt.Tooltip("images:Q", format=","),
    ]
    plain = named(2).mark_line(strokeWidth=1.4, strokeDash=[5, 4], aria=False, tooltip=None).encode(
        x=x, y=y, color=colour
    )  # fmt: skip
    dots = named(1).mark_point(filled=True, size=60, opacity=1, cursor="pointer").encode(
        x=x, y=y, color=colour, tooltip=tips
    ).add_params(pick())  # fmt: skip
    layers = [marked(x, dark), band, plain, lines, dots]
    return built(alt.layer(*layers).properties(height=HEIGHT, padding=PADDING), 3)


def axis_of(form: str, ticks: int) -> alt.Axis:
    return alt.Axis(format=form, tickCount=ticks, ticks=False, domain=False, titlePadding=6, labelPadding=3)


def with_intervals(
    x: alt.X, title: str, domain: Sequence[float], axis: alt.Axis, colour: alt.Color
) -> tuple[alt.Y, tuple[alt.Chart, alt.Chart]]:
    """The axis of the means in table 1; their intervals as bands, and the lines through them."""
    scale = alt.Scale(domain=list(domain), nice=False)
    y, low = (alt.Y(f"{field}:Q", title=title, scale=scale, axis=axis) for field in ("mean", "low"))
    band = named(1).mark_area(opacity=0.22, clip=True, aria=False, tooltip=None)
    lines = named(1).mark_line(strokeWidth=2.2, aria=False, tooltip=None).encode(x=x, y=y, color=colour)
    return y, (band.encode(x=x, y=low, y2="high:Q", color=colour), lines)


def marked(x: alt.X, dark: bool) -> alt.Chart:
    """Where the selected epoch, table 0, is."""
    return named(0).mark_rule(color=INK[dark], opacity=0.16, strokeWidth=8, aria=False, tooltip=None).encode(x=x)


TIPS = {"mean": "share", "low": "from", "high": "to"}


def share_tip(field: str, title: str) -> alt.Tooltip:
    return alt.Tooltip(f"{field}:Q", format=".1%", title=title)


def x_of(epochs: Sequence[int]) -> alt.X:
    """Whole epochs, also where single ones are left out."""
    first, last = epochs[0], max(epochs[-1], epochs[0] + 1)
    values = [int(item) for item in np.unique(np.linspace(first, last, min(11, last - first + 1)).round())]
    axis = alt.Axis(
        values=values, format="d", labelOverlap=False, grid=False, ticks=False, labelPadding=4, titlePadding=4
    )
    return alt.X("epoch:Q", title="epoch", scale=alt.Scale(domain=[first, last], nice=False, padding=12), axis=axis)


def colour_of(names: Sequence[str], colours: Sequence[str]) -> alt.Color:
    legend = alt.Legend(
        title=None, orient="top", columns=5, symbolType="stroke", symbolStrokeWidth=3, symbolOpacity=1, labelLimit=160
    )
    return alt.Color(
        "name:N", sort=list(names), scale=alt.Scale(domain=list(names), range=list(colours)), legend=legend
    )


def pick() -> alt.Parameter:
    return alt.selection_point(name=PICK, fields=["epoch"], empty=False, toggle="true")


# Change


def change_spec(found: Change, *, marked: int, dark: bool) -> dict[str, Any]:
    """Table 0: the marked epoch, 1: correlations with the epoch before and with the last, 2: from which epoch on it is settled,
    3: what counts as alike.
    """
    lines = pd.concat(
        [table(name, found.epochs, item) for name, item in zip(WITH, (found.step, found.last), strict=True)]
    )
    low = float(min(0, np.floor(lines["low"].min(skipna=True) * 5) / 5)) if len(lines) else 0.0
    low = low if np.isfinite(low) else 0.0
    at = [] if found.all_settled is None else [found.all_settled]
    settled = pd.DataFrame({"epoch": np.array(at, float), "label": "settled", "mean": low + 0.05})
    shape = change_shape(found.epochs, low, dark)
    bound = pd.DataFrame({"mean": [ALIKE]})
    return charts.with_tables(shape, {0: charts.marked_epoch(marked), 1: lines, 2: settled, 3: bound})


@lru_cache(maxsize=100)
def change_shape(epochs: tuple[int, ...], low: float, dark: bool) -> dict[str, Any]:
    x, colour = x_of(epochs), colour_of(WITH, WITH_COLOURS)
    y, (band, lines) = with_intervals(x, "rank correlation of the maps", [low, 1], axis_of(".1f", 5), colour)
    tips = [alt.Tooltip("name:N", title="with"), "epoch:Q"]
    tips += [alt.Tooltip(f"{field}:Q", format=".3f", title=title) for field, title in TIPS.items()]
    dots = named(1).mark_point(filled=True, size=50, opacity=1).encode(x=x, y=y, color=colour, tooltip=tips)
    bound = named(3).mark_rule(color="#808080", strokeDash=[4, 3], aria=False, tooltip=None).encode(y=y)
    settled = named(2).mark_rule(color=INK[dark], strokeWidth=1.4, tooltip=None).encode(x=x)
    text = named(2).mark_text(color=INK[dark], align="left", dx=4, fontSize=11, tooltip=None)
    layers = [bound, marked(x, dark), band, lines, settled, text.encode(x=x, y=y, text="label:N"), dots]
    return built(alt.layer(*layers).properties(height=LOW_HEIGHT, padding=PADDING), 4)
