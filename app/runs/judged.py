"""What people made of the runs on the Runs page: the judgement of the one in the bar, and hypotheses laid beside what came."""

from collections.abc import Callable, Sequence

import streamlit as st

from app.edge import plain, plain_errors
from app.judgement import judging
from app.runs import roster
from store.runs import Run


def folded(compared: Sequence[Run], bar: Run | None) -> None:
    """One closed section for the run in the bar, and one for each other compared run that was to confirm a hypothesis."""
    if bar:
        section(
            f"Judgement of {bar.id}: verdict, observations and report", f"runs.judgement.{bar.id}", judging.panel, bar
        )
    known = roster.shared().look(compared)
    for run in compared:
        expected = [item for item in known[run.id].asked if item.hypothesis] if run.id in known else []
        if expected and run != bar:
            title = f"What was expected of {run.id}, and what was seen in the run it was re-trained from"
            section(title, f"runs.beside.{run.id}", judging.beside_parent, run)


def section(title: str, key: str, draw: Callable[[Run], None], run: Run) -> None:
    """Drawn when it is opened."""
    fold = st.expander(plain(title), icon=":material/gavel:", key=key, on_change="rerun")
    if fold.open:
        with fold, plain_errors():
            draw(run)
