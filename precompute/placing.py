"""Where an image that is none of the stored ones lies on a map of them: its neighbours by features, and openTSNE's transform.

The probe's answer "place". A request waits for it, so nothing is fitted anew: the map stays as it is stored, and what
pushes and pulls the new point is computed exactly from the stored ones, in a millisecond a step at 50,000.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from store.errors import Missing
from store.runs import Run
from store.shards import Artifact

if TYPE_CHECKING:
    from torch import Tensor, nn

NEIGHBOURS = 10  # told
AROUND = 25  # nearest ones whose median place is where a point starts
EXAGGERATION = 1.5  # of the pull, as in openTSNE's transform; its own perplexity of 5 would not be that of the map


def answer(run: Run, model: "nn.Module", images: "Tensor", request: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Where images (n, C, H, W) lie at the request's epoch, among the evaluated ones.

    "point" (n, 2) float32 on the map of the request's perplexity, in its own coordinates; NaN where the network diverged.
    "neighbours" and "distances" (n, 10): the nearest evaluated images by features, also by themselves where `perplexity`
    is 0. Raises Missing where the run holds no features, or no such map, of this epoch.
    """
    from precompute.embedding import last_read

    epoch, perplexity = request["epoch"], request.get("perplexity", 0)
    chart = the_map(run, epoch, perplexity) if perplexity else None
    source = the_features(run, epoch, chart)
    new = last_read(model, images).float().cpu().numpy()  # (n, d)
    stored = features(source, epoch)
    count = min(len(stored), max(NEIGHBOURS, AROUND, 3 * perplexity))
    if np.isfinite(new).all() and np.isfinite(stored).all():
        found, distances = nearest(stored, new, count)  # (n, count) twice
    else:
        found, distances = np.full((len(new), count), -1), np.full((len(new), count), np.nan)
    arrays = {"neighbours": found[:, :NEIGHBOURS].astype(np.int32), "distances": distances[:, :NEIGHBOURS]}
    if chart:
        points = chart.read("points", epoch).astype(float)  # (N, 2)
        there = np.isfinite(distances).all()
        place = placed(points, found, distances, perplexity) if there else np.full((len(new), 2), np.nan)
        arrays["point"] = place
    return {name: value if name == "neighbours" else value.astype(np.float32) for name, value in arrays.items()}


# What is stored


def the_map(run: Run, epoch: int, perplexity: int) -> Artifact:
    """That of the images evaluated last, as the page shows it."""
    evaluations = [item.name for item in run.of_kind("evaluation")]
    for item in run.of_kind("embedding"):
        facts = item.attributes["evaluation"], item.attributes["perplexity"]
        if facts == (evaluations[0], perplexity) and epoch in item.marked():
            return item
    raise Missing(f"Run {run.id} holds no map of perplexity {perplexity} at epoch {epoch} yet.")


def the_features(run: Run, epoch: int, chart: Artifact | None) -> Artifact:
    """Those the map was made of, or the latest there are."""
    for item in run.of_kind("features"):
        if epoch in item.marked() and (chart is None or item.path.endswith(f"/{chart.attributes['features']}")):
            return item
    raise Missing(
        f"Run {run.id} holds no features of epoch {epoch}. Add [artifacts.embedding] to its recipe and run that again."
    )


def features(source: Artifact, epoch: int) -> np.ndarray:
    """The stored features (N, d) float32 of an epoch; the last ones read are kept."""
    from precompute.embedding import unpacked

    key = (source.objects.address, source.path, source.attributes.get("created"), epoch)
    if key not in kept:
        kept.clear()
        kept[key] = unpacked(source.read("features", epoch), source.read("scale", epoch))
    return kept[key]


kept: dict[tuple, np.ndarray] = {}  # at most one epoch's: 100 MB where there are 50,000 images


# Where it lies


def nearest(stored: np.ndarray, new: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and Euclidean distances of the `count` stored features (N, d) nearest to each new one (n, d): (n, count)."""
    rough = np.einsum("nd,nd->n", stored, stored) - 2 * new @ stored.T  # (n, N), squares but for a constant
    few = min(2 * count, len(stored)) - 1
    found = np.argpartition(rough, few, axis=1)[:, : few + 1]  # twice as many: squares of near ones are mostly rounding
    far = np.linalg.norm(stored[found] - new[:, None], axis=2).astype(float)  # (n, few + 1)
    order = np.lexsort((found, far))[:, :count]
    return np.take_along_axis(found, order, 1), np.take_along_axis(far, order, 1)


def placed(points: np.ndarray, found: np.ndarray, distances: np.ndarray, perplexity: int) -> np.ndarray:
    """Places (n, 2) of new points on a map (N, 2), each alone, from its nearest stored ones (n, k) and their distances.

    What openTSNE's transform goes towards in small steps, at the perplexity of the map: Poličar, Stražar and Zupan,
    Embedding to reference t-SNE space addresses batch effects, Machine Learning, 2021, sec. 2.2.
    """
    from openTSNE.affinity import joint_probabilities_nn

    found, distances = found[:, : 3 * perplexity], distances[:, : 3 * perplexity]
    likely = joint_probabilities_nn(
        found,
        distances,
        [perplexity],
        symmetrize=False,
        normalization="point-wise",
        n_reference_samples=len(points),
    )  # (n, N), each row of sum 1
    starts = np.median(points[found[:, :AROUND]], axis=1)  # (n, 2)
    return np.stack([settled(points, start, row.indices, row.data) for start, row in zip(starts, likely, strict=True)])


def settled(points: np.ndarray, start: np.ndarray, near: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Where, going on from a start (2,), the divergence from affinities `shares` to the points `near` is least: (2,)."""
    from scipy.optimize import minimize

    def divergence(place: np.ndarray) -> tuple[float, np.ndarray]:
        """But for a constant, and its gradient."""
        away = place - points  # (N, 2)
        alike = 1 / (1 + (away**2).sum(1))  # (N,)
        pull = EXAGGERATION * (shares * alike[near]) @ away[near]
        push = alike**2 @ away / alike.sum()
        return np.log(alike.sum()) - EXAGGERATION * shares @ np.log(alike[near]), 2 * (pull - push)

    return minimize(divergence, start, jac=True, method="BFGS").x
