"""The steps of the guide, in order: where each is, what to do there, what to look for, and what counts as done."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import streamlit as st

from app import reading
from app.guide import findings
from app.guide.findings import Finding, Goal
from app.selection import Selection


@dataclass(frozen=True)
class Step:
    """`page`: in app/views and in the address. `mark`: the key of what the step is about on its page. `goal`: what to select
    for it, as the step before it recommends."""

    title: str
    page: str
    place: str  # the page's title
    mark: str
    do: str
    look: str
    find: Callable[[Selection], Finding]
    goal: Callable[[Selection], Goal]
    done: Callable[[Selection], bool]
    labels: bool = False  # whether it is about right and wrong


def opened(case: str, now: Selection) -> bool:
    """Whether a map of this case is enlarged."""
    return bool(st.session_state.get("enlarged", ("",))[0] == f"case.{case}")


def a_case(name: str, title: str, do: str, look: str) -> Step:
    return Step(
        title,
        "saliency",
        "Saliency",
        f"case.{name}",
        do,
        look,
        partial(findings.case, name=name),
        findings.a_class,
        partial(opened, name),
        labels=True,
    )


STEPS = (
    a_case(
        "correct",
        "One that is right",
        "Under **Right**, click a map in the last column: it opens large.",
        "does the evidence lie on the thing itself or on what is around it, and since which epoch?",
    ),
    a_case(
        "taken_for_it",
        "A false positive",
        "Under **Taken for it**, click a map in the last column.",
        "which part of the image speaks for the wrong class? Would it have misled you, too?",
    ),
    a_case(
        "missed",
        "A false negative",
        "Under **Missed**, click a map; then choose “predicted” as the explained class above.",
        "does the network look at the right place and misjudge it, or does it look elsewhere?",
    ),
    Step(
        "One edit",
        "testing",
        "Testing",
        "halves.testing",
        "Move sliders until the prediction changes. A button under a curve goes to the smallest change that does it.",
        "which change needs the least? Does the map move with it, or only the probability?",
        findings.picture,
        findings.an_image,
        findings.flipped,
    ),
    Step(
        "One pattern",
        "network",
        "Network",
        "network.rows",
        "Under **Patterns**, click a path: filters that answer together.",
        "what do the images of the pattern have in common? Are they of one class, and of the right one?",
        findings.pattern,
        lambda now: Goal() if now.images else findings.an_image(now),
        lambda now: len(now.filters) > 1,
    ),
    Step(
        "One re-train",
        "retrain",
        "Re-train",
        "halves.retrain",
        "Write down what you expect, change one field, for example a shift under Augmentation, and send it.",
        "did it come true? Runs lays the new run beside this one, and there you say what you make of it.",
        findings.retrain,
        lambda now: Goal(),
        findings.sent,
    ),
)


def first(now: Selection | None) -> int:
    """The first step that this run has something for, counted from 1."""
    return following(0, now)


def following(number: int, now: Selection | None) -> int:
    """The next step that this run may have something for; 0 after the last."""
    labelled = now is None or reading.labelled(now.data)
    later = range(number + 1, len(STEPS) + 1)
    return next((step for step in later if labelled or not STEPS[step - 1].labels), 0)


def before(number: int, now: Selection | None) -> int:
    """The step before, of those that this run may have something for; 0 before the first."""
    labelled = now is None or reading.labelled(now.data)
    earlier = range(number - 1, 0, -1)
    return next((step for step in earlier if labelled or not STEPS[step - 1].labels), 0)
