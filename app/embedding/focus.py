"""The image in focus, and those that are really its nearest: by features, not on the map."""

import numpy as np
import streamlit as st

from app import outputs, reading, selection
from app.edge import plain
from app.embedding import guests, stored
from app.embedding.guests import Guest
from app.pictures import percent
from app.selection import THUMBNAIL, Selection
from app.widgets.thumbnails import Thumbnail, thumbnails


def draw(now: Selection, maps: stored.Maps) -> None:
    st.subheader("In focus")
    if now.focus is None:
        how = "Click a dot" if maps.by_perplexity else "Click an image on another page"
        st.caption(f"{how}: it comes here, with the images whose features are nearest to its own.")
        return
    labels, names = reading.labels(now.data), now.classes
    said_of = outputs.taken(now.evaluation, now.epoch)
    taken = said_of.predicted
    thumbnails(
        reading.sheet(now.data, (now.focus,), 160),
        [Thumbnail(now.focus, "", said(now, now.focus), True)],
        key="embedding.focus",
        pixels=160,
        on_pick=selection.focus,
    )
    true, predicted = plain(names[labels[now.focus]]), plain(names[taken[now.focus]])
    right = "recognised" if labels[now.focus] == taken[now.focus] else f"taken for **{predicted}**"
    st.markdown(f"Image {now.focus}: **{true}**, {right} ({percent(float(said_of.confidence[now.focus]))})")
    if maps.features is None or now.epoch not in reading.epochs(maps.features):
        st.caption("Its neighbours at this epoch are still being computed.")
        return
    near = stored.neighbours(maps.features, now.epoch, now.focus)
    if near:
        st.markdown("**Nearest by features**")
        neighbours(now, near, "embedding.neighbours")


def draw_guest(now: Selection, guest: Guest) -> None:
    """An image that is none of the dots, among those nearest to it."""
    st.markdown(f"**{guest.title}**")
    guests.state(guest)
    if not guest.place:
        return
    if not guest.place.near:
        st.caption("The network gives no finite numbers for it.")
        return
    moved = next((far for image, far in guest.place.near if image == guest.origin), None)
    if moved is not None:
        st.caption(f"A diamond on the map. It is still near its original, at distance {moved:.3g}.")
    else:
        st.caption("A diamond on the map" + (", joined to its original." if guest.origin is not None else "."))
    neighbours(now, guest.place.near, f"embedding.near.{guest.name}")


def neighbours(now: Selection, near: tuple[tuple[int, float], ...], key: str) -> None:
    """The nearest images with their distances, and of which classes they are."""
    labels, images = reading.labels(now.data), tuple(image for image, _ in near)
    thumbnails(
        reading.sheet(now.data, images, THUMBNAIL),
        [
            Thumbnail(image, f"{far:#.3g}".rstrip("."), f"{said(now, image)}, distance {far:.3g}", image in now.images)
            for image, far in near
        ],
        key=key,
        pixels=64,
        on_pick=selection.focus,
    )
    classes, counts = np.unique(labels[list(images)], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    of = ", ".join(f"{counts[item]} of class {plain(now.classes[classes[item]])}" for item in order)
    st.caption(f"{of}. Under each its Euclidean distance before the last layer, at epoch {now.epoch}.")


def said(now: Selection, image: int) -> str:
    labels, taken = reading.labels(now.data), reading.predicted(now.evaluation, now.epoch)
    return f"image {image}: {now.classes[labels[image]]} → {now.classes[taken[image]]}"
