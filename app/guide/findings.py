"""What the run shown has for each step of the guide: images, classes and filters by name, or why it has none."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from app import outputs, reading
from app.access import roles
from app.edge import plain
from app.network import recommended, stored
from app.pictures import percent
from app.retrain import retraining
from app.saliency import cases
from app.selection import Selection
from precompute.cases import probabilities
from store.errors import BadInput
from store.schema import UNLABELLED
from store.shards import Artifact

CASES = ("correct", "taken_for_it", "missed")
NO_LABELS = (
    "The images of this run have no label, so none is right or wrong; the steps on right and wrong are left out."
)
NO_PATTERNS = "This run holds no patterns of filters; the page says how it comes by them."
NO_PATTERN = "No pattern is shared by as many images as the recipe asks for: go on."
TO_COME = (
    "The patterns of epoch {epoch} are still to be computed. They follow by themselves; an earlier epoch may have them."
)


@dataclass(frozen=True)
class Goal:
    """What is to be selected for a step; None: what is."""

    chosen: int | None = None  # class
    images: tuple[int, ...] | None = None  # the tray


@dataclass(frozen=True)
class Finding:
    """`says` and `do` are Markdown. `goal`: what is recommended, where it is not in view yet."""

    says: str = ""
    lacks: str = ""  # why there is nothing for the step in this run
    do: str = ""  # in place of what the step says
    goal: Goal | None = None
    named: str = ""  # what the goal is


# The three cases


def case(now: Selection, name: str) -> Finding:
    """The image of a case in view on the page Saliency; else a class that has one."""
    if not reading.labelled(now.data):
        return Finding(lacks=NO_LABELS)
    epoch, image = cases.epoch_of(now), cases.image_of(now, name)
    if image is not None:
        return Finding(about(now, image, epoch))
    other = telling(counts_of(now), name)
    if other is None:
        return Finding(lacks=f"After epoch {epoch} no class has such a case: go on.")
    names = now.classes
    return Finding(
        f"After epoch {epoch} there is no such case of {plain(names[now.chosen])}. {plain(names[other])} has one.",
        goal=Goal(chosen=other),
        named=f"Choose {plain(names[other])}",
    )


def about(now: Selection, image: int, epoch: int) -> str:
    """What an image is, and what it is taken for, in a sentence."""
    chances = probabilities(reading.image_logits(now.evaluation, (epoch,), image)[0])
    label, taken = int(reading.labels(now.data)[image]), int(chances.argmax())
    known, said, share = plain(now.classes[label]), plain(now.classes[taken]), percent(float(chances[taken]))
    if label == UNLABELLED:
        return f"Image {image} is taken for **{said}** ({share})."
    if label == taken:
        return f"Image {image}: this **{known}** is recognised ({share})."
    return f"Image {image}: this **{known}** was taken for **{said}** ({share})."


def a_class(now: Selection) -> Goal:
    """The class to begin with: the one chosen if it has all three cases, else the one that has and errs most."""
    if not reading.labelled(now.data) or all(cases.image_of(now, name) is not None for name in CASES):
        return Goal()
    return Goal(chosen=telling(counts_of(now), *CASES))


def counts_of(now: Selection) -> np.ndarray:
    """The confusion matrix by which cases are chosen, (class, class)."""
    return reading.measured(now.evaluation, "confusion", cases.epoch_of(now))


def telling(counts: np.ndarray, *names: str) -> int | None:
    """Of the classes that have these cases, one with all three before others, the one with most errors; None: no class has."""
    right = counts.diagonal()
    numbers = np.stack([right, counts.sum(0) - right, counts.sum(1) - right])  # (case, class), as CASES
    there = numbers > 0
    possible = there[[CASES.index(name) for name in names]].all(0)
    if not possible.any():
        return None
    order = np.lexsort([-(numbers[1] + numbers[2]), -there.all(0).astype(int), ~possible])
    return int(order[0])


# One image


def recommended_image(now: Selection) -> int:
    """The image to follow: of the class's cases the wrong one; of images without labels the one least sure."""
    if not reading.labelled(now.data):
        return int(outputs.taken(now.evaluation, now.epoch).confidence.argmin())
    found = [cases.image_of(now, name) for name in reversed(CASES)]
    return next((image for image in found if image is not None), 0)


def an_image(now: Selection) -> Goal:
    """The tray with the recommended image in front; of images without labels the focus is as good as any."""
    if now.images and not reading.labelled(now.data):
        return Goal()
    return Goal(images=(recommended_image(now), *now.images))


