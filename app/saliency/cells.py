"""A strip on the page: drawn whole, or renewed while the probe computes; a click on a cell enlarges its map."""

from dataclasses import replace

import numpy as np
import streamlit as st

from app import probe, renewing, selection
from app.edge import plain, plain_errors
from app.saliency import enlarged, progression, strips
from app.saliency.progression import Progression
from app.saliency.strips import Scene
from app.widgets import strip
from precompute.remote import NO_WORKER

POLL_SECONDS = 0.25  # while the probe computes
LAG_SECONDS = 2.0  # while a run in progress is still to finish maps


def draw(scene: Scene, key: str, *, image: int | None = None, pixels: np.ndarray | None = None) -> None:
    """The strip of a test image or of a picture (H, W, C), with its enlarged map."""
    st.session_state.pop("strip.clicked", None)
    found = find(scene, key, image, pixels)
    if pause := pause_of(found):
        st.fragment(follow, run_every=pause)(scene, key, image, pixels, pause)
    else:
        mount(scene, key, found)


def pause_of(found: Progression) -> float | None:
    """Seconds until there may be more of it; None where it is all that there will be."""
    return POLL_SECONDS if found.waiting else LAG_SECONDS if found.lagging else None


def find(scene: Scene, key: str, image: int | None, pixels: np.ndarray | None) -> Progression:
    visitor = f"{strips.visitor()}.{key}"
    if pixels is not None:
        return progression.of_upload(scene.question, pixels, visitor)
    return progression.of_image(scene.question, image or 0, visitor)


def follow(scene: Scene, key: str, image: int | None, pixels: np.ndarray | None, pause: float) -> None:
    """What there is so far, until it is all there; then the page is drawn once more without the timer."""
    with plain_errors():
        renewing.shows_work(scene.question.selection.run) if pause == LAG_SECONDS else renewing.shows_always()
        if pause == LAG_SECONDS:
            scene = replace(scene, question=progression.renewed(scene.question))
        found = find(scene, key, image, pixels)
        mount(scene, key, found)
        if found.waiting:
            done = len(found.epochs) - len(found.waiting) - len(found.failed)
            st.caption(
                f"The network is being run: {done} of {len(found.epochs)} epochs are there." if done else STARTING
            )
        if pause_of(found) != pause or st.session_state.pop("strip.clicked", False):
            st.rerun()


STARTING = "The network is being started; the first time takes some seconds."


def mount(scene: Scene, key: str, found: Progression) -> None:
    """Mounts the strip, says what is damaged, and enlarges the map that was clicked."""
    shown, epoch = scene.question.shown, scene.question.selection.epoch
    names = [technique.name if not technique.obstacle else "" for technique in shown]
    whose, which = st.session_state.get("enlarged", ("", ""))
    row = names.index(which) if whose == key and which and which in names else -1

    def chosen(number: int, at: int) -> None:
        st.session_state["strip.clicked"] = True
        selection.choose_epoch(at)
        if (number, at) == (row, epoch):
            enlarged.close()
        elif number >= 0:
            st.session_state["enlarged"] = (key, names[number])

    message = strip.addressed(strips.packed(scene, found), epoch, row)
    strip.show(message, found.epochs, len(names), key=f"strip.{key}", on_cell=chosen)
    for problem in found.problems:
        st.info(plain(problem)) if problem == NO_WORKER else st.error(plain(problem), icon=":material/error:")
    if found.failed:
        st.button("Try again", key=f"again.{key}", on_click=probe.shared().forget, args=(found.failed,))
    if row >= 0:
        enlarged.show(scene, found, shown[row], key)
