"""All filters of a network as dots, in columns by layer: hover, click, keys. The browser finds the largest dots that fit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import streamlit as st

from app.widgets.message import headed, stamped

HERE = Path(__file__).parent
TEXTS = {kind: (HERE / f"filters.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")}
NONE = -1  # picked to let go of all

mount = st.components.v2.component("loupe_filters", **TEXTS)


@dataclass(frozen=True)
class Column:
    """One layer: its number for people, its name in the network, how many filters it has, and its colour."""

    number: int
    name: str
    filters: int
    colour: str


@dataclass(frozen=True)
class Line:
    """Dots joined by a line, by their places among all: `kind` is "pattern", "path" or "edited"."""

    kind: str
    places: tuple[int, ...]


@dataclass(frozen=True)
class Dots:
    """Everything but what is selected. levels (F,): standard deviations above the mean, NaN for a filter that never differs;
    values and means (F,): answers. Where `shaded` is false there is no image, and all dots are alike."""

    columns: tuple[Column, ...]
    levels: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)
    means: np.ndarray = field(repr=False)
    shaded: bool
    height: int
    alt: str


def show(message: bytes, count: int, *, key: str, on_pick: Callable[[int, bool], None]) -> None:
    """Mounts marked dots; calls back with a place among `count` filters, or NONE, and whether it joins those selected."""

    def told() -> None:
        said = st.session_state[key].get("picked")
        place = said.get("filter") if isinstance(said, Mapping) else None
        if type(place) is int and NONE <= place < count:  # a browser's word
            on_pick(place, said.get("joins") is True)

    mount(key=key, data=message, on_picked_change=told)


def marked(packed: bytes, selected: Sequence[int], lines: Sequence[Line]) -> bytes:
    """Packed dots, and in front of them what changes by a click: rings, and lines through dots."""
    return headed({"selected": list(selected), "lines": [asdict(line) for line in lines]}) + packed


def pack(dots: Dots) -> bytes:
    """Header with its length, then levels, values and means, float32 each."""
    body = b"".join(part.astype("<f4").tobytes() for part in (dots.levels, dots.values, dots.means))
    facts = {
        "columns": [asdict(column) for column in dots.columns],
        "shaded": dots.shaded,
        "height": dots.height,
        "alt": dots.alt,
    }
    return headed(stamped(facts, body), body)