def picture(now: Selection) -> Finding:
    """The image in focus, or one to take."""
    if now.focus is not None:
        return Finding(about(now, now.focus, now.epoch))
    image = recommended_image(now)
    said = f"No image is selected yet. {about(now, image, now.epoch)}"
    return Finding(said, goal=Goal(images=(image,)), named=f"Take image {image}")


def flipped(now: Selection) -> bool:
    """Whether the image in focus was taken for something else when it was edited last."""
    last = st.session_state.get("testing.last")
    if last is None or last.edits.nothing:
        return False
    of = last.scene.selection
    same = (of.run.uuid, of.epoch, of.focus) == (now.run.uuid, now.epoch, now.focus)
    return bool(same and last.predicted[0] != last.predicted[1])


# A pattern


def pattern(now: Selection) -> Finding:
    """The pattern that the page Network shows first for the image in focus."""
    found = stored.found(now)
    if found.patterns is None or found.activations is None:
        return Finding(lacks=plain(found.reason) or NO_PATTERNS)
    if any(now.epoch not in reading.epochs(item) for item in (found.patterns, found.activations)):
        promised = now.epoch in found.patterns.promised
        return Finding(lacks=TO_COME.format(epoch=now.epoch) if promised else f"Epoch {now.epoch} has no patterns.")
    if now.focus is None:
        return picture(now)
    there = stored.patterns(found.patterns, now.epoch)
    paths = stored.strongest(found.activations, now.epoch)[list(now.images)]
    own = recommended.listed(there, paths, (), "these images", "surprise")
    if len(own):
        return Finding(shared(now, found.patterns, there, int(own[0])))
    foremost = recommended.listed(there, paths, (), "all", "surprise")
    if not len(foremost):
        return Finding(lacks=NO_PATTERN)
    having = stored.images_with(found.activations, now.epoch, there.of(int(foremost[0])))
    said = f"Image {now.focus} shares no pattern with enough others. {shared(now, found.patterns, there, int(foremost[0]))}"
    goal = Goal(images=(int(having[0]), *now.images))
    return Finding(said, goal=goal, named=f"Take image {having[0]}, which is one of them")


def shared(now: Selection, artifact: Artifact, there: stored.Patterns, pattern: int) -> str:
    """How many images share a pattern, and of which class most of them are."""
    classes = stored.by_class(artifact, now.epoch, pattern)  # (K,)
    support, most = int(there.support[pattern]), int(classes.max())
    count = "all" if most == support else f"{most:,}"
    kinds = f", {count} of them of class {plain(now.classes[int(classes.argmax())])}" if most else ""
    return f"{support:,} images share the path **{stored.words(there.of(pattern))}**{kinds}."


# A re-train


def retrain(now: Selection) -> Finding:
    """An error of this run to expect something about; what one may do about it here."""
    if not now.run.epochs:
        return Finding(lacks="Nothing was trained in this run; the page says what it takes to train its network.")
    try:
        retraining.start(now.run)
    except BadInput:
        return Finding(lacks="This run cannot be trained again from here; the page says why.")
    reason = roles.refusal("re-train", roles.person())
    return Finding(error(now), do=LOOK_ONLY if reason else "")


LOOK_ONLY = (
    "Here you may only look: the form shows how this run was made. Who may train writes down what they expect, changes one "
    "field, and sends it; the run that comes of it stands beside this one on the page Runs."
)


def error(now: Selection) -> str:
    """The confusion of the image in focus, else the most frequent one, as something to change."""
    counts = reading.measured(now.evaluation, "confusion", now.epoch)
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    if not wrong.any():
        return "At this epoch no labelled image is taken for another class."
    true, taken = map(int, np.unravel_index(wrong.argmax(), wrong.shape))
    label = UNLABELLED if now.focus is None else int(reading.labels(now.data)[now.focus])
    if label != UNLABELLED:
        said = int(reading.predicted(now.evaluation, now.epoch)[now.focus])
        if said != label:
            true, taken = label, said
    count, names = int(wrong[true, taken]), now.classes
    images = f"{count} image{'s' * (count != 1)} of **{plain(names[true])}**"
    return f"At epoch {now.epoch}, {images} {'are' if count != 1 else 'is'} taken for **{plain(names[taken])}**."


def sent(now: Selection) -> bool:
    return f"sent.{now.run.id}" in st.session_state
