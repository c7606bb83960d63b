"""Charts of several runs at once: arrays in, Altair charts out."""

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from app import charts
from app.charts import HEIGHT, INK, PADDING, PETROFF

COLOURS = (PETROFF[0], PETROFF[1], PETROFF[4], PETROFF[5])  # of the first, second, third and fourth run
DASHES = ((1, 0), (7, 3), (2, 2), (9, 3, 2, 3))  # the same, without colour
GROUND = {False: "#eff1f3", True: "#262b31"}  # of a difference of zero, on a light ground and on a dark one
MORE, FEWER = PETROFF[0], PETROFF[6]

Encoded = dict[str, alt.X | alt.Y | alt.X2 | alt.Y2 | str]


def curve_table(names: Sequence[str], epochs: Sequence[Sequence[int]], values: Sequence[np.ndarray]) -> pd.DataFrame:
    """Values of each run at its epochs as a table with one row each; what is no number is left out."""
    table = pd.DataFrame(
        {
            "epoch": np.concatenate([np.asarray(own, np.int64) for own in epochs]),
            "value": np.concatenate([np.asarray(value, np.float64) for value in values]),
            "run": [name for name, own in zip(names, epochs, strict=True) for _ in own],
        }
    )
    return table[np.isfinite(table.value)]


def curves(
    table: pd.DataFrame, looks: Mapping[str, int], marked: Mapping[str, int], *, last: int, title: str, share: bool
) -> alt.LayerChart:
    """Lines of one measure, one a run, over epochs 0 to `last`; a ring marks an epoch of each. Shares are in per cent.

    looks: the place of each run in COLOURS and DASHES.
    """
    number = {"form": ".0%", "long": ".2%"} if share else {"form": "~g", "long": ".4f"}
    ids = list(looks)
    base = alt.Chart(table).encode(
        x=alt.X(
            "epoch:Q",
            title="epoch",
            scale=alt.Scale(domain=[0, max(last, 1)], nice=False, padding=6),
            axis=alt.Axis(format="d", tickMinStep=1, grid=False, titlePadding=4),
        ),
        y=alt.Y(
            "value:Q",
            title=title,
            scale=alt.Scale(zero=False, nice=True),
            axis=alt.Axis(format=number["form"], tickCount=5, titlePadding=6),
        ),
        color=alt.Color(
            "run:N", scale=alt.Scale(domain=ids, range=[COLOURS[place] for place in looks.values()]), legend=None
        ),
        tooltip=["run:N", "epoch:Q", alt.Tooltip("value:Q", format=number["long"], title=title)],
    )
    dashes = alt.Scale(domain=ids, range=[list(DASHES[place]) for place in looks.values()])
    lines = base.mark_line(strokeWidth=2).encode(strokeDash=alt.StrokeDash("run:N", scale=dashes, legend=None))
    at = [marked.get(run) == epoch for run, epoch in zip(table.run, table.epoch, strict=True)]
    rings = base.mark_point(size=150, strokeWidth=2.2, filled=False).properties(data=table[at])
    return alt.layer(lines, base.mark_point(size=22, filled=True), rings).properties(height=HEIGHT, padding=PADDING)


# Differences of confusion matrices


def difference_cells(apart: np.ndarray, names: Sequence[str], order: np.ndarray, *, share: bool) -> pd.DataFrame:
    """The cells of a difference of confusion matrices (true, predicted) that are not zero, and what stands in them."""
    true, predicted = np.nonzero(apart)
    values = apart[true, predicted]
    said = [signed(value, share=share) for value in values]
    cells = charts.placed(true, predicted, names, order)
    return cells.assign(difference=values, said=pd.Series(said, dtype=object))


def signed(value: float, *, share: bool) -> str:
    return (f"{value:+.0%}" if share else f"{value:+,.0f}").replace("-", "−")


