"""An image before and after, with a map over each and the difference of these: one message of raw bytes, drawn in the browser.

Five pictures that a slider changes would cost the server as many PNG files, and the browser as many requests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import streamlit as st

from app import ground, pictures
from app.widgets.message import headed, stamped

HERE = Path(__file__).parent
SCRIPT = "".join((HERE / f"{name}.js").read_text(encoding="utf-8") for name in ("painting", "pair"))
STYLE = (HERE / "pair.css").read_text(encoding="utf-8")
SIDE = 288  # pixels of a map as drawn, about; small images keep whole pixels

mount = st.components.v2.component("loupe_pair", html='<div class="pair"></div>', css=STYLE, js=SCRIPT)


@dataclass(frozen=True)
class Words:
    """What is said about a picture: below it, and in words that stand for it; where its title leads, if anywhere."""

    title: str
    words: str
    alt: str
    href: str = ""


@dataclass(frozen=True)
class Level:
    """A map (h, w) as places in [0, 1] on its colour scale, which goes from `low` to `high`; "" where it has no extent."""

    about: Words
    place: np.ndarray = field(repr=False)
    signed: bool
    low: str
    high: str
    badge: Mapping[str, str] | None = None  # what checks say of it: words, icon, help, href


@dataclass(frozen=True)
class Pair:
    """Images (S, S, 1 or 3) uint8 and none, two or three maps of one size: before, after and their difference."""

    images: tuple[np.ndarray, np.ndarray] = field(repr=False)
    about: tuple[Words, Words]
    maps: Sequence[Level] = ()
    words: str = ""  # beside the last of them
    opacity: float = 0.65
    columns: int = 2


def pair(shown: Pair, key: str) -> None:
    mount(key=key, data=packed(shown, dark=ground.is_dark()))


def packed(shown: Pair, *, dark: bool = False) -> bytes:
    """Length of the header (4 bytes, little endian), header (JSON), images, three colour scales, levels of each map.

    The scales are of maps without sign, of signed ones over an image, and of their difference, which stands by itself.
    """
    side = shown.images[0].shape[0]
    height, width = shown.maps[0].place.shape if shown.maps else (0, 0)
    body = b"".join(
        [
            *(pictures.rgb(image, side).tobytes() for image in shown.images),
            pictures.colours("inferno").tobytes(),
            pictures.colours("diverging").tobytes(),
            pictures.colours(pictures.on_ground("diverging", dark=dark)).tobytes(),
            *(np.rint(level.place * 255).astype(np.uint8).tobytes() for level in shown.maps),
        ]
    )
    facts = {
        "side": side,
        "height": height,
        "width": width,
        "about": SIDE,
        "images": [asdict(item) for item in shown.about],
        "maps": [
            asdict(item.about) | {name: getattr(item, name) for name in ("signed", "low", "high", "badge")}
            for item in shown.maps
        ],
        "words": shown.words,
        "opacity": shown.opacity,
        "columns": shown.columns,
    }
    return headed(stamped(facts, body), body)
