"""Overview: how good the network is at each epoch, on what it errs, and what it was made from."""

import streamlit as st

from app import reading, selection
from app.edge import plain_errors
from app.guide import panel as guide
from app.judgement import judging
from app.overview import confusion, facts, measures, unlabelled
from app.selection import Selection


def measured(now: Selection) -> None:
    """Measures, classes and confusions of a labelled test set."""
    with plain_errors():
        measures.summary(now)
    left, right = st.container(key="halves.overview").columns(2, gap="large")
    with left, plain_errors():
        measures.curves(now)
    with left, plain_errors():
        measures.class_table(now)
    with right, plain_errors():
        confusion.gallery(now, confusion.matrix(now))


def seen(now: Selection) -> None:
    """What images are taken for of which nobody says what they show."""
    with plain_errors():
        unlabelled.note(now)
        unlabelled.gallery(now, "overview.unlabelled")
        unlabelled.likeliest(now)


now = selection.current()
st.title("Overview")
st.caption("How good is the network at each epoch, and what does it take for what?")
with plain_errors():
    guide.offer(now)
with plain_errors():
    (measured if reading.labelled(now.data) else seen)(now)
facts.folded(now)
judging.folded(now.run)
