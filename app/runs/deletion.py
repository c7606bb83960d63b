"""Deleting a run: what it costs is said first, and asked again. app/access/actions.py decides who may."""

from collections.abc import Sequence

import streamlit as st

from app import reading
from app.access import actions, roles
from app.edge import plain, plain_errors
from app.runs import comparison, lineage, roster
from store.runs import Run


def button(found: Sequence[Run], ticked: Sequence[Run]) -> None:
    """For those who may, while a run is ticked."""
    if ticked and roles.may("delete"):
        said = f"Delete {plain(ticked[0].id)} …" if len(ticked) == 1 else "Delete one of the ticked runs …"
        if st.button(said, key="runs.delete", type="tertiary", icon=":material/delete:"):
            dialog(found, ticked)


@st.dialog("Delete a run for good", icon=":material/delete:")
def dialog(found: Sequence[Run], ticked: Sequence[Run]) -> None:
    with plain_errors():
        run = ticked[0]
        if len(ticked) > 1:
            names = {item.id: item for item in ticked}
            run = names[st.selectbox("Run", list(names), key="runs.delete.which") or run.id]
        for sentence in cost(run, found):
            st.markdown(plain(sentence))
        if st.button("Delete it", key="runs.delete.sure", type="primary", icon=":material/delete_forever:"):
            delete(run)
            st.rerun()


def cost(run: Run, found: Sequence[Run]) -> list[str]:
    """What is lost with a run, in sentences."""
    known = roster.shared().look(found, [run.id])
    asked = {name: item.asked for name, item in known.items()}
    children = sorted(name for name, items in asked.items() if run.id in lineage.parents(items))
    judged = sum(len(reading.judged(run, kind)) for kind in ("observations", "verdicts"))
    sentences = [
        f"Run {run.id} takes {run.size() / 1e6:,.1f} MB. Its weights, measures and maps go with it; to have them again is to "
        "train again."
    ]
    if judged:
        sentences.append(
            f"{judged} observation{'s' * (judged != 1)} or verdicts that people left on it are deleted too."
        )
    if children:
        named = ", ".join(children[:5]) + (f" and {len(children) - 5} more" if len(children) > 5 else "")
        sentences.append(f"Re-trained from it: {named}. They stay, but cannot be compared with it any more.")
    return sentences


def delete(run: Run) -> int:
    """Deletes it, whoever asks having been checked there. Returns the bytes freed."""
    freed = actions.delete_run(run)
    comparison.choose([name for name in comparison.ids() if name != run.id])
    st.toast(f"Deleted; {freed / 1e6:,.1f} MB are free again.", icon=":material/delete:")
    return freed
