"""What the Network page asks the probe: an edited image's path, and predictions without some filters."""

import numpy as np
import streamlit as st

from app import probe
from app.edge import plain
from app.network.stored import Filters
from app.probe import Answer, Request
from app.saliency.strips import visitor
from app.selection import Selection
from app.testing import edited, picture
from precompute.remote import NO_WORKER
from store.errors import LoupeError

POLL_SECONDS = 0.5  # between two runs of a part that waits

Reply = Answer | LoupeError | None


def path(now: Selection) -> Request | None:
    """The path of the focus image before and after its edits; None where it has none."""
    if now.focus is None:
        return None
    of = picture.of_data(now.data, now.focus)
    made = edited.current_edits(of, len(now.classes))
    if made.nothing:
        return None
    epoch = probe.of_epoch(now.run, now.epoch)
    return Request(**epoch, pixels=of.data, shape=of.shape, classes=(), techniques=(), layer="", edits=made,
                   wants=("path",))  # fmt: skip


def ablation(now: Selection, filters: Filters, images: np.ndarray) -> Request:
    """Predictions for these images with all filters, without some, and without as many random ones."""
    return probe.about_store(
        **probe.of_epoch(now.run, now.epoch), without=filters, numbers=tuple(int(image) for image in images)
    )


def reply(name: str, request: Request, seconds: float) -> Reply:
    """The answer, or why there is none, waited for some seconds at most; None as long as there is neither.

    `name` tells apart what one visitor waits for at the same time.
    """
    return probe.shared().soon(f"{visitor()}.network.{name}", [request], seconds).get(request)


def failed(name: str, request: Request, error: LoupeError) -> None:
    """Says what went wrong, and offers to try again."""
    text = str(error)
    st.info(plain(text)) if text == NO_WORKER else st.error(plain(text), icon=":material/error:")
    st.button("Try again", key=f"network.again.{name}", on_click=probe.shared().forget, args=([request],))


@st.fragment(run_every=POLL_SECONDS)
def waiting(name: str, request: Request) -> None:
    """Says that the network is at work, and draws the page again when it has answered."""
    if reply(name, request, 0) is not None:
        st.rerun()
    st.caption("The network is at work; the first time it takes some seconds to start.")
