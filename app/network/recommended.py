"""Which patterns are shown for what is selected, and in which order."""

from collections.abc import Callable

import numpy as np

from app.network.stored import Filters, Patterns, row
from precompute import mining

SCOPES = ("these images", "these filters", "all")  # words of the address and of the page alike


def surprise(patterns: Patterns) -> np.ndarray:
    """Images times the logarithm of lift, (P,): large where many images share what independent layers would not give."""
    with np.errstate(divide="ignore"):
        return np.nan_to_num(patterns.support * np.log(patterns.lift), neginf=-np.inf)


ORDERS: dict[str, Callable[[Patterns], np.ndarray]] = {
    "surprise": surprise,
    "images": lambda patterns: patterns.support,
    "lift": lambda patterns: np.nan_to_num(patterns.lift),
    "layers": lambda patterns: (patterns.filters >= 0).sum(1),
}
KINDS = {"contiguous": mining.CONTIGUOUS, "gapped": mining.CLOSED, "maximal": mining.MAXIMAL}


def listed(
    patterns: Patterns, paths: np.ndarray, filters: Filters, scope: str, order: str, kind: str = ""
) -> np.ndarray:
    """Numbers of patterns, the one to be seen first first. paths: (n, L), of the selected images.

    Before the order counts how many of the images, or of the filters, a pattern has.
    """
    first = np.lexsort([-patterns.support, -ORDERS[order](patterns)])
    if kind:
        first = first[patterns.kind[first] & KINDS[kind] > 0]
    if scope == "these images":
        return first[mining.of_images(patterns.filters[first], paths, share=0)]
    if scope == "these filters":
        return first[mining.of_filters(patterns.filters[first], filters)]
    return first


def number_of(filters: np.ndarray, chosen: Filters) -> int | None:
    """The pattern among (P, L) that is just these filters, None where none is."""
    same = np.flatnonzero((filters == row(chosen, filters.shape[1])).all(1))
    return int(same[0]) if len(same) and chosen else None
