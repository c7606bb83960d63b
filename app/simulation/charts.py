"""The Simulation page's charts: a line a class along a change, or paired dots where there is only yes and no."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from app import charts, specifications
from app.charts import INK, PADDING, PETROFF
from app.simulation.stored import MEASURES
from app.testing.words import short
from precompute.catalogue import CHANGES

HEIGHT, ROW, AROUND = (
    330,
    24,
    116,
)  # pixels of the large chart, of a class's row of paired dots, and around all of these
GREY = "#9aa0a6"
STATES = ("unchanged", "flipped")
MANY = len(PETROFF)  # classes that have a colour each
LOG = 20  # classes above which ranks stand on a logarithmic scale
LEGEND_LETTERS = 84  # that a row of the legend has room for, symbols counted as six
PICK, LEGEND = "pick", "legend"  # selections by a click on a line and on the legend
NAMES, COLOURS, CHOSEN = "@names", "@colours", "@chosen"  # stand in a form for what it is filled with


@dataclass(frozen=True)
class Look:
    """What decides the form of a chart, not its numbers. names: the classes that have a line; count: how many there are."""

    change: str
    measure: str
    names: tuple[str, ...]
    colours: tuple[str, ...]
    count: int
    height: int
    small: bool
    dark: bool


@dataclass(frozen=True, eq=False)
class Drawn:
    """The numbers. values (class, P) of the named classes; chosen: one of these; spread (2, P) or (0, P) of it.

    own: the focus image's curve (P,). setting: the Testing view's value. overall (3, P): 10, 50 and 90% over all classes.
    """

    points: np.ndarray
    values: np.ndarray
    chosen: int
    spread: np.ndarray
    own: np.ndarray | None = None
    own_name: str = ""
    own_class: str = ""
    setting: float | None = None
    overall: np.ndarray | None = None


def spec(look: Look, drawn: Drawn) -> dict[str, Any]:
    """The chart as the browser gets it."""
    return specifications.made(dots_spec if CHANGES[look.change].binary else lines_spec, look, drawn)


def blank(look: Look) -> Look:
    """What is the same whatever classes have a line: building a form takes 0.15 s, filling it a hundredth of that."""
    return replace(look, names=(NAMES,), colours=(COLOURS,))


def filled(form: dict[str, Any], look: Look, chosen: int) -> dict[str, Any]:
    words = {NAMES: list(look.names), COLOURS: list(look.colours), CHOSEN: look.colours[chosen]}
    return charts.filled(form, words)


def palette(members: Sequence[int], count: int) -> tuple[str, ...]:
    """A class keeps its colour on every page; where there are more classes than colours, the lines take turns."""
    return tuple(PETROFF[item if count <= MANY else place] for place, item in enumerate(members))


# Lines


def table(drawn: Drawn, names: Sequence[str], rows: Sequence[int]) -> pd.DataFrame:
    """One row a class and point."""
    return pd.DataFrame(
        {
            "class": np.repeat([names[row] for row in rows], len(drawn.points)),
            "value": np.tile(drawn.points, len(rows)),
            "score": drawn.values[list(rows)].ravel().astype(float),
        }
    )


def band_table(points: np.ndarray, spread: np.ndarray) -> pd.DataFrame:
    there = len(spread) > 0
    ends = {"low": spread[0], "high": spread[-1]} if there else {"low": [], "high": []}
    return pd.DataFrame({"value": points if there else [], **ends}, dtype=float)


def mark_table(look: Look, drawn: Drawn) -> pd.DataFrame:
    """Vertical marks: the identity, and the Testing view's value where it has one."""
    marks = [(CHANGES[look.change].identity, "unchanged", "")]
    if drawn.setting is not None:
        marks.append((drawn.setting, "Testing", "Testing"))
    return pd.DataFrame(marks, columns=["value", "mark", "label"])


def own_table(drawn: Drawn) -> pd.DataFrame:
    there = drawn.own is not None
    return pd.DataFrame(
        {
            "value": drawn.points if there else np.zeros(0),
            "score": np.asarray(drawn.own if there else np.zeros(0), float),
            "class": drawn.own_class,
            "image": drawn.own_name,
        }
    )


def lines_spec(look: Look, drawn: Drawn) -> dict[str, Any]:
    """Table 0: all lines, 1: the chosen one, 2: its spread, 3: marks, 4: the focus image, 5: all classes together."""
    everyone, overall = range(len(look.names)), drawn.overall
    overall_table = band_table(drawn.points, np.zeros((0, 0)) if overall is None else overall[[0, 2]])
    overall_table["middle"] = [] if overall is None else overall[1]
    tables = [
        table(drawn, look.names, everyone),
        table(drawn, look.names, [drawn.chosen]),
        band_table(drawn.points, drawn.spread),
        mark_table(look, drawn),
        own_table(drawn),
        overall_table,
    ]
    return charts.with_tables(
        filled(lines_form(blank(look), 5 if look.small else columns(look.names)), look, drawn.chosen),
        dict(enumerate(tables)),
    )


