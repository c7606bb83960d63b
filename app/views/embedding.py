"""Embedding: which images are alike to the network, and where it confuses them (VATUN's first view)."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import reading, selection
from app.edge import plain, plain_errors
from app.embedding import chart, controls, focus, guests, stored
from app.embedding.compact import none
from app.embedding.guests import Guest
from app.selection import Selection


def page() -> None:
    now = selection.current()
    st.title("Embedding")
    st.caption("Which images are alike to the network, and which lie among those of another class?")
    maps = stored.maps(now)
    if not maps.by_perplexity:
        none(now.run, maps)
    if not (maps.by_perplexity or maps.features):
        return
    left, right = st.container(key="halves.embedding").columns((2, 1), gap="large")
    top, middle, bottom = (right.container() for _ in range(3))
    found: list[Guest] = []
    with left, plain_errors():
        if maps.by_perplexity:
            found = the_map(now, maps, bottom)
    with top, plain_errors():
        focus.draw(now, maps)
    with middle, plain_errors():
        for item in found:
            focus.draw_guest(now, item)


def the_map(now: Selection, maps: stored.Maps, own: DeltaGenerator) -> list[Guest]:
    """Draws it, with a place for the visitor's picture in `own`; returns who is on it beside the dots."""
    chosen = controls.choice(list(maps.by_perplexity), now.classes, chart.words(now))
    for reason in maps.reasons:
        st.caption(plain(reason))
    artifact = maps.by_perplexity[chosen.perplexity]
    if now.epoch not in reading.epochs(artifact):
        chart.unfinished(now, artifact)
        return []
    picture = None
    with own, plain_errors():
        picture = guests.upload(now)
    found = guests.guests(now, chosen.perplexity, picture)
    chart.draw(now, maps, artifact, chosen, found)
    chart.belief(now, artifact, chosen)
    return found


page()
