"""How nearly stored attributions of an image add up to the difference of logits that they promise (integrated gradients)."""

from collections.abc import Sequence

import numpy as np

from app.saliency.stored import Technique, of_image
from precompute.completeness import flagged, gap
from store.errors import LoupeError

ARRAY = "completeness"


def sums(shown: Technique, image: int | None, epochs: Sequence[int], classes: Sequence[int]) -> np.ndarray:
    """Sum of the attributions and difference of logits, for one class an epoch: (E, 2), NaN where nothing is stored."""
    found = np.full((len(epochs), 2), np.nan)
    if image is None or ARRAY not in shown.artifact.attributes["arrays"]:
        return found
    there = [place for place, epoch in enumerate(epochs) if epoch in shown.finished]
    held = tuple(epochs[place] for place in there)
    if not held:
        return found
    try:
        explained = of_image(shown.artifact, "explained_class", held, image)  # (E, 2)
        stored = of_image(shown.artifact, ARRAY, held, image)  # (E, 2, 2)
    except LoupeError:  # damage is said where the maps are read
        return found
    for place, known, values in zip(there, explained, stored, strict=True):
        slots = np.flatnonzero(known == classes[place])
        if len(slots):
            found[place] = values[slots[0]]
    return found


def row_words(values: np.ndarray) -> str:
    """What is said of a row of maps where some of (E, 2) miss their sums; "" where none does."""
    missed = gap(values[flagged(values)])
    if not len(missed):
        return ""
    worst = share_words(float(missed.max()))
    return f"1 misses its sum by {worst}" if len(missed) == 1 else f"{len(missed)} miss their sums, by up to {worst}"


def cell_words(values: np.ndarray) -> str:
    """What is said of one map, (2,); "" where nothing is known."""
    if np.isnan(values).any():
        return ""
    more = ": more steps are needed" if flagged(values) else ""
    return f"adds up to {values[0]:.3g} of {values[1]:.3g}, {share_words(float(gap(values)))} off{more}"


def share_words(share: float) -> str:
    return f"{share:.1%}" if share < 10 else "more than tenfold"
