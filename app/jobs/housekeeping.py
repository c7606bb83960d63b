"""How much disk each run takes, and what can be given back: weights of single epochs, or a whole run. Costs are said first."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import streamlit as st

from app import reading, sections
from app.access import actions, roles
from app.edge import plain
from app.retrain.retraining import size
from app.runs import deletion, roster
from app.runs.roster import Known
from store import thinning
from store.runs import Run
from store.thinning import Cost

EVERY = (2, 5, 10, 0)  # of which epochs the weights stay; 0: only of the last


def draw() -> None:
    """Folded, because it adds up what every run holds."""
    sections.folded("Disk: how much each run takes", ":material/hard_drive:", "queue.disk", room)


def room() -> None:
    found, _ = reading.all_runs()
    if not found:
        st.caption("There is no run yet.")
        return
    table(found, roster.shared().look(found))
    if roles.may("delete"):
        give_back(found)


def table(found: Sequence[Run], known: Mapping[str, Known]) -> None:
    """Every run with its size, the largest first."""
    order = sorted(found, key=lambda run: -(bytes_of(known.get(run.id)) or 0))
    sizes = [bytes_of(known.get(run.id)) for run in order]
    rows = pa.table(
        {
            "run": [run.id for run in order],
            "state": [known[run.id].status.state if run.id in known else "" for run in order],
            "megabytes": pa.array([None if item is None else item / 1e6 for item in sizes], pa.float64()),
        }
    )
    numbers = st.column_config.NumberColumn("MB", format="%.1f", help="Without the images, which runs share")
    st.dataframe(rows, hide_index=True, column_config={"megabytes": numbers}, alt="How much disk each run takes")
    unknown = sum(item is None for item in sizes)
    more = f"; {unknown} that grow, or were not read yet, are not counted" if unknown else ""
    st.caption(f"Together {size(sum(filter(None, sizes)))}{more}.")


def bytes_of(known: Known | None) -> int | None:
    return known.bytes if known else None


def give_back(found: Sequence[Run]) -> None:
    """One run to thin or to delete."""
    names = {run.id: run for run in found}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        chosen = st.selectbox("To make room", list(names), None, key="queue.room", placeholder="a run", width=300)
        run = names.get(chosen or "")
        if run is None:
            return
        if st.button("Delete …", key="queue.delete", icon=":material/delete:"):
            deletion.dialog(found, [run])
    thin(run)


def thin(run: Run) -> None:
    """Which weights may go, what that costs, and the button."""
    kept = [int(epoch) for epoch in run.attributes["kept"]]
    every = st.segmented_control(
        "Keep the weights of", EVERY, default=EVERY[0], format_func=name, required=True, key="queue.thin.every"
    )
    stay = staying(kept, every or 0)
    cost = thinning.cost(run, stay)
    if not cost.bytes:
        st.caption("That frees nothing: these weights are not there any more.")
        return
    st.caption(plain(loss(run, cost)))
    if st.button(f"Thin, and free {size(cost.bytes)}", key="queue.thin", icon=":material/compress:"):
        freed = actions.thin(run, stay)
        st.toast(f"{size(freed)} are free again.", icon=":material/compress:")
        st.rerun()


def name(every: int) -> str:
    return {0: "the last epoch", 2: "every 2nd", 5: "every 5th", 10: "every 10th"}[every]


def staying(kept: Sequence[int], every: int) -> list[int]:
    """The epochs whose weights stay: every n-th; the first and the last always do."""
    return [epoch for epoch in kept if every and epoch % every == 0]


def loss(run: Run, cost: Cost) -> str:
    """What is lost with weights, in a sentence."""
    lost = ", ".join(map(str, cost.epochs[:12])) + (" …" if len(cost.epochs) > 12 else "")
    return (
        f"The weights after epoch {lost} of {run.id} are deleted. Its measures and maps stay; what needs the network itself "
        "at these epochs, such as maps of an image of one's own or a technique added later, can then not be computed for "
        "them without training again."
    )
