"""Colours on a dark page: two of the palette's are lost there, and lighter ones take their place."""

from typing import Any

import streamlit as st

# As far as they come up to 3 to 1 and stay apart from the other eight for the colour-blind: see tests/test_charts.py
LIFTED = {"#bd1f01": "#c9200c", "#832db6": "#982ee0"}


def is_dark() -> bool:
    return st.context.theme.type == "dark"


def lifted(part: Any) -> Any:
    """Colours, or a specification with colours in it, as the page's ground needs them."""
    return replaced(part) if is_dark() else part


def replaced(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: replaced(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return type(part)(map(replaced, part))
    return LIFTED.get(part, part) if isinstance(part, str) else part
