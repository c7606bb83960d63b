"""Stability: how alike maps stay under a little noise on the image, and over the last epochs."""

import numpy as np
import streamlit as st

from app import methods, specifications
from app.edge import plain
from app.sanity import charts, dotted, states, stored, words
from app.selection import Selection
from store.shards import Artifact


def section(now: Selection) -> None:
    st.markdown(
        "A map that turns into another one although the image hardly changed, or although the training is over, says little "
        "about either. " + methods.link("stability", "How this is measured") + "."
    )
    artifact = states.check(now, stored.STABILITY)
    if artifact is None:
        return
    noise(now, artifact)
    epochs(now, artifact)


def noise(now: Selection, artifact: Artifact) -> None:
    options = artifact.attributes["options"]
    kept = stored.values(artifact, now.epoch, "kept").mean()
    st.subheader("Under noise on the image")
    st.markdown(
        f"**{words.percent(float(kept))} of the predictions stay** under noise of {words.percent(options['noise'])} of each "
        "image's range."
    )
    st.caption(f"Median of {options['draws']} draws for each image; the explained class stays the same.")
    dotted.draw(
        now, artifact, lambda item, measure: stored.under_noise(artifact, now.epoch, item, measure), "stability"
    )


def epochs(now: Selection, artifact: Artifact) -> None:
    st.subheader("Over the last epochs")
    every = stored.subjects(artifact)
    titles = dotted.named(every)
    earlier, _ = stored.over_epochs(artifact, now.epoch, every[0])
    if not earlier:
        st.info(f"There is no kept epoch before epoch {now.epoch} to compare with.")
        return
    found = np.stack([stored.nan_median(stored.over_epochs(artifact, now.epoch, item)[1]) for item in every])
    random = [item.name == stored.RANDOM for item in every]
    values = charts.down_table(titles, [f"epoch {item}" for item in earlier], found[..., None], random)
    values.loc[values.place == 0, "stage"] = f"epoch {now.epoch}"
    control, along = [item.control for item in every], f"compared with epoch {now.epoch}"
    said = "; ".join(f"{title} {words.signed(float(row[0]))}" for title, row in zip(titles, found, strict=True))
    st.vega_lite_chart(
        specifications.kept(charts.down, values, titles, control, "spearman", along=along),
        key="sanity.epochs",
        alt=f"Spearman's correlation of the maps of epoch {now.epoch} with those of epochs before. Epoch {earlier[0]}: {said}",
    )
    st.caption(
        plain(f"Median over the images, for the class predicted at epoch {now.epoch}, whatever was predicted before. The edge "
              "detector asks no network and stays 1; the random map is drawn anew each time.")
    )  # fmt: skip
    methods.row({"last-epochs": "", **{item.about: "" for item in every}})
