"""How the maps change from epoch to epoch, when they settle, and the images whose maps changed most."""

import numpy as np
import streamlit as st

from app import ground, methods, reading, selection
from app.attention import change, charts
from app.attention.change import Change
from app.attention.scene import Scene
from app.attention.stored import of_class
from app.edge import plain
from app.sanity.words import signed
from app.selection import THUMBNAIL
from app.widgets.thumbnails import Thumbnail, thumbnails
from precompute.drift import ALIKE

SHOWN = 8  # images
ONE = "A map is compared with those of other epochs; only one epoch has maps."


def curve(of: Scene) -> None:
    """Rank correlations over the epochs, and the epoch at which they settle; a sentence where there is none yet."""
    found = change.change(of.artifact, of.epochs, of.images)
    if not any(np.isfinite(item).any() for item in (found.step, found.last)):
        st.caption(plain(settles(of, found) if len(of.epochs) > 1 else ONE))
        return
    st.vega_lite_chart(
        charts.change_spec(found, marked=of.selection.epoch, dark=ground.is_dark()),
        key="attention.change",
        alt=f"{of.title}: mean rank correlation of each map with that of the epoch before and with that of the last epoch, "
        f"epochs {of.epochs[0]} to {of.epochs[-1]}. {settles(of, found)}",
    )
    st.markdown(plain(settles(of, found)))
    st.caption(
        plain(
            f"Spearman's correlation of the maps for the true class, n = {len(of.images):,}, mean and 95% interval over "
            f"images. Settled: {ALIKE} or more with the last epoch, from there on (dashed)."
        )
    )
    methods.row(dict.fromkeys(("drift", "settling", "spearman"), ""))


def settles(of: Scene, found: Change) -> str:
    if not len(found.settled):
        return "When it settles is known once the last epoch is compared with all others."
    known = found.settled[np.isfinite(found.settled)]
    last = of.artifact.promised[-1]
    if not len(known) or len(found.epochs) < 2:
        return "There are not two maps with evidence to compare, so nothing can settle."
    early = int((known < last).sum())
    single = (
        f"half of {len(known):,} images have settled by epoch {np.median(known):g}, and "
        f"{'all' if early == len(known) else f'{early:,}'} before the last"
        if early
        else f"none of {len(known):,} images has settled before the last"
    )
    whole = (
        f"Attention settles at epoch {found.all_settled}"
        if found.all_settled is not None and found.all_settled < last
        else "Attention has not settled before the last epoch"
    )
    return f"{whole} (mean over images); {single}."


def most_changed(of: Scene) -> None:
    """The images of the chosen class whose maps changed most since the first trained epoch."""
    now, first = of.selection, change.first_trained(of.artifact)
    name = now.classes[now.chosen]
    st.markdown(f"**Changed most** :gray[of {plain(name)}]")
    images = change.changed(of.artifact, now.data, now.epoch, now.chosen)[:SHOWN]
    if not len(images):
        st.caption(plain(none(of, first, name)))
        return
    alike = change.likeness(of.artifact, now.epoch, int(first or 0))[images]
    thumbnails(
        reading.sheet(now.data, tuple(images.tolist()), THUMBNAIL),
        [
            Thumbnail(
                int(image), signed(value), f"image {image}: {signed(value)} with epoch {first}", image in now.images
            )
            for image, value in zip(images, alike, strict=True)
        ],
        key="attention.changed",
        pixels=72,
        on_pick=selection.focus,
    )
    st.caption(
        f"Under each: rank correlation of its map at epoch {now.epoch} with that at epoch {first}. A click puts it in focus; "
        "the Saliency page shows its maps."
    )


def none(of: Scene, first: int | None, name: str) -> str:
    """Why there are no such images."""
    now = of.selection
    if first is None or first >= of.artifact.promised[-1]:
        return "Maps of two trained epochs are compared; this run keeps fewer."
    if now.epoch <= first and first not in now.epochs:
        return f"Maps are compared with those of epoch {first}, which is not finished yet."
    if now.epoch <= first:
        later = "choose a later epoch" if now.epochs[-1] > first else "there is no later epoch yet"
        return f"Maps are compared with those of epoch {first}; {later}."
    if not len(of_class(now.data, now.chosen)):
        return f"There is no image of {name}."
    return f"At epoch {now.epoch}, the maps of {name} cannot be compared yet, or have no evidence."
