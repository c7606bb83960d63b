"""Attention: how much of a map lies where, in numbers, from the first epoch to the last."""

import streamlit as st

from app import reading, selection
from app.attention import settling, shares, stored
from app.attention.scene import Scene, scene
from app.edge import plain_errors
from app.epochs import choose_epoch
from app.reliability import badges

NOTHING = (
    "This run holds no attention in numbers. Add this section to its recipe, beside saliency, and run it again: nothing is "
    "trained twice."
)
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
        st.info(NOTHING)
        st.code(f"{SECTION}\n\n# then: python -m precompute run <recipe>", language="toml")
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
    if of.epochs:
        near = min(of.epochs, key=lambda epoch: abs(epoch - now.epoch))
        st.button(f"Go to epoch {near}", icon=":material/arrow_forward:", on_click=choose_epoch, args=(near,))


def watch(of: Scene, known: tuple[int, ...]) -> None:
    """Draws the page again when another epoch is finished."""
    with plain_errors():
        if reading.epochs(of.artifact) != known:
            st.rerun()


page()
