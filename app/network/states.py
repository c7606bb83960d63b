"""What stands where there is nothing to show: why, and what to do about it."""

import streamlit as st

from app import absent, reading
from app.edge import plain
from app.network.stored import Found
from app.selection import Selection
from store.runs import Run
from store.shards import Artifact

RECIPE = "[artifacts.network]"


def nothing(run: Run, found: Found, what: str) -> None:
    """Says that a run holds none, and how it comes by them."""
    if found.reason:
        st.info(plain(found.reason))
        return
    absent.not_asked_for(run, what, RECIPE)


def there(now: Selection, artifact: Artifact, what: str) -> bool:
    """Whether the artifact has the selected epoch; if not, says why, and offers the nearest epoch that it has."""
    finished = reading.epochs(artifact)
    if now.epoch in finished:
        return True
    if now.epoch in artifact.promised:
        count = len(artifact.promised)
        done = f"They are there for {len(finished)} of {count} epochs." if finished else "No epoch has them yet."
        text = f"The {what} of epoch {now.epoch} are still to be computed. {done}"
    else:
        asked = ", ".join(map(str, artifact.promised[:8])) + (" …" if len(artifact.promised) > 8 else "")
        text = f"The recipe asks for {what} of epoch {asked} alone, not of epoch {now.epoch}. " + (
            'With epochs = "kept" in its section artifacts.network, every kept epoch has them.'
        )
    st.info(plain(text), icon=":material/hourglass_top:" if now.epoch in artifact.promised else ":material/info:")
    absent.offer_nearest(now.epoch, set(finished) & set(now.epochs), key=f"network.nearest.{what}")
    return False
