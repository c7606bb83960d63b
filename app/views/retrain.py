"""Re-train: the same run with something changed, asked for with an expectation."""

from collections.abc import Sequence

import streamlit as st

from app import sections, selection
from app.access import roles
from app.edge import plain, plain_errors
from app.retrain import retraining, sending, training_set
from app.retrain.fields import Leaf
from app.retrain.form import Form
from store.errors import BadInput
from store.runs import Run

HYPOTHESIS_LENGTH = 2000
FOLDS = {  # title, icon, and the sentence inside
    "augmentation": ("Augmentation", ":material/shuffle:", "Random changes of each training image, drawn anew in each epoch."),
    "weights": ("Class weights", ":material/balance:", "How much an error on an image of a class counts; 1 is usual."),
    "leave_out": ("Training images left out", ":material/hide_image:", "Images that the network never sees in training."),
    "computed": ("What is computed from it", ":material/center_focus_strong:", "None of this trains anything again."),
    "model": ("Network", ":material/account_tree:", "Another network learns something else: compare with care."),
    "data": ("Data and name", ":material/database:", ""),
}  # fmt: skip


def page() -> None:
    run = selection.run_at_hand()
    if run is None:
        return
    st.title("Re-train")
    st.caption("What if it were trained differently?")
    if about := retraining.origin(run):
        st.info(about, icon=":material/info:")
    reason = roles.refusal("re-train", roles.person())
    if reason:
        st.info(plain(f"{reason} The fields below show how this run was made."), icon=":material/visibility:")
    try:
        form = retraining.form_of(run, disabled=bool(reason))
    except BadInput as error:
        st.warning(plain(f"This run cannot be trained again from here: {error}"), icon=":material/block:")
        return
    left, right = st.container(key="halves.retrain").columns((3, 2), gap="large")
    with left, plain_errors():
        hypothesis = expected(run, form.disabled)
        fields(form, run)
    with right, plain_errors():
        sending.panel(form, run, hypothesis)


def expected(run: Run, disabled: bool) -> str:
    """What the person expects of the change."""
    text = st.text_area(
        "What do you expect, and why?",
        key=f"hypothesis.{run.id}",
        max_chars=HYPOTHESIS_LENGTH,
        height=80,
        placeholder="For example: less grass in Deer, because the images are shifted more",
        disabled=disabled,
        persist_state="session",
    )
    return (text or "").strip()


def fields(form: Form, run: Run) -> None:
    """All fields, the hyperparameters open, everything else folded."""
    parts: dict[str, list[Leaf]] = {name: [] for name in ("training", *FOLDS)}
    for leaf in form.fields:
        parts[part(leaf)].append(leaf)
    st.subheader("Training")
    form.draw_all(parts.pop("training"))
    for name, some in parts.items():
        fold(form, run, name, some)


def part(leaf: Leaf) -> str:
    """The section a field stands in."""
    match leaf.path:
        case ("training", "augmentation", *_):
            return "augmentation"
        case ("training", *_):
            return {"weights": "weights", "numbers": "leave_out"}.get(leaf.widget, "training")
        case ("evaluation", "keep"):  # part of the run, unlike what is computed from it
            return "training"
        case ("artifacts" | "evaluation", *_):
            return "computed"
    return "model" if leaf.path[0] == "model" else "data"


def fold(form: Form, run: Run, name: str, some: Sequence[Leaf]) -> None:
    """A folded section, drawn once it is open."""
    if not some:
        return
    title, icon, about = FOLDS[name]
    sections.folded(title, icon, f"fold.{name}", inside, form, run, name, some, about)


def inside(form: Form, run: Run, name: str, some: Sequence[Leaf], about: str) -> None:
    if about:
        st.caption(about)
    if name == "data":
        other_data(form, some)
    elif name in ("weights", "leave_out"):
        special(form, run, some)
    else:
        form.draw_all(some)


def special(form: Form, run: Run, some: Sequence[Leaf]) -> None:
    """Fields whose widget needs more than the schema: the classes, the training images."""
    for leaf in some:
        if leaf.widget == "weights":
            training_set.weights(form, leaf)
        else:
            training_set.leave_out(form, leaf, run)


def other_data(form: Form, some: Sequence[Leaf]) -> None:
    """The data are only shown at first: with others, nothing can be compared with the parent."""
    form.draw_all([leaf for leaf in some if len(leaf.path) == 1])
    locked = not st.toggle(
        "Train on other data",
        key=f"data.{form.scope}",
        disabled=form.disabled,
        persist_state="session",
        help="Other images or another split: measures and maps cannot be compared image by image then.",
    )
    form.locked(locked).draw_all([leaf for leaf in some if len(leaf.path) > 1])


page()
