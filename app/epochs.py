"""The epoch: the slider in the bar, the play button beside it, and what else may choose one."""

import time

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.address import pinned
from store.runs import Run

SECONDS_A_STEP = 0.8  # of the play button
ECHO_SECONDS = 1.5  # how long the browser may still say the epoch before when the page is drawn with the one chosen


def choose_epoch(epoch: int) -> None:
    """Selects an epoch for all pages."""
    st.session_state["epoch.chosen"] = epoch, st.session_state.get("epoch"), time.monotonic()
    st.session_state["epoch.untold"] = True
    st.session_state["epoch"] = epoch


def settle() -> None:
    """Called when the browser says another epoch than the one selected.

    What renews itself on a page makes the browser ask for reruns, and one it asked for before it heard of the epoch just
    chosen says the one before: that is no change of mind.
    """
    chosen, before, at = st.session_state.get("epoch.chosen", (None, None, 0.0))
    young = st.session_state.get("epoch.untold") or time.monotonic() - at < ECHO_SECONDS
    if chosen is not None and st.session_state["epoch"] == before and young:
        st.session_state["epoch"] = chosen


def told() -> None:
    """Called when a page is drawn to its end, for which a busy server takes seconds: from now on the browser knows its epoch."""
    if st.session_state.pop("epoch.untold", False):
        chosen, before, _ = st.session_state["epoch.chosen"]
        st.session_state["epoch.chosen"] = chosen, before, time.monotonic()


def epoch_slider(place: DeltaGenerator, run: Run, epochs: tuple[int, ...]) -> int:
    """The latest epoch at first; it stays where it is when a newer one is finished."""
    first = pinned(f"epoch.{run.id}", epochs[-1], epochs)
    held = st.session_state.get("epoch")
    if held is not None and held not in epochs:
        choose_epoch(min(epochs, key=lambda epoch: abs(epoch - held)))
    row = place.container(horizontal=True, wrap=False, vertical_alignment="bottom", gap="small")
    if len(epochs) == 1:  # a slider needs two ends
        row.selectbox("Epoch", epochs, key="epoch", disabled=True, bind="query-params", persist_state="session")
        return epochs[0]
    playing = st.session_state.get("playing", False)
    row.button(
        "Pause" if playing else "Play",
        icon=":material/pause:" if playing else ":material/play_arrow:",
        key="play",
        on_click=toggle,
        args=(epochs,),
        help="Shows one epoch after the other",
    )
    row.select_slider(
        f"Epoch (0 to {run.epochs})",
        epochs,
        value=first,
        key="epoch",
        help=kept(run),
        on_change=settle,
        bind="query-params",
        persist_state="session",
    )
    if playing:
        with row:
            step(epochs, object())
    return st.session_state["epoch"]


def kept(run: Run) -> str:
    every = len(run.attributes["kept"]) == run.epochs + 1
    thinned = (
        ""
        if every
        else f" The recipe keeps {len(run.attributes['kept'])} of {run.epochs + 1}: {', '.join(map(str, run.attributes['kept']))}."
    )
    return f"Everything on every page is computed with the weights after this epoch; 0 is the initial model.{thinned}"


def toggle(epochs: tuple[int, ...]) -> None:
    st.session_state["playing"] = not st.session_state.get("playing", False)
    if st.session_state["playing"] and st.session_state["epoch"] == epochs[-1]:
        choose_epoch(epochs[0])


@st.fragment(run_every=SECONDS_A_STEP)
def step(epochs: tuple[int, ...], drawn: object) -> None:
    """Goes to the next epoch when the timer runs it again, not while the page is drawn: `drawn` is then a new object."""
    if st.session_state.get("epoch.drawn") is not drawn:
        st.session_state["epoch.drawn"] = drawn
        return
    later = [epoch for epoch in epochs if epoch > st.session_state["epoch"]]
    if later:
        choose_epoch(later[0])
    st.session_state["playing"] = len(later) > 1
    st.rerun()
