"""Words of the address that no widget holds, and defaults of widgets that do not move."""

from collections.abc import Container, Sequence
from typing import Any, TypeVar

import streamlit as st

Value = TypeVar("Value")
# Words that no widget holds: they outlive a change of page, and a reload of any
WORDS = ("edits", "technique", "at", "explains", "along", "measure", "view", "charts", "sort", "kind")
LONGEST = 4000  # characters of such a word; a longer one is nobody's, and part of it might name something else
KEPT: dict[str, Any] = {"bind": "query-params", "persist_state": "session"}  # of widgets that the address holds


def hold(name: str, word: str) -> None:
    """Sets a word of the address that no widget holds; `held` writes it there."""
    st.session_state[f"held.{name}"] = word


def held(name: str) -> str:
    """A word of the address that no widget holds. What a person changes there is taken; it outlives a visit to another page."""
    there, before = st.query_params.get(name), st.session_state.get(f"said.{name}", "")
    said = there if there and len(there) <= LONGEST else ""
    if said and said != before:
        hold(name, said)
    word = st.session_state.get(f"held.{name}", "")
    if word and word != said:
        st.query_params[name] = word
    elif there is not None and not word:
        del st.query_params[name]
    if word != before:  # not of every word: Streamlit looks through all there is in a session for each of some widgets
        st.session_state[f"said.{name}"] = word
    return word


def word(name: str, options: Container[str], default: str) -> str:
    """A word of the address that no widget holds, if it is one of the options."""
    said = held(name)
    return said if said in options else default


def as_widget(name: str, options: Container[str], default: str) -> dict[str, Any]:
    """Key and callback of a widget that shows such a word and changes it; the default is left out of the address."""
    key = f"word.{name}"
    st.session_state[key] = word(name, options, default)

    def told() -> None:
        said = st.session_state[key]
        hold(name, "" if said == default else said)

    return {"key": key, "on_change": told}


def pinned(name: str, value: Value, options: Container[Value]) -> Value:
    """The default a widget had when this session first drew it: a default that moved would move what one looks at."""
    held = st.session_state.get(f"first.{name}")
    if held is None or held not in options:
        st.session_state[f"first.{name}"] = held = value
    return held


def forget_unless(key: str, options: Container[object]) -> None:
    if key in st.session_state and st.session_state[key] not in options:
        del st.session_state[key]


def one_of(label: str, options: Sequence[Any], key: str, *, default: Any = None, **how: Any) -> Any:
    """Buttons of which one is always pressed; the address holds which, the first (or `default`) where it says none of them.

    An address with an empty word presses none, although the widget is required: that is the default, too.
    """
    forget_unless(key, options)
    default = options[0] if default is None else default
    said = st.segmented_control(label, options, default=default, required=True, key=key, **how, **KEPT)
    return default if said is None else said
