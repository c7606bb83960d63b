"""Methods: what every technique, check and measure answers, its formula, where it comes from, and its limits."""

import streamlit as st

from app import selection
from app.address import KEPT, held, hold, one_of
from app.edge import plain
from app.methods import showing
from app.methods.links import WORD
from app.methods.table import PARTS, found, part_of, searched
from app.methods.techniques import TECHNIQUES
from app.reliability.badges import WORD as CARD

SLIPS, REFERENCES, GLOSSARY = "Slips in the papers", "References", "Glossary"


def page() -> None:
    st.title("Methods")
    st.caption(
        "What does each technique, check and measure answer, how is it computed, where does it come from, and what can it "
        "not tell?"
    )
    if selection.run_at_hand() is None:
        st.caption("This page needs no run, and the store holds none yet: `make demo` makes one.")
    about = held(WORD)
    if about:
        asked(about)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        part = choose_part()
        words = st.text_input("Find", key="find", placeholder="in all of them", width=220, **KEPT).casefold().split()
    if words:
        results(words)
    elif part == SLIPS:
        showing.slips()
    elif part == REFERENCES:
        showing.references()
    elif part == GLOSSARY:
        showing.glossary()
    else:
        showing.entries({name: item for name, item in PARTS[part].items() if name != about})


def choose_part() -> str:
    """The part looked at: at first that of the entry the address names."""
    options = (*PARTS, SLIPS, REFERENCES, GLOSSARY)
    about = held(WORD)
    if about and st.session_state.get("methods.about") != about:
        st.session_state["part"] = part_of(about)
    st.session_state["methods.about"] = about
    return one_of("Part", options, "part")


def asked(about: str) -> None:
    """The entry that a link led to, in front of all others."""
    method = found(about)
    if method is None:
        st.info(f"Nothing here is called {plain(about[:80])}. Find looks through all entries.")
        return
    with st.container(border=True, key="methods.asked"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(plain(method.title), anchor=about, width="stretch")
            st.button(
                "Close", icon=":material/close:", type="tertiary", key="methods.close", on_click=hold, args=(WORD, "")
            )
        showing.entry(method)
        if about in TECHNIQUES:
            st.page_link(
                "app/views/reliability.py",
                label="What the checks say of it",
                icon=":material/verified:",
                query_params={CARD: about},  # what widgets hold comes along by itself, and would stand there twice
            )


def results(words: list[str]) -> None:
    """The entries and words that hold all that was typed."""
    there = searched(" ".join(words))
    if not there:
        st.caption("No entry holds all of these words.")
    showing.entries(there)
    showing.glossary(words)


page()
