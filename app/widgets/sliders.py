"""Sliders with a small curve above each: what one image's prediction does along each change, and where it flips.

One component for all, because a page of eleven sliders and eleven charts takes the browser longer to draw than the network
takes to answer. While a thumb is dragged the newest values are sent as soon as the ones before are answered.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import streamlit as st

HERE = Path(__file__).parent
TEXTS = {kind: (HERE / f"sliders.{kind}").read_text(encoding="utf-8") for kind in ("css", "js")}

mount = st.components.v2.component("loupe_sliders", html='<div class="sliders"></div>', **TEXTS)


@dataclass(frozen=True)
class Flip:
    """Where another class takes over: the value, and what the button that goes there says."""

    value: float
    words: str


@dataclass(frozen=True)
class Curve:
    """Probabilities along values (P,): of the class predicted at the identity, and of its strongest rival.

    at: the former's at the slider's value, as the network says it.
    """

    values: Sequence[float]
    held: Sequence[float]
    other: Sequence[float]
    held_name: str
    other_name: str
    at: float
    flips: Sequence[Flip]
    label: str  # the curve in words


@dataclass(frozen=True)
class Row:
    """One slider; one that is `binary` is a switch. `curve` is None while it is not known."""

    name: str
    title: str
    unit: str
    help: str
    low: float
    high: float
    identity: float
    step: float
    binary: bool
    value: float
    curve: Curve | None = None


def sliders(
    rows: Sequence[Row],
    *,
    key: str,
    waiting: bool,
    plots: bool = True,
    on_change: Callable[[Mapping[str, float]], None],
) -> None:
    """Draws them; calls back with all their values by name when one was moved. `waiting`: asks again soon for what is new."""
    names = {row.name for row in rows}

    def told() -> None:
        serial, values = heard(st.session_state[key].get("said"), names)
        st.session_state[f"{key}.serial"] = serial
        if values:
            on_change(values)

    beat = st.session_state[f"{key}.beat"] = st.session_state.get(f"{key}.beat", 0) + waiting
    data = {
        "rows": [asdict(row) for row in rows],
        "serial": st.session_state.get(f"{key}.serial", 0),  # of the last message that is answered by this
        "plots": plots,
        "waiting": beat if waiting else 0,  # a new number, so that the browser notices
    }
    mount(key=key, data=data, on_said_change=told, on_again_change=again)


def again() -> None:
    """That the browser asks is enough: the part around the sliders runs again."""


def heard(said: object, names: Collection[str]) -> tuple[int, dict[str, float]]:
    """Number and values of a message from a browser, as far as they are ones."""
    fields: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
    serial, values = fields.get("serial"), fields.get("values")
    pairs = values.items() if isinstance(values, Mapping) else ()
    found = {
        name: float(value)
        for name, value in pairs
        if name in names and isinstance(value, int | float) and isfinite(value)
    }
    return serial if isinstance(serial, int) else 0, found
