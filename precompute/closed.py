"""Closed patterns that may leave layers out, by LCM: each is found once, and nothing is kept to look it up again.

Uno, Kiyomi and Arimura, LCM ver. 2: Efficient Mining Algorithms for Frequent/Closed/Maximal Itemsets, 2004: prefix-preserving
closure extension. Here a row has one item a layer, so a closure is the layers at which all images of a pattern agree.
Many patterns are extended at once: their lists of images lie one after the other, and one bincount counts the items of all.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from precompute.mining import CLOSED, MAXIMAL, NONE, Patterns, nothing, ordered

ROWS_AT_ONCE = 40_000  # rows of all lists that are extended together
BINS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Table:
    """Sequences whose frequent items are numbered through all layers; `none` stands for the others."""

    items: np.ndarray  # (N, L)
    layer: np.ndarray  # (M,) of each item
    filter: np.ndarray  # (M,)

    @property
    def none(self) -> int:
        return len(self.layer)


@dataclass(frozen=True)
class Nodes:
    """Closed patterns still to be extended: their images one list after the other."""

    rows: np.ndarray  # (T,) images
    sizes: np.ndarray  # (n,) how many of these belong to each
    closure: np.ndarray  # (n, L) bool: layers at which all agree
    core: np.ndarray  # (n,) the layer that was added last: only later ones are added to it

    @property
    def first(self) -> np.ndarray:
        """(n,) an image of each."""
        return self.rows[np.cumsum(self.sizes) - self.sizes]


def gapped(sequences: np.ndarray, support: int = 5, length: int = 2, most: int | None = None) -> Patterns:
    """The closed patterns of (N, L) sequences that `support` images or more have, of `length` layers or more.

    With `most`, only so many of the largest support: looked for from the top down, so that the many small ones need never
    be found. Maximal are those of which no longer pattern has `support` images.
    """
    table = numbered(sequences, support)
    floor = max(support, len(sequences) // 2) if most is not None else support
    while True:
        found = down_to(table, support, floor, length)
        if floor == support or (most is not None and len(found) >= most):
            return ordered(found, most)
        floor = max(support, floor // 2)


def numbered(sequences: np.ndarray, support: int) -> Table:
    columns, layers, filters, count = [], [], [], 0
    for number, column in enumerate(sequences.T):
        values, inverse, counts = np.unique(column, return_inverse=True, return_counts=True)
        large = (counts >= support) & (values != NONE)
        columns.append(np.where(large, count + np.cumsum(large) - 1, -1)[inverse])
        layers += [number] * large.sum()
        filters.append(values[large])
        count += large.sum()
    items = np.stack(columns, 1) if columns else np.zeros((len(sequences), 0), int)
    items = np.where(items < 0, count, items).astype(np.int32)
    return Table(items, np.array(layers, int), np.concatenate([np.empty(0, np.int16), *filters]))


def down_to(table: Table, support: int, floor: int, length: int) -> Patterns:
    """The closed patterns of `floor` images or more."""
    found = [nothing(table.items.shape[1])]
    for nodes, maximal in walk(table, support, floor):
        keep = nodes.closure.sum(1) >= length
        first, closure = nodes.first[keep], nodes.closure[keep]
        filters = np.append(table.filter, NONE).astype(np.int16)[table.items[first]]  # (p, L)
        kind = (CLOSED | MAXIMAL * maximal[keep]).astype(np.int8)
        found.append(Patterns(np.where(closure, filters, np.int16(NONE)), nodes.sizes[keep], kind))
    parts = zip(*((item.filters, item.support, item.kind) for item in found), strict=True)
    return Patterns(*(np.concatenate(part) for part in parts))


def walk(table: Table, support: int, floor: int) -> Iterator[tuple[Nodes, np.ndarray]]:
    """All closed patterns of `floor` images or more, some at a time, and which are maximal; depth first, to hold few."""
    every = np.arange(len(table.items))
    if len(every) < floor:
        return
    sizes = np.array([len(every)])
    pending = [Nodes(every, sizes, closures(table, every, sizes), np.array([-1]))]
    while pending:
        nodes = pending.pop()
        while pending and len(nodes.rows) + len(pending[-1].rows) <= ROWS_AT_ONCE:
            nodes = together(nodes, pending.pop())
        maximal, children = extended(table, nodes, support, floor)
        yield nodes, maximal
        leaves = children.sizes == support  # whatever is added, fewer images are left
        yield (last := chosen(children, leaves)), np.ones(len(last.sizes), bool)
        pending += divided(chosen(children, ~leaves), max(1, BINS_AT_ONCE // (table.none + 1)))


def extended(table: Table, nodes: Nodes, support: int, floor: int) -> tuple[np.ndarray, Nodes]:
    """Which nodes are maximal (n,), and the closed patterns that come from each by one item of a later layer."""
    bins, sizes = table.none + 1, nodes.sizes
    items = table.items[nodes.rows]  # (T, L)
    keys = items + np.repeat(np.arange(len(sizes)) * bins, sizes)[:, None]  # (T, L), of an item of a node
    counts = np.bincount(keys.reshape(-1), minlength=len(sizes) * bins).reshape(-1, bins)
    free = (counts >= support)[:, : table.none] & ~nodes.closure[:, table.layer]  # (n, M)
    maximal = ~free.any(1)
    later = np.zeros(counts.shape, bool)
    later[:, : table.none] = free & (counts[:, : table.none] >= floor) & (table.layer > nodes.core[:, None])
    parent, item = np.nonzero(later)  # (c,) each
    row, column = np.nonzero(later.reshape(-1)[keys])
    child = (np.cumsum(later) - 1)[keys[row, column]]
    order = np.argsort(child.astype(np.uint16) if len(parent) < 2**16 else child, kind="stable")
    rows, sizes, core = nodes.rows[row[order]], counts[later], table.layer[item]
    closure = closures(table, rows, sizes)  # (c, L)
    earlier = np.arange(closure.shape[1]) < core[:, None]
    preserved = ~(closure & ~nodes.closure[parent] & earlier).any(1)  # others are found from another node
    return maximal, chosen(Nodes(rows, sizes, closure, core), preserved)


def closures(table: Table, rows: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The layers (n, L) at which all rows of each list agree on an item."""
    if not len(sizes):
        return np.zeros((0, table.items.shape[1]), bool)
    starts = np.cumsum(sizes) - sizes
    items = table.items[rows]  # (T, L)
    first = items[starts]
    same = np.logical_and.reduceat(items == np.repeat(first, sizes, 0), starts, 0)  # (n, L)
    return same & (first != table.none)


def chosen(nodes: Nodes, which: np.ndarray) -> Nodes:
    rows = nodes.rows[np.repeat(which, nodes.sizes)]
    return Nodes(rows, nodes.sizes[which], nodes.closure[which], nodes.core[which])


def together(one: Nodes, other: Nodes) -> Nodes:
    return Nodes(*(np.concatenate(pair) for pair in zip(vars(one).values(), vars(other).values(), strict=True)))


def divided(nodes: Nodes, most: int) -> list[Nodes]:
    """Parts of about ROWS_AT_ONCE rows and at most `most` nodes."""
    end, parts = np.cumsum(nodes.sizes), []
    start = 0
    while start < len(nodes.sizes):
        before = end[start] - nodes.sizes[start]
        stop = int(np.searchsorted(end, before + ROWS_AT_ONCE, side="right"))
        stop = min(max(stop, start + 1), start + most)
        span, rows = slice(start, stop), slice(before, end[stop - 1])
        parts.append(Nodes(nodes.rows[rows], nodes.sizes[span], nodes.closure[span], nodes.core[span]))
        start = stop
    return parts
