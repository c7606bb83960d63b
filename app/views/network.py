"""Network: which filters answer to an image, what each has learned, and which paths images share (VATUN's view C)."""

import streamlit as st

from app import reading, selection
from app.edge import plain, plain_errors
from app.network import ablation, dots, edited, rows, states, stored, strategies
from app.selection import Selection
from store.shards import Artifact

HEIGHT = 380


def page() -> None:
    now = selection.current()
    st.title("Network")
    st.caption(
        "Which filters answer to an image, what has each learned to see, and which paths through them do images share?"
    )
    found = stored.found(now)
    if found.activations is None:
        states.nothing(now.run, found, "activations")
        return
    left, right = st.container(key="halves.network").columns((2, 1), gap="large")
    with left, plain_errors():
        filters(now, found.activations)
    if now.epoch not in reading.epochs(found.activations):
        return
    with left, plain_errors():
        edited.section(now, found)
    with left, plain_errors():
        st.subheader("Patterns")
        rows.patterns(now)
    with right, plain_errors():
        strategies.selected(now)
        ablation.section(now)


def filters(now: Selection, activations: Artifact) -> None:
    """The dots, and what they stand for."""
    paths = edited.paths(now)
    if not dots.dots(now, HEIGHT, edited=None if paths is None else paths.after):
        return
    reduction = {"mean": "mean", "max": "largest value"}.get(activations.attributes["reduction"], "")
    images = f"{len(reading.labels(now.data)):,} test images"
    thin = f" Thin line: the strongest filters for image {now.focus}" if now.focus is not None else ""
    dashed = "; dashed: for its edited version" if paths else ""
    same = not stored.usual(activations, now.epoch).differs.all()
    speck = " A speck in place of a dot: a filter that answers the same to every image." * same
    st.caption(
        plain(f"Epoch {now.epoch}. A filter's answer is the {reduction} of its map, compared with its answers to all {images}. "
              f"Colour: layer.{thin}{dashed}{'.' * bool(thin)}{speck}")
    )  # fmt: skip


page()
