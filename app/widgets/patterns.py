"""Patterns of filters as rows: path and depth, example images, classes, numbers. One PNG and one message for all rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

from app.widgets.message import headed

HERE = Path(__file__).parent
TEXTS = {kind: (HERE / f"patterns.{kind}").read_text(encoding="utf-8") for kind in ("css", "js")}
HTML = '<div class="patterns"></div>'

mount = st.components.v2.component("loupe_patterns", html=HTML, **TEXTS)


@dataclass(frozen=True)
class Step:
    """One filter of a pattern: its layer, from 0, and what stands for it."""

    layer: int
    text: str


@dataclass(frozen=True)
class Picture:
    """An example: the image's number, and its place in the sheet."""

    image: int
    place: int
    title: str
    marked: bool


@dataclass(frozen=True)
class Slice:
    """The images of one class, or of all other ones."""

    name: str
    count: int
    colour: str


@dataclass(frozen=True)
class Row:
    """One pattern. `chart` is "pie" or "bars"; numbers are (name, what is said, explanation) each."""

    pattern: int
    steps: tuple[Step, ...]
    pictures: tuple[Picture, ...]
    chart: str
    slices: tuple[Slice, ...]
    numbers: tuple[tuple[str, str], ...]
    note: str
    selected: bool


@dataclass(frozen=True)
class Rows:
    """`colours` of the layers, by depth; `label` says in words what is listed; `clickable`: whether a row can be chosen."""

    rows: tuple[Row, ...]
    colours: tuple[str, ...]
    label: str
    pixels: int = 40
    clickable: bool = True


def show(
    sheet: tuple[bytes, int],
    rows: Rows,
    *,
    key: str,
    on_pick: Callable[[int], None],
    on_focus: Callable[[int], None],
) -> None:
    """Draws the rows with pictures from `sheet`, a PNG of squares side by side, and their side.

    Calls back with the number of a pattern, or of an image.
    """
    patterns = {row.pattern for row in rows.rows}
    images = {picture.image for row in rows.rows for picture in row.pictures}

    def told(event: str, allowed: set[int], callback: Callable[[int], None]) -> Callable[[], None]:
        def tell() -> None:
            number = st.session_state[key].get(event)
            if type(number) is int and number in allowed:  # a browser's word
                callback(number)

        return tell

    mount(
        key=key,
        data=packed(sheet, rows),
        on_picked_change=told("picked", patterns, on_pick),
        on_focused_change=told("focused", images, on_focus),
    )


def packed(sheet: tuple[bytes, int], rows: Rows) -> bytes:
    """Length of the header (4 bytes, little endian), header (JSON), PNG."""
    count = max((picture.place + 1 for row in rows.rows for picture in row.pictures), default=0)
    facts: Mapping[str, object] = asdict(rows) | {"side": sheet[1], "count": count}
    return headed(facts, sheet[0])


def placed(images: Sequence[int]) -> dict[int, int]:
    """Places of different images in a sheet, in order of their first mention."""
    return {image: place for place, image in enumerate(dict.fromkeys(images))}
