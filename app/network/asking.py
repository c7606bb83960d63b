"""What the Network page asks the probe: an edited image's path, and predictions without some filters."""

import time
from typing import Any

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

LOOK_SECONDS = 0.01  # between two looks at what the probe has answered
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
    return Request(**of_epoch(now), pixels=of.data, shape=of.shape, classes=(), techniques=(), layer="", edits=made,
                   wants=("path",))  # fmt: skip


def ablation(now: Selection, filters: Filters, images: np.ndarray) -> Request:
    """Predictions for these images with all filters, without some, and without as many random ones."""
    return probe.about_store(**of_epoch(now), without=filters, numbers=tuple(int(image) for image in images))


def of_epoch(now: Selection) -> dict[str, Any]:
    run = now.run
    return {
        "store": str(run.objects.local or run.objects.address),
        "run": run.id,
        "uuid": run.uuid,
        "epoch": now.epoch,
        "seed": int(run.recipe.get("training", {}).get("seed", 0)),
    }


def reply(name: str, request: Request, seconds: float) -> Reply:
    """The answer, or why there is none, waited for some seconds at most; None as long as there is neither.

    `name` tells apart what one visitor waits for at the same time.
    """
    until = time.monotonic() + seconds
    while True:
        known = probe.shared().progress(f"{visitor()}.network.{name}", [request])
        if request in known or time.monotonic() > until:
            return known.get(request)
        time.sleep(LOOK_SECONDS)


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
