"""Testing: an image is changed by hand, and the prediction, its reasons and what it withstands follow (VATUN's view B)."""

import streamlit as st

from app import probe, reading, selection
from app.address import as_widget, one_of
from app.edge import plain, plain_errors
from app.guide import panel as guide
from app.saliency import custom
from app.testing import asking, controls, edited, files, showing, words
from app.testing.asking import EXPLAINED, Scene
from app.testing.curves import Curve, known_curves
from app.testing.outcome import Outcome, outcome_of
from app.testing.picture import Picture, of_data
from precompute.catalogue import TECHNIQUES
from store.errors import LoupeError

SOURCES = ("data set", "own picture")  # words of the address and of the page alike
HELP = {
    "explains": "Which class both maps speak for: the one predicted before or after the edits, the image's true one, or "
    "the one chosen above.",
    "technique": "Drawn on both images, with the weights of the selected epoch.",
    "at": "The layer whose feature maps are explained, and the resolution of its maps. Techniques of the gradient explain "
    "the image itself, whatever the layer.",
}


def page() -> None:
    selected = selection.current()
    st.title("Testing")
    st.caption("Change an image: what does the network still recognise, and what does it look at then?")
    probe.shared().warm()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="controls"):
        source = one_of("Image", SOURCES, "source")
        place = st.container(width=150)
        choices(selected)
    with place:
        picture = own(selected) if source == SOURCES[1] else focused(selected)
    if picture is None:
        st.info(
            "Click an image on the Overview or Embedding page, or give its number: it joins the tray and is shown here."
        )
        return
    draw(asking.scene_of(selected, picture))


def choices(selected: selection.Selection) -> None:
    """Technique, layer and explained class of the maps; the address of every page holds them."""
    layers, titles = asking.layer_words(selected), {name: item.title for name, item in TECHNIQUES.items()}
    technique = st.selectbox(
        "Map", list(titles), format_func=titles.get, width=160, help=HELP["technique"],
        **as_widget("technique", titles, asking.TECHNIQUE),
    )  # fmt: skip
    st.selectbox(
        "Layer", list(layers), format_func=layers.get, width=180, help=HELP["at"], disabled=TECHNIQUES[technique].at_input,
        **as_widget("at", layers, selected.run.attributes["default_layer"]),
    )  # fmt: skip
    offered = EXPLAINED if reading.labelled(selected.data) else tuple(word for word in EXPLAINED if word != "true")
    st.segmented_control(
        "Explained class", offered, required=True, help=HELP["explains"],
        **as_widget("explains", offered, EXPLAINED[0]),
    )  # fmt: skip


# The image


def focused(selected: selection.Selection) -> Picture | None:
    """The image in focus, and a way to any other by its number."""
    last = len(reading.labels(selected.data)) - 1
    st.session_state["testing.number"] = selected.focus
    st.number_input(
        "Number", 0, last, None, key="testing.number", on_change=to_focus, placeholder="its number",
        label_visibility="collapsed",
    )  # fmt: skip
    return None if selected.focus is None else of_data(selected.data, selected.focus)


def to_focus() -> None:
    if st.session_state["testing.number"] is not None:
        selection.focus(st.session_state["testing.number"])


def own(selected: selection.Selection) -> Picture | None:
    """A picture of the visitor's: in this session's memory, so that it outlives a visit to another page, and nowhere else."""
    file = st.file_uploader(
        "A picture", key="testing.file", max_upload_size=custom.MOST_MEGABYTES, label_visibility="collapsed",
        on_change=take,
    )  # fmt: skip
    data, name = st.session_state.get("testing.own", (b"", ""))
    if not data:
        return None
    if file is None:
        st.button(
            f"Forget {plain(name)}", icon=":material/close:", type="tertiary", on_click=take, key="testing.forget"
        )
    size, channels = (selected.data.attributes[key] for key in ("size", "channels"))
    shape, pixels, notes = custom.prepared(data, name, size, channels)
    for note in notes:
        st.caption(plain(note))
    return Picture(pixels, shape)


def take() -> None:
    file = st.session_state["testing.file"]
    st.session_state["testing.own"] = (file.getvalue(), file.name) if file else (b"", "")


# What follows an edit: this part alone is drawn again


@st.fragment
def draw(scene: Scene) -> None:
    with plain_errors():
        left, middle, right = st.container(key="halves.testing").columns((6, 7, 4), gap="medium")
        with middle:
            controls.heading()
            place = st.container()
            controls.more(scene)
        made = edited.current_edits(scene.picture, len(scene.names))
        asked = asking.both(scene, made)
        along = asking.curves(asked, scene.picture.changes)
        found = asking.soon(asked, list(along.values()))
        answer = found.get(asked)
        outcome = outcome_of(scene, made, answer)
        known = known_curves(found, along)
        if outcome:
            with left:
                showing.show(outcome)
                files.take_away(outcome)
            with right:
                showing.bars(outcome)
                showing.every(outcome)
                verdict(outcome, list(known.values()), len(along))
        with left:
            showing.problems(found, [asked, *along.values()], outcome)
        waiting = not isinstance(answer, LoupeError) and len(found) < len(along) + 1
        with place:  # last: the browser sends no newer values before it has this
            controls.draw_sliders(scene, made, outcome, known, waiting=waiting)
    guide.keep_up("testing")


def verdict(outcome: Outcome, known: list[Curve], count: int) -> None:
    """The sentence about what the prediction withstands, and what FGSM did."""
    if len(known) < count:
        st.caption(f"{len(known)} of {count} curves are there.")
    else:
        st.markdown(plain(words.verdict(known, outcome.scene.names, outcome.predicted[0])))
    others = "" if outcome.edits.nothing else " with the other edits as they are"
    st.caption(
        f"Each change by itself{others}: 17 values over its range (of a flip 2), and bisection where the prediction first "
        "changes between two of them, on either side. Blue: the class predicted without this change; orange: its rival, and "
        "where it takes over."
    )
    still = float(outcome.answer.more["edited/still"][0])
    dead = f" {still:.0%} of the values have no gradient and stay." if still else ""
    target = controls.attacked_words(outcome.scene, outcome.edits, outcome.predicted[0])
    st.caption(plain(f"FGSM raises the loss of {target}.{dead}"))


page()
