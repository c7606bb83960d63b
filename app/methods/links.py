"""Where a name in the app leads: to its entry on the Methods page, in a tab of its own, so that nobody loses his place."""

from urllib.parse import quote, urlencode

import streamlit as st

from app.edge import plain
from app.methods.table import found

PAGE = "methods"
WORD = "about"


def address(name: str) -> str:
    """Of an entry, relative to any other page of the app; the tab it opens in has the run of this one."""
    run = st.session_state.get("selection.run")
    return f"{PAGE}?{urlencode({WORD: name} | ({'run': run.id} if run else {}), quote_via=quote)}"


def link(name: str, words: str = "") -> str:
    """Markdown: the entry's title, or other words, leading to it; the words alone where there is no such entry."""
    method = found(name)
    said = plain(words or (method.title if method else name))
    return f"[{said}]({address(name)})" if method else said
