"""What changes an image: the sliders with their curves, the region, and the options; app.testing.edited holds what they say."""

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from app import pictures
from app.testing import edited, words
from app.testing.asking import Scene
from app.testing.curves import Curve
from app.testing.outcome import Outcome
from app.testing.picture import Picture
from app.widgets import sliders
from app.widgets.region import region
from app.widgets.sliders import Flip, Row
from precompute.catalogue import CHANGES
from precompute.edits import CORNERS, FILLS, LARGEST_SEED, ORDER, PREDICTED, Edits
from store.judgements import Region

FILL_WORDS = {"mean": "mean colour", "blur": "blur", "black": "black"}
FILL_FULL = {"mean": "the image's mean colour", "blur": "its own blur", "black": "black"}
CORNER_WORDS = {"reflect": "mirrored", "black": "black"}
REGION_SIDE = 300  # pixels of the picture one draws on, about


def heading() -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Change it**", width="stretch", help=ORDER)
        st.button("Undo all", icon=":material/undo:", type="tertiary", key="testing.reset", on_click=reset)


def reset() -> None:
    """Undoes all edits; the options stay."""
    edited.change(settings={}, region=None)
    turn()


def turn() -> None:
    """What was drawn on the picture is not to be there any more."""
    st.session_state["testing.turn"] = st.session_state.get("testing.turn", 0) + 1


# The sliders


def draw_sliders(
    scene: Scene,
    made: Edits,
    outcome: Outcome | None,
    known: Mapping[str, Curve],
    *,
    waiting: bool,
    names: Sequence[str] = (),
    key: str = "sliders",
    plots: bool = True,
) -> None:
    """The sliders of these changes (all that the picture has), with the curves that are known, or without."""
    chosen = [name for name in scene.picture.changes if not names or name in names]
    rows = [row(name, made, scene, outcome, known.get(name)) for name in chosen]
    sliders.sliders(rows, key=f"testing.{key}", waiting=waiting, plots=plots, on_change=moved)
    if scene.picture.shape[2] == 1 and not names:
        st.caption("A grey picture has no hue and no saturation.")


def moved(values: Mapping[str, float]) -> None:
    """Takes what the sliders say."""
    now = edited.now().values
    inside = {name: min(max(value, CHANGES[name].low), CHANGES[name].high) for name, value in values.items()}
    edited.change(settings=now | inside)


def row(name: str, made: Edits, scene: Scene, outcome: Outcome | None, curve: Curve | None) -> Row:
    item = CHANGES[name]
    value = made.values.get(name, item.identity)
    drawn = curve_of(curve, scene.names, value, outcome) if curve else None
    aim = attacked_words(scene, made, outcome.predicted[0]) if outcome and name == "fgsm" else ""
    about = f"{item.help}; the loss of {aim} rises" if aim else item.help
    return Row(
        name, item.title, item.unit, about, item.low, item.high, item.identity, item.step, item.binary, value, drawn
    )


def curve_of(curve: Curve, names: Sequence[str], value: float, outcome: Outcome | None) -> sliders.Curve:
    held, other = curve.start, curve.rival
    at = np.interp(value, curve.values, curve.chances[:, held])
    said = words.flip_words(curve, names)
    flips = f"the prediction changes {said}" if said else "the prediction never changes"
    return sliders.Curve(
        rounded(curve.values),
        rounded(curve.chances[:, held]),
        rounded(curve.chances[:, other]),
        names[held],
        names[other],
        round(float(outcome.chances[1][held] if outcome else at), 4),
        [Flip(found, words.flip_word(curve.name, found, names[new])) for found, new in curve.flipped],
        f"Probability of {names[held]} along {CHANGES[curve.name].title}; {flips}.",
    )


def rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in values]


# The region and the options


def more(scene: Scene) -> None:
    """What is no slider, folded away."""
    made = edited.now()
    place = st.expander("Remove a region", icon=":material/crop_free:", key="testing.region", on_change="rerun")
    with place:
        if place.open:
            draw_region(scene.picture, made.region)
            choice("Filled with", FILLS, "fill", made.fill, FILL_WORDS)
        else:
            st.session_state.pop("testing.drawn_on", None)
    if made.region:
        st.caption(f"A region is removed, and filled with {FILL_FULL[made.fill]}.")
    place = st.expander("Corners, noise and attack", icon=":material/tune:", key="testing.options", on_change="rerun")
    with place:
        if place.open:
            options(scene, made)
    st.caption(ORDER)


def options(scene: Scene, made: Edits) -> None:
    choice("Corners of a turned picture", CORNERS, "corners", made.corners, CORNER_WORDS)
    st.session_state["testing.seed"] = made.seed
    st.number_input(
        "Pattern of the noise", 0, LARGEST_SEED, key="testing.seed", on_change=chosen, args=("seed", "testing.seed"),
        help="The seed of the random numbers: one pattern at all strengths.",
    )  # fmt: skip
    true = [] if scene.picture.label is None else [""]
    classes = [str(number) for number in range(len(scene.names))]
    every = [*true, edited.BEFORE, *classes]
    aimed = edited.target()
    st.session_state["testing.target"] = aimed if aimed in every else every[0]
    st.selectbox(
        "FGSM raises the loss of", every, format_func=lambda word: target_words(scene, word), key="testing.target",
        on_change=chosen, args=("target", "testing.target"),
        help="The class the attack leads away from: the true one where it is known, so that nothing about the attack "
        "depends on what the network says.",
    )  # fmt: skip


def target_words(scene: Scene, word: str) -> str:
    if word == "" and scene.picture.label is not None:
        return f"{scene.names[scene.picture.label]} (the true class)"
    return scene.names[int(word)] if word.isdecimal() else "the class predicted before"


def attacked_words(scene: Scene, made: Edits, before: int) -> str:
    """The class that FGSM attacks, and what it is."""
    if made.attacked == PREDICTED:
        return f"{scene.names[before]} (the class predicted before)"
    note = " (the true class)" if made.attacked == scene.picture.label else ""
    return f"{scene.names[made.attacked]}{note}"


def choice(label: str, values: Sequence[str], name: str, now: str, said: Mapping[str, str]) -> None:
    key = f"testing.{name}"
    st.session_state[key] = now
    st.segmented_control(
        label, values, required=True, key=key, format_func=said.get, on_change=chosen, args=(name, key)
    )


def chosen(name: str, key: str) -> None:
    edited.change(**{name: st.session_state[key]})


def draw_region(picture: Picture, now: Region | None) -> None:
    """A place to draw on the original picture."""
    name = f"testing.region.{hash(picture.data):x}.{st.session_state.get('testing.turn', 0)}"
    if st.session_state.get("testing.drawn_on", ("", None))[0] != name:
        st.session_state["testing.drawn_on"] = name, now  # a first region that moved would draw the picture anew
    side = pictures.whole(picture.shape[0], REGION_SIDE)
    region(
        pictures.png(pictures.rgb(picture.pixels, side)),
        alt=f"{picture.name}, as it was",
        label="Region to remove",
        key=name,
        first=st.session_state["testing.drawn_on"][1],
        on_draw=lambda drawn: edited.change(region=drawn),
    )
