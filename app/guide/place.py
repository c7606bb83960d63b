"""Where somebody is in the guide: a word of the address, `guide=3`; left, the word is gone, and a cookie says which it was."""

from pathlib import Path
from typing import Any

import streamlit as st

from app import selection
from app.address import held, hold
from app.guide.findings import Goal
from app.guide.steps import STEPS

VIEWS = Path(__file__).parents[1] / "views"
WORD = "guide"
COOKIE = "loupe-guide"  # in the person's browser: there are no accounts
NUMBERS = {str(number): number for number in range(1, len(STEPS) + 1)}
REMEMBERED_SECONDS = 365 * 24 * 3600


def number() -> int:
    """The step the address names, counted from 1; 0 outside of the guide."""
    return NUMBERS.get(held(WORD), 0)


def came_from() -> int:
    """The step the address named before, where it names another one since; else 0."""
    before, now = st.session_state.get("guide.at", 0), number()
    st.session_state["guide.at"] = now
    return 0 if now == before else before


def left_at() -> int:
    """The step at which the guide was left, here or on an earlier visit; 0 where it never was."""
    here = st.session_state.get("guide.left", 0)
    return here or NUMBERS.get(st.context.cookies.get(COOKIE, ""), 0)


def leave(at: int) -> None:
    hold(WORD, "")
    st.session_state["guide.left"] = at


def remember() -> None:
    """Has the browser keep where the guide was left, so that it is not offered again."""
    if at := st.session_state.get("guide.left"):
        cookie = f"{COOKIE}={at}; path=/; max-age={REMEMBERED_SECONDS}; SameSite=Lax"
        with st.sidebar:
            st.html(f"<script>document.cookie = '{cookie}'</script>", unsafe_allow_javascript=True)


def go(step: int, goal: Goal) -> None:
    """Goes to a step, with what it recommends selected."""
    if goal.chosen is not None:
        selection.choose_class(goal.chosen)
    if goal.images is not None:
        selection.choose_images(goal.images)
    hold(WORD, str(step))
    st.session_state["guide.goes"] = STEPS[step - 1].page


def way(step: int, label: str, key: str, *, goal: Goal | None = None, **look: Any) -> None:
    """A button to a step. (A link could not change what a widget holds in the address.)"""
    st.button(label, key=f"guide.{key}", on_click=go, args=(step, goal or Goal()), **look)


def follow(page: str) -> None:
    """Opens the page of the step gone to, where it is not this one."""
    wanted = st.session_state.pop("guide.goes", page)
    if wanted != page:
        st.switch_page(VIEWS / f"{wanted}.py", query_params={})  # the words of the address are held
