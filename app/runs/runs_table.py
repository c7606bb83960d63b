"""The table of all runs: what it shows of each, which of them, in which order, and which rows are ticked for comparison."""

import hashlib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pyarrow as pa
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from app import reading, renewing
from app.address import KEPT, one_of
from app.edge import plain_errors
from app.news import duration
from app.runs import comparison, lineage, roster
from app.runs.roster import Known
from store.runs import Run

SECONDS = 2.0  # between two drawings while a run is being made
ROWS = 12  # shown without scrolling
ANY, NONE = "any", "none yet"
STATES = (ANY, "running", "finished", "failed", "stopped")
VERDICTS = (ANY, "keep", "reject", "undecided", NONE)
ORDERS = ("latest first", "by lineage")
STEP = "\N{NO-BREAK SPACE}" * 3  # of indentation


@dataclass(frozen=True)
class Wanted:
    """What a person asked to see: a part of a text, a state, a verdict, a data set, an order."""

    text: str = ""
    state: str = ANY
    verdict: str = ANY
    data: str = ANY
    order: str = ORDERS[0]


@dataclass(frozen=True)
class Shown:
    """One row: a run, what is known of it so far, its depth in the lineage, and the run it descends from."""

    run: Run
    known: Known | None
    depth: int = 0
    parent: Run | None = None


def filters(found: Sequence[Run]) -> Wanted:
    """The row of choices above the table."""
    sets = (ANY, *sorted({data_set(run) for run in found}))
    if st.session_state.get("data") not in sets:
        st.session_state.pop("data", None)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="runs.filters"):
        text = st.text_input("Find", key="find", width=230, placeholder="name, note, hypothesis or field", **KEPT)
        state = st.selectbox("State", STATES, key="state", width=130, **KEPT)
        verdict = st.selectbox("Verdict", VERDICTS, key="verdict", width=130, **KEPT)
        data = st.selectbox("Data set", sets, key="data", width=170, **KEPT)
        order = one_of("Order", ORDERS, "order")
    return Wanted((text or "").strip().lower()[:100], state, verdict, data, order)


def data_set(run: Run) -> str:
    return str(run.recipe.get("data", {}).get("set", "unknown"))


def draw(wanted: Wanted, bar: Run | None) -> None:
    """The table. While a run is being made, or not all are read yet, this part alone is drawn again and again."""
    busy = any(known is None or known.live for known in look(bar)[1].values())
    st.fragment(table, run_every=SECONDS if busy else None)(wanted, bar, comparison.ids(), busy)


def look(bar: Run | None) -> tuple[tuple[Run, ...], dict[str, Known | None]]:
    """All runs, and what is known of them. The verdict on the run in the bar is never an old one."""
    found, _ = reading.all_runs()
    known = roster.shared().look(found, [*comparison.ids(), *([bar.id] if bar else [])])
    if bar and bar.id in known and (said := reading.verdict(bar)):
        known[bar.id] = replace(known[bar.id], verdict=said.verdict)
    return found, {run.id: known.get(run.id) for run in found}


def table(wanted: Wanted, bar: Run | None, compared: tuple[str, ...], busy: bool) -> None:
    with plain_errors():
        renewing.shows(("table", reading.store().address), in_table)
        found, known = look(bar)
        rows = chosen(arranged(found, known, wanted.order), wanted)
        unread = sum(item is None for item in known.values())
        counted(len(rows), len(found), unread)
        if rows:
            grid(rows, known, compared)
        else:
            st.info("No run is like that. Choose 'any' again, or clear the text.", icon=":material/filter_alt_off:")
        still = any(item is None or item.live for item in known.values())
        if comparison.ids() != compared or still != busy:
            st.rerun()


def in_table() -> renewing.Seen:
    """What is new in the table, for all who look at it."""
    known = roster.shared().look(reading.all_runs()[0])
    lines = [(name, item.status.state, item.verdict, item.curve.last) for name, item in known.items()]
    return renewing.Seen(tuple(lines), tuple(item.status.done for item in known.values()), whole=False)


