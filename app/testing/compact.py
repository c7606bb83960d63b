"""The Testing view in a quarter of the Workbench: the image before and after, its maps, a few sliders, probabilities."""

import streamlit as st

from app import probe
from app.address import held
from app.edge import plain_errors
from app.selection import Selection
from app.testing import asking, controls, edited, showing
from app.testing.asking import Scene
from app.testing.outcome import Outcome, outcome_of
from app.testing.picture import Picture, of_data
from precompute.edits import Edits

FEW = ("rotation", "brightness", "hue", "fgsm")  # sliders that are always there; a popover has the others
CLASSES = 3  # with bars


def compact(selected: Selection, height: int) -> None:
    """Draws the view for the focus image, in so many pixels; a fragment of its own. What does not fit is scrolled to."""
    probe.shared().warm()
    with st.container(height=height, border=False, key="testing.compact"):
        if selected.focus is None:
            st.caption("Click an image, here or on another page, to change it here.")
            return
        draw(selected, of_data(selected.data, selected.focus), held(edited.WORD))


def ahead(selected: Selection) -> None:
    """Asks the network already, so that it answers while other views are drawn."""
    if selected.focus is not None:
        picture = of_data(selected.data, selected.focus)
        made = edited.current_edits(picture, len(selected.classes))
        asking.begin(asking.both(asking.scene_of(selected, picture), made))


@st.fragment
def draw(selected: Selection, picture: Picture, word: str) -> None:
    """`word`: the edits that the page around it was drawn with."""
    if held(edited.WORD) != word:
        st.rerun()  # the other views show the edits too
    with plain_errors():
        scene, made = asking.scene_of(selected, picture), edited.current_edits(picture, len(selected.classes))
        asked = asking.both(scene, made)
        found = asking.soon(asked, ())  # no curves: the page of its own has them
        outcome = outcome_of(scene, made, found.get(asked))
        left, right = st.columns((5, 6), gap="small")
        if outcome:
            with left:
                showing.show(outcome, key="testing.compact.pair", most=2)
        with left:
            showing.problems(found, [asked], outcome)
        with right, st.container(gap="xsmall"):
            if outcome:
                showing.bars(outcome, CLASSES, small=True)
            draw_controls(scene, made, outcome, waiting=asked not in found)


def draw_controls(scene: Scene, made: Edits, outcome: Outcome | None, *, waiting: bool) -> None:
    """Few sliders, and behind a button the others."""
    rest = tuple(name for name in scene.picture.changes if name not in FEW)
    controls.draw_sliders(scene, made, outcome, {}, waiting=waiting, names=FEW, key="compact.few", plots=False)
    with st.container(horizontal=True):
        place = st.popover("More", icon=":material/tune:", key="testing.compact.more", on_change="rerun")
        if place.open:
            with place:
                controls.draw_sliders(
                    scene, made, outcome, {}, waiting=False, names=rest, key="compact.rest", plots=False
                )
        st.button("Undo all", icon=":material/undo:", type="tertiary", key="testing.reset", on_click=controls.reset)
