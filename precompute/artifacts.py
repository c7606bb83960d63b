"""Every kind of artifact, and which of its shards are still to be computed.

Science and store meet in the functions named here and nowhere else. To add a kind: its arrays in store/schema.py, its
options in recipe.py, a function that plans its artifacts, one that computes a shard of them, and one line in KINDS.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from precompute import evaluation, maps
from precompute.bench import Bench, Shard
from store.shards import Artifact


@dataclass(frozen=True)
class Kind:
    """One kind of artifact. `plan` allocates those a recipe asks for; `compute` fills one shard of several of them at once."""

    doing: str
    plan: Callable[[Bench], list[Artifact]]
    compute: Callable[[Bench, Sequence[Artifact], int], Mapping[str, Shard]]


@dataclass(frozen=True)
class Task:
    """Work that is left: one shard, at one epoch, of artifacts that share a pass."""

    kind: str
    artifacts: tuple[Artifact, ...]
    epoch: int


def tasks(bench: Bench) -> list[Task]:
    """What is promised, not finished, and possible with the weights there are; by epoch, then in the order of KINDS."""
    ready = set(bench.run.artifact("weights").marked())
    found = []
    for order, (name, kind) in enumerate(KINDS.items()):
        groups: dict[tuple[int, str], list[Artifact]] = {}
        for artifact in kind.plan(bench):
            for epoch in artifact.missing():
                if epoch in ready:
                    groups.setdefault((epoch, artifact.attributes.get("layer", "")), []).append(artifact)
        found += [(epoch, order, Task(name, tuple(group), epoch)) for (epoch, _), group in groups.items()]
    return [task for _, _, task in sorted(found, key=lambda item: item[:2])]


def carry_out(bench: Bench, task: Task) -> None:
    """Computes a task's shards and stores them."""
    kind = KINDS[task.kind]
    with bench.progress.step(task.kind, f"{kind.doing} of epoch {task.epoch}"):
        shards = kind.compute(bench, task.artifacts, task.epoch)
        for artifact in task.artifacts:
            artifact.write(task.epoch, shards[artifact.path])


def planned(bench: Bench) -> dict[str, int]:
    """How many tasks of each kind a whole run has, for the estimate of the time left."""
    epochs = bench.recipe.kept_epochs()
    saliency = bench.recipe.artifacts.saliency
    layers = len(saliency.layers) if saliency else 0
    counts = {"training": bench.recipe.training.epochs, "evaluation": len(epochs), "saliency": len(epochs) * layers}
    return counts | {"cases": len(epochs) * layers if saliency and saliency.cases else 0}


KINDS: dict[str, Kind] = {
    "evaluation": Kind("evaluation", evaluation.plan, evaluation.compute),
    "saliency": Kind("saliency maps", maps.plan, maps.compute),
    "cases": Kind("maps of recommended cases", maps.plan_cases, maps.compute_cases),
}
