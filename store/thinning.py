"""Thinning: weights of single epochs are deleted, what was computed from them stays."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from store.errors import BadInput
from store.runs import Run
from store.seals import sealed
from store.shards import Artifact, find


@dataclass(frozen=True)
class Cost:
    """What thinning would free, and the epochs whose network could no longer be asked anything."""

    bytes: int
    epochs: tuple[int, ...]


def cost(run: Run, keep: Sequence[int]) -> Cost:
    """What it would cost to keep only the weights of these epochs, of the first and of the last one."""
    weights = run.artifact("weights")
    doomed = lost(weights, keep)
    return Cost(sum(mark["size"] for epoch in doomed for mark in weights.known[epoch].values()), doomed)


def lost(weights: Artifact, keep: Sequence[int]) -> tuple[int, ...]:
    there = weights.marked()
    return tuple(epoch for epoch in there if epoch not in {0, *keep, *there[-1:]})


def thin(run: Run, keep: Sequence[int]) -> int:
    """Deletes the weights of all epochs but these, the first and the last; returns the bytes freed.

    They are not promised any more from then on, so nobody trains them again, and nothing counts as damaged. Raises
    BadInput for a run that is not trained to its end, or of which more is still to be computed: its weights are needed.
    """
    weights = run.artifact("weights")
    if weights.missing():
        raise BadInput(f"Run {run.id} is not trained to its end: weights can be thinned when it is.")
    if missing := run.missing():
        names = ", ".join(missing)
        raise BadInput(
            f"Run {run.id} lacks {names}, which is computed from its weights: run its recipe to the end first."
        )
    freed = cost(run, keep)
    if not freed.epochs:
        if "thinned" in weights.attributes:
            run.summarise()  # an interrupted thinning may have left the run without
        return 0
    run.reopen()
    gone = sorted({*weights.attributes.get("thinned", ()), *freed.epochs})
    facts = dict(weights.attributes) | {
        "promised": [epoch for epoch in weights.promised if epoch not in freed.epochs],
        "thinned": gone,
        "thinned_at": time.time(),
    }
    body = {"zarr_format": 3, "node_type": "group", "attributes": sealed(facts)}
    run.objects.put(f"{weights.path}/zarr.json", json.dumps(body).encode())  # first: what is gone is not promised
    for epoch in freed.epochs:
        weights.discard(epoch)
    run.opened["weights"] = find(run.objects, weights.path)
    run.summarise()
    return freed.bytes
