"""All changes at a glance in a quarter of the Workbench: a small chart each, drawn by one component."""

from collections.abc import Sequence

import streamlit as st

from app import absent, reading, selection
from app.edge import plain
from app.selection import Selection
from app.simulation import charts, stored
from app.simulation.charts import STATES, Drawn
from app.simulation.scene import Scene, choose_change, drawn, look, scene
from app.testing.words import number, short
from app.widgets import curves
from app.widgets.curves import Chart, Curves, Values, listed
from precompute.catalogue import CHANGES

COLUMNS = 4
AROUND = 44  # pixels above and below each chart
SIDES = ("no", "yes")
LEAST = 40  # pixels of a chart
SECTION = "[artifacts.simulation]"


def small_multiples(selected: Selection, height: int, columns: int = COLUMNS) -> None:
    """A chart a change in so many columns and `height` pixels in all; a click on a line chooses its class and change."""
    held = stored.curves(selected)
    found = held.at(selected.epoch)
    if not found:
        none(selected, held)
        return
    of = scene(selected, found)
    columns = min(columns, len(found))
    rows = -(-len(found) // columns)
    drawing = shown(of, max(LEAST, height // rows - AROUND), columns)
    st.caption(plain(said(of, drawing.charts)))
    curves.curves(
        drawing,
        key="simulation.curves",
        on_pick=lambda line, change: pick(of, line, change),
        on_open=choose_change,
    )


def none(selected: Selection, held: stored.Curves) -> None:
    """Says why there are no curves."""
    if selected.epoch in held.promised:
        running = reading.status(selected.run).state == "running"
        later = "they follow when the training is over" if running else "its recipe has to be run again"
        words = f"The curves of epoch {selected.epoch} are still to be computed; {later}."
        st.info(words, icon=":material/hourglass_top:")
    elif held.by_change:
        st.info(f"No curves at epoch {selected.epoch}; the page Simulation says which epochs have some.")
    elif held.reasons:
        st.info(" ".join(map(plain, held.reasons)))
    else:
        absent.not_asked_for(selected.run, "simulation", SECTION)


def pick(of: Scene, line: int, change: str) -> None:
    """The class of a line, and its change, are chosen everywhere."""
    selection.choose_class(stored.shown(of.selection, charts.MANY)[line])
    choose_change(change)


def said(of: Scene, shown: Sequence[Chart]) -> str:
    own = f"; dashed: image {of.selection.focus}" if any(item.own for item in shown) else ""
    here = "; upright: Testing" if any(item.setting is not None for item in shown) else ""
    return f"{of.kind.axis.capitalize()}; strong: {of.who} (n = {of.behind:,}){own}{here}"


def shown(of: Scene, height: int, columns: int) -> Curves:
    rank, seen = of.measure == "rank", look(of, of.change, height, small=True)
    count = len(of.selection.classes)
    return Curves(
        charts=[chart(of, name) for name in of.curves],
        names=seen.names,
        colours=seen.colours,
        strong=seen.names.index(of.who),
        opened=of.change,
        bottom=count if rank else 0,
        top=1,
        ends=(str(count), "1") if rank else ("0%", "100%"),
        log=rank and count > charts.LOG,
        percent=not rank,
        columns=columns,
        height=height,
    )


def chart(of: Scene, name: str) -> Chart:
    item, made = CHANGES[name], drawn(of, name)
    points = made.points.tolist()

    def place(value: float) -> float:
        return round((value - item.low) / (item.high - item.low), 4)

    ends = sorted({item.low, item.identity, item.high})
    return Chart(
        name=name,
        title=item.title,
        places=[place(value) for value in points],
        called=[STATES[int(value)] if item.binary else number(name, value) for value in points],
        ticks=[(place(value), tick(name, value)) for value in ends],
        lines=[listed(row) for row in made.values],
        band=[listed(row) for row in made.spread],
        wide=[] if made.overall is None else [listed(row) for row in made.overall],
        own=own(made),
        unchanged=place(item.identity),
        setting=None if made.setting is None else place(made.setting),
        alt=f"{item.title}: {of.kind.axis} of the classes, {of.who} strong.",
    )


def tick(name: str, value: float) -> str:
    """What stands below an end of a chart."""
    item = CHANGES[name]
    return SIDES[int(value)] if item.binary else f"{value:g}{short(item.unit)}".replace("-", "−")


def own(made: Drawn) -> Values:
    return [] if made.own is None else listed(made.own)
