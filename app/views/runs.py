"""Runs: which there are, where they come from, and how they differ."""

import streamlit as st

from app import reading, selection
from app.edge import plain_errors
from app.runs import comparison, deletion, differences, family, judged, runs_table, side_by_side

now = selection.at_hand()
st.title("Runs")
st.caption("Which runs are there, which was re-trained from which, and how do they differ?")
found, _ = reading.all_runs()
bar = selection.run_at_hand()
wanted = runs_table.filters(found)
runs_table.draw(wanted, bar)
ticked = comparison.compared(found)
deletion.button(found, ticked)

if len(ticked) > 1:
    shown, bare = comparison.sides(ticked, now)
    st.header(f"{len(ticked)} runs compared", divider="gray")
    comparison.legend(shown)
    comparison.waiting(bare)
    if shown:
        with plain_errors():
            differences.curves(shown, now)
    left, right = st.container(key="halves.compare").columns(2, gap="large")
    with left, plain_errors():
        if len(shown) > 1:
            differences.matrices(shown)
    with right, plain_errors():
        differences.recipes(ticked)
    if len(shown) > 1:
        with plain_errors():
            side_by_side.images(shown, now)
with plain_errors():
    family.draw(found, bar)
judged.draw(ticked, bar)
