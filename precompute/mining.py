"""Neural patterns: filters that are the strongest of their layers for the same images. numpy alone, so the app may use it.

An image is a sequence of L filters, one a layer, -1 where none answers. A pattern is a row of L filters, too, with -1 where
it leaves a layer out; the images that have it are those whose sequences agree with it at all the others. Contiguous patterns
are windows of neighbouring layers; gapped ones may leave out any (closed.py).

Park et al., VATUN, 2021, section 4.3: sub-sequences that appear in the sequences of more than four images.
"""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

CONTIGUOUS, CLOSED, MAXIMAL = 1, 2, 4  # bits of Patterns.kind
NONE = -1
BLOCK_BYTES = 16_000_000  # of image sets unpacked at once


@dataclass(frozen=True)
class Patterns:
    """P patterns, the most frequent first, of equal ones the longest.

    filters: (P, L) int16, NONE where a layer is left out. support: (P,) how many images have it. kind: (P,) bits:
    CONTIGUOUS, CLOSED (gapped, and no longer one has the same images) and MAXIMAL: no longer pattern that is frequent
    contains it, among gapped ones where CLOSED is set, and among windows where not.
    """

    filters: np.ndarray
    support: np.ndarray
    kind: np.ndarray

    def __len__(self) -> int:
        return len(self.support)

    def chosen(self, which: np.ndarray) -> "Patterns":
        return Patterns(self.filters[which], self.support[which], self.kind[which])


def nothing(layers: int) -> Patterns:
    return Patterns(np.empty((0, layers), np.int16), np.empty(0, np.int64), np.empty(0, np.int8))


def ordered(patterns: Patterns, most: int | None = None) -> Patterns:
    """The `most` first by support, then length, then their filters from the first layer on."""
    length = (patterns.filters != NONE).sum(1)
    keys = (*patterns.filters.T[::-1], -length, -patterns.support)
    return patterns.chosen(np.lexsort(keys)[:most])


def joined(windows: Patterns, gapped: Patterns) -> Patterns:
    """Both kinds in one list, each pattern once; one that is both is maximal where it is so among the gapped ones."""
    both = np.concatenate([gapped.filters, windows.filters])
    filters, first, inverse = np.unique(both, axis=0, return_index=True, return_inverse=True)
    kind = np.zeros(len(filters), np.int8)
    place = inverse.reshape(-1)
    kind[place[len(gapped) :]] = windows.kind
    twice = (kind[place[: len(gapped)]] & CONTIGUOUS).astype(np.int8)
    kind[place[: len(gapped)]] = gapped.kind | twice
    return ordered(Patterns(filters, np.concatenate([gapped.support, windows.support])[first], kind))


# Windows of neighbouring layers


@dataclass(frozen=True)
class Windows:
    """All frequent windows of one start and length.

    number: (N,) which of them each image has, NONE: no frequent one. first: (G,) an image that has it. count: (G,).
    """

    number: np.ndarray
    first: np.ndarray
    count: np.ndarray
    closed: np.ndarray = field(repr=False)
    maximal: np.ndarray = field(repr=False)


def contiguous(sequences: np.ndarray, support: int = 5, length: int = 2) -> Patterns:
    """The closed windows of (N, L) sequences that `support` images or more have, of `length` layers or more.

    Closed: no longer window has the same images. A window is frequent only if it is so without its last layer and without
    its first, so only images that have both frequent are looked at again (Apriori).
    """
    layers = sequences.shape[1]
    level = [frequent(column.astype(np.int64), np.flatnonzero(column != NONE), support) for column in sequences.T]
    found = [nothing(layers)]
    for long in range(1, layers + 1):
        longer = [extended(left, right, support) for left, right in pairwise(level)]
        if long >= length:
            found += [taken(sequences, item, start, long) for start, item in enumerate(level) if len(item.count)]
        level = longer
    return ordered(Patterns(*(np.concatenate(parts) for parts in zip(*map(fields, found), strict=True))))


def fields(patterns: Patterns) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return patterns.filters, patterns.support, patterns.kind


