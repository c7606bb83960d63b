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


SIGNS = re.compile(r"([\\`*_{}\[\]<>#$~|:&])")
# of a line: what makes it a list, a heading, or code
BEGINS = re.compile(r"^[ \t]*(?:([-+=])|(\d+)(?=[.)](?:\s|$)))?", re.MULTILINE)
LINKS = re.compile(r"(?<=http)(?=:)|(?<=https)(?=:)|(?<=www)(?=\.)|(?<=[-.\w+])(?=@[-\w]+\.)", re.IGNORECASE)
JOINER = "\N{WORD JOINER}"  # unseen; the browser makes links of addresses even where all their signs are escaped


def plain(text: str) -> str:
    """Text as Streamlit shows it letter by letter: no Markdown, formulas, colours, icons or links come of it."""
    apart = LINKS.sub(JOINER, text)
    return BEGINS.sub(begun, SIGNS.sub(r"\\\1", apart))


def begun(found: re.Match[str]) -> str:
    """The beginning of a line, without its indentation."""
    sign, number = found.groups()
    return f"\\{sign}" if sign else f"{number}\\" if number else ""
