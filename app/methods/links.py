"""Where a name in the app leads: to its entry on the Methods page, in a tab of its own, so that nobody loses his place."""

from collections.abc import Mapping
from urllib.parse import quote, urlencode

import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

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


def row(names: Mapping[str, str]) -> None:
    """Below a chart or table: its names, by their entries, lead to them; "" stands for the entry's title."""
    st.caption("How it is done: " + " · ".join(link(name, words) for name, words in names.items()))


def cell(name: str, words: str) -> str:
    """In a table, what `column` shows as these words, leading to the entry; to the page where there is none of that name."""
    return f"{address(name) if found(name) else PAGE}#{quote(words, safe='', errors='replace')}"


def column(title: str) -> ColumnConfig:
    """The configuration of a table's column of such cells."""
    return st.column_config.LinkColumn(title, display_text="#(.*)$")
