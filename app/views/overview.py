"""Overview: how good the network is at each epoch, on what it errs, and what it was made from."""

import streamlit as st

from app import selection
from app.edge import plain_errors
from app.judgement import judging
from app.overview import confusion, facts, measures

now = selection.current()
st.title("Overview")
st.caption("How good is the network at each epoch, and what does it take for what?")
with plain_errors():
    measures.summary(now)
left, right = st.container(key="halves.overview").columns(2, gap="large")
with left, plain_errors():
    measures.curves(now)
with left, plain_errors():
    measures.class_table(now)
with right, plain_errors():
    confusion.gallery(now, confusion.matrix(now))
facts.folded(now)
judging.folded(now.run)
