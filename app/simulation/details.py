"""Beside the chart, of the chosen class: which images hold and which break, and what the network was trained on."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from app import charts as all_charts
from app import ground, reading, selection
from app.charts import INK, PADDING
from app.edge import plain
from app.memory import remembered
from app.selection import THUMBNAIL, Selection
from app.simulation import stored, words
from app.simulation.charts import built, named, palette
from app.simulation.scene import CLASSES_SHOWN, Scene
from app.simulation.stored import Hold
from app.widgets.thumbnails import Thumbnail, thumbnails
from precompute.catalogue import CHANGES
from store.shards import Artifact

SHOWN = 8  # images in a row
TRAINED = 10  # training images shown
PICTURE = 56  # pixels of each image
SPREAD_HEIGHT = 150


def images(of: Scene) -> None:
    """Those of the chosen class that hold longest and break first along the change in large."""
    now, title = of.selection, CHANGES[of.change].title
    found = stored.holds(of.artifact, now.data, now.epoch, now.chosen)
    st.subheader(plain(f"Images of {of.who}"))
    if not found:
        st.caption(f"None of them is recognised unchanged at epoch {now.epoch}, so none can hold or break.")
        return
    firm = sum(not np.isfinite(item.distance) for item in found)
    known = f"{firm} of the {len(found)} that are recognised unchanged"
    rule = "Under each, the point nearest to the unchanged image at which it is taken for another class."
    whole = "stay so when flipped." if CHANGES[of.change].binary else f"stay so at every point. {rule}"
    st.caption(plain(f"{title}: {known} {whole}"))
    half = max(1, len(found) // 2)
    row(of, "Hold longest", "long", found[: min(SHOWN, half)])
    breaking = [item for item in reversed(found[half:] or found) if np.isfinite(item.distance)]
    row(of, "Break first", "first", breaking[:SHOWN])


def row(of: Scene, title: str, key: str, items: Sequence[Hold]) -> None:
    now = of.selection
    st.markdown(f"**{title}**")
    if not items:
        st.caption("None breaks.")
        return
    thumbnails(
        reading.sheet(now.data, tuple(item.image for item in items), THUMBNAIL),
        [
            Thumbnail(
                item.image,
                words.broken(of.change, item),
                words.hold_words(of.change, item, now.classes),
                item.image in now.images,
            )
            for item in items
        ],
        key=f"simulation.{key}",
        pixels=PICTURE,
        on_pick=selection.focus,
    )


# What it was trained on


def training(of: Scene) -> None:
    """How the training images of the chosen class are spread along the change, and some of them."""
    now, facts = of.selection, of.artifact.attributes
    st.subheader(plain(f"Trained on, of {of.who}"))
    if "factor" in facts:
        counts = reading.measured(of.artifact, "training", now.epoch)[now.chosen]  # (bin,)
        level = reading.measured(of.artifact, "level", now.epoch)[now.chosen]  # (P,)
        said = words.trained(of.artifact, counts, level, of.who)
        if counts[:-1].any():
            st.vega_lite_chart(spread_spec(of, counts, level), key="simulation.spread", alt=said)
        st.caption(plain(said))
    else:
        title, binary = CHANGES[of.change].title.lower(), CHANGES[of.change].binary
        what = "Whether a training image is already flipped" if binary else f"How far a training image is along {title}"
        st.caption(plain(f"{what} cannot be measured. {augmented(now, of.change)}"))
    pictures(now)


AUGMENTED = {  # field of the recipe's augmentation -> how the sentence says it
    "rotation": ("rotate", "turned by up to {:g}°"),
    "flip_horizontal": ("flip", "mirrored at random"),
    "flip_vertical": ("flip_vertical", "flipped upside down at random"),
}


def augmented(now: Selection, name: str) -> str:
    """Whether the training changed its images in the same way, as the run's recipe says."""
    if name not in AUGMENTED:
        return ""
    field, form = AUGMENTED[name]
    value = (now.run.recipe.get("training", {}).get("augmentation") or {}).get(field)
    return f"In training, images were {form.format(value) if value else 'not changed in this way'}."


