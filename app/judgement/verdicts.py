"""The verdict on a run in a word, and who said something when."""

from datetime import UTC, datetime
from typing import Any

import streamlit as st

from app import reading
from app.edge import plain
from store.judgements import Observation, Verdict
from store.runs import Run

LOOKS: dict[str, dict[str, Any]] = {
    "keep": {"icon": ":material/check_circle:", "color": "green"},
    "reject": {"icon": ":material/do_not_disturb_on:", "color": "orange"},
    "undecided": {"icon": ":material/help:", "color": "gray"},
}


def badge(run: Run) -> None:
    """The verdict that holds; nothing where nobody has decided."""
    if found := reading.verdict(run):
        why = f": {found.reason}" if found.reason else ""
        st.badge(found.verdict, help=plain(f"Verdict by {signed(found)}{why}"), **LOOKS[found.verdict])


def signed(said: Observation | Verdict) -> str:
    return f"{said.by or 'no name given'}, {when(said.at)}"


def when(at: float) -> str:
    """A time without any doubt: 2026-11-21 04:53:06 UTC."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "at an unknown time"
