"""What goes with the grid, of the run's own network: deletion and insertion as curves, infidelity and sensitivity."""

from collections.abc import Mapping

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from app import methods, reading, specifications
from app.charts import PADDING
from app.roar import charts
from app.roar.stored import Grid, named
from store.runs import Run
from store.shards import Artifact

CURVES = {"deletion": "pixels removed", "insertion": "pixels there"}  # with what runs along the chart
HEIGHT = 300
NORMAL = 1.96  # standard errors either side of a mean, for 95 %
NOTHING = "Not computed yet. The recipe asks for it with [artifacts.roar] companions = 100, a number of images."


def draw(run: Run, grid: Grid) -> None:
    found = {name: item for name in grid.techniques if (item := faithfulness(run, name))}
    if not found:
        st.info(NOTHING)
        return
    halves = st.container(key="halves.companions").columns(2, gap="medium")
    for place, name in zip(halves, CURVES, strict=True):
        with place:
            table = curves(found, name)
            made = specifications.kept(chart, table, [named(item) for item in grid.techniques], name)
            st.vega_lite_chart(made, alt=words(table, name))
    table = summary(found)
    columns = {name: st.column_config.NumberColumn(format="%.3f") for name in table.columns[1:-1]}
    st.dataframe(table, hide_index=True, column_config=columns, alt="Areas, infidelity, sensitivity by ranking")
    names = (*CURVES, "infidelity", "sensitivity")
    deletion, insertion, infidelity, sensitivity = (methods.link(name, name.capitalize()) for name in names)
    st.caption(
        f"Of the run's own network, without retraining. {deletion} and {insertion}: mean probability of the predicted class "
        "while pixels become the mean colour, or come back, important ones first; the band holds the mean with 95%; dashed: "
        "controls. The table has the area below each image's curve, its mean and standard deviation (ddof 0) over the images: "
        f"low is good of deletion, high of insertion. {infidelity}: share of the logit's changes, when squares are hidden, "
        f"that the map does not explain; low is good. {sensitivity}: largest relative change of the map under noise of 0.02 "
        "on the pixels; low is good. Both are medians over the images."
    )


def faithfulness(run: Run, technique: str) -> Artifact | None:
    """Deletion, insertion, infidelity and sensitivity of a technique or control, where they are finished."""
    found = [item for item in reading.artifacts(run, "faithfulness") if item.attributes["technique"] == technique]
    return next((item for item in found if "obstacle" not in item.attributes and reading.epochs(item)), None)


def values(artifact: Artifact, array: str) -> np.ndarray:
    """At the last epoch: (image, step) of a curve, (image,) of what is one number an image."""
    return reading.measured(artifact, array, reading.epochs(artifact)[-1])


def areas(artifact: Artifact, array: str) -> np.ndarray:
    """Mean height (image,) of each image's deletion or insertion curve: 0 to 1, by the trapezium rule."""
    return np.trapezoid(values(artifact, array), np.array(artifact.attributes["steps"]), axis=1)


def median(artifact: Artifact, array: str) -> float:
    """Of infidelity or sensitivity, over the images; NaN where there is none."""
    found = values(artifact, array)
    known = found[np.isfinite(found)]
    return float(np.median(known)) if len(known) else float("nan")


def summary(found: Mapping[str, Artifact]) -> pd.DataFrame:
    rows = []
    for name, item in found.items():
        cells: dict[str, object] = {"ranking": named(name)}
        for array in CURVES:
            each = areas(item, array)
            cells |= {array: each.mean(), f"{array}, sd": each.std()}
        cells |= {array: median(item, array) for array in ("infidelity", "sensitivity")}
        rows.append(cells | {"images": len(values(item, "number"))})
    return pd.DataFrame(rows)


# Curves


def curves(found: Mapping[str, Artifact], array: str) -> pd.DataFrame:
    """A row a ranking and share: mean probability over the images, and the interval that holds it with 95%."""
    tables = []
    for name, item in found.items():
        each = values(item, array).astype(float)  # (image, step)
        mean, error = each.mean(0), NORMAL * each.std(0, ddof=min(1, len(each) - 1)) / np.sqrt(len(each))
        low, high = np.clip([mean - error, mean + error], 0, 1)
        of = {"share": item.attributes["steps"], "probability": mean, "low": low, "high": high}
        tables.append(pd.DataFrame({"ranking": named(name), **of}))
    return pd.concat(tables)


def chart(table: pd.DataFrame, every: list[str], array: str) -> alt.LayerChart:
    """One line a ranking, in the colours of the large chart."""
    axis = alt.Axis(format=".0%", tickCount=5)
    x = alt.X("share:Q", title=CURVES[array], scale=alt.Scale(domain=[0, 1]), axis=axis)
    y, low = (
        alt.Y(f"{field}:Q", title="mean probability", scale=alt.Scale(domain=[0, 1]), axis=axis)
        for field in ("probability", "low")
    )
    colour, dashes = charts.looks_of(list(dict.fromkeys(table.ranking)), every, columns=2)
    shares = [alt.Tooltip("share:Q", format=".0%"), alt.Tooltip("probability:Q", format=".1%")]
    band = alt.Chart(table).mark_area(opacity=0.18, aria=False, tooltip=None).encode(
        x=x, y=low, y2="high:Q", color=colour
    )  # fmt: skip
    line = alt.Chart(table).mark_line(strokeWidth=2, interpolate="linear").encode(
        x=x, y=y, color=colour, strokeDash=dashes, tooltip=["ranking:N", *shares]
    )  # fmt: skip
    return alt.layer(band, line).properties(height=HEIGHT, padding=PADDING, title=array.capitalize())


def words(table: pd.DataFrame, array: str) -> str:
    """The chart in words, for who does not see it."""
    said = [
        f"{name} " + ", ".join(f"{row.share:.0%}: {row.probability:.0%}" for row in rows[::5].itertuples())
        for name, rows in table.groupby("ranking", sort=False)
    ]
    return (
        f"{array.capitalize()}: mean probability of the predicted class by share of {CURVES[array]}. {'; '.join(said)}."
    )
