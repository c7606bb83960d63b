"""The path of an image through a network: its strongest filter at each layer; and what the probe answers about an edited one.

Stored images and edited ones are compared alike: by the same reduction, and by each filter's mean and deviation over the
evaluated images.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from store.errors import Missing
from store.runs import Run
from store.shards import Artifact

if TYPE_CHECKING:
    from torch import Tensor, nn

NEVER = -np.inf
# A filter that varies by less, as a share of its largest answer, always says the same but for rounding
SMALLEST_DEVIATION = 1e-5


def strongest(
    values: np.ndarray,
    layers: Sequence[Mapping[str, Any]],
    statistics: Mapping[str, np.ndarray],
    *,
    z_scored: bool,
    rows: int = 512,
) -> tuple[np.ndarray, np.ndarray]:
    """The two strongest filters (N, L, 2) int16 of each layer and the lead (N, L) float32 of the first, of answers (N, F).

    Where z_scored, an answer counts by how many standard deviations it lies above the filter's mean; `statistics` are the
    stored mean, deviation and scale (F,). Filters are numbered within their layer; of equals the lower number wins. -1: no
    filter answers (all are 0), or none varies; NaN: there is no second.
    """
    found = np.full((len(values), len(layers), 2), -1, np.int16)
    lead = np.full((len(values), len(layers)), np.nan, np.float32)
    for start in range(0, len(values), rows):
        part = slice(start, start + rows)
        scores = scored(values[part], statistics, z_scored=z_scored)
        for number, layer in enumerate(layers):
            filters = slice(layer["offset"], layer["offset"] + layer["filters"])
            silent = ~(values[part, filters] != 0).any(1)
            found[part, number], lead[part, number] = two_first(scores[:, filters], silent)
    return found, lead


def scored(values: np.ndarray, statistics: Mapping[str, np.ndarray], *, z_scored: bool) -> np.ndarray:
    """What filters are compared by, (n, F) float32; NEVER for one that does not vary, or is no number."""
    if not z_scored:
        return np.where(np.isfinite(values), values, NEVER)
    deviation = statistics["deviation"]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        varies = deviation > SMALLEST_DEVIATION * statistics["scale"]
        scores = (values - statistics["mean"]) / np.where(varies, deviation, 1)
    return np.where(varies & np.isfinite(scores), scores, np.float32(NEVER))


def two_first(scores: np.ndarray, silent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (n, 2) and lead (n,) of the two largest of each row; -1 and NaN where `silent` or there are not so many."""
    rest, every = scores.copy(), np.arange(len(scores))
    rest[silent] = NEVER
    found, best = np.full((len(scores), 2), -1, np.int16), np.full((len(scores), 2), np.nan, np.float32)
    for place in range(min(2, rest.shape[1])):
        first = rest.argmax(1)
        there = rest[every, first] > NEVER
        found[there, place], best[there, place] = first[there], rest[every, first][there]
        rest[every, first] = NEVER
    return found, best[:, 0] - best[:, 1]


def answer(run: Run, model: "nn.Module", images: "Tensor", request: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The probe's answer about images (n, C, H, W), before and after edits, at the request's epoch.

    "strongest" (n, L) int16 and "lead" (n, L) float32 as stored in the activations of the epoch; "activation" (n, F)
    float32, the answers themselves. Raises Missing where the run has no activations of it.
    """
    from precompute.answers import reduced

    stored = activations(run, request["epoch"])
    facts, names = stored.attributes, ("mean", "deviation", "scale")
    values = reduced(model, images, facts["layers"], facts["reduction"]).cpu().numpy()  # (n, F)
    statistics = {name: stored.read(name, request["epoch"]) for name in names}
    found, lead = strongest(values, facts["layers"], statistics, z_scored=facts["z_scored"])
    return {"strongest": found[..., 0], "lead": lead, "activation": values}


def activations(run: Run, epoch: int) -> Artifact:
    """The activations at an epoch that the latest patterns were found in, or else the latest there are.

    Of the images evaluated last alone, as the page shows them.
    """
    named = [item.attributes["activations"] for item in run.of_kind("patterns") if epoch in item.marked()]
    last = [item.name for item in run.of_kind("evaluation")[:1]]
    stored = {
        item.name: item
        for item in run.of_kind("activations")
        if item.attributes["evaluation"] in last and epoch in item.marked()
    }
    for name in [*named, *stored]:
        if name in stored:
            return stored[name]
    raise Missing(
        f"Run {run.id} holds no activations of epoch {epoch}. Choose an epoch that has some, or run a recipe with "
        '[artifacts.network] epochs = "kept".'
    )
