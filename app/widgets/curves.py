"""Small charts of the same lines along different axes, in one component: ten charts of Vega take the browser ten times longer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import streamlit as st

from app import ground
from app.widgets.message import stamped

HERE = Path(__file__).parent
TEXTS = {kind: (HERE / f"curves.{kind}").read_text(encoding="utf-8") for kind in ("css", "js")}
HTML = '<div class="curves" role="list"></div>'
DIGITS = 4

mount = st.components.v2.component("loupe_curves", html=HTML, **TEXTS)

Values = list[float | None]


@dataclass(frozen=True)
class Chart:
    """One chart. places (P,) of its points in [0, 1], with what each is called; ticks: places and labels.

    lines: a list (P,) for each name; band (2, P) around the strong one and wide (3, P) over all, or nothing; own: a line of
    its own, or nothing; marks: places of what does not change, and of what was set elsewhere.
    """

    name: str
    title: str
    places: Sequence[float]
    called: Sequence[str]
    ticks: Sequence[tuple[float, str]]
    lines: Sequence[Values]
    band: Sequence[Values]
    wide: Sequence[Values]
    own: Values
    unchanged: float
    setting: float | None
    alt: str


@dataclass(frozen=True)
class Curves:
    """All charts. names and colours of the lines; strong: the line that is chosen; opened: the chart that is.

    bottom, top: the values at the ends of every vertical axis, whose labels are `ends`; where `log`, it is logarithmic.
    """

    charts: Sequence[Chart] = field(repr=False)
    names: Sequence[str]
    colours: Sequence[str]
    strong: int
    opened: str
    bottom: float
    top: float
    ends: tuple[str, str]
    log: bool
    percent: bool
    columns: int
    height: int


def curves(shown: Curves, *, key: str, on_pick: Callable[[int, str], None], on_open: Callable[[str], None]) -> None:
    """Draws the charts; calls back with the number of a line and the name of its chart, or with the name of a chart."""
    charts = {chart.name for chart in shown.charts}

    def picked() -> None:
        said = st.session_state[key].get("picked")
        line, chart = (said.get("line"), said.get("chart")) if hasattr(said, "get") else (None, None)
        if type(line) is int and 0 <= line < len(shown.names) and chart in charts:  # a browser's word
            on_pick(line, chart)

    def opened() -> None:
        said = st.session_state[key].get("opened")
        if isinstance(said, str) and said in charts:
            on_open(said)

    mount(key=key, data=packed(shown), on_picked_change=picked, on_opened_change=opened)


def packed(shown: Curves) -> dict[str, object]:
    charts = [vars(chart) for chart in shown.charts]
    facts = {**vars(shown), "charts": charts, "colours": ground.lifted(shown.colours)}
    return stamped(facts)


def listed(values: np.ndarray) -> Values:
    """Numbers as JSON takes them; None for one that is none."""
    return [None if value != value else value for value in np.round(values.astype(float), DIGITS).tolist()]
