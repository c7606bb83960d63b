"""The Sanity page's charts: a dot an image by technique, and lines down the layers; controls are grey."""

from collections.abc import Sequence
from itertools import cycle

import altair as alt
import numpy as np
import pandas as pd

from app.charts import INK, PADDING, PETROFF

GREY = "#8a9096"
COLOURS = tuple(PETROFF[place] for place in (0, 1, 2, 4, 5, 6, 7, 9))  # without the greys, which are for controls
ROW, AROUND = 30, 60  # pixels of a technique's row of dots, and around all
GOLDEN = 0.618034  # spreads dots over a row without chance
PICK = "pick"
AXES = {
    "spearman": "Spearman's correlation of the two maps",
    "spearman_absolute": "Spearman's correlation of the magnitudes",
    "ssim": "structural similarity (SSIM) of the raw maps",
    "largest": "largest difference, as a share of the largest value",
}


def table(titles: Sequence[str], control: Sequence[bool], found: np.ndarray, images: np.ndarray) -> pd.DataFrame:
    """One row a value of (technique, image); images that have none are left out."""
    rows, columns = np.nonzero(np.isfinite(found))
    return pd.DataFrame(
        {
            "technique": np.asarray(titles, object)[rows],
            "kind": np.where(np.asarray(control)[rows], "control", "technique").astype(object),
            "value": found[rows, columns].astype(float),
            "image": images[columns],
            "jitter": (columns * GOLDEN) % 1,
        }
    )


def dots(values: pd.DataFrame, titles: Sequence[str], measure: str, *, dark: bool) -> alt.LayerChart:
    """A dot an image, a bar at each technique's median; a click on a dot picks its image."""
    pick = alt.selection_point(name=PICK, fields=["image"], empty=False, toggle="true")
    middle = values.groupby(["technique", "kind"], sort=False, as_index=False).value.median()
    y = alt.Y("technique:N", sort=list(titles), title=None, axis=alt.Axis(labelLimit=230, ticks=False, domain=False))
    low = min(0.0, float(values.value.min())) if len(values) else 0.0
    domain = [0, max(1.0, float(values.value.max()))] if measure == "largest" and len(values) else [low, 1]
    x = alt.X("value:Q", title=AXES[measure], scale=alt.Scale(domain=domain, nice=True))
    drawn = (
        alt.Chart(values)
        .mark_circle(size=26, opacity=0.45, cursor="pointer")
        .encode(
            x=x,
            y=y,
            yOffset=alt.YOffset("jitter:Q", scale=alt.Scale(domain=[-0.25, 1.25])),
            color=kind_colour(),
            tooltip=["technique:N", alt.Tooltip("value:Q", format=".3f"), "image:Q"],
        )
        .add_params(pick)
    )
    bar = (
        alt.Chart(middle)
        .mark_tick(thickness=3, size=ROW - 8, color=INK[dark])
        .encode(x=x, y=y, tooltip=["technique:N", alt.Tooltip("value:Q", format=".3f", title="median")])
    )
    return alt.layer(drawn, bar).properties(height=AROUND + ROW * len(titles), padding=PADDING)


def kind_colour() -> alt.Color:
    scale = alt.Scale(domain=["technique", "control"], range=[PETROFF[0], GREY])
    return alt.Color("kind:N", scale=scale, legend=alt.Legend(title=None, orient="top", offset=4))


def down_table(titles: Sequence[str], stages: Sequence[str], found: np.ndarray, random: Sequence[bool]) -> pd.DataFrame:
    """One row a value of (technique, stage, draw); before everything the trained network itself, like itself: 1.

    That is NaN of maps drawn anew each time, `random`, and of what has no value at all: nobody compared these.
    """
    count, depth, draws = found.shape
    names = ["trained", *stages]
    itself = np.isfinite(found).any((1, 2)) & ~np.asarray(random)  # (technique,)
    first = np.where(itself[:, None, None], 1, np.full((count, 1, draws), np.nan))
    values = np.concatenate([first, found], 1)
    return pd.DataFrame(
        {
            "technique": np.repeat(np.asarray(titles, object), (depth + 1) * draws),
            "place": np.tile(np.repeat(np.arange(depth + 1), draws), count),
            "stage": np.tile(np.repeat(np.asarray(names, object), draws), count),
            "value": values.ravel().astype(float),
        }
    )


def down(
    values: pd.DataFrame,
    titles: Sequence[str],
    control: Sequence[bool],
    measure: str,
    *,
    along: str,
    joined: bool = True,
) -> alt.LayerChart:
    """A dot a draw, and a line a technique through their medians, or bars there where no stage goes on from the one before.

    along: what the axis says about the stages.
    """
    known = values[np.isfinite(values.value)]
    middle = known.groupby(["technique", "place", "stage"], sort=False, as_index=False).value.median()
    names = values.drop_duplicates("place").sort_values("place").stage.tolist()
    x = alt.X(
        "stage:N",
        sort=names,
        title=along,
        axis=alt.Axis(labelAngle=-35, labelLimit=120, labelOverlap=False, ticks=False),
    )
    y = alt.Y("value:Q", title=AXES[measure], scale=alt.Scale(domain=[min(0.0, floor(known)), 1], nice=True))
    # one legend for both: Vega-Lite draws them as one where they are equal, and complains where they are not
    legend = alt.Legend(title=None, labelLimit=240, symbolType="stroke" if joined else "circle")
    colour, dash = (
        channel("technique:N", sort=list(titles), scale=alt.Scale(domain=list(titles), range=looks), legend=legend)
        for channel, looks in ((alt.Color, colours(control)), (alt.StrokeDash, dashes(control)))
    )
    line = (
        alt.Chart(middle).mark_line(strokeWidth=2).encode(x=x, y=y, color=colour, strokeDash=dash)
        if joined
        else alt.Chart(middle).mark_tick(orient="horizontal", size=22, thickness=3).encode(x=x, y=y, color=colour)
    )
    tooltip = ["technique:N", "stage:N", alt.Tooltip("value:Q", format=".3f", title="median of the images")]
    each = alt.Chart(known).mark_circle(size=30, opacity=0.7).encode(x=x, y=y, color=colour, tooltip=tooltip)
    return alt.layer(line, each).properties(height=330, padding=PADDING)


def floor(values: pd.DataFrame) -> float:
    return float(values.value.min()) if len(values) else 0.0


def colours(control: Sequence[bool]) -> list[str]:
    """One of Petroff's colours for each technique in turn, a grey for controls."""
    free = cycle(COLOURS)
    return [GREY if item else next(free) for item in control]


def dashes(control: Sequence[bool]) -> list[list[int]]:
    """Short dashes for controls, and long ones for techniques that share a colour with another."""
    before = np.cumsum(~np.asarray(control)) - 1
    return [
        [3, 3] if item else [1, 0] if place < len(COLOURS) else [9, 3]
        for item, place in zip(control, before, strict=True)
    ]
