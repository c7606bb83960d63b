"""Charts: arrays in, Altair charts out. `spec` turns one into what the browser gets, so that it can be cached as it is."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pyarrow as pa
from altair.utils import schemapi
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform
from streamlit.dataframe_util import convert_anything_to_arrow_bytes, convert_arrow_table_to_arrow_bytes

from app import ground

PETROFF = ("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd")
SPLIT_NAMES = ("train", "test")
SPLIT_COLOURS = (PETROFF[3], PETROFF[0])
RIGHT, WRONG = PETROFF[0], PETROFF[6]
INK = {False: "#15181c", True: "#f2f4f6"}  # on a light ground, on a dark one
MANY = 20  # classes above which a matrix shows no names and numbers in its cells
HEIGHT = 240
PADDING = {"left": 2, "right": 2, "top": 2, "bottom": 2}  # Streamlit takes no single number
TIGHT = 400  # classes up to which the best order of leaves is searched for, which takes the cube of their number

alt.data_transformers.disable_max_rows()


def spec(chart: alt.TopLevelMixin) -> dict[str, Any]:
    """The chart as Vega-Lite, its tables as Arrow. Tables are named by order, so that only data change between epochs."""
    made = specified(chart)
    tables = made.pop("datasets", {})
    names = {old: f"table{index}" for index, old in enumerate(tables)}
    made = renamed(made, names)
    made["datasets"] = {names[old]: convert_anything_to_arrow_bytes(pd.DataFrame(rows)) for old, rows in tables.items()}
    return made


def with_tables(made: dict[str, Any], tables: Mapping[int, pd.DataFrame]) -> dict[str, Any]:
    """A specification with other tables, by their number, for the page's ground: building a chart costs a hundred times more."""
    changed = {f"table{index}": arrow(table) for index, table in tables.items()}
    return {**ground.lifted(made), "datasets": {**made["datasets"], **changed}}


def arrow(table: pd.DataFrame) -> bytes:
    """A table without its index, for half of what pandas takes to tell Arrow all it knows of it."""
    columns = [pa.array(table[name].array, from_pandas=True) for name in table.columns]
    return convert_arrow_table_to_arrow_bytes(pa.Table.from_arrays(columns, names=[*map(str, table.columns)]))


def specified(chart: alt.TopLevelMixin) -> dict[str, Any]:
    """The chart as Vega-Lite; held to its schema where `trusted` was not called."""
    return chart.to_dict(validate=schemapi.DEBUG_MODE)


def trusted() -> None:
    """From now on charts are built without being held to Vega-Lite's schema, in half the time: tests have done that."""
    schemapi.DEBUG_MODE = False


def filled(part: Any, words: Mapping[str, Any]) -> Any:
    """A specification with some words replaced by what they stand for; a list of nothing but such a word, by a list."""
    if isinstance(part, dict):
        return {key: filled(value, words) for key, value in part.items()}
    if isinstance(part, list):
        alone = len(part) == 1 and isinstance(part[0], str) and part[0] in words
        return words[part[0]] if alone else [filled(item, words) for item in part]
    return words.get(part, part) if isinstance(part, str) else part


def renamed(part: Any, names: Mapping[str, str]) -> Any:
    """A specification with its tables renamed, wherever {"data": {"name": …}} stands."""
    if isinstance(part, list):
        return [renamed(item, names) for item in part]
    if not isinstance(part, dict):
        return part
    copy = {key: renamed(value, names) for key, value in part.items()}
    if isinstance(copy.get("data"), dict) and copy["data"].get("name") in names:
        copy["data"] = {"name": names[copy["data"]["name"]]}
    return copy


# Over epochs


def by_split(epochs: Sequence[int], values: np.ndarray) -> pd.DataFrame:
    """Values (epoch, split) as a table with one row each."""
    return pd.DataFrame(
        {
            "epoch": np.repeat(epochs, values.shape[1]),
            "images": list(SPLIT_NAMES[: values.shape[1]]) * len(epochs),
            "value": values.ravel(),
        }
    )


