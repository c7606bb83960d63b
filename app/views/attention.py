"""Attention: how much of a map lies where, in numbers, from the first epoch to the last."""

import streamlit as st

from app import absent, reading, renewing, selection
from app.attention import settling, shares, stored
from app.attention.scene import Scene, scene
from app.edge import plain_errors
from app.reliability import badges

SECTION = (
    "[artifacts.attention]\n# rectangles of your own, as shares of the sides\nregions = { corner = [0, 0, 0.25, 0.25] }"
)
NO_REGIONS = (
    "This data set has neither boxes nor parts, and the recipe names no regions. Draw one on the picture to follow it over "
    "the epochs."
)
LOOK_SECONDS = 3


def page() -> None:
    now = selection.current()
    st.title("Attention")
    st.caption(
        "How much of what speaks for a class lies on the object, on its parts or in a region you draw, and when does that "
        "settle?"
    )
    by_layer = stored.layers(now)
    if not by_layer:
        absent.not_asked_for(now.run, "attention in numbers", SECTION, "It takes the maps of [artifacts.saliency].")
        return
    of = scene(now, by_layer)
    technique = of.artifact.attributes
    badges.beside(now.run, now.evaluation, now.epoch, technique["technique"], technique["layer"])
    if not of.epochs:
        waiting(of, "No epoch is finished yet")
        return
    left, right = st.container(key="halves.attention").columns((5, 2), gap="large")
    with right, plain_errors():
        drawn = shares.draw_region(now, of.chosen)
    with left, plain_errors():
        found = shares.curves(of, drawn)
        if found:
            shares.chart(of, found)
        else:
            st.info("Choose a region above, or draw one on the picture." if stored.regions(of.artifact) else NO_REGIONS)
    if now.epoch not in of.epochs:
        waiting(of, f"There are no numbers for epoch {now.epoch} yet")
    elif found:
        with plain_errors():
            shares.numbers(of, found)
    st.subheader("Change")
    left, right = st.container(key="halves.attention.change").columns((3, 2), gap="large")
    with left, plain_errors():
        settling.curve(of)
    with right, plain_errors():
        settling.most_changed(of)


def waiting(of: Scene, what: str) -> None:
    """Why the selected epoch has no numbers: they are still being computed, or were not asked for."""
    now = of.selection
    if reading.status(now.run).state == "running":
        st.info(f"{what}; they follow its maps.", icon=":material/hourglass:")
        st.fragment(watch, run_every=LOOK_SECONDS)(of, reading.epochs(of.artifact))
        return
    st.info(f"{what}, and nobody computes them. Run the recipe again.")
    absent.offer_nearest(now.epoch, of.epochs)


def watch(of: Scene, known: tuple[int, ...]) -> None:
    """Draws the page again when another epoch is finished."""
    with plain_errors():
        renewing.shows_epochs((of.selection.run, of.artifact))
        if reading.epochs(of.artifact) != known:
            st.rerun()


page()
