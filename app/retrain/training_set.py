"""What a person may change about the images a run is trained on: weights of classes, and images left out."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app import reading, sections
from app.retrain.fields import Leaf
from app.retrain.form import Form
from app.widgets.thumbnails import Thumbnail, thumbnails
from store.runs import Run
from store.shards import Artifact

PAGE = 48  # images of the gallery
LISTED = 200  # images left out that are shown
SIDE = 64  # pixels of a thumbnail as sent


# Class weights


def weights(form: Form, leaf: Leaf) -> None:
    """A table of the classes; only weights other than 1 are kept."""
    held, version = form.now(leaf), f"{form.key(leaf)}.version"
    st.session_state.setdefault(version, 0)
    key = f"{form.key(leaf)}.table.{st.session_state[version]}"
    frame = pd.DataFrame({"class": leaf.choices, "weight": [float(held.get(name, 1.0)) for name in leaf.choices]})
    st.data_editor(
        frame,
        key=key,
        hide_index=True,
        disabled=form.disabled or ["class"],
        width="content",
        height="content" if len(frame) <= 10 else 390,
        on_change=take_weights,
        args=(form, leaf, key),
        column_config={
            "class": st.column_config.TextColumn("Class", width=220),
            "weight": st.column_config.NumberColumn("Weight", min_value=0.0, step=0.1, format="%.4g", width=110),
        },
        alt="Weight of each class in the loss",
    )
    st.caption(leaf.help())


def take_weights(form: Form, leaf: Leaf, key: str) -> None:
    """Takes what was edited; the table sends the edits made since it was first drawn."""
    edits = st.session_state[key].get("edited_rows", {})
    st.session_state[form.key(leaf)] = edited(form.now(leaf), edits, leaf.choices)


def edited(held: dict[str, float], edits: dict[Any, Any], names: Sequence[str]) -> dict[str, float]:
    """The weights with the edits of a table whose rows are these names; a weight of 1, or none, is not kept."""
    found = dict(held)
    for row, cells in edits.items():
        if not (str(row).isdigit() and int(row) < len(names) and isinstance(cells, dict) and "weight" in cells):
            continue
        value, name = cells["weight"], names[int(row)]
        found.pop(name, None)
        if isinstance(value, int | float) and math.isfinite(value) and value != 1:
            found[name] = float(value)
    return {name: found[name] for name in names if name in found}


def new_table(form: Form, leaf: Leaf) -> None:
    """Forgets what was edited, so that the table shows what holds."""
    version = f"{form.key(leaf)}.version"
    st.session_state[version] = st.session_state.get(version, 0) + 1


# Images left out


def leave_out(form: Form, leaf: Leaf, run: Run) -> None:
    """The numbers, the images they stand for, and the training images to choose from."""
    form.draw(leaf, "stretch")
    data = reading.training_images(run)
    if data is None:
        st.caption(
            "The training images of this run are not stored, so they cannot be looked at here; run its recipe again to store "
            "them. Their numbers can be typed above."
        )
        return
    labels, numbers, names = reading.labels(data), reading.sources(data), reading.class_names(run)
    out = chosen(form, leaf)
    if out:
        st.caption(f"{len(out)} left out, {len(numbers) - len(out):,} of {len(numbers):,} are trained on.")
        show(form, leaf, data, [number for number in out if number in numbers][:LISTED], "out")
    picked = st.selectbox(
        "Class to look through",
        range(len(names)),
        format_func=names.__getitem__,
        key=f"{form.key(leaf)}.class",
        width=250,
        persist_state="session",
    )
    here = [int(number) for number in numbers[labels == (picked or 0)]]
    with sections.paged(here, PAGE, f"{form.key(leaf)}.page.{picked}") as shown:
        show(form, leaf, data, shown, "all")
        st.caption("A click leaves an image out, or takes it in again.")


def chosen(form: Form, leaf: Leaf) -> list[int]:
    """The numbers left out, as far as they are numbers."""
    held = form.now(leaf)
    return list(held) if isinstance(held, list | tuple) else []


def show(form: Form, leaf: Leaf, data: Artifact, numbers: Sequence[int], which: str) -> None:
    labels, place = reading.labels(data), {int(number): index for index, number in enumerate(reading.sources(data))}
    names, out = data.attributes["classes"], set(chosen(form, leaf))
    items = [
        Thumbnail(
            number,
            "left out" if number in out else str(number),
            f"training image {number}, {names[labels[place[number]]]}{', left out' if number in out else ''}",
            number in out,
        )
        for number in numbers
    ]
    thumbnails(
        reading.sheet(data, tuple(place[number] for number in numbers), SIDE),
        items,
        key=f"{form.key(leaf)}.{which}",
        pixels=56,
        on_pick=lambda number: turn(form, leaf, number),
    )


def turn(form: Form, leaf: Leaf, number: int) -> None:
    """Leaves an image out, or takes it in again."""
    if not form.disabled:
        out = set(chosen(form, leaf)) ^ {number}
        st.session_state[form.key(leaf)] = leaf.typed(sorted(out))
