"""Maps of high-dimensional points: exact neighbours, and t-SNE that goes on from an earlier map. Arrays in, arrays out.

van der Maaten and Hinton, Visualizing Data using t-SNE, JMLR 9, 2008; computed by openTSNE, on one thread, so that the same
points give the same map whatever else the machine does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestNeighbors

COMPONENTS = 50
FURTHEST = 0.3  # of the map's radius: the mean move that a map may make in one epoch from the one it starts from
FIRST = ((100, 12.0), (250, 1.0))  # iterations and exaggeration, from a map of principal components
NEXT = (50, 4.0)  # from an earlier map: without any exaggeration it would stay in a worse optimum
STEP, STEPS = 50, 10  # then so many iterations at a time, at most so often,
ENOUGH = 0.01  # until the divergence falls by less than this share of it
SHORT_OF, GENTLE, GENTLE_STEPS = 0.9, 10, 20  # where that is too far: see `stopped_short`
MOST_BY_TREE = 10_000  # points up to which Barnes-Hut is faster than interpolation
COARSE = 0.8  # theta of Barnes-Hut; with openTSNE's 0.5 maps are no better, and take half as long again
FINE = 0.2  # of it, for the divergence that is told
TRUSTED_ROWS = 2_000  # points, drawn by the seed, whose neighbourhoods are looked at: all of them up to so many
TRUSTED_NEIGHBOURS = 15
BLOCK = 256  # rows of distances held at once


@dataclass(frozen=True)
class Layout:
    """A map. points: (n, 2), its centre at 0; divergence: of Kullback and Leibler, in nats; move: see `move`, NaN at first."""

    points: np.ndarray
    divergence: float
    move: float


def reduced(features: np.ndarray, seed: int) -> np.ndarray:
    """The first principal components of (n, d), at most 50: (n, c) float64. Neighbours are hardly others in them."""
    count = min(COMPONENTS, *features.shape)
    with np.errstate(invalid="ignore"):  # features that are all equal have no variance to explain
        return PCA(count, random_state=seed).fit_transform(features.astype(np.float64))


def neighbours(points: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The `count` nearest other points of each of (n, d), nearest first, exactly: their numbers and distances, (n, count)."""
    distances, found = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(points).kneighbors()
    return found, distances


def lay_out(
    reduced: np.ndarray, perplexity: int, *, seed: int, before: np.ndarray | None = None, epochs: int = 1
) -> Layout:
    """t-SNE of (n, c), principal components first; with `before` (n, 2) it goes on from there and is turned to fit it.

    From the map of so many `epochs` earlier it stops before the points have moved by more than FURTHEST an epoch on average.
    Where the features of several epochs have changed so much that points move further than that, a new map is laid out
    as well, and the better one kept: an earlier map to begin with only holds it back.
    """
    alike = affinities(reduced, perplexity)
    if before is None:
        return anew(reduced, alike, seed)
    found = gone_on(started(before.astype(np.float64), alike), before, epochs * FURTHEST)
    if found.move <= FURTHEST:
        return found
    fresh = anew(reduced, alike, seed)
    points = aligned(fresh.points, before)
    fresh = Layout(points, fresh.divergence, move(before, points))
    return fresh if fresh.divergence < found.divergence and fresh.move <= epochs * FURTHEST else found


def anew(reduced: np.ndarray, alike: Any, seed: int) -> Layout:
    here = started(beginning(reduced, seed), alike)
    for iterations, exaggeration in FIRST:
        here = optimized(here, iterations, exaggeration)
    return Layout(centred(np.asarray(here)), divergence(here), np.nan)


def affinities(reduced: np.ndarray, perplexity: int) -> Any:
    """openTSNE's affinities of (n, c) to their nearest neighbours, three times the perplexity of them, found exactly."""
    from openTSNE import affinity  # 0.6 s, which few commands need
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    index = PrecomputedNeighbors(*neighbours(reduced, min(len(reduced) - 1, 3 * perplexity)))
    return affinity.PerplexityBasedNN(knn_index=index, perplexity=perplexity, n_jobs=1)


def started(points: np.ndarray, alike: Any) -> Any:
    """openTSNE's map of some affinities, before its first iteration. No chance is left in it."""
    from openTSNE import TSNEEmbedding

    method = "bh" if len(points) <= MOST_BY_TREE else "fft"
    return TSNEEmbedding(points, alike, n_jobs=1, negative_gradient_method=method, theta=COARSE)


def gone_on(here: Any, before: np.ndarray, furthest: float) -> Layout:
    """The best map that can be reached from `before` without moving further than that."""
    there, last = optimized(here, *NEXT), np.inf
    for _ in range(STEPS):
        there = optimized(there, STEP)
        if last - there.kl_divergence < ENOUGH * there.kl_divergence:
            break
        last = there.kl_divergence
    if move(before, np.asarray(there)) > furthest:
        there = stopped_short(here, before, np.asarray(there), furthest)
    points = aligned(np.asarray(there), before)
    return Layout(points, divergence(there), move(before, points))


