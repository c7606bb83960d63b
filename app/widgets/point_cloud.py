"""Up to 50,000 dots on a canvas: zoom, pan, hover, click, lasso, and a list for the keyboard. One message of raw bytes."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path

import numpy as np
import streamlit as st

from app.widgets.message import headed, stamped

HERE = Path(__file__).parent
TEXTS = {kind: (HERE / f"point_cloud.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")}
TEXTS["js"] = (HERE / "point_cloud_drawing.js").read_text(encoding="utf-8") + TEXTS["js"]

mount = st.components.v2.component("loupe_point_cloud", **TEXTS)


@dataclass(frozen=True)
class Cloud:
    """Everything a map shows but what is selected on it. places: (n, 2) in [0, 1], y downwards; levels: place on the palette.

    A palette of 256 is a scale, with `legend` at its two ends; of any other, each colour has its legend. `of` names what
    the dots are: between two clouds that agree in it, they glide. lines: of each, its segments (m, 4): x0, y0, x1, y1.
    """

    places: np.ndarray = field(repr=False)
    true: np.ndarray = field(repr=False)
    predicted: np.ndarray = field(repr=False)
    confidence: np.ndarray = field(repr=False)  # in [0, 1]
    levels: np.ndarray = field(repr=False)
    shown: np.ndarray = field(repr=False)  # False: faint, and not to be clicked
    names: tuple[str, ...]
    palette: tuple[str, ...]
    legend: tuple[str, ...]
    alt: str
    of: str
    lines: Sequence[np.ndarray] = field(default=(), repr=False)


@dataclass(frozen=True)
class Guest:
    """What is on the map but is none of its dots: its place, the dot it comes from, if it comes from one, and its name."""

    x: float
    y: float
    origin: int | None
    label: str


@dataclass(frozen=True)
class Marks:
    """What changes by a click: rings around dots (`having` what is selected elsewhere), lines from the focus to others,
    guests, the view as the browser says it
    ("" for the whole map), and the map's height in pixels (0: its own)."""

    focus: int | None = None
    held: Sequence[int] = ()
    linked: Sequence[int] = ()
    having: Sequence[int] = ()
    guests: Sequence[Guest] = ()
    view: str = ""
    height: int = 0


def show(
    message: bytes,
    count: int,
    *,
    key: str,
    on_pick: Callable[[int], None],
    on_lasso: Callable[[Sequence[int]], None],
    on_view: Callable[[str], None],
) -> None:
    """Mounts a marked cloud of `count` dots; calls back with the number of a dot, with those that were drawn around, and with
    the view once it rests."""

    def picked() -> None:
        image = st.session_state[key].get("picked")
        if number(image, count):
            on_pick(image)

    def lassoed() -> None:
        said = st.session_state[key].get("lassoed")
        images = [image for image in said if number(image, count)] if isinstance(said, list | tuple) else []
        if images:
            on_lasso(images)

    def viewed() -> None:
        word = st.session_state[key].get("viewed")
        if isinstance(word, str):
            on_view(view(word))

    mount(key=key, data=message, on_picked_change=picked, on_lassoed_change=lassoed, on_viewed_change=viewed)


def number(said: object, count: int) -> bool:
    """Whether a browser said the number of a dot."""
    return type(said) is int and 0 <= said < count


def view(word: str) -> str:
    """A word that says a view, x_y_times; "" for one that does not: anybody may write into an address."""
    try:
        x, y, times = (float(part) for part in word[:60].split("_"))
    except ValueError:
        return ""
    fits = isfinite(x + y) and max(abs(x), abs(y)) < 10 and 0.1 <= times <= 1000
    return "_".join(f"{number:.3f}".rstrip("0").rstrip(".") for number in (x, y, times)) if fits else ""


def marked(packed: bytes, marks: Marks) -> bytes:
    """A packed cloud, and in front of it what changes by a click."""
    return headed(asdict(marks)) + packed


def pack(cloud: Cloud) -> bytes:
    """Header with its length, then places, classes, levels, percentages, what is shown, and lines."""
    body = b"".join(
        [
            whole(cloud.places),
            cloud.true.astype("<u2").tobytes(),
            cloud.predicted.astype("<u2").tobytes(),
            cloud.levels.astype(np.uint8).tobytes(),
            (cloud.confidence * 100).round().astype(np.uint8).tobytes(),
            cloud.shown.astype(np.uint8).tobytes(),
            *map(whole, cloud.lines),
        ]
    )
    facts = {name: getattr(cloud, name) for name in ("names", "palette", "legend", "alt", "of")}
    facts |= {"count": len(cloud.places), "lines": [len(line) for line in cloud.lines]}
    return headed(stamped(facts, body), body)


def whole(places: np.ndarray) -> bytes:
    """Places in the unit square as 16 bits each."""
    return np.clip(places * 65_535, 0, 65_535).round().astype("<u2").tobytes()
