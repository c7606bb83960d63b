"""Saliency: where the network looks for a class, technique by technique and epoch by epoch (SalienCNN's side-by-side view)."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import absent, ground, reading, selection
from app.address import KEPT, forget_unless, one_of
from app.edge import plain, plain_errors
from app.overview import unlabelled
from app.saliency import cases as recommended
from app.saliency import cells, changed, custom, progression, stored
from app.saliency.progression import Explained, Question
from app.saliency.strips import Look, Scene
from app.selection import Selection

EXPLAINED: tuple[Explained, ...] = ("chosen", "true", "predicted")  # words of the address and of the page alike
UNJUDGED: tuple[Explained, ...] = ("predicted", "chosen")  # of images without a label
SCALES = ("per sequence", "per map")
SHOWN = ("overlay", "map only")
HELP = {
    "explained": "Which class the maps speak for: the one chosen above at every epoch, the image's true one, or the one "
    "predicted at each epoch.",
    "layer": "The layer whose feature maps are explained, and the resolution of its maps. Techniques of the gradient explain "
    "the image itself, and are shown whatever the layer.",
    "scale": "One scale for all epochs of a row shows how evidence grows; a scale of its own for each map shows weak "
    "patterns too.",
    "colours": "Of maps without sign. Signed maps are always blue to red, with zero in the middle.",
}
CASES = {
    "correct": ("Right", "of {name}, and taken for it", "no image of {name} is taken for it"),
    "taken_for_it": (
        "Taken for it",
        "of another class, but taken for {name}",
        "no image of another class is taken for {name}",
    ),
    "missed": ("Missed", "of {name}, but taken for another class", "no image of {name} is taken for another class"),
}


def page() -> None:
    selected = selection.current()
    st.title("Saliency")
    st.caption(
        "Where does the network look for a class, from the first epoch to the last, and do the techniques agree?"
    )
    layers = stored.layers(selected.run, selected.evaluation)
    if not layers:
        absent.not_asked_for(selected.run, "saliency maps", absent.SALIENCY)
        return
    labelled = reading.labelled(selected.data)
    scene = controls(selected, layers, EXPLAINED if labelled else UNJUDGED)
    if labelled:
        cases(scene)
    else:
        with plain_errors():
            st.caption(
                "These images have no label, so there are no cases of right and wrong. Click one to see its maps."
            )
            unlabelled.gallery(selected, "saliency.unlabelled")
    any_image(scene)
    custom.own_image(scene)


def controls(selected: Selection, layers: dict[str, tuple[int, int]], explained: tuple[Explained, ...]) -> Scene:
    """The row of choices that hold for all strips below."""
    if st.session_state.get("layer") not in layers:
        st.session_state.pop("layer", None)
    sized = {name: f"{name}, {height} × {width}" for name, (height, width) in layers.items()}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="controls"):
        forget_unless("explained", explained)
        explain = choice("Explained class", explained, "explained")
        layer = st.selectbox(
            "Layer", list(layers), format_func=sized.get, key="layer", width=220, help=HELP["layer"], **KEPT
        )
        scale = choice("Scale", SCALES, "scale")
        with st.popover("Drawing", icon=":material/palette:"):
            over = choice("Show", SHOWN, "show")
            colours = st.selectbox("Colours", ("inferno", "viridis", "grey"), key="map", help=HELP["colours"], **KEPT)
            opacity = st.slider("Opacity", 0.1, 1.0, 0.7, 0.1, key="opacity", disabled=over != SHOWN[0], **KEPT)
    columns = progression.thinned(selected.epochs, selected.epoch)
    question = progression.renewed(Question(selected, columns, explain, layer))
    dark = ground.is_dark()
    return Scene(question, Look(colours, opacity, scale == SCALES[0], over == SHOWN[0], dark))


def choice(label: str, options: Sequence[Any], key: str) -> Any:
    """One of few, the first by default; kept in the address."""
    return one_of(label, options, key, help=HELP.get(key))


def cases(scene: Scene) -> None:
    """SalienCNN's three recommended cases of the chosen class, and a fourth: whose attention changed most."""
    selected = scene.question.selection
    epoch = cases_epoch(selected)
    found = reading.recommended(selected.evaluation, selected.data, epoch, selected.chosen)
    for name in CASES:
        with st.container(key=f"case.{name}", gap="xsmall"), plain_errors():
            title, what, none = (text.format(name=scene.names[selected.chosen]) for text in CASES[name])
            words = f"{what}, after epoch {epoch}", f"None exists: after epoch {epoch}, {none}."
            case(scene, name, title, getattr(found, name).tolist(), words)
    with st.container(key="case.changed", gap="xsmall"), plain_errors():
        most = changed.found(scene, epoch)
        case(scene, "changed", "Changed most", most.images, (most.what, most.why))


def cases_epoch(selected: Selection) -> int:
    """The epoch by which the cases were chosen, and a way to a newer one."""
    epoch, newest = recommended.epoch_of(selected), selected.epochs[-1]
    if newest > epoch:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"These cases were chosen by epoch {epoch}; epoch {newest} is finished since.", width="content")
            st.button(
                f"Choose by epoch {newest}", key="cases.newer", type="tertiary", on_click=recommended.turn_to,
                args=(selected, newest),
            )  # fmt: skip
    return epoch


def case(scene: Scene, name: str, title: str, images: Sequence[int], words: tuple[str, str]) -> None:
    """One recommended case: its title and what it is, previous and next, its strip; or why there is none."""
    selected, (what, none) = scene.question.selection, words
    number = recommended.place_of(selected, name, len(images))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{title}** :gray[{plain(what)}]", width="content")
        if len(images) > 1:
            with st.container(horizontal=True, width="content", vertical_alignment="center", gap="small"):
                turn("Previous", selected, name, number - 1, disabled=number == 0)
                st.caption(f"{number + 1} of {len(images)}", width="content")
                turn("Next", selected, name, number + 1, disabled=number == len(images) - 1)
    if images:
        cells.draw(scene, f"case.{name}", image=images[number])
    else:
        st.caption(plain(none))


def turn(label: str, selected: Selection, name: str, number: int, *, disabled: bool) -> None:
    """A button to the previous or next image of a case."""
    back = label == "Previous"
    st.button(
        label,
        icon=":material/chevron_left:" if back else ":material/chevron_right:",
        icon_position="left" if back else "right",
        type="tertiary",
        key=f"{label.lower()}.{name}",
        disabled=disabled,
        on_click=recommended.show,
        args=(selected, name, number),
    )


def any_image(scene: Scene) -> None:
    """The focus image of the tray, and a way to any other by its number."""
    last = len(reading.labels(scene.question.selection.data)) - 1
    with st.container(key="case.focus", gap="xsmall"), plain_errors():
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown("**Any image** :gray[the one in focus]", width="content")
            hint = f"number, 0 to {last}"
            st.number_input(
                f"Image {hint}", 0, last, None, key="number", on_change=to_focus, placeholder=hint, width=200,
                label_visibility="collapsed",
            )  # fmt: skip
        if (image := scene.question.selection.focus) is None:
            st.caption(
                "Give a number, or click an image on the Overview page: it joins the tray above and is shown here."
            )
        else:
            cells.draw(scene, "focus", image=image)


def to_focus() -> None:
    if st.session_state["number"] is not None:
        selection.focus(st.session_state["number"])


page()
