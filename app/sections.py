"""Parts of a page that cost nothing until somebody looks: closed sections, and long lists a page at a time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import streamlit as st

from app.edge import plain_errors

Given = ParamSpec("Given")
Item = TypeVar("Item")


def folded(
    title: str, icon: str, key: str, draw: Callable[Given, object], *given: Given.args, **named: Given.kwargs
) -> None:
    """A closed section; what is in it is read and drawn once it is opened."""
    fold = st.expander(title, icon=icon, key=key, on_change="rerun")
    if fold.open:
        with fold, plain_errors():
            draw(*given, **named)


@contextmanager
def paged(items: Sequence[Item], size: int, key: str) -> Iterator[Sequence[Item]]:
    """The items of the page turned to; below what is drawn inside, the way to the other pages."""
    pages = max(1, -(-len(items) // size))
    turned = min(st.session_state.get(key, 1), pages)
    yield items[(turned - 1) * size : turned * size]
    if pages > 1:
        st.session_state[key] = turned
        st.pagination(pages, key=key)
