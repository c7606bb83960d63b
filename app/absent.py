"""What stands where a run has nothing to show: the section of a recipe that asks for it, the nearest epoch that has it."""

from collections.abc import Iterable

import streamlit as st

from app import shell
from app.edge import plain
from app.epochs import choose_epoch
from store.runs import Run

SALIENCY = '[artifacts.saliency]\ntechniques = ["grad-cam"]'


def not_asked_for(run: Run, what: str, section: str, more: str = "", *, spared: str = "nothing is") -> None:
    """Says that a run holds no `what`, and how it comes by it; section: lines of TOML that ask for it. `spared`: what is not
    trained a second time for it."""
    st.info(
        plain(f"This run holds no {what}. Add this section to its recipe and run that again: {spared} trained twice.")
        + (f" {more}" if more else ""),
        icon=":material/info:",
    )
    st.code(f"{section}\n\n# then: {shell.again(run)}", language="toml")


def offer_nearest(epoch: int, there: Iterable[int], key: str | None = None) -> None:
    """A button to the epoch nearest to this one of those `there`, the earlier of two; none where there are none."""
    if found := sorted(there):
        nearest = min(found, key=lambda other: abs(other - epoch))
        st.button(
            f"Show epoch {nearest}", key=key, icon=":material/arrow_forward:", on_click=choose_epoch, args=(nearest,)
        )
