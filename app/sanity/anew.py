"""Randomisation: how alike maps stay while the network's layers are drawn anew."""

import numpy as np
import pandas as pd
import streamlit as st

from app import methods, specifications
from app.address import one_of
from app.edge import plain
from app.sanity import charts, dotted, states, stored, tabled, words
from app.sanity.stored import Subject
from app.selection import Selection
from store.schema import ORDERS
from store.shards import Artifact

ORDER_WORDS = {"cascading": "from the top down", "independent": "one at a time"}
ALONG = {
    "cascading": "all layers from the top down to this one drawn anew",
    "independent": "only this layer drawn anew",
}
MIDDLE = {"cascading": "the line through their median", "independent": "a bar at their median"}
CONTROLS = {"cascading": "Dashed and grey: controls", "independent": "Grey: controls"}
MEASURES = ("spearman", "spearman_absolute", "ssim")


def section(now: Selection) -> None:
    st.markdown(
        "Layers of the trained network get new random weights. A technique that explains what was learned has to show "
        "something else then; the edge detector does not, and the random map never showed anything. "
        + methods.link("randomisation", "How this is done, and why it is no ranking")
        + "."
    )
    artifact = states.check(now, stored.RANDOMISATION)
    if artifact is None:
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        said = one_of("Drawn anew", list(ORDER_WORDS.values()), "order", default=ORDER_WORDS[ORDERS[0]])
        order = next(name for name, word in ORDER_WORDS.items() if word == said)
        measure = dotted.measured([name for name in MEASURES if name in artifact.attributes["arrays"]])
    every = stored.subjects(artifact)
    titles = dotted.named(every)
    found = np.stack(
        [stored.by_stage(stored.cascade(artifact, now.epoch, item, order, measure)) for item in every]
    )  # (technique, stage, draw)
    lines(now, artifact, every, titles, found, order, measure)
    table(now, artifact, every, titles, measure)


def lines(
    now: Selection,
    artifact: Artifact,
    every: tuple[Subject, ...],
    titles: list[str],
    found: np.ndarray,
    order: str,
    measure: str,
) -> None:
    control, stages = [item.control for item in every], stored.stages(artifact)
    values = charts.down_table(titles, stages, found, [item.name == stored.RANDOM for item in every])
    if not np.isfinite(found).any():
        st.info(dotted.nothing(measure))
        return
    last = stored.nan_median(found[:, -1])
    st.vega_lite_chart(
        specifications.kept(
            charts.down, values, titles, control, measure, along=ALONG[order], joined=order == ORDERS[0]
        ),
        key="sanity.anew",
        alt=f"{charts.AXES[measure]} while layers are drawn anew, {ORDER_WORDS[order]}. At the lowest layer: "
        + "; ".join(f"{title} {words.signed(float(value))}" for title, value in zip(titles, last, strict=True)),
    )
    options = artifact.attributes["options"]
    kept = stored.values(artifact, now.epoch, "kept")[ORDERS.index(order)].mean(-1)  # (stage,)
    said = ", ".join(f"{name} {words.percent(float(share))}" for name, share in zip(stages, kept, strict=True))
    count = len(stored.values(artifact, now.epoch, "number"))
    st.caption(
        plain(f"Median over {count} images, a dot for each of {options['draws']} draws, {MIDDLE[order]}; each "
              f"draw and layer has a seed of its own. {CONTROLS[order]}. Predictions that stay: {said}. A technique "
              "at a layer cannot react to what lies below that layer.")
    )  # fmt: skip


def table(now: Selection, artifact: Artifact, every: tuple[Subject, ...], titles: list[str], measure: str) -> None:
    """Each technique after all layers are drawn anew, beside the random map of its size."""
    st.markdown("**With no layer left as it was learned**")
    rows = []
    for item, title in zip(every, titles, strict=True):
        own = stored.spread(stored.after_all(artifact, now.epoch, item, measure))
        null = stored.control_of(artifact, item)
        chance = stored.spread(stored.after_all(artifact, now.epoch, null, measure)) if null else None
        rows.append(
            {
                "Technique": methods.cell(item.about, title),
                "Map": item.size,
                "Median": words.rounded(own.median),
                "10%": words.rounded(own.low),
                "90%": words.rounded(own.high),
                "Random map, 10%": words.rounded(chance.low) if chance else np.nan,
                "Random map, 90%": words.rounded(chance.high) if chance else np.nan,
                "Values": own.count,
                "Without a value": own.without,
            }
        )
    tabled.draw(pd.DataFrame(rows))
    st.caption("A value for each image and draw. What lies within the random map's range cannot be told from chance.")
