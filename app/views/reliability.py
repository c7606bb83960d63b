"""Reliability: for each technique of the run, what the checks say of it, with the numbers and controls behind each verdict."""

import streamlit as st

from app import absent, selection
from app.reliability import pages
from app.saliency import stored
from app.selection import Selection

LEGEND = (
    "Blue: the technique, with its spread (10 to 90% of the images, least to largest draw or seed, or the 95% interval of a "
    "mean). Grey: what knows nothing. Dashed: where the rule of a verdict lies. Rows without a rule have no verdict."
)


def page() -> None:
    now = selection.current()
    st.title("Reliability")
    st.caption("How far can each technique's maps be trusted on this network, and what is that judged by?")
    layers = stored.layers(now.run, now.evaluation)
    if not layers:
        absent.not_asked_for(now.run, "saliency maps", absent.SALIENCY)
        return
    draw(now, pages.choose_layer(now, layers))


def draw(now: Selection, layer: str) -> None:
    shown = pages.cards(now, layer)
    st.caption(LEGEND)
    pages.summary(shown)
    for number in range(0, len(shown), 2):
        row = st.container(key=f"halves.reliability.{number}").columns(2, gap="large")
        for place, item in zip(row, shown[number : number + 2], strict=False):
            with place:
                pages.draw(now, item)


page()
