"""Sanity: does a map depend on what the network learned, and on nothing else? (SalienCNN's fallacy view, and more checks)"""

import streamlit as st

from app import selection
from app.address import one_of
from app.edge import plain, plain_errors
from app.sanity import anew, labels, shifting, steady, words

CHECKS = {  # words of the address and of the page alike
    "input shift": shifting.section,
    "layers drawn anew": anew.section,
    "shuffled labels": labels.section,
    "stability": steady.section,
}


def page() -> None:
    now = selection.current()
    st.title("Sanity")
    st.caption("Does a map show what the network has learned, or would it look the same whatever the network is?")
    chosen = one_of("Check", list(CHECKS), "check", default="input shift", label_visibility="collapsed")
    with plain_errors():
        CHECKS[str(chosen)](now)
    if chosen == "input shift":
        with st.expander("What the papers say about this check", icon=":material/menu_book:"):
            st.markdown(plain(words.PAPERS))


page()