def stopped_short(here: Any, before: np.ndarray, best: np.ndarray, furthest: float) -> Any:
    """A map on the straight way from `before` to `best`, gone on from there a few iterations at a time.

    To stop the way that t-SNE takes itself leaves groups where exaggeration has just pressed them together.
    """
    start, end = centred(before) * (radius(best) / (radius(before) or 1)), aligned(best, before)
    short, far = 0.0, 1.0
    while far - short > 0.01:
        share = (short + far) / 2
        if move(before, start + share * (end - start)) > SHORT_OF * furthest:
            far = share
        else:
            short = share
    there = optimized(started(start + short * (end - start), here.affinities), 0)
    for _ in range(GENTLE_STEPS):
        further = optimized(there, GENTLE)
        if move(before, np.asarray(further)) > furthest or further.kl_divergence > there.kl_divergence:
            break
        there = further
    return there


def optimized(here: Any, iterations: int, exaggeration: float = 1.0) -> Any:
    """openTSNE's map some iterations later; the one given stays."""
    early = exaggeration > 1
    return here.optimize(
        n_iter=iterations, exaggeration=exaggeration if early else None, momentum=0.5 if early else 0.8
    )


def divergence(here: Any) -> float:
    """Of a map as it is."""
    return float(here.optimize(n_iter=0, theta=FINE).kl_divergence)


def beginning(reduced: np.ndarray, seed: int) -> np.ndarray:
    """The first two principal components, small, and shaken a little, so that equal points can part: (n, 2)."""
    first = np.zeros((len(reduced), 2))
    first[:, : reduced.shape[1]] = reduced[:, :2]
    spread = first[:, 0].std()
    first *= 1e-4 / spread if spread > 0 else 0
    return first + np.random.default_rng(seed).normal(0, 1e-6, first.shape)


def centred(points: np.ndarray) -> np.ndarray:
    return points - points.mean(0)


def radius(points: np.ndarray) -> float:
    """Distance of the outermost point from the centre."""
    return float(np.linalg.norm(centred(points), axis=1).max())


def aligned(points: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The map turned, or turned and mirrored, to lie as closely as it can on an earlier one, both centred (Procrustes)."""
    left, _, right = np.linalg.svd(centred(points).T @ centred(before))
    return centred(points) @ left @ right


def move(before: np.ndarray, points: np.ndarray) -> float:
    """Mean distance that points go from one map to the next, aligned and both with radius 1: a film shows just this."""
    one, other = centred(before) / (radius(before) or 1), aligned(points, before) / (radius(points) or 1)
    return float(np.linalg.norm(one - other, axis=1).mean())


def trustworthiness(features: np.ndarray, points: np.ndarray, *, seed: int = 0) -> float:
    """How far neighbours on the map are neighbours among the features too: 1 where all are, about 0.5 by chance.

    Of the 15 nearest on the map; of more than 2,000 points, 2,000 drawn by the seed are looked at.
    Venna and Kaski, Neighborhood preservation in nonlinear projection methods, ICANN 2001, eq. 1.
    """
    count = len(points)
    nearest = min(TRUSTED_NEIGHBOURS, (count - 1) // 2)
    if nearest < 1:
        return np.nan
    rows = np.arange(count)
    if count > TRUSTED_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(count, TRUSTED_ROWS, replace=False))
    on_map = NearestNeighbors(n_neighbors=nearest + 1, algorithm="kd_tree").fit(points)
    excess = sum(
        ranks_beyond(features, rows[at : at + BLOCK], on_map.kneighbors(points[rows[at : at + BLOCK]])[1], nearest)
        for at in range(0, len(rows), BLOCK)
    )
    return 1 - 2 * excess / (len(rows) * nearest * (2 * count - 3 * nearest - 1))


def ranks_beyond(features: np.ndarray, rows: np.ndarray, found: np.ndarray, nearest: int) -> float:
    """Sum of the ranks above `nearest` that the points found around `rows` on a map have among the features."""
    distances = euclidean_distances(features[rows], features, squared=True)  # (rows, n)
    distances[np.arange(len(rows)), rows] = np.inf  # nobody is his own neighbour
    excess = 0.0
    for number, row in enumerate(rows):
        others = [other for other in found[number] if other != row][:nearest]
        ranks = np.searchsorted(np.sort(distances[number]), distances[number, others]) + 1
        excess += np.maximum(ranks - nearest, 0).sum()
    return excess


def possible(perplexities: Sequence[int], count: int) -> dict[int, str]:
    """Why a perplexity asks for more neighbours than `count` points have; "" where it does not."""
    text = "A perplexity of {} needs more than {:,} images, three times as many; there are {:,}."
    return {item: "" if 3 * item < count else text.format(item, 3 * item, count) for item in perplexities}