def counted(shown: int, there: int, unread: int) -> None:
    words = f"{there:,} run{'s' * (there != 1)}" if shown == there else f"{shown:,} of {there:,} runs"
    more = f"; {unread:,} are still being read" if unread else ""
    st.caption(f"{words}{more}. Tick two to four to compare them; a click on a column's head sorts.")


def arranged(found: Sequence[Run], known: Mapping[str, Known | None], order: str) -> list[Shown]:
    """All rows in the order asked for."""
    by_id = {run.id: run for run in found}
    parent = lineage.tree(found, {name: item.asked for name, item in known.items() if item})
    names = [(run.id, 0) for run in found]
    if order == ORDERS[1]:
        names = lineage.ordered([run.id for run in found], parent)
    above = {child: by_id[name] for child, name in parent.items()}
    return [Shown(by_id[name], known.get(name), depth, above.get(name)) for name, depth in names]


def chosen(rows: Sequence[Shown], wanted: Wanted) -> list[Shown]:
    """The rows that are like what was asked for."""
    return [row for row in rows if fits(row, wanted)]


def fits(row: Shown, wanted: Wanted) -> bool:
    known = row.known
    state, verdict = (known.status.state, known.verdict or NONE) if known else ("", "")
    return (
        wanted.state in (ANY, state)
        and wanted.verdict in (ANY, verdict)
        and wanted.data in (ANY, data_set(row.run))
        and (not wanted.text or wanted.text in searched(row).lower())
    )


def searched(row: Shown) -> str:
    """All text of a row in which a person may look for something."""
    said = [f"{item.hypothesis} {item.parent} {item.by}" for item in row.known.asked] if row.known else []
    return " ".join([row.run.id, str(row.run.recipe.get("note", "")), changes(row), *said])


# What a row says


def frame(rows: Sequence[Shown], there: Container[str]) -> pa.Table:
    """One row a run; accuracy in per cent, size in megabytes. there: ids of all runs in the store."""
    curves = [row.known.curve if row.known else roster.Curve() for row in rows]
    last = [curve.accuracy[-1] if curve.accuracy else None for curve in curves]
    size = [row.known.bytes if row.known else None for row in rows]
    made = [datetime.fromtimestamp(row.run.attributes.get("created", 0), UTC) for row in rows]
    return pa.table(
        {
            "run": [f"{STEP * row.depth}{'└ ' if row.depth else ''}{row.run.id}" for row in rows],
            "status": [state_words(row) for row in rows],
            "curve": pa.array([list(curve.accuracy) for curve in curves], pa.list_(pa.float64())),
            "accuracy": pa.array([None if value is None else 100 * value for value in last], pa.float64()),
            "loss": pa.array([curve.loss for curve in curves], pa.float64(), from_pandas=True),
            "verdict": [row.known.verdict if row.known else "" for row in rows],
            "changed": [changes(row) for row in rows],
            "from": [descent(row, there) for row in rows],
            "hypothesis": ["; ".join(hypotheses(row.known)) for row in rows],
            "size": pa.array([None if value is None else value / 1e6 for value in size], pa.float64()),
            "made": pa.array(made, pa.timestamp("s", "UTC")),
            "data": [data_set(row.run) for row in rows],
            "origin": [row.run.origin for row in rows],
        }
    )


