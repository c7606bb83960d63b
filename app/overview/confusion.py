"""What is taken for what at the selected epoch: the matrix, the most frequent confusions, and the images of a cell."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from app import address, charts, ground, memory, reading, sections, selection
from app.edge import plain
from app.outputs import taken
from app.overview import zoomed
from app.pictures import percent
from app.selection import THUMBNAIL, Selection
from app.widgets.thumbnails import Thumbnail, thumbnails
from store.runs import Run
from store.shards import Artifact

PAGE = 24  # images of the gallery at a time
PAIRS = 10  # confusions listed
MATRICES = memory.Memory(800, 64 * 1024**2)  # of 1,000 classes one weighs 2 MB

Cell = tuple[int, int]  # true class, predicted class


def matrix(now: Selection) -> Cell:
    """Draws the matrix and the list of top confusions; returns the chosen cell, or else the most frequent confusion."""
    counts, names = reading.measured(now.evaluation, "confusion", now.epoch), now.classes
    pairs = charts.top_confusions(counts, PAIRS)
    cell = chosen(len(names)) or (pairs[0][:2] if pairs else (now.chosen, now.chosen))
    st.subheader(f"What is taken for what at epoch {now.epoch}")
    many, images = len(names) > charts.MANY, f"{int(counts.sum()):,} images"
    if many:
        pair_list(pairs, names, cell)
    st.vega_lite_chart(
        matrix_spec(now, cell),
        key="overview.matrix",
        on_select=lambda: pick_cell(len(names)),
        selection_mode="pick",
        alt=f"Confusion matrix of {len(names)} classes at epoch {now.epoch}, {images}; the list of confusions says it in words.",
    )
    hint = " Drag to move, scroll to zoom until all rows are named, double click to see all." if many else ""
    st.caption(f"n = {images}. Blue is right, orange wrong. A click shows the images of a cell.{hint}")
    if not many:
        pair_list(pairs, names, cell)
    return cell


def matrix_spec(now: Selection, cell: Cell) -> dict:
    """The chart's specification with the frame around the chosen cell."""
    dark = ground.is_dark()
    return framed_matrix(now.run, now.evaluation, now.epoch, now.epochs[-1], cell, dark)


@memory.remembered(MATRICES)
def framed_matrix(run: Run, evaluation: Artifact, epoch: int, latest: int, cell: Cell, dark: bool) -> dict:
    order = class_order(evaluation, latest, len(run.classes))
    frame = charts.chosen_cell(cell, reading.class_names(run), order)
    return charts.with_tables(drawn_matrix(run, evaluation, epoch, latest, dark), {1: frame})


@memory.remembered(MATRICES)
def drawn_matrix(run: Run, evaluation: Artifact, epoch: int, latest: int, dark: bool) -> dict:
    names = reading.class_names(run)
    order = class_order(evaluation, latest, len(names))
    table = charts.cells(reading.measured(evaluation, "confusion", epoch), names, order)
    form = charts.filled(empty_matrix(names, dark), {zoomed.LABELS: zoomed.labels(names, order)})
    return charts.with_tables(form, {0: table})


@memory.remembered(100)
def empty_matrix(names: tuple[str, ...], dark: bool) -> dict:
    """The chart without its numbers: it is the same at every epoch, so the browser keeps it and exchanges the numbers."""
    none = np.zeros((len(names), len(names)), np.int64)
    order = np.arange(len(names))
    draw = zoomed.confusion_map if len(names) > charts.MANY else charts.confusion
    return charts.spec(
        draw(charts.cells(none, names, order), names, charts.chosen_cell((0, 0), names, order), dark=dark)
    )


@memory.remembered(100)
def class_order(evaluation: Artifact, epoch: int, count: int) -> np.ndarray:
    """Many classes are clustered, by the latest epoch, so that they keep their places when another epoch is selected."""
    return (
        charts.clustered(reading.measured(evaluation, "confusion", epoch)) if count > charts.MANY else np.arange(count)
    )