def spread_spec(of: Scene, counts: np.ndarray, level: np.ndarray) -> dict[str, Any]:
    """Bars: training images of the class by factor; rules: where those changed here lie on average."""
    facts, edges = of.artifact.attributes, np.array(of.artifact.attributes["edges"])
    bars = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "images": counts[:-1].astype(int)})
    points = facts["points"]
    here = points.index(facts["identity"])
    marks = [(level[here], "unchanged", True)] + [
        (level[end], words.number(facts["change"], points[end]), False) for end in (0, len(points) - 1)
    ]
    table = pd.DataFrame([mark for mark in marks if np.isfinite(mark[0])], columns=["level", "label", "strong"])
    shown = stored.shown(of.selection, CLASSES_SHOWN)
    colour = palette(shown, len(of.selection.classes))[shown.index(of.selection.chosen)]
    shape = spread_shape(
        facts["factor"],
        facts["factor_unit"],
        float(edges[0]),
        float(edges[-1]),
        colour,
        ground.is_dark(),
    )
    return all_charts.with_tables(shape, {0: bars, 1: table if not facts["circle"] else table[:1]})


@lru_cache(maxsize=100)
def spread_shape(title: str, unit: str, low: float, high: float, colour: str, dark: bool) -> dict[str, Any]:
    scale = alt.Scale(domain=[low, high], nice=False)
    name = f"{title} ({unit})" if unit else title
    bars = named(0).mark_bar(color=colour, opacity=0.8, binSpacing=0).encode(
        x=alt.X("from:Q", bin="binned", title=name, scale=scale, axis=alt.Axis(grid=False, tickCount=6)), x2="to:Q",
        y=alt.Y("images:Q", title="images", axis=alt.Axis(tickCount=3, grid=False)),
        tooltip=[alt.Tooltip("from:Q", format=".3~g"), alt.Tooltip("to:Q", format=".3~g"), "images:Q"],
    )  # fmt: skip
    place = alt.X("level:Q", scale=scale)
    dash = alt.condition("datum.strong", alt.value([1, 0]), alt.value([3, 3]))
    rules = named(1).mark_rule(color=INK[dark], strokeWidth=1.4).encode(
        x=place, strokeDash=dash, tooltip=["label:N", alt.Tooltip("level:Q", title="changed images lie at", format=".3~g")]
    )  # fmt: skip
    texts = [  # two rows, because the marks may lie close to each other
        named(1)
        .transform_filter(which)
        .mark_text(color=INK[dark], align="left", dx=3, dy=down, fontSize=10, tooltip=None)
        .encode(x=place, y=alt.value(0), text="label:N")
        for which, down in (("datum.strong", 6), ("!datum.strong", 18))
    ]
    return built(alt.layer(bars, rules, *texts).properties(height=SPREAD_HEIGHT, padding=PADDING), 2)


def pictures(now: Selection) -> None:
    """Some training images of the class, spread evenly over those that are stored."""
    data = reading.training_images(now.run)
    if data is None:
        return
    places = some(data, now.chosen)
    if not places:
        st.caption("No training image of this class is stored.")
        return
    sheet, _ = reading.sheet(data, places, 64)
    name = now.classes[now.chosen]
    width = "stretch" if len(places) == TRAINED else PICTURE * len(places)  # few would grow to fill it
    total = int((reading.labels(data) == now.chosen).sum())
    said = f"{len(places)} of its {total:,} training images." if total > 1 else "Its only training image."
    st.image(sheet, width=width, output_format="PNG", alt=f"{name}: {said}")
    st.caption(plain(said))


@remembered(500)
def some(data: Artifact, chosen: int) -> tuple[int, ...]:
    own = np.flatnonzero(reading.labels(data) == chosen)
    return tuple(int(item) for item in own[np.linspace(0, len(own) - 1, min(TRAINED, len(own))).round().astype(int)])
