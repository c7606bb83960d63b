"""Queue: what runs, waits, failed and finished; the night's work in the morning, and the disk it takes."""

import streamlit as st

from app.edge import plain_errors
from app.jobs import housekeeping, joblist, overnight, uploads

st.title("Queue")
st.caption("What is being trained, what waits, and what became of the rest?")
with plain_errors():  # of one queue: where it does not answer, that is said once
    joblist.draw()
    overnight.draw()
with plain_errors():
    uploads.draw()
with plain_errors():
    housekeeping.draw()