def pair_list(pairs: Sequence[tuple[int, int, int]], names: Sequence[str], cell: Cell) -> None:
    """The most frequent confusions; a click shows their images."""
    st.markdown("**Most frequent confusions**")
    if not pairs:
        st.caption("None: at this epoch every image is recognised.")
        return
    counts = {(true, predicted): count for true, predicted, count in pairs}
    st.session_state["overview.pair"] = cell if cell in counts else None
    st.pills(
        "Most frequent confusions",
        list(counts),
        key="overview.pair",
        label_visibility="collapsed",
        wrap=True,
        on_change=pick_pair,
        args=(len(names),),
        format_func=lambda pair: (
            f"{plain(names[pair[0]])} → {plain(names[pair[1]])} ({counts[pair]} image{'s' * (counts[pair] > 1)})"
        ),
    )


# The chosen cell, which the address holds too


def chosen(count: int) -> Cell | None:
    """The cell as "true-predicted" in the address, None where it names none."""
    words = address.held("cell").split("-")
    if len(words) != 2 or not all(word.isascii() and word.isdigit() and len(word) < 6 for word in words):
        return None
    true, predicted = int(words[0]), int(words[1])
    return (true, predicted) if max(true, predicted) < count else None


def choose_cell(true: object, predicted: object, count: int) -> None:
    """Writes a cell into the address; what comes from the browser is checked."""
    if isinstance(true, int) and isinstance(predicted, int) and 0 <= true < count and 0 <= predicted < count:
        address.hold("cell", f"{true}-{predicted}")
        st.session_state["overview.gallery"] = 1


def pick_cell(count: int) -> None:
    picked = selection.picked("overview.matrix")
    choose_cell(picked.get("true"), picked.get("predicted"), count)


def pick_pair(count: int) -> None:
    pair = st.session_state["overview.pair"]
    if pair:
        choose_cell(pair[0], pair[1], count)


# The images of the cell


def gallery(now: Selection, cell: Cell) -> None:
    """The images of a cell, most confident first, a page at a time; a click puts one into the tray."""
    images = images_of(now.evaluation, now.data, now.epoch, cell)
    true, predicted = (plain(now.classes[index]) for index in cell)
    said = f"{true}, recognised" if cell[0] == cell[1] else f"{true}, taken for {predicted}"
    st.subheader(f"{said}: {len(images):,} image{'s' * (len(images) != 1)} at epoch {now.epoch}")
    if not len(images):
        st.caption("No image is in this cell at this epoch.")
        return
    with sections.paged(images.tolist(), PAGE, "overview.gallery") as shown:
        thumbnails(
            reading.sheet(now.data, tuple(shown), THUMBNAIL),
            captions(now, shown),
            key="overview.images",
            pixels=72,
            on_pick=selection.focus,
        )
        st.caption(
            "Most confident first, with the probability of the predicted class. A click puts an image into the tray on top."
        )


def captions(now: Selection, images: Sequence[int]) -> list[Thumbnail]:
    labels, predicted = reading.labels(now.data), reading.predicted(now.evaluation, now.epoch)
    confidence = taken(now.evaluation, now.epoch).confidence
    names, items = now.classes, []
    for image in images:
        share = percent(float(confidence[image]))
        title = f"image {image}: {names[labels[image]]} → {names[predicted[image]]} ({share}) at epoch {now.epoch}"
        items.append(Thumbnail(image, share, title, image in now.images))
    return items


@memory.remembered(500)
def images_of(evaluation: Artifact, data: Artifact, epoch: int, cell: Cell) -> np.ndarray:
    """Numbers of the images of true class cell[0] taken for cell[1], most confident first."""
    predicted = reading.predicted(evaluation, epoch)
    inside = np.flatnonzero((reading.labels(data) == cell[0]) & (predicted == cell[1]))
    return inside[np.argsort(-taken(evaluation, epoch).confidence[inside], kind="stable")]
