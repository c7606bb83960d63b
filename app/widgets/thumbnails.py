"""Small pictures in a row that wraps: a click chooses one, a cross drops it. One PNG and one message for all of them."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

from app.widgets.message import headed


@dataclass(frozen=True)
class Thumbnail:
    """One picture: the image's number, what is said below it and on hovering, and whether it is marked as chosen."""

    image: int
    caption: str
    title: str
    marked: bool = False


HTML = '<div class="thumbnails" role="list"></div>'
HERE = Path(__file__).parent
CSS, JS = ((HERE / f"thumbnails.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))

mount = st.components.v2.component("loupe_thumbnails", html=HTML, css=CSS, js=JS)


def thumbnails(
    sheet: tuple[bytes, int],
    items: Sequence[Thumbnail],
    *,
    key: str,
    pixels: int = 72,
    on_pick: Callable[[int], None],
    on_drop: Callable[[int], None] | None = None,
) -> None:
    """Draws the pictures of `sheet` (a PNG of squares side by side, and their side) `pixels` wide.

    Calls back with the number of an image.
    """
    allowed = {item.image for item in items}

    def told(event: str, callback: Callable[[int], None]) -> Callable[[], None]:
        def tell() -> None:
            image = st.session_state[key].get(event)
            if image in allowed:  # the browser is not to be trusted with numbers
                callback(int(image))

        return tell

    callbacks = {"on_picked_change": told("picked", on_pick)}
    if on_drop:
        callbacks["on_dropped_change"] = told("dropped", on_drop)
    mount(key=key, data=packed(sheet, items, pixels, droppable=on_drop is not None), **callbacks)


def packed(sheet: tuple[bytes, int], items: Sequence[Thumbnail], pixels: int, *, droppable: bool) -> bytes:
    """Length of the header (4 bytes, little endian), header (JSON), PNG: components take bytes at the top level only."""
    facts = {"items": [asdict(item) for item in items], "side": sheet[1], "pixels": pixels, "droppable": droppable}
    return headed(facts, sheet[0])