def frequent(keys: np.ndarray, rows: np.ndarray, support: int) -> Windows:
    """The groups of `rows` that have equal keys (N,) and are large enough."""
    _, first, inverse, count = np.unique(keys[rows], return_index=True, return_inverse=True, return_counts=True)
    large = count >= support
    renumbered = np.where(large, np.cumsum(large) - 1, NONE)  # (G,)
    number = np.full(len(keys), NONE)
    number[rows] = renumbered[inverse]
    true = np.ones(large.sum(), bool)
    return Windows(number, rows[first[large]], count[large], true, true.copy())


def extended(left: Windows, right: Windows, support: int) -> Windows:
    """The frequent windows longer by one: `left` without their last layer, `right` without their first; both are told."""
    rows = np.flatnonzero((left.number != NONE) & (right.number != NONE))
    found = frequent(left.number * max(len(right.count), 1) + right.number, rows, support)
    for part in (left, right):
        parent = part.number[found.first]  # (G,)
        part.maximal[parent] = False
        part.closed[parent[part.count[parent] == found.count]] = False
    return found


def taken(sequences: np.ndarray, windows: Windows, start: int, long: int) -> Patterns:
    """The closed ones as patterns."""
    first = windows.first[windows.closed]
    filters = np.full((len(first), sequences.shape[1]), NONE, np.int16)
    filters[:, start : start + long] = sequences[first, start : start + long]
    kind = CONTIGUOUS | MAXIMAL * windows.maximal[windows.closed]
    return Patterns(filters, windows.count[windows.closed], kind.astype(np.int8))


# Which images have which patterns


def having(sequences: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Numbers of the images of (N, L) sequences that have one pattern (L,)."""
    layers = np.flatnonzero(filters != NONE)
    return np.flatnonzero((sequences[:, layers] == filters[layers]).all(1))


def matches(sequences: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """(P, N) bool: whether each image of (N, L) has each pattern of (P, L)."""
    found = np.ones((len(filters), len(sequences)), bool)
    for layer in range(sequences.shape[1]):
        asked = np.flatnonzero(filters[:, layer] != NONE)
        found[asked] &= filters[asked, layer, None] == sequences[:, layer]
    return found


def of_images(filters: np.ndarray, sequences: np.ndarray, share: float = 1.0) -> np.ndarray:
    """Which of the patterns (P, L) at least this share of the images (n, L) have: numbers, those more have first."""
    held = matches(sequences, filters).mean(1) if len(sequences) else np.zeros(len(filters))
    which = np.flatnonzero((held >= share - 1e-9) & (held > 0))
    return which[np.argsort(-held[which], kind="stable")]


def of_filters(filters: np.ndarray, chosen: list[tuple[int, int]] | tuple[tuple[int, int], ...]) -> np.ndarray:
    """Which of the patterns (P, L) have these filters, (layer, filter) each: numbers, those with more of them first."""
    held = np.zeros(len(filters), int)
    for layer, number in chosen:
        held += filters[:, layer] == number
    which = np.flatnonzero(held)
    return which[np.argsort(-held[which], kind="stable")]


def parted(before: np.ndarray, after: np.ndarray) -> int | None:
    """The first layer at which two sequences (L,) differ; None where they are one."""
    differ = np.flatnonzero(before != after)
    return int(differ[0]) if len(differ) else None


def lost_and_gained(filters: np.ndarray, before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of the patterns (P, L) an image had by its sequence (L,) before and not after, and the other way round."""
    had, has = matches(np.stack([before, after]), filters).T
    return np.flatnonzero(had & ~has), np.flatnonzero(has & ~had)


def by_class(sequences: np.ndarray, filters: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """(P, K) int32: how many images of each class have each pattern; their sum is the support, without unlabelled images (-1)."""
    rows, known = sequences[labels >= 0], labels[labels >= 0]
    found = np.zeros((len(filters), classes), np.int32)
    step = max(1, BLOCK_BYTES // max(len(rows), 1))
    for start in range(0, len(filters), step):
        part = found[start : start + step]
        pattern, image = np.nonzero(matches(rows, filters[start : start + step]))
        part[:] = np.bincount(pattern * classes + known[image], minlength=part.size).reshape(part.shape)
    return found
