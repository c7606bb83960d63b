"""Runs whose training happened elsewhere: imported from checkpoints, or recorded by somebody's own loop.

Their recipe says what is known of the training, and never makes Loupe train. What they are is their weights.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from precompute import models
from precompute.bench import Bench, bench_of, describe, initial, placed
from precompute.material import Material, gather
from precompute.recipe import Recipe, digest, parse
from precompute.train import allocate_history, allocate_weights
from store import runs
from store.claims import Claims
from store.errors import BadInput, Busy
from store.objects import Objects
from store.runs import Run
from store.schema import KINDS
from store.seals import sealed
from store.shards import Artifact


def empty_network(recipe: Recipe, material: Material) -> models.Classifier:
    """The recipe's network, for weights that follow. Initial weights that the recipe names only decide its architecture."""
    return initial(recipe, material.data, read_weights=recipe.model.weights is None)


def begin(
    objects: Objects,
    recipe: Recipe,
    material: Material,
    network: models.Classifier,
    facts: Mapping[str, Any],
    identity: Any,
    place: torch.device,
) -> Bench:
    """Finds or creates the run that `identity`, data and network determine, and allocates its weights.

    facts: "origin", "epochs" (the last), "kept", and what else is to stand among the run's attributes.
    """
    known = recipe.training.model_copy(update={"epochs": max(facts["epochs"], 1)})
    recipe = recipe.model_copy(update={"training": known})
    what = [facts["origin"], identity, recipe.model.model_dump(include={"network", "options"}), material.fingerprints]
    what += [recipe.training.leave_out]  # decides which training images are evaluated
    run_id = f"{recipe.name}-{digest(what)}"
    if not objects.stat(f"runs/{run_id}/zarr.json"):
        runs.create_run(objects, run_id, describe(recipe, material, network, place) | dict(facts))
    run = runs.open_run(objects, run_id)
    bench = bench_of(run, as_begun(run, recipe), material, place)
    allocate_weights(bench.run, network.network.state_dict())
    if bench.run.origin == "recorded":
        allocate_history(bench.run)
    return bench


def reopen(objects: Objects, run_id: str, recipe: Recipe) -> Bench:
    """The bench for more artifacts of such a run. Raises BadInput where the recipe is about another network or other data."""
    run = runs.open_run(objects, run_id)
    if run.origin == "trained":
        raise BadInput(f"Run {run_id} was trained here: run its recipe without naming the run.")
    first = parse(dict(run.recipe), run_id)
    if (recipe.model.network, recipe.model.options) != (first.model.network, first.model.options):
        raise BadInput(
            f"Run {run_id} is of {first.model.network} {first.model.options}; the recipe names another network."
        )
    recipe = as_begun(run, recipe)
    material = gather(objects, recipe)
    if material.fingerprints["data"] != run.attributes["fingerprints"]["data"]:
        raise BadInput(f"Run {run_id} is of other images than the data set {recipe.data.set} of the recipe has now.")
    return bench_of(settled(run), recipe, material, placed())


def as_begun(run: Run, recipe: Recipe) -> Recipe:
    """The recipe with the training the run was begun with: its seed decides the draws of some techniques."""
    return recipe.model_copy(update={"training": parse(dict(run.recipe), run.id).training})


def settled(run: Run) -> Run:
    """A recorded run that promises no more than was recorded: a loop may stop early, an epoch may have failed.

    Raises Busy while its recorder lives.
    """
    if run.origin != "recorded" or not (run.artifact("weights").missing() or run.artifact("training").missing()):
        return run
    claims = Claims(run.objects, f"{run.path}/claims")
    try:
        if not claims.take("lead"):
            raise Busy(f"Run {run.id} is being recorded: more can be computed when its training has ended.")
        return settle(run)
    finally:
        claims.close()


def settle(run: Run) -> Run:
    """Takes what was recorded for all there will be."""
    weights, history = run.artifact("weights"), run.artifact("training")
    if not weights.missing() and not history.missing():
        return run
    if not (kept := weights.marked()):
        raise BadInput(f"Run {run.id} holds no epoch: its recorder ended before the first was stored. Delete it.")
    run.reopen()
    for artifact in run.artifacts().values():
        if not by_epoch(artifact):
            continue
        promised = history.marked() if artifact.kind == "training" else kept
        if len(artifact.promised) == 1:  # of the last epoch alone
            promised = promised[-1:]
        if artifact.promised:
            replace(run, artifact.path, {"promised": list(promised)})
    replace(run, run.path, {"epochs": kept[-1], "kept": list(kept)})
    return runs.open_run(run.objects, run.id)


def by_epoch(artifact: Artifact) -> bool:
    """Whether its shards are epochs, and not blocks of images or cells of a grid."""
    return {array.dimensions[0] for array in KINDS[artifact.kind].values()} == {"epoch"}


def replace(run: Run, path: str, changes: Mapping[str, Sequence[int] | int]) -> None:
    """Changes attributes of a group of the run."""
    metadata = run.objects.get_json(f"{path}/zarr.json")
    metadata["attributes"] = sealed(metadata["attributes"] | changes)
    run.objects.put(f"{path}/zarr.json", json.dumps(metadata).encode())


def lacking(run: Run) -> str:
    """What to do where weights are missing that cannot be trained again; "" where none are."""
    missing = ", ".join(map(str, run.artifact("weights").missing()))
    if run.origin == "trained" or not missing:
        return ""
    remedy = (
        "import its checkpoints again" if run.origin == "imported" else "they were recorded and cannot be made again"
    )
    return f"The weights of epoch {missing} are missing: {remedy}."
