"""Every kind of artifact, and which of its shards are still to be computed.

Science and store meet in the functions named here and nowhere else. To add a kind: its arrays in store/schema.py, its
options in recipe.py, a function that plans its artifacts, one that computes a shard of them, and one line in KINDS.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from precompute import evaluation, maps
from precompute.bench import Bench, Shard
from precompute.recipe import digest
from store.shards import Artifact


@dataclass(frozen=True)
class Kind:
    """One kind of artifact. `plan` allocates those a recipe asks for; `compute` fills one shard of several of them at once.

    `needs`: kinds whose shard of the same epoch `compute` reads; another process may still be at it.
    """

    doing: str
    plan: Callable[[Bench], list[Artifact]]
    compute: Callable[[Bench, Sequence[Artifact], int], Mapping[str, Shard]]
    per_layer: bool = False  # one task for each target layer, not one in all
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """Work that is left: one shard, at one epoch, of artifacts that share a pass."""

    kind: str
    artifacts: tuple[Artifact, ...]
    epoch: int
    needs: tuple[Artifact, ...] = ()

    @property
    def name(self) -> str:
        """Names it among the tasks of its run, in letters a path may have."""
        return f"{self.kind}-{self.epoch}-{digest([item.path for item in self.artifacts])}"

    def ready(self) -> bool:
        """Whether all that it reads is there."""
        return all(self.epoch in item.marked() for item in self.needs)

    def finished(self) -> bool:
        return not any(self.epoch in item.missing() for item in self.artifacts)


def tasks(bench: Bench) -> list[Task]:
    """What is promised, not finished, and possible with the weights there are; by epoch, then in the order of KINDS."""
    ready = set(bench.run.artifact("weights").marked())
    if not ready:  # nothing can even be planned without a network
        return []
    found = []
    for order, (name, kind) in enumerate(KINDS.items()):
        groups: dict[tuple[int, str], list[Artifact]] = {}
        needs = tuple(item for other in kind.needs for item in KINDS[other].plan(bench))
        for artifact in kind.plan(bench):
            for epoch in artifact.missing():
                if epoch in ready:
                    groups.setdefault((epoch, artifact.attributes.get("layer", "")), []).append(artifact)
        found += [(epoch, order, Task(name, tuple(group), epoch, needs)) for (epoch, _), group in groups.items()]
    return [task for _, _, task in sorted(found, key=lambda item: item[:2])]


def carry_out(bench: Bench, task: Task) -> None:
    """Computes a task's shards and stores them."""
    kind = KINDS[task.kind]
    with bench.progress.step(task.kind, f"{kind.doing} of epoch {task.epoch}"):
        shards = kind.compute(bench, task.artifacts, task.epoch)
        for artifact in task.artifacts:
            artifact.write(task.epoch, shards[artifact.path])


def planned(bench: Bench) -> dict[str, int]:
    """How many steps of each kind a whole run has, for the estimate of the time left."""
    epochs, layers = len(bench.kept_epochs()), len(maps.layers_asked(bench))
    tasks_of = {name: epochs * (layers if kind.per_layer else 1) for name, kind in KINDS.items()}
    return {"training": 0 if bench.run.origin == "imported" else bench.run.epochs} | tasks_of


def finished(bench: Bench) -> dict[str, int]:
    """How many of those are finished already, by whomever."""
    imported = bench.run.origin == "imported"  # without a history
    trained = 0 if imported else len(bench.run.artifact("training").marked()) - 1  # epoch 0 is not trained
    counts = {"training": max(trained, 0)}
    for name, kind in KINDS.items():
        by_layer: dict[str, int] = {}
        for artifact in kind.plan(bench):
            layer = artifact.attributes.get("layer", "")
            by_layer[layer] = min(by_layer.get(layer, len(artifact.promised)), len(artifact.marked()))
        counts[name] = sum(by_layer.values())
    return counts


KINDS: dict[str, Kind] = {
    "evaluation": Kind("evaluation", evaluation.plan, evaluation.compute),
    "saliency": Kind("saliency maps", maps.plan, maps.compute, per_layer=True, needs=("evaluation",)),
    "cases": Kind("maps of recommended cases", maps.plan_cases, maps.compute_cases, per_layer=True),
}