def accuracy_bars(epochs: Sequence[int], accuracy: np.ndarray, *, marked: int) -> alt.LayerChart:
    """Bars of accuracy (epoch, split: train, test) in [0, 1]; the marked epoch, table 0, stands on a band.

    A click picks an epoch ("pick").
    """
    pick = alt.selection_point(name="pick", fields=["epoch"], empty=False, toggle="true")
    x = alt.X("epoch:O", title="epoch", axis=epoch_axis(epochs))
    bars = (
        alt.Chart(by_split(epochs, accuracy))
        .mark_bar(cursor="pointer")
        .encode(
            x=x,
            xOffset=alt.XOffset("images:N", sort=SPLIT_NAMES),
            color=split_colour(),
            y=alt.Y(
                "value:Q",
                title="accuracy",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1], titlePadding=6),
            ),
            tooltip=["epoch:O", "images:N", alt.Tooltip("value:Q", format=".2%", title="accuracy")],
        )
        .add_params(pick)
    )
    return alt.layer(band(marked, x, epochs), bars).properties(height=HEIGHT, padding=PADDING)


def loss_lines(epochs: Sequence[int], loss: np.ndarray, *, marked: int) -> alt.LayerChart:
    """Lines of mean cross entropy (epoch, split: train, test), in nats; values that are no number are left out."""
    x = alt.X("epoch:O", title="epoch", axis=epoch_axis(epochs))
    table = by_split(epochs, loss)
    lines = (
        alt.Chart(table[np.isfinite(table.value)])
        .mark_line(point=alt.OverlayMarkDef(size=28), strokeWidth=2)
        .encode(
            x=x,
            color=split_colour(),
            y=alt.Y(
                "value:Q",
                title="cross entropy (nats)",
                scale=alt.Scale(zero=True),
                axis=alt.Axis(tickCount=5, titlePadding=6),
            ),
            tooltip=["epoch:O", "images:N", alt.Tooltip("value:Q", format=".4f", title="cross entropy")],
        )
    )
    return alt.layer(band(marked, x, epochs), lines).properties(height=HEIGHT, padding=PADDING)


def band(marked: int, x: alt.X, epochs: Sequence[int]) -> alt.Chart:
    """A pale band behind one epoch of several. It stands out above the chart: bars of 100% would hide it."""
    return (
        alt.Chart(marked_epoch(marked))
        .mark_bar(color="#808080", opacity=0.22 if len(epochs) > 1 else 0, tooltip=None, width=alt.RelativeBandSize(1))
        .encode(x=x, y=alt.value("height"), y2=alt.value(-7))
    )


def marked_epoch(epoch: int) -> pd.DataFrame:
    return pd.DataFrame({"epoch": [epoch]})