def columns() -> dict[str, ColumnConfig]:
    kind, text = st.column_config, st.column_config.TextColumn
    return {
        "run": text("Run", width="medium", pinned=True),
        "status": text("Status", width=245),
        "curve": kind.LineChartColumn("By epoch", width="small", y_min=0, y_max=1, help="accuracy on the test images"),
        "accuracy": kind.NumberColumn("Accuracy", format="%.1f%%", help="on the test images, last finished epoch"),
        "loss": kind.NumberColumn("Loss", format="%.3f", help="cross entropy on the test images, last finished epoch"),
        "verdict": text("Verdict", width="small"),
        "changed": text("Changed against its parent", width="medium", help="fields of the recipe: before → after"),
        "from": text("Re-trained from", width="medium"),
        "hypothesis": text("Hypothesis", width="medium", help="what was expected of the change"),
        "size": kind.NumberColumn("MB", format="%.1f", help="on disk, without the images, which runs share"),
        "made": kind.DatetimeColumn("Made", format="YYYY-MM-DD HH:mm"),
        "data": text("Data set", width="small"),
        "origin": text("Origin", width="small", help="trained here, imported, or recorded from somebody's own loop"),
    }


def state_words(row: Shown) -> str:
    """How a run is getting on: "epoch 7 of 12, about 40 s left"."""
    if row.known is None:
        return "being read"
    status, epoch = row.known.status, row.known.curve.last
    if row.known.problem:
        return f"cannot be read: {row.known.problem}"
    at = f"epoch {epoch} of {row.run.epochs}" if epoch >= 0 else "no epoch yet"
    if row.known.live:
        left = f", about {duration(status.seconds_left)} left" if status.seconds_left is not None else ""
        return f"running: {at}{left}"
    words = {"failed": f"failed: {status.reason}", "stopped": f"stopped at {at}"}
    return words.get(status.state, status.state)


def changes(row: Shown) -> str:
    return lineage.short(lineage.changed(row.parent, row.run)) if row.parent else ""


def descent(row: Shown, there: Container[str]) -> str:
    """The runs it was asked for from; one that is not in the store any more is said to be gone."""
    names = lineage.parents(row.known.asked) if row.known else []
    return ", ".join(name if name in there else f"{name} (not here)" for name in names)


def hypotheses(known: Known | None) -> list[str]:
    return list(dict.fromkeys(item.hypothesis for item in known.asked if item.hypothesis)) if known else []


# Ticks


def grid(rows: Sequence[Shown], there: Container[str], compared: Sequence[str]) -> None:
    names = tuple(row.run.id for row in rows)
    ticked = [name for name in names if name in compared]
    key = drawn_as(names, ticked)
    st.dataframe(
        frame(rows, there),
        hide_index=True,
        placeholder="–",  # what has no label has no accuracy
        height=35 * (min(len(rows), ROWS) + 1) + 3,
        column_config=columns(),
        key=key,
        on_select=lambda: tick(key, names),
        selection_mode="multi-row",
        selection_default={"selection": {"rows": [names.index(name) for name in ticked]}},
        alt=f"{len(rows)} runs with status, accuracy, loss, verdict, lineage and size",
    )


def drawn_as(names: Sequence[str], ticked: Sequence[str]) -> str:
    """The key of the grid. The browser keeps the ticks of a key by row number: other rows, and ticks set by something else
    than a click in it, need a grid of another key."""
    rows = hashlib.blake2b("\n".join(names).encode(), digest_size=6).hexdigest()
    before = st.session_state.get("runs.drawn", ("", 0, frozenset()))
    again = before[1] + (before[0] != rows or before[2] != frozenset(ticked))
    st.session_state["runs.drawn"] = (rows, again, frozenset(ticked))
    return f"runs.table.{again}"


def tick(key: str, names: Sequence[str]) -> None:
    """Takes over the ticks of the rows shown; runs hidden by a filter stay compared."""
    rows = [row for row in st.session_state[key]["selection"]["rows"] if 0 <= row < len(names)]
    now = {names[row] for row in rows}
    kept = [name for name in comparison.ids() if name in now or name not in names]
    new = [*kept, *(name for name in names if name in now and name not in kept)]
    drawn = st.session_state.get("runs.drawn")
    if drawn:
        st.session_state["runs.drawn"] = (*drawn[:2], frozenset(now))
    if len(new) > comparison.MOST:
        st.toast(f"At most {comparison.MOST} runs are compared; untick one first.", icon=":material/info:")
    comparison.choose(new[: comparison.MOST])
