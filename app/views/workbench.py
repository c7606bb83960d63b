"""Workbench: VATUN's four views on one page; what is chosen in one moves all of them."""

import streamlit as st

from app import selection
from app.workbench import ahead
from app.workbench.quarters import AT_ONCE, EDITED, PLACES, draw


def page() -> None:
    now = selection.current()
    with st.container(key="unseen"):  # there is no room for it, but for those who listen to the page
        st.title("Workbench")
    rows = [st.container(key=f"halves.workbench.{number}").columns(2, gap="medium") for number in range(2)]
    places = dict(zip(PLACES, [place for row in rows for place in row], strict=True))
    for quarter in EDITED if ahead.ask(now) else AT_ONCE:
        with places[quarter]:
            draw(quarter, now)


page()
