"""The path of an edited image: where it leaves the original's, and which patterns are lost and gained by that."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from app import reading
from app.edge import plain
from app.network import asking, recommended, rows, stored
from app.probe import Answer
from app.selection import Selection
from precompute import mining
from store.shards import Artifact

ANSWER_SECONDS = 0.4
SHOWN, EXAMPLES = 3, 5  # patterns lost and gained, and images of each


@dataclass(frozen=True, eq=False)
class Paths:
    """The strongest filter of each layer, -1: none, before and after the edits; lead (2, L): of the first over the second."""

    before: np.ndarray
    after: np.ndarray
    lead: np.ndarray

    @property
    def apart(self) -> np.ndarray:
        """The layers at which they differ."""
        return np.flatnonzero(self.before != self.after)


def paths(now: Selection) -> Paths | None:
    """Those of the focus image, if it is edited and they are known by now."""
    request = asking.path(now)
    answer = asking.reply("path", request, ANSWER_SECONDS) if request else None
    if not isinstance(answer, Answer):
        return None
    before, after = answer.more["path/strongest"]
    return Paths(before, after, answer.more["path/lead"])


def section(now: Selection, found: stored.Found) -> None:
    """All about the edited focus image; nothing where there is none."""
    request = asking.path(now)
    if request is None or found.activations is None:
        return
    answer = asking.reply("path", request, 0)
    st.subheader(f"Image {now.focus} as it was edited on the Testing page")
    if answer is None:
        asking.waiting("path", request)
        return
    if not isinstance(answer, Answer):
        asking.failed("path", request, answer)
        return
    held = paths(now)
    assert held
    st.markdown(plain(said(held, found.activations)))
    if len(held.apart) and found.patterns and now.epoch in reading.epochs(found.patterns):
        changed(now, found, held)


def said(held: Paths, activations: Artifact) -> str:
    """Where the paths part, as a sentence."""
    depth = stored.layers(activations)
    if not len(held.apart):
        return "Its path is the original's: at every layer the same filter is the strongest."
    first = int(held.apart[0])
    unit = " standard deviations" if activations.attributes.get("z_scored", True) else ""
    lead = float(held.lead[0, first])
    close = f" There it had led the next one by {lead:.2g}{unit}." if np.isfinite(lead) else ""
    return (
        f"Its path leaves the original's at l{first + 1} ({depth[first].name}): {named(held.before, first)} was the strongest "
        f"filter, {named(held.after, first)} is now.{close} {len(held.apart)} of {len(depth)} layers differ."
    )


def named(path: np.ndarray, layer: int) -> str:
    return stored.words([(layer, int(path[layer]))]) if path[layer] >= 0 else "none"


def changed(now: Selection, found: stored.Found, held: Paths) -> None:
    """The patterns that only the original has, and those that only the edited image has."""
    assert found.patterns
    there = stored.patterns(found.patterns, now.epoch)
    both = mining.lost_and_gained(there.filters, held.before, held.after)
    for word, which in zip(("lost", "gained"), both, strict=True):
        numbers = which[np.argsort(-recommended.surprise(there)[which], kind="stable")]
        more = f", {SHOWN} of them here" if len(numbers) > SHOWN else ""
        st.markdown(f"**{len(numbers):,} pattern{'s' * (len(numbers) != 1)} {word}{more}**")
        if len(numbers):
            first = numbers[:SHOWN].tolist()
            notes = [f"pattern {number}" for number in first]
            rows.show(now, found, first, notes, examples=EXAMPLES, key=f"network.{word}")
