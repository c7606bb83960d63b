"""The page edge: the one place where errors become sentences, and where foreign text is kept from being Markdown."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from store.errors import LoupeError


@contextmanager
def plain_errors() -> Iterator[None]:
    """Shows a LoupeError raised inside as a message; pages, their fragments and their rows are drawn inside one."""
    try:
        yield
    except LoupeError as error:
        st.error(plain(str(error)), icon=":material/error:")


def plain(text: str) -> str:
    """Text as Streamlit shows it letter by letter: no Markdown, formulas, colours or icons come of it."""
    return re.sub(r"([\\`*_{}\[\]<>#$~|:])", r"\\\1", text)
