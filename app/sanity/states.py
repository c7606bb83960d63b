"""What the Sanity page says where a check is not there, or not there yet."""

import streamlit as st

from app import absent, reading, renewing
from app.edge import plain, plain_errors
from app.news import duration
from app.sanity import stored
from app.selection import Selection
from store.shards import Artifact

LOOK_SECONDS = 3
SECTION = "# of every technique of [artifacts.saliency]\n[artifacts.sanity]"


def check(now: Selection, kind: str) -> Artifact | None:
    """A check that is finished at the selected epoch; where it is not, None, having said why."""
    found = stored.check(now.run, now.evaluation, kind)
    if found is None:
        absent.not_asked_for(
            now.run, "checks over many images", SECTION, "For small networks they take a minute or two."
        )
        return None
    if reason := found.attributes.get("obstacle"):
        st.info(plain(reason))
        return None
    if now.epoch in reading.epochs(found):
        for title, reason in found.attributes["obstacles"].items():
            st.caption(plain(reason if title in reason else f"{title}: {reason}"))
        return found
    elsewhere(now, found) if now.epoch not in found.promised else waiting(now, found)
    return None


def elsewhere(now: Selection, found: Artifact) -> None:
    only = "for the last epoch alone" if len(found.promised) == 1 else "not for this epoch"
    st.info(
        f'Nothing checked at epoch {now.epoch}. The recipe asks {only} ([artifacts.sanity] epochs = "kept": for all).'
    )
    absent.offer_nearest(now.epoch, reading.epochs(found))


def waiting(now: Selection, found: Artifact) -> None:
    """Still to be computed; the page fills when it is."""
    said = reading.status(now.run)
    doing = f" Now: {plain(said.doing)}" if said.state == "running" and said.doing else ""
    left = f", about {duration(said.seconds_left)} left" if doing and said.seconds_left else ""
    st.info(
        f"This check follows when the training is over; it is not finished yet.{doing}{left}.".replace("..", "."),
        icon=":material/hourglass:",
    )
    if said.state == "running":
        st.fragment(watch, run_every=LOOK_SECONDS)(now, found)


def watch(now: Selection, found: Artifact) -> None:
    with plain_errors():
        renewing.shows_epochs((now.run, found))
        if now.epoch in reading.epochs(found):
            st.rerun()
