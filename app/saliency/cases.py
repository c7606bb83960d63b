"""Which of a class's recommended cases are looked at: chosen by which epoch, and which of several images is in view."""

import streamlit as st

from app import reading
from app.selection import Selection


def epoch_of(selected: Selection) -> int:
    """The latest finished epoch when the run was first looked at: what one looks at does not move when a newer one lands."""
    held = st.session_state.setdefault("cases.epoch", {})
    if held.get(selected.run.uuid) not in selected.epochs:
        held[selected.run.uuid] = selected.epochs[-1]
    return held[selected.run.uuid]


def turn_to(selected: Selection, epoch: int) -> None:
    """Has the cases chosen by another epoch."""
    st.session_state["cases.epoch"][selected.run.uuid] = epoch


def place_of(selected: Selection, name: str, count: int) -> int:
    """Which of so many images of a case ("correct", "taken_for_it", "missed", "changed") is in view."""
    return min(places().get(key_of(selected, name), 0), max(count - 1, 0))


def show(selected: Selection, name: str, number: int) -> None:
    """Puts another image of a case in view."""
    places()[key_of(selected, name)] = number


def image_of(selected: Selection, name: str) -> int | None:
    """The image of a case in view, None where the class has no such case."""
    found = reading.recommended(selected.evaluation, selected.data, epoch_of(selected), selected.chosen)
    images = getattr(found, name)
    return int(images[place_of(selected, name, len(images))]) if len(images) else None


def key_of(selected: Selection, name: str) -> tuple[str, int, int, str]:
    return selected.run.uuid, epoch_of(selected), selected.chosen, name


def places() -> dict[tuple[str, int, int, str], int]:
    return st.session_state.setdefault("cases.place", {})
