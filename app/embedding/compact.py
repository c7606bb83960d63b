"""The map for a page that shows more than it: the same dots, with all controls behind one button."""

import streamlit as st

from app import absent, reading
from app.edge import plain
from app.embedding import chart, controls, guests, stored
from app.selection import Selection
from store.runs import Run

SMALLER = "The recipe can ask for others, [artifacts.embedding] perplexities, and for more images, [evaluation] images."


def cloud(selected: Selection, height: int) -> None:
    """The map of the selected epoch in `height` pixels, its tools and legend above it, or why there is none."""
    maps = stored.maps(selected)
    if not maps.by_perplexity:
        none(selected.run, maps)
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        about = st.popover("Colour and filter", icon=":material/filter_alt:", help=chart.BELIEF)
        with about:
            chosen = controls.stacked(list(maps.by_perplexity), selected.classes, chart.words(selected))
        st.caption(plain(chart.ringed(selected)))
    artifact = maps.by_perplexity[chosen.perplexity]
    if selected.epoch not in reading.epochs(artifact):
        chart.unfinished(selected, artifact)
        return
    found = guests.guests(selected, chosen.perplexity, None)
    chart.draw(selected, maps, artifact, chosen, found, height=height, about=about)
    for item in found:
        guests.state(item)


def none(run: Run, maps: stored.Maps) -> None:
    """Says why there is no map."""
    if maps.reasons:
        smaller = (SMALLER,) if maps.features else ()  # there are features, but too few for the map
        st.info(" ".join(plain(reason) for reason in (*maps.reasons, *smaller)))
    else:
        absent.not_asked_for(run, "embedding", "[artifacts.embedding]")
