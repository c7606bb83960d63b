"""The family of a run: what was re-trained from what, what was changed each time, and whether it helped."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app import charts, ground, memory
from app.runs import comparison_charts, lineage, roster
from app.runs.roster import Known
from store.runs import Run

MOST = 60  # runs in one drawing


def draw(found: Sequence[Run], bar: Run | None) -> None:
    """A drawing of the family of the run in the bar; nothing where it has none."""
    if bar is None:
        return
    known = roster.shared().look(found)
    parent = lineage.tree(found, {name: item.asked for name, item in known.items()})
    generation = lineage.family(bar.id, parent)
    named = {run.id: run for run in found if run.id in generation}
    measured = [name for name in generation if name in known and known[name].curve.accuracy]
    if len(measured) < 2:
        return
    some = measured[:MOST]
    st.subheader("Lineage of the run above")
    rows = [row(named, known, parent, generation, name, here=name == bar.id) for name in some]
    told = f" The first {MOST} of {len(measured)} runs are drawn." if len(measured) > MOST else ""
    st.vega_lite_chart(
        drawn(tuple(rows), ground.is_dark()),
        key="runs.family",
        alt="Runs by number of re-trainings and test accuracy, each tied to the run it was re-trained from. "
        "The table says the same in the column 'Re-trained from'.",
    )
    st.caption(
        f"Test accuracy at the last finished epoch of each run; a line leads to the run it was re-trained from.{told}"
    )


def row(
    named: dict[str, Run],
    known: dict[str, Known],
    parent: dict[str, str],
    generation: dict[str, int],
    name: str,
    *,
    here: bool,
) -> tuple[str | float | None, ...]:
    """What the drawing says of one run; its own place stands for a parent that is not drawn."""
    above = parent.get(name, "")
    drawn_above = above in known and bool(known[above].curve.accuracy)
    last = known[name].curve.accuracy[-1]
    return (
        name,
        generation[name],
        last,
        generation[above] if drawn_above else generation[name],
        known[above].curve.accuracy[-1] if drawn_above else last,
        known[name].verdict or "none yet",
        lineage.short(lineage.changed(named[above], named[name])) if above in named else "",
        "; ".join(item.hypothesis for item in known[name].asked if item.hypothesis),
        here,
    )


FIELDS = (
    "run", "generation", "accuracy", "parent generation", "parent accuracy", "verdict", "changed", "hypothesis", "here",
)  # fmt: skip


@memory.remembered(100)
def drawn(rows: tuple[tuple[str | float | None, ...], ...], dark: bool) -> dict:
    return charts.spec(comparison_charts.family(pd.DataFrame(rows, columns=list(FIELDS)), dark=dark))
