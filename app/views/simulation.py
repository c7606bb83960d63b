"""Simulation: how each class fares along every change of its images (VATUN's view D)."""

import streamlit as st

from app import absent, methods, reading, renewing, selection
from app.edge import plain, plain_errors
from app.selection import Selection
from app.simulation import details, large, multiples
from app.simulation.scene import scene
from app.simulation.stored import Curves, curves

SECTION = '# of each class; "all" for every evaluated image\n[artifacts.simulation]\nimages = 20'
SMALL = 110  # pixels of a small chart
LOOK_SECONDS = 3


def page() -> None:
    now = selection.current()
    st.title("Simulation")
    st.caption("What does each class withstand when its images are turned, darkened, blurred or attacked?")
    held = curves(now)
    for reason in held.reasons:
        st.caption(plain(reason))
    if not held.by_change:
        if not held.reasons:
            absent.not_asked_for(
                now.run, "simulation", SECTION, "With 20 images a class it takes seconds for small networks."
            )
        return
    found = held.at(now.epoch)
    if len(found) < len(held.by_change):
        missing(now, held, len(found))
    if not found:
        return
    of = scene(now, found)
    large.controls(of)
    left, right = st.container(key="halves.simulation").columns((3, 2), gap="large")
    with left, plain_errors():
        large.draw(of)
    with right, plain_errors():
        details.images(of)
        details.training(of)
    st.subheader("Every change")
    with plain_errors():
        multiples.draw(of, SMALL)
    methods.row(dict.fromkeys(("changes", "fgsm", "withstands"), ""))


def missing(now: Selection, held: Curves, count: int) -> None:
    """Why not all curves are there: another epoch has them, or they are still being computed."""
    if now.epoch not in held.promised:
        elsewhere(now, held)
        return
    st.info(
        f"At epoch {now.epoch}, {count} of {len(held.by_change)} changes have been simulated. Curves follow when the "
        "training is over.",
        icon=":material/hourglass:",
    )
    if reading.status(now.run).state == "running":
        st.fragment(watch, run_every=LOOK_SECONDS)(now, count)


def elsewhere(now: Selection, held: Curves) -> None:
    alone = len(held.promised) == 1
    which = "The recipe asks for the last epoch alone" if alone else "The recipe does not ask for this epoch"
    st.info(f'No curves at epoch {now.epoch}. {which} ([artifacts.simulation] epochs = "kept" asks for all).')
    absent.offer_nearest(now.epoch, held.epochs)


def watch(now: Selection, count: int) -> None:
    """Draws the page again when another change is finished."""
    with plain_errors():
        renewing.shows_work(now.run)
        if len(curves(now).at(now.epoch)) != count:
            st.rerun()


page()