@lru_cache(maxsize=200)
def lines_form(look: Look, columns: int) -> dict[str, Any]:
    """The chart without numbers and classes; layers are built in the order of its tables, and drawn in another."""
    x, y, ink = x_of(look), y_of(look), INK[look.dark]
    lines = named(0).mark_line(strokeWidth=1.2 if look.small else 1.5, opacity=0.55, aria=False, tooltip=None).encode(
        x=x, y=y, color=colour_of(look, columns)
    ).add_params(*([] if look.small else [pick_in_legend()]))  # fmt: skip
    strong = named(1).mark_line(strokeWidth=2.4 if look.small else 3.2, color=CHOSEN, aria=False, tooltip=None)
    strong = strong.encode(x=x, y=y)
    band = named(2).mark_area(color=CHOSEN, opacity=0.2, aria=False, tooltip=None).encode(
        x=x, y=y_of(look, "low"), y2="high:Q"
    )  # fmt: skip
    rules = named(3).mark_rule(strokeWidth=1.4).encode(
        x=x,
        color=alt.condition("datum.mark == 'Testing'", alt.value(ink), alt.value(GREY)),
        strokeDash=alt.condition("datum.mark == 'Testing'", alt.value([1, 0]), alt.value([3, 3])),
        tooltip=[alt.Tooltip("mark:N", title="here"), alt.Tooltip("value:Q", format=".4~g")],
    )  # fmt: skip
    own = named(4).mark_line(color=ink, strokeDash=[5, 3], strokeWidth=1.4 if look.small else 1.8).encode(
        x=x, y=y, tooltip=[alt.Tooltip("image:N"), *said(look)[1:]]
    )  # fmt: skip
    overall = named(5)
    wide = overall.mark_area(color=GREY, opacity=0.22, aria=False, tooltip=None)
    wide = wide.encode(x=x, y=y_of(look, "low"), y2="high:Q")
    middle = overall.mark_line(color=GREY, strokeWidth=1.5, aria=False, tooltip=None)
    middle = middle.encode(x=x, y=y_of(look, "middle"))
    hits = named(0).mark_point(size=90 if look.small else 160, opacity=0, filled=True, cursor="pointer").encode(
        x=x, y=y, tooltip=said(look)
    ).add_params(pick())  # fmt: skip
    layers = [wide, middle, band, rules, lines, strong, own, hits]
    if not look.small:
        text = named(3).mark_text(dy=-7, color=ink, fontSize=11, aria=False, tooltip=None)
        layers.insert(5, text.encode(x=x, y=alt.value(0), text="label:N"))
    return built(alt.layer(*layers).properties(height=look.height, padding=PADDING), 6)


def named(number: int) -> alt.Chart:
    """A chart of the table of that number."""
    return alt.Chart(alt.NamedData(name=f"table{number}"))


def built(chart: alt.TopLevelMixin, tables: int) -> dict[str, Any]:
    """The specification with so many empty tables, to be filled by `with_tables`."""
    return {**charts.specified(chart), "datasets": {f"table{number}": b"" for number in range(tables)}}


def pick() -> alt.Parameter:
    return alt.selection_point(name=PICK, fields=["class"], empty=False, toggle="true")


def pick_in_legend() -> alt.Parameter:
    return alt.selection_point(name=LEGEND, fields=["class"], bind="legend", empty=False, toggle="true")


def x_of(look: Look) -> alt.X:
    item = CHANGES[look.change]
    ends = sorted({item.low, item.identity, item.high})
    ticks = sorted({*ends, (item.low + item.identity) / 2, (item.high + item.identity) / 2})
    marks = {"values": ends, "labelExpr": f"format(datum.value, '.4~g') + '{short(item.unit)}'"}  # no room for a title
    marks = marks if look.small else {"values": ticks, "format": ".4~g"}
    axis = alt.Axis(**marks, grid=False, ticks=False, labelPadding=3)
    title = None if look.small else f"{item.title} ({item.unit})" if item.unit else item.title
    return alt.X("value:Q", title=title, scale=alt.Scale(domain=[item.low, item.high], nice=False), axis=axis)


def y_of(look: Look, field: str = "score") -> alt.Y:
    """Of every layer the same: from 0 to 1, or from the first rank down to the last."""
    rank, title = look.measure == "rank", None if look.small else MEASURES[look.measure].axis
    if rank:
        kind = "log" if look.count > LOG else "linear"
        scale = alt.Scale(domain=[1, look.count], reverse=True, nice=False, type=kind)
        axis = alt.Axis(values=[1, look.count], format="d", ticks=False, domain=False, titlePadding=6)
        return alt.Y(f"{field}:Q", title=title, scale=scale, axis=axis)
    ticks = [0, 1] if look.small else [0, 0.25, 0.5, 0.75, 1]
    axis = alt.Axis(values=ticks, format=".0%", ticks=False, domain=False, titlePadding=6, labelPadding=3)
    return alt.Y(f"{field}:Q", title=title, scale=alt.Scale(domain=[0, 1]), axis=axis)