def epoch_axis(epochs: Sequence[int]) -> alt.Axis:
    """Labels for about ten epochs, however many there are."""
    step = max(1, -(-len(epochs) // 13))
    return alt.Axis(labelAngle=0, values=list(epochs[::step]), ticks=False, labelPadding=4, titlePadding=4)


def split_colour() -> alt.Color:
    legend = alt.Legend(
        title=None, orient="top", direction="horizontal", symbolType="square", symbolSize=90, offset=6, padding=0
    )
    return alt.Color(
        "images:N", sort=SPLIT_NAMES, scale=alt.Scale(domain=SPLIT_NAMES, range=SPLIT_COLOURS), legend=legend
    )


# Confusion


def cells(matrix: np.ndarray, names: Sequence[str], order: np.ndarray) -> pd.DataFrame:
    """The cells of a confusion matrix (true, predicted) that hold images, with their place when classes stand in `order`."""
    true, predicted = np.nonzero(matrix)
    counts = matrix[true, predicted]
    return placed(true, predicted, names, order).assign(
        images=counts,
        share=counts / matrix.sum(1)[true],
        kind=np.where(true == predicted, "right", "wrong").astype(object),
    )


def placed(true: np.ndarray, predicted: np.ndarray, names: Sequence[str], order: np.ndarray) -> pd.DataFrame:
    """Cells by class, with names and places."""
    place, label = np.argsort(order), np.asarray(names, dtype=object)
    return pd.DataFrame(
        {
            "true": true,
            "predicted": predicted,
            "row": place[true],
            "bottom": place[true] + 1,
            "column": place[predicted],
            "right": place[predicted] + 1,
            "true class": label[true],
            "taken for": label[predicted],
        }
    )


def chosen_cell(cell: tuple[int, int] | None, names: Sequence[str], order: np.ndarray) -> pd.DataFrame:
    """The cell to be framed, as a table of one row or none; among many classes, where a cell is a pixel, the frame is wider."""
    chosen = np.array([cell] if cell else [], dtype=np.int64).reshape(-1, 2)
    table, margin = placed(chosen[:, 0], chosen[:, 1], names, order), int(len(names) > MANY)
    return table.assign(
        row=table.row - margin, bottom=table.bottom + margin, column=table.column - margin, right=table.right + margin
    )


def confusion(table: pd.DataFrame, names: Sequence[str], chosen: pd.DataFrame, *, dark: bool = False) -> alt.LayerChart:
    """Confusion matrix of few classes from `cells`, rows true and columns predicted, with numbers; the chosen cell is framed.

    A click picks a cell ("pick": true, predicted). The cells are table 0, the chosen one is table 1.
    """
    ink = INK[dark]
    axis = {"sort": list(names), "scale": alt.Scale(domain=list(names), paddingInner=0.06, paddingOuter=0.03)}
    x = alt.X(
        "taken for:N",
        title="predicted class",
        axis=alt.Axis(
            labelAngle=0 if shortest(names) else -45,
            labelLimit=120,
            labelOverlap=False,
            ticks=False,
            domain=False,
            titlePadding=4,
        ),
        **axis,
    )
    y = alt.Y(
        "true class:N",
        title="true class",
        axis=alt.Axis(labelLimit=120, ticks=False, domain=False, titlePadding=6),
        **axis,
    )
    base = alt.Chart(table).encode(x=x, y=y, tooltip=tooltip())
    squares = (
        base.mark_rect(cursor="pointer", cornerRadius=2)
        .encode(color=kind_colour(), opacity=share_opacity())
        .add_params(pick_cell())
    )
    strong = (alt.datum.share > 0.45) if not dark else (alt.datum.share > 2)
    numbers = base.mark_text(fontSize=11, tooltip=None).encode(
        text=alt.Text("images:Q", format=","), color=alt.condition(strong, alt.value("#ffffff"), alt.value(ink))
    )
    ring = (
        alt.Chart(chosen)
        .mark_rect(fillOpacity=0, stroke=ink, strokeWidth=2, cornerRadius=2, tooltip=None)
        .encode(x=x, y=y)
    )
    return alt.layer(squares, numbers, ring).properties(height=max(260, min(470, 46 * len(names))), padding=PADDING)


def pick_cell() -> alt.Parameter:
    return alt.selection_point(name="pick", fields=["true", "predicted"], empty=False, toggle="true")


def tooltip() -> list[alt.Tooltip]:
    share = alt.Tooltip("share:Q", format=".1%", title="share of the true class")
    return [alt.Tooltip("true class:N"), alt.Tooltip("taken for:N"), alt.Tooltip("images:Q", format=","), share]


def kind_colour() -> alt.Color:
    return alt.Color("kind:N", scale=alt.Scale(domain=["right", "wrong"], range=[RIGHT, WRONG]), legend=None)


def share_opacity(lowest: float = 0.12) -> alt.Opacity:
    """The square root of the share lets a few errors among many right answers be seen."""
    return alt.Opacity("share:Q", scale=alt.Scale(type="sqrt", domain=[0, 1], range=[lowest, 1]), legend=None)


def shortest(names: Sequence[str]) -> bool:
    return max(map(len, names), default=0) * len(names) <= 60


def clustered(matrix: np.ndarray) -> np.ndarray:
    """An order of the classes in which those often confused with each other stand side by side (average linkage)."""
    if len(matrix) < 3:
        return np.arange(len(matrix))
    share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    alike = share + share.T  # (class, class)
    distance = 1 - alike / max(float(alike.max()), 1e-12)
    np.fill_diagonal(distance, 0)
    condensed = squareform(distance, checks=False)
    tree = linkage(condensed, "average")
    return leaves_list(optimal_leaf_ordering(tree, condensed) if len(matrix) <= TIGHT else tree)


def top_confusions(matrix: np.ndarray, count: int = 10) -> list[tuple[int, int, int]]:
    """The largest cells off the diagonal: (true, predicted, images), most images first, then in the order of the classes."""
    wrong = matrix * (1 - np.eye(len(matrix), dtype=matrix.dtype))
    best = np.argsort(-wrong, axis=None, kind="stable")[:count]
    pairs = [(int(index) // len(matrix), int(index) % len(matrix)) for index in best]
    return [(true, predicted, int(wrong[true, predicted])) for true, predicted in pairs if wrong[true, predicted]]
