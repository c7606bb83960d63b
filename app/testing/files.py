"""What can be taken away from the Testing page: the edited image, all pictures, the numbers, and a link to all of it."""

import json
from dataclasses import asdict
from urllib.parse import urlencode

import numpy as np
import streamlit as st

from app import pictures
from app.probe import Answer
from app.saliency.strips import percent
from app.testing.asking import layer_words
from app.testing.outcome import Outcome
from app.testing.showing import difference, images, map_name, overlays
from app.testing.words import number
from precompute.catalogue import CHANGES

PNG, NPZ = "image/png", "application/octet-stream"
FILES = {  # by the end of their names: label, kind, what is in them
    "png": (
        "Edited image",
        PNG,
        "In the network's own size, its values rounded to bytes; the NPZ has them as the network saw them.",
    ),
    "sheet.png": ("PNG with caption", PNG, "Both images, both maps and their difference, with a caption."),
    "npz": ("NPZ with numbers", NPZ, "Both images, maps, logits and probabilities, and what was done, for NumPy."),
}


def summary(outcome: Outcome) -> str:
    """What was done, in a line."""
    made, parts = outcome.edits, []
    if made.region:
        left, up, right, down = (f"{share:.0%}" for share in made.region)
        parts.append(f"region {left} to {right}, {up} to {down} removed ({made.fill})")
    parts += [
        CHANGES[name].title.lower() if CHANGES[name].binary else f"{CHANGES[name].title} {number(name, value)}"
        for name, value in made.settings
    ]
    return ", ".join(parts) or "nothing changed"


def caption(outcome: Outcome) -> str:
    names, (before, after), scene = outcome.scene.names, outcome.chances, outcome.scene
    said = [f"{names[int(item.argmax())]} ({percent(float(item.max()))})" for item in (before, after)]
    label = "" if scene.picture.label is None else f", true class {names[scene.picture.label]}"
    return (
        f"{scene.picture.name}{label}: {said[0]} → {said[1]} after {summary(outcome)}. Epoch {scene.selection.epoch} of run "
        f"{scene.selection.run.id}. {map_name(outcome)} at {scene.layer}."
    )


def take_away(outcome: Outcome) -> None:
    """The edited image, all pictures with a caption, the numbers, and a link; made while the place for them is open."""
    place = st.popover("Take away", icon=":material/download:", key="testing.files", on_change="rerun")
    if not place.open:
        return
    scene, made = outcome.scene, contents(outcome)
    what = "picture" if scene.picture.image is None else f"image{scene.picture.image}"
    name = f"{scene.selection.run.id}-{what}-epoch{scene.selection.epoch}-edited"
    with place:
        for kind, (label, mime, note) in FILES.items():
            st.download_button(
                label, made[kind], f"{name}.{kind}", mime, key=f"testing.{kind}", icon=":material/download:",
                on_click="ignore", help=note, width="stretch",
            )  # fmt: skip
        st.code(link(outcome), language=None, wrap_lines=True)
        own = " The picture is not in it: drop the same file again." if scene.picture.image is None else ""
        st.caption(f"This link restores everything on the page.{own}")


def contents(outcome: Outcome) -> dict[str, bytes]:
    """The files by kind; made once for each answer, and not by Streamlit when a person clicks.

    What Streamlit is to make later is lost when the page is drawn again in between, as it is while curves come in.
    """
    held: tuple[Answer, dict[str, bytes]] | None = st.session_state.get("testing.contents")
    if held is None or held[0] is not outcome.answer:
        maps = [*overlays(outcome), difference(outcome)] if len(outcome.maps) else []
        made = {
            "png": pictures.png(pictures.rgb(outcome.rounded, len(outcome.rounded))),
            "sheet.png": pictures.sheet([*images(outcome), *maps], caption(outcome)),
            "npz": pictures.npz(facts(outcome)),
        }
        st.session_state["testing.contents"] = held = (outcome.answer, made)
    return held[1]


def link(outcome: Outcome) -> str:
    """The address of this page with everything in it, also what is left out of it as long as it is the default."""
    selected, scene = outcome.scene.selection, outcome.scene
    said = {
        "run": selected.run.id,
        "epoch": str(selected.epoch),
        "class": selected.classes[selected.chosen],
        "technique": scene.technique,
        "explains": scene.explain,
    }
    if scene.layer in layer_words(selected):  # the input is none of them
        said["at"] = scene.layer
    return f"{st.context.url or ''}?{urlencode(said | st.query_params.to_dict())}"


def facts(outcome: Outcome) -> dict[str, np.ndarray | str | float]:
    """What the NPZ file holds; `edited` is what the network saw, not rounded to bytes, which may undo an attack."""
    scene, (before, after) = outcome.scene, outcome.chances
    maps = dict(zip(("map_before", "map_after"), outcome.maps, strict=False))
    return {
        "original": scene.picture.pixels,
        "edited": outcome.pixels,
        "logits_before": outcome.answer.logits,
        "logits_after": outcome.answer.more["edited/logits"],
        "probabilities_before": before,
        "probabilities_after": after,
        **maps,
        "explained_class": outcome.explained,
        "class_names": np.array(scene.names),
        "technique": scene.technique,
        "layer": scene.layer,
        "run": scene.selection.run.id,
        "epoch": scene.selection.epoch,
        "image": -1 if scene.picture.image is None else scene.picture.image,
        "edits": json.dumps(asdict(outcome.edits)),
        "caption": caption(outcome),
    }