def difference(cells: pd.DataFrame, names: Sequence[str], *, share: bool, dark: bool) -> alt.LayerChart:
    """Second minus first matrix, rows true and columns predicted; colours diverge from zero, which is the ground."""
    few = len(names) <= charts.MANY
    most = max(float(cells.difference.abs().max()) if len(cells) else 0.0, 0.01 if share else 1.0)
    legend = alt.Legend(title=None, format="+.0%" if share else "+d", values=[-most, 0, most], orient="top", offset=6)
    colour = alt.Color(
        "difference:Q",
        scale=alt.Scale(domain=[-most, 0, most], range=[FEWER, GROUND[dark], MORE], interpolate="rgb"),
        legend=legend,
    )
    tooltip = ["true class:N", "taken for:N", alt.Tooltip("said:N", title="difference")]
    base = alt.Chart(cells).encode(**(by_name(names) if few else by_place(len(names))), tooltip=tooltip)
    layers = [base.mark_rect().encode(color=colour)]
    if few:
        strong = f"abs(datum.difference) > {0.8 * most} && {'false' if dark else 'true'}"
        ink = alt.condition(strong, alt.value("#ffffff"), alt.value(INK[dark]))
        layers.append(base.mark_text(fontSize=11, tooltip=None).encode(text="said:N", color=ink))
    height = max(260, min(470, 46 * len(names))) if few else 460
    view = alt.ViewConfig(stroke="#80808066", fill=GROUND[dark])
    return alt.layer(*layers).properties(height=height, padding=PADDING, view=view)


def by_name(names: Sequence[str]) -> Encoded:
    """Places of the cells of few classes: rows and columns with names."""
    axis = {"sort": list(names), "scale": alt.Scale(domain=list(names))}
    look = {"ticks": False, "domain": False, "titlePadding": 5, "labelFlush": False, "grid": False}
    angle = 0 if charts.shortest(names) else -45
    x = alt.X("taken for:N", title="predicted class", axis=alt.Axis(labelAngle=angle, labelLimit=90, **look), **axis)
    y = alt.Y("true class:N", title="true class", axis=alt.Axis(labelLimit=110, **look), **axis)
    return {"x": x, "y": y}


def by_place(count: int) -> Encoded:
    """Places of the cells of many classes, which stand in an order of their own."""
    axis = alt.Axis(labels=False, ticks=False, grid=False, titlePadding=4)
    down = alt.Scale(domain=[count, 0], nice=False)
    x = alt.X("column:Q", title="predicted class", scale=alt.Scale(domain=[0, count], nice=False), axis=axis)
    return {"x": x, "x2": "right:Q", "y": alt.Y("row:Q", title="true class", scale=down, axis=axis), "y2": "bottom:Q"}


# Lineage


def family(table: pd.DataFrame, *, dark: bool) -> alt.LayerChart:
    """Runs by generation (x) and accuracy (y), each tied to the one it was re-trained from; names beside the dots."""
    wide = int(table.generation.max())
    x = alt.X(
        "generation:Q",
        title="times re-trained",
        scale=alt.Scale(domain=[0, wide + 0.9], nice=False),
        axis=alt.Axis(values=list(range(wide + 1)), format="d", grid=False, titlePadding=4),
    )
    y = alt.Y("accuracy:Q", title="test accuracy", scale=alt.Scale(zero=False, padding=14), axis=alt.Axis(format=".0%"))
    tooltip = ["run", "verdict", alt.Tooltip("changed:N", title="changed"), "hypothesis"]
    tooltip += [alt.Tooltip("accuracy:Q", format=".2%", title="accuracy")]
    base = alt.Chart(table).encode(x=x, y=y)
    ties = base.mark_rule(color="#808080", strokeWidth=1.5).encode(x2="parent generation:Q", y2="parent accuracy:Q")
    words = ("keep", "undecided", "reject", "none yet")
    colour = alt.Scale(domain=words, range=[PETROFF[0], PETROFF[1], PETROFF[8], PETROFF[3]])
    legend = alt.Legend(title="verdict", orient="right", symbolStrokeWidth=2)
    shape = alt.Scale(domain=words, range=["circle", "diamond", "cross", "circle"])
    dots = base.mark_point(size=110, filled=True, opacity=1).encode(
        color=alt.Color("verdict:N", scale=colour, legend=legend),
        shape=alt.Shape("verdict:N", scale=shape, legend=legend),
        tooltip=tooltip,
    )
    labels = base.mark_text(align="left", dx=9, dy=-8, fontSize=11, color=INK[dark]).encode(text="run", tooltip=tooltip)
    here = base.mark_point(size=300, shape="circle", color=INK[dark], strokeWidth=1.5, tooltip=None)
    here = here.properties(data=table[table.here])
    return alt.layer(ties, dots, here, labels).properties(height=200, padding=PADDING)
