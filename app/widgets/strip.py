"""The strip: one image's maps, techniques down and epochs across, in one component that gets one message of raw bytes.

The browser interpolates and colours the levels, so a strip of 120 maps weighs some 50 kB and a changed epoch draws nothing
again. What Python draws for the enlarged view (`pictures.overlay`) and what strip.js draws are the same formula.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from app import pictures
from app.widgets.message import headed, stamped

LARGEST_SIDE = 112  # of the image sent along; a cell is smaller on the screen


@dataclass(frozen=True)
class Cell:
    """One map: `state` is "flat" or one of app.saliency.stored; `words` stand in it, `label` is said about it."""

    state: str
    words: str
    label: str


@dataclass(frozen=True)
class Row:
    """One technique. `why` is the reason that stands in place of its maps; levels (epoch, h, w) are uint8 places on the scale."""

    title: str
    note: str
    help: str
    why: str = ""
    signed: bool = False
    low: str = ""
    high: str = ""
    scale: str = ""
    cells: tuple[Cell, ...] = ()
    levels: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0), np.uint8), repr=False)
    about: str = ""  # address of what is written about the technique
    badges: tuple[Mapping[str, str], ...] = ()  # what checks say of it: words, icon, help, href


@dataclass(frozen=True)
class Column:
    """One epoch: the explained class's probability, and what the image was taken for; empty texts where not known yet.

    Where columns are something else than epochs, `title` stands above and `epoch` is the column's number.
    """

    epoch: int
    share: float = 0
    percent: str = ""
    predicted: str = ""
    right: bool = False
    caption: str = ""  # joins the image's caption while this epoch is selected
    title: str = ""


@dataclass(frozen=True)
class Strip:
    """Everything a strip shows but what is selected in it. image: (H, W, 1 or 3) uint8, square."""

    image: np.ndarray = field(repr=False)
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    caption: str  # under the image
    alt: str  # the image in words
    label: str  # the grid in words
    note: str  # under the grid
    score: str  # name of the probabilities' row
    colours: str = "inferno"
    signed_colours: str = "diverging"
    opacity: float = 0.7
    over: bool = True
    across: str = "epoch"  # what a column is


HERE = Path(__file__).parent
TEXTS = {kind: (HERE / f"strip.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")}
TEXTS["js"] = (HERE / "painting.js").read_text(encoding="utf-8") + TEXTS["js"]
mount = st.components.v2.component("loupe_strip", **TEXTS)


def show(message: bytes, columns: Sequence[int], rows: int, *, key: str, on_cell: Callable[[int, int], None]) -> None:
    """Mounts an addressed strip; calls back with (row, epoch), row -1 for the head of a column."""

    def told() -> None:
        chosen = st.session_state[key].get("cell")
        row, epoch = (chosen.get("row"), chosen.get("epoch")) if isinstance(chosen, Mapping) else (None, None)
        if (
            isinstance(row, int) and isinstance(epoch, int) and epoch in columns and row in range(-1, rows)
        ):  # numbers from a browser
            on_cell(row, epoch)

    mount(key=key, data=message, on_cell_change=told)


def addressed(packed: bytes, selected: int, opened: int) -> bytes:
    """A packed strip, and in front of it what changes by a click: the epoch framed, and the row enlarged or -1."""
    return np.array([selected, opened], "<i4").tobytes() + packed


def pack(strip: Strip) -> bytes:
    """Length of the header (4 bytes, little endian), header (JSON), image, two colour scales, levels row by row."""
    side = min(strip.image.shape[0], LARGEST_SIDE)
    body = b"".join(
        [
            pictures.rgb(strip.image, side).tobytes(),
            pictures.colours(strip.colours).tobytes(),
            pictures.colours(strip.signed_colours).tobytes(),
            *(row.levels.tobytes() for row in strip.rows if not row.why),
        ]
    )
    facts = {
        "side": side,
        "columns": [asdict(column) for column in strip.columns],
        "rows": [row_facts(row) for row in strip.rows],
        "caption": strip.caption,
        "alt": strip.alt,
        "label": strip.label,
        "note": strip.note,
        "scoreName": strip.score,
        "opacity": strip.opacity,
        "over": strip.over,
        "across": strip.across,
    }
    return headed(stamped(facts, body), body)


def row_facts(row: Row) -> dict[str, Any]:
    names = ("title", "note", "help", "why", "signed", "low", "high", "scale", "about", "badges")
    sizes = {"height": row.levels.shape[1], "width": row.levels.shape[2]}
    return {name: getattr(row, name) for name in names} | sizes | {"cells": [asdict(cell) for cell in row.cells]}
