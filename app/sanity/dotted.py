"""How alike maps are over many images: a dot each by technique, and the medians as a table, with the controls."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st

from app import ground, methods, selection, specifications
from app.address import one_of
from app.sanity import charts, stored, tabled, words
from app.sanity.stored import Subject
from app.selection import Selection
from precompute.sanity.likeness import SMALLEST
from store.shards import Artifact

# words of the address and of the page alike
MEASURES = {
    "spearman": "Spearman",
    "spearman_absolute": "of magnitudes",
    "ssim": "SSIM",
    "largest": "largest difference",
}
Read = Callable[[Subject, str], np.ndarray]  # of a technique and a measure: values whose last axis is the image


def draw(now: Selection, artifact: Artifact, read: Read, key: str) -> None:
    """read: how alike the maps of a technique are, by a measure; several draws are one median an image."""
    held = [name for name in MEASURES if name in artifact.attributes["arrays"]]
    measure = measured(held)
    every, images = stored.subjects(artifact), stored.values(artifact, now.epoch, "number")
    titles = named(every)
    found = np.stack([stored.nan_median(by_image(read(item, measure))) for item in every])  # (technique, image)
    table = charts.table(titles, [item.control for item in every], found, images)
    if table.empty:
        st.info(nothing(measure))
        return
    name, dark = f"sanity.{key}.dots", ground.is_dark()
    st.vega_lite_chart(
        specifications.kept(charts.dots, table, titles, measure, dark=dark),
        key=name,
        on_select=lambda: pick(name, images),
        selection_mode=charts.PICK,
        alt=f"{charts.AXES[measure]}, a dot an image: " + "; ".join(medians(titles, found)),
    )
    st.caption(
        f"{len(images)} images, spread evenly over the evaluated ones; bar: median. A click on a dot chooses its image. Grey: "
        f"controls that ask no network. {methods.link(linked(measure), 'How it is measured')}."
    )
    tabled.draw(summary(every, titles, found), column_config=without(measure))


def measured(held: list[str]) -> str:
    """The measure the address names, as far as the check has it."""
    titles = [MEASURES[name] for name in held]
    return held[titles.index(one_of("Measure", titles, "likeness", label_visibility="collapsed"))]


def nothing(measure: str) -> str:
    """Why no image has a value."""
    return {
        "ssim": f"There is no structural similarity: every map is smaller than {SMALLEST} pixels a side, or flat. Choose "
        "another measure.",
        "largest": "There is no largest difference: the maps hold values that are no numbers.",
    }.get(measure, "There is no rank correlation: of every image, one of the two maps has the same value everywhere.")


def linked(measure: str) -> str:
    """Its name on the Methods page."""
    return {"spearman_absolute": "spearman", "largest": "largest-difference"}.get(measure, measure)


def named(every: tuple[Subject, ...]) -> list[str]:
    """A title for each, with the layer where that alone tells two apart."""
    titles = [item.title for item in every]
    return [f"{item.title}, {item.layer}" if titles.count(item.title) > 1 else item.title for item in every]


def by_image(found: np.ndarray) -> np.ndarray:
    """Values (..., image) as (image, draws)."""
    return found.reshape(-1, found.shape[-1]).T


def medians(titles: list[str], found: np.ndarray) -> list[str]:
    return [f"{title} {words.signed(stored.spread(row).median)}" for title, row in zip(titles, found, strict=True)]


def summary(every: tuple[Subject, ...], titles: list[str], found: np.ndarray) -> pd.DataFrame:
    rows = [stored.spread(row) for row in found]
    return pd.DataFrame(
        {
            "Technique": [methods.cell(item.about, title) for item, title in zip(every, titles, strict=True)],
            "Map": [item.size for item in every],
            "Median": [words.rounded(row.median) for row in rows],
            "10%": [words.rounded(row.low) for row in rows],
            "90%": [words.rounded(row.high) for row in rows],
            "Images": [row.count for row in rows],
            "Without a value": [row.without for row in rows],
        }
    )


def without(measure: str) -> dict[str, object]:
    why = (
        f"maps smaller than {SMALLEST} pixels a side, or both flat" if measure == "ssim" else "one of the maps is flat"
    )
    return {"Without a value": st.column_config.NumberColumn("Without a value", help=f"Images without a value: {why}")}


def pick(chart: str, images: np.ndarray) -> None:
    image = selection.picked(chart, charts.PICK).get("image")
    if image is not None and int(image) in images:  # the browser is not to be trusted with numbers
        selection.focus(int(image))
