"""Images without a label: what each is taken for, and how sure the network is of it. Nothing is right or wrong here."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import streamlit as st

from app import memory, outputs, reading, sections, selection
from app.edge import plain
from app.saliency.strips import LIKELIEST, percent
from app.selection import THUMBNAIL, Selection
from app.widgets.thumbnails import Thumbnail, thumbnails
from store.runs import Run
from store.shards import Artifact

PAGE = 24  # images of the gallery at a time
ORDINALS = ("taken for", "then", "third", "fourth", "fifth")


def note(now: Selection) -> None:
    """Why no accuracy is shown."""
    st.info(
        "The images of this run have no label. What they are taken for is shown; whether that is right is for you to judge, "
        "and no accuracy is measured.",
        icon=":material/label_off:",
    )
    for said in now.data.attributes.get("notes", []):
        st.caption(plain(str(said)))


def gallery(now: Selection, key: str) -> None:
    """All images, a page at a time, with what each is taken for; a click puts one into the tray."""
    with sections.paged(range(len(reading.labels(now.data))), PAGE, f"{key}.page") as shown:
        thumbnails(
            reading.sheet(now.data, tuple(shown), THUMBNAIL),
            captions(now, shown),
            key=key,
            pixels=96,
            on_pick=selection.focus,
        )
        st.caption("With the probability of the class it is taken for. A click puts an image into the tray on top.")


def captions(now: Selection, images: Sequence[int]) -> list[Thumbnail]:
    of, items = outputs.taken(now.evaluation, now.epoch), []
    for image in images:
        share = percent(float(of.confidence[image]))
        title = f"image {image}: taken for {now.classes[of.predicted[image]]} ({share}) at epoch {now.epoch}"
        items.append(Thumbnail(image, share, title, image in now.images))
    return items


def likeliest(now: Selection) -> None:
    """The five likeliest classes of each image; a row puts its image into the tray."""
    frame = likeliest_frame(now.run, now.evaluation, now.epoch)
    st.subheader(f"The likeliest classes at epoch {now.epoch}")
    st.dataframe(
        frame,
        hide_index=True,
        height=min(35 * (len(frame) + 1) + 3, 600),
        column_config={"image": st.column_config.NumberColumn("image", width=60)},
        key="overview.likeliest",
        on_select=lambda: pick_row(len(frame)),
        selection_mode="single-row",
        alt=f"The {LIKELIEST} likeliest classes of each of {len(frame)} images, with their probabilities",
    )
    st.caption(
        "Probabilities over all classes of the network. A click on the left of a row puts its image into the tray."
    )


@memory.remembered(100)
def likeliest_frame(run: Run, evaluation: Artifact, epoch: int) -> pa.Table:
    """One row an image: its likeliest classes, each with its probability."""
    names, found = reading.class_names(run), outputs.likeliest(evaluation, epoch, LIKELIEST)
    columns = {
        title: [f"{names[number]} {percent(float(chance))}" for number, chance in zip(best, chances, strict=True)]
        for title, best, chances in zip(ORDINALS, found.classes.T, found.chances.T, strict=False)
    }
    return pa.table({"image": np.arange(len(found.classes)), **columns})


def pick_row(count: int) -> None:
    rows = st.session_state["overview.likeliest"]["selection"]["rows"]
    if rows and 0 <= rows[0] < count:
        selection.focus(int(rows[0]))
