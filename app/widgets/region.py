"""One rectangle drawn on a picture, by pointer, by keys or by numbers."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from app.widgets.message import headed, stamped
from store import judgements
from store.errors import BadInput
from store.judgements import Region

HERE = Path(__file__).parent
TEXTS = {kind: (HERE / f"region.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")}

mount = st.components.v2.component("loupe_region", **TEXTS)


def region(
    picture: bytes,
    *,
    alt: str,
    label: str,
    key: str,
    first: Region | None = None,
    on_draw: Callable[[Region | None], None] = lambda drawn: None,
) -> Region | None:
    """The rectangle drawn on a PNG, in shares of its sides; None where none is drawn. `first` is there to begin with.

    Calls back with each new one, and with None when it was cleared.
    """

    def told() -> None:
        on_draw(drawn_by(st.session_state[key].get("region")))

    said = mount(key=key, data=packed(picture, alt, label, first), on_region_change=told).get("region")
    return first if said is None else drawn_by(said)  # None: nothing was said yet; []: it was cleared


def drawn_by(said: object) -> Region | None:
    """What a browser said, as a region; None where it is none."""
    try:
        return judgements.region(said) if isinstance(said, list | tuple) else None
    except BadInput:
        return None


def packed(picture: bytes, alt: str, label: str, first: Region | None) -> bytes:
    """Length of the header (4 bytes, little endian), header (JSON), PNG."""
    facts = {"alt": alt, "label": label, "region": first}
    return headed(stamped(facts, picture), picture)
