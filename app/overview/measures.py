"""The measures of a run on the Overview page: accuracy and loss by epoch, and precision, recall and F1 by class."""

from math import sqrt

import pyarrow as pa
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from app import charts, memory, reading, renewing, selection
from app.edge import plain_errors
from app.selection import Selection
from store.runs import Run
from store.schema import MEASURES
from store.shards import Artifact


def summary(now: Selection) -> None:
    """The measures of the selected epoch in a line, with what they were measured on."""
    at = now.epochs.index(now.epoch)
    accuracy, loss = (reading.measured(now.evaluation, name, now.epochs)[at] for name in ("accuracy", "loss"))
    count = int(reading.of_class(now.data, len(now.classes)).sum())
    low, high = interval(accuracy[1], count)
    sample = now.evaluation.attributes.get("train_images")
    st.markdown(
        f"At epoch {now.epoch}, **{accuracy[1]:.1%}** of the test images are recognised "
        f"(95% interval {low:.1%} to {high:.1%})"
        + (f", and {accuracy[0]:.1%} of the training images; " if sample else "; ")
        + f"cross entropy {loss[1]:.3f}"
        + (f" and {loss[0]:.3f}." if sample else ".")
    )
    unlabelled = len(reading.labels(now.data)) - count
    st.caption(
        f"n = {count:,} evaluated test images"
        + (f", {unlabelled:,} more have no label" if unlabelled else "")
        + (f"; training images: a fixed sample of {sample:,}." if sample else ".")
    )


def interval(share: float, count: int) -> tuple[float, float]:
    """95% interval of a share seen in `count` draws. Wilson, Probable inference, JASA 22, 1927."""
    z = 1.96
    centre, spread = share + z * z / (2 * count), z * sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, (centre - spread) / (1 + z * z / count)), min(1.0, (centre + spread) / (1 + z * z / count))


# Over epochs


def curves(now: Selection) -> None:
    """Accuracy and loss by epoch. While the run is live this part alone grows with it."""
    live = reading.status(now.run).state == "running"
    st.fragment(draw_curves, run_every=2 if live else None)(now)


def draw_curves(now: Selection) -> None:
    with plain_errors():
        renewing.shows_epochs((now.run, now.evaluation))
        epochs = reading.epochs(now.evaluation)
        st.subheader("Accuracy by epoch")
        marked = f" The bar of epoch {now.epoch} is marked." * (len(epochs) > 1)
        st.vega_lite_chart(
            accuracy_spec(now.evaluation, epochs, now.epoch),
            key="overview.accuracy",
            on_select=pick_epoch,
            selection_mode="pick",
            alt=f"Bars: accuracy on training and test images at {len(epochs)} epochs.{marked}",
        )
        st.subheader("Loss by epoch")
        st.vega_lite_chart(
            loss_spec(now.evaluation, epochs, now.epoch),
            key="overview.loss",
            alt=f"Lines: cross entropy on training and test images at {len(epochs)} epochs.",
        )
    if st.session_state["epoch"] != now.epoch:
        st.rerun()  # a bar was clicked: the fragment alone would leave the rest of the page behind


def pick_epoch() -> None:
    picked = selection.picked("overview.accuracy").get("epoch")
    for epoch in reading.epochs(selection.current().evaluation):
        if epoch == picked:
            selection.choose_epoch(epoch)


@memory.remembered(1000)
def accuracy_spec(evaluation: Artifact, epochs: tuple[int, ...], marked: int | None) -> dict:
    if marked is not None:  # only the band differs from the chart of no marked epoch
        return charts.with_tables(accuracy_spec(evaluation, epochs, None), {0: charts.marked_epoch(marked)})
    return charts.spec(charts.accuracy_bars(epochs, reading.measured(evaluation, "accuracy", epochs), marked=-1))


@memory.remembered(1000)
def loss_spec(evaluation: Artifact, epochs: tuple[int, ...], marked: int | None) -> dict:
    if marked is not None:
        return charts.with_tables(loss_spec(evaluation, epochs, None), {0: charts.marked_epoch(marked)})
    return charts.spec(charts.loss_lines(epochs, reading.measured(evaluation, "loss", epochs), marked=-1))


# Per class


def class_table(now: Selection) -> None:
    """Measures per class; a row selects the class."""
    st.subheader(f"Classes at epoch {now.epoch}")
    st.dataframe(
        class_frame(now.run, now.evaluation, now.data, now.epoch),
        hide_index=True,
        placeholder="–",  # a class nothing is taken for has no precision
        height=min(35 * (len(now.classes) + 1) + 3, 390),
        column_config=class_columns(),
        key="overview.classes",
        on_select=lambda: pick_row(len(now.classes)),
        selection_mode="single-row",
        alt=f"Number of images, precision, recall and F1 per class at epoch {now.epoch}",
    )
    st.caption(
        "Precision: share of the images taken for a class that are of it. Recall: share of the images of a class that are "
        "taken for it. F1: their harmonic mean."
    )


def class_columns() -> dict[str, ColumnConfig]:
    number = st.column_config.NumberColumn
    titles = {name: "F1" if name == "f1" else name.capitalize() for name in MEASURES}
    return {"n": number("n", help="evaluated images of the class", format="localized")} | {
        name: number(title, format="%.1f%%") for name, title in titles.items()
    }


@memory.remembered(200)
def class_frame(run: Run, evaluation: Artifact, data: Artifact, epoch: int) -> pa.Table:
    """One row per class, in the order of the classes; measures in per cent."""
    names, values = reading.class_names(run), reading.measured(evaluation, "by_class", epoch)  # (class, measure)
    counts = reading.of_class(data, len(names))
    measures = {
        name: pa.array(100 * values[:, index], from_pandas=True) for index, name in enumerate(MEASURES)
    }  # NaN: null
    return pa.table({"class": names, "n": counts, **measures})


def pick_row(count: int) -> None:
    rows = st.session_state["overview.classes"]["selection"]["rows"]
    if rows and 0 <= rows[0] < count:
        selection.choose_class(int(rows[0]))