def columns(names: Sequence[str]) -> int:
    """Of the legend: so many that the longest name has room; one that ends beyond the chart would be cut off."""
    return max(1, min(5, LEGEND_LETTERS // (max(map(len, names), default=1) + 6)))


def colour_of(look: Look, columns: int = 5) -> alt.Color:
    chips = {"symbolType": "stroke", "symbolStrokeWidth": 3, "symbolOpacity": 1, "labelLimit": 200}
    legend = None if look.small else alt.Legend(title=None, orient="top", columns=columns, **chips)
    return alt.Color("class:N", scale=alt.Scale(domain=list(look.names), range=list(look.colours)), legend=legend)


def said(look: Look, item: str = "value") -> list[alt.Tooltip]:
    form = ".2f" if look.measure == "rank" else ".1%"
    value = alt.Tooltip("state:N", title="image") if item == "state" else alt.Tooltip(
        "value:Q", title=CHANGES[look.change].title, format=".4~g"
    )  # fmt: skip
    return [alt.Tooltip("class:N"), value, alt.Tooltip("score:Q", title=MEASURES[look.measure].title, format=form)]


# Paired dots


def dots_spec(look: Look, drawn: Drawn) -> dict[str, Any]:
    """Table 0: a dot a class and state, 1: what joins them, 2: the chosen class's spread, 3: the focus image's."""
    chosen = look.names[drawn.chosen]
    dots = table(drawn, look.names, range(len(look.names)))
    dots = dots.assign(state=[STATES[int(value)] for value in dots["value"]], strong=dots["class"] == chosen)
    start, end = drawn.values[:, 0].astype(float), drawn.values[:, -1].astype(float)
    ends = pd.DataFrame({"class": list(look.names), "start": start, "end": end})
    ends["strong"] = ends["class"] == chosen
    spread = pd.DataFrame({"class": [], "low": [], "high": []})
    if len(drawn.spread):
        low, high = drawn.spread[:, -1]
        spread = pd.DataFrame({"class": [chosen], "low": [float(low)], "high": [float(high)]})
    own = own_table(drawn)
    own = own.assign(state=[STATES[int(value)] for value in own["value"]])
    own = own[own["class"].isin(look.names)]
    form = filled(dots_form(blank(look), len(look.names)), look, drawn.chosen)
    return charts.with_tables(form, dict(enumerate((dots, ends, spread, own))))


@lru_cache(maxsize=100)
def dots_form(look: Look, rows: int) -> dict[str, Any]:
    """Paired dots: hollow as the images are, filled as they are flipped; one row a class, the chosen one strong."""
    labels = alt.Axis(labels=not look.small, ticks=False, domain=False, labelLimit=120, labelOverlap=False)
    y = alt.Y("class:N", sort=list(look.names), title=None, axis=labels)
    legend = None if look.small else alt.Legend(title=None, orient="top", symbolSize=70)
    scale = alt.Scale(domain=list(STATES), range=["circle", "diamond"])
    shape = alt.Shape("state:N", sort=list(STATES), legend=legend, scale=scale)
    strong = "datum.strong"
    joined = named(1).mark_rule(aria=False, tooltip=None).encode(
        y=y, x=score(look, "start"), x2="end:Q", color=colour_of(look).legend(None),
        strokeWidth=alt.condition(strong, alt.value(3), alt.value(1.2)),
        opacity=alt.condition(strong, alt.value(1), alt.value(0.55)),
    )  # fmt: skip
    band = named(2).mark_rule(color=CHOSEN, opacity=0.2, strokeWidth=10, aria=False, tooltip=None).encode(
        y=y, x=score(look, "low"), x2="high:Q"
    )  # fmt: skip
    dots = named(0).mark_point(size=40 if look.small else 80, strokeWidth=2, cursor="pointer").encode(
        y=y, x=score(look, "score"), color=colour_of(look).legend(None),
        fill=alt.condition("datum.state == 'flipped'", colour_of(look).legend(None), alt.value("transparent")),
        opacity=alt.condition(strong, alt.value(1), alt.value(0.6)), tooltip=said(look, "state"),
        shape=shape,
    ).add_params(pick())  # fmt: skip
    image = named(3).mark_point(size=70, color=INK[look.dark], strokeWidth=1.6).encode(
        y=y, x=score(look, "score"),
        shape=shape, tooltip=[alt.Tooltip("image:N"), *said(look, "state")[1:]],
    )  # fmt: skip
    height = look.height if look.small else max(120, ROW * rows + AROUND)
    return built(alt.layer(band, joined, dots, image).properties(height=height, padding=PADDING), 4)


def score(look: Look, field: str) -> alt.X:
    y = y_of(look, field).to_dict()
    return alt.X(
        f"{field}:Q", title=y["title"], scale=alt.Scale(**(y["scale"] | {"reverse": look.measure == "rank"})),
        axis=alt.Axis(values=y["axis"]["values"], format=y["axis"]["format"], ticks=False, grid=True),
    )  # fmt: skip
