"""Whether a pattern is more than chance: against layers that choose their strongest filters independently of each other.

Shuffle each layer's column by itself, and what filters answer to what images is gone while their shares stay.
"""

import numpy as np

from precompute.mining import NONE


def shares(sequences: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """(P, L) how many of the N sequences have each filter of each pattern (P, L); N where it leaves the layer out."""
    counts = np.full(filters.shape, len(sequences), np.int64)
    for layer, column in enumerate(sequences.T):
        asked = filters[:, layer] != NONE
        known = np.bincount(column[column != NONE], minlength=int(filters[:, layer].max(initial=0)) + 1)
        counts[asked, layer] = known[filters[asked, layer]]
    return counts


def lift(sequences: np.ndarray, filters: np.ndarray, support: np.ndarray) -> np.ndarray:
    """(P,) support over what independent layers would give on average: N times the product of the filters' shares."""
    return support / (len(sequences) * (shares(sequences, filters) / len(sequences)).prod(1))


def p_values(
    sequences: np.ndarray, filters: np.ndarray, support: np.ndarray, *, permutations: int, seed: int
) -> np.ndarray:
    """(P,) permutation p-values (b + 1) / (B + 1): b of B shuffled data sets have as much `support`; NaN for B = 0.

    No column is really shuffled. Of the s images left after some layers, a shuffled layer whose filter n of N images have
    keeps a number that is hypergeometric (n of N, s drawn); drawn from layer to layer, this is the support in a shuffled data
    set, with its distribution to the letter and thousands of times faster than by counting. Patterns are drawn one by one,
    so of one shuffle no two can be compared.

    Phipson and Smyth, Permutation P-values Should Never Be Zero, 2010, eq. 2.
    """
    if not permutations:
        return np.full(len(filters), np.nan)
    random, count = np.random.default_rng(seed), len(sequences)
    sizes = np.sort(shares(sequences, filters), 1)  # (P, L): layers that are left out, with N, last
    reached = np.zeros(len(filters), np.int64)
    for _ in range(permutations):
        left = sizes[:, 0].copy()
        for size in sizes.T[1:]:
            drawn = np.flatnonzero((size < count) & (left >= support))  # those below can only lose more
            left[drawn] = random.hypergeometric(size[drawn], count - size[drawn], left[drawn])
        reached += left >= support
    return (reached + 1) / (permutations + 1)
