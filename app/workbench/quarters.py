"""The four quarters: what each draws in how many pixels, and the page of its own that its corner leads to."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from app import reading
from app.edge import plain_errors
from app.embedding.compact import cloud
from app.network import asking, edited, stored
from app.network.dots import dots
from app.network.rows import patterns
from app.selection import Selection
from app.simulation.compact import small_multiples
from app.testing.compact import compact
from store.errors import LoupeError

HEIGHT = 318  # pixels of a quarter below its heading: two of them, the bar and the tray fit into 900
MAP, DOTS, CURVES = 226, 118, 284  # pixels of what is drawn in them


@dataclass(frozen=True)
class Quarter:
    """One view: what it is called, the file of its own page in app/views, and how it is drawn."""

    title: str
    page: str
    draw: Callable[[Selection], None]


def network(now: Selection) -> None:
    """Filters above, the patterns of the selection below."""
    activations = stored.found(now).activations
    there = activations is not None and now.epoch in reading.epochs(activations)
    request = asking.path(now) if there else None
    paths = edited.paths(now) if request else None
    dots(now, DOTS, edited=None if paths is None else paths.after)
    if there:
        patterns(now, compact=True)
    reply = asking.reply("path", request, 0) if request else None
    if request and reply is None:
        asking.waiting("path", request)
    elif request and isinstance(reply, LoupeError):
        asking.failed("path", request, reply)


EMBEDDING = Quarter("Embedding", "embedding", lambda now: cloud(now, MAP))
TESTING = Quarter("Testing", "testing", lambda now: compact(now, HEIGHT))
NETWORK = Quarter("Network", "network", network)
SIMULATION = Quarter("Simulation", "simulation", lambda now: small_multiples(now, CURVES))

PLACES = (EMBEDDING, TESTING, NETWORK, SIMULATION)  # row by row
AT_ONCE = (EMBEDDING, NETWORK, SIMULATION, TESTING)  # the last one waits for the network
EDITED = (
    SIMULATION,
    TESTING,
    NETWORK,
    EMBEDDING,
)  # where also these wait for it: for what they show of the edited image


def draw(quarter: Quarter, now: Selection) -> None:
    """Its heading with the corner that opens the page of its own, and below that the view, which scrolls inside."""
    with st.container(key=f"quarter.{quarter.page}", gap=None):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{quarter.title}**", width="content")
            st.page_link(
                f"app/views/{quarter.page}.py", label="Open", icon=":material/open_in_full:",
                help=f"The page {quarter.title}, with the same selection", width="content",
            )  # fmt: skip
        with st.container(height=HEIGHT, border=False, key=f"inside.{quarter.page}"), plain_errors():
            quarter.draw(now)
