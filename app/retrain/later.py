"""Now or tonight: when a training may begin."""

import time as clocks
from datetime import time

import streamlit as st

from app.moments import here, next_time

TONIGHT = time(22, 0)


def later(key: str, *, disabled: bool = False) -> float | None:
    """A switch and a time of day; the Unix time before which nothing begins, None for now."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        wanted = st.toggle("Not now, but at", key=key, disabled=disabled, persist_state="session")
        clock = st.time_input(
            "Time of day",
            TONIGHT,
            key=f"{key}.at",
            label_visibility="collapsed",
            width=130,
            disabled=disabled or not wanted,
            persist_state="session",
        )
    return next_time(clock or TONIGHT, here(clocks.time())).timestamp() if wanted else None
