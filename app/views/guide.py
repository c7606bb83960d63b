"""Guide: six steps through a run for who does not know where to begin, each with a button to the page it is on."""

import streamlit as st

from app import selection, shell
from app.edge import plain_errors
from app.guide import place
from app.guide.panel import NEXT, WAITING
from app.guide.steps import STEPS, first, following
from app.selection import Selection

LEFT_OUT = "left out: the images of this run have no label"


def page() -> None:
    st.title("Guide")
    st.caption("Where does one begin? Each step leads to a page and says there what to do and what to ask oneself.")
    now = selection.at_hand()
    if selection.run_at_hand() is None:
        st.info(f"The store holds no run yet to be led through: `make demo` makes one. {shell.same_places()}")
    elif now is None:
        st.info(WAITING)
    elif not place.number():
        begin = place.left_at() or first(now)
        label = f"Go on with step {begin}" if place.left_at() else "Start"
        goal = STEPS[begin - 1].goal(now)
        place.way(begin, label, "start", goal=goal, icon=NEXT, icon_position="right", type="primary")
    for number in range(1, len(STEPS) + 1):
        line(number, now)


def line(number: int, now: Selection | None) -> None:
    """A step in the list, with the way to it where this run has something for it."""
    step, out = STEPS[number - 1], following(number - 1, now) != number
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        with st.container(gap=None, width="stretch"):
            st.markdown(f"**{number}. {step.title}** :gray[{LEFT_OUT if out else f'on the page {step.place}'}]")
            st.caption(f"{step.do} Ask yourself: {step.look}")
        if now and not out:
            place.way(number, f"Go to step {number}", f"go.{number}", goal=step.goal(now), type="tertiary")


with plain_errors():
    page()
