"""Every kind of artifact, and which of its shards are still to be computed.

Science and store meet in the functions named here and nowhere else. To add a kind: its arrays in store/schema.py, its
options in recipe.py, a function that plans its artifacts, one that computes a shard of them, and one line in KINDS.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from precompute import activations, embedding, evaluation, maps, patterns, simulation
from precompute.bench import Bench, Shard
from precompute.recipe import digest
from store.shards import Artifact


@dataclass(frozen=True)
class Kind:
    """One kind of artifact. `plan` allocates those a recipe asks for; `compute` fills one shard of several of them at once.

    `needs`: kinds whose shard of the same epoch `compute` reads; another process may still be at it. `chained`: it reads
    its own shard of the epoch before, too. `late`: it takes so long that the training goes first. `parts`: how many tasks
    an epoch has. `epochs`: those it is computed of.
    """

    doing: str
    plan: Callable[[Bench], list[Artifact]]
    compute: Callable[[Bench, Sequence[Artifact], int], Mapping[str, Shard]]
    needs: tuple[str, ...] = ()
    chained: bool = False
    late: bool = False
    parts: Callable[[Bench], int] = lambda bench: 1
    epochs: Callable[[Bench], Sequence[int]] = Bench.kept_epochs


@dataclass(frozen=True)
class Task:
    """Work that is left: one shard, at one epoch, of artifacts that share a pass."""

    kind: str
    artifacts: tuple[Artifact, ...]
    epoch: int
    needs: tuple[Artifact, ...] = ()
    after: tuple[int, ...] = ()  # epochs of its own artifacts that it needs, too

    @property
    def name(self) -> str:
        """Names it among the tasks of its run, in letters a path may have."""
        return f"{self.kind}-{self.epoch}-{digest([item.path for item in self.artifacts])}"

    def ready(self) -> bool:
        """Whether all that it reads is there."""
        return all(self.epoch in item.marked() for item in self.needs) and all(
            epoch in item.marked() for item in self.artifacts for epoch in self.after
        )

    def finished(self) -> bool:
        return not any(self.epoch in item.missing() for item in self.artifacts)


def tasks(bench: Bench) -> list[Task]:
    """What is promised, not finished, and possible with the weights there are; by epoch, then as in KINDS, late ones last."""
    weights = bench.run.artifact("weights")
    ready = set(weights.marked())
    if not ready:  # nothing can even be planned without a network
        return []
    found = []
    for order, (name, kind) in enumerate(KINDS.items()):
        if kind.late and weights.missing():
            continue
        groups: dict[tuple[int, str], list[Artifact]] = {}
        needs = tuple(item for other in kind.needs for item in KINDS[other].plan(bench))
        for artifact in kind.plan(bench):
            for epoch in artifact.missing():
                if epoch in ready:
                    groups.setdefault((epoch, shared_pass(artifact)), []).append(artifact)
        left = {epoch for epoch, _ in groups} if kind.chained else set()
        found += [
            (
                (kind.late, epoch, order),
                Task(name, tuple(group), epoch, needs, tuple(item for item in left if item < epoch)),
            )
            for (epoch, _), group in groups.items()
        ]
    return [task for _, task in sorted(found, key=lambda item: item[0])]


def carry_out(bench: Bench, task: Task) -> None:
    """Computes a task's shards and stores them."""
    kind = KINDS[task.kind]
    with bench.progress.step(task.kind, f"{kind.doing} of epoch {task.epoch}"):
        shards = kind.compute(bench, task.artifacts, task.epoch)
        for artifact in task.artifacts:
            artifact.write(task.epoch, shards[artifact.path])


def planned(bench: Bench) -> dict[str, int]:
    """How many steps of each kind a whole run has, for the estimate of the time left."""
    tasks_of = {name: len(kind.epochs(bench)) * kind.parts(bench) for name, kind in KINDS.items()}
    return {"training": 0 if bench.run.origin == "imported" else bench.run.epochs} | tasks_of


def finished(bench: Bench) -> dict[str, int]:
    """How many of those are finished already, by whomever."""
    imported = bench.run.origin == "imported"  # without a history
    trained = 0 if imported else len(bench.run.artifact("training").marked()) - 1  # epoch 0 is not trained
    counts = {"training": max(trained, 0)}
    for name, kind in KINDS.items():
        by_pass: dict[str, int] = {}
        for artifact in kind.plan(bench):
            if not artifact.promised:
                continue
            shared = shared_pass(artifact)
            by_pass[shared] = min(by_pass.get(shared, len(artifact.promised)), len(artifact.marked()))
        counts[name] = sum(by_pass.values())
    return counts


def shared_pass(artifact: Artifact) -> str:
    """Equal of artifacts of a kind that share a pass: those of one layer, or of one change of the images."""
    return artifact.attributes.get("layer", artifact.attributes.get("change", ""))


KINDS: dict[str, Kind] = {
    "evaluation": Kind("evaluation", evaluation.plan, evaluation.compute),
    "saliency": Kind("saliency maps", maps.plan, maps.compute, needs=("evaluation",), parts=maps.parts),
    "cases": Kind("maps of recommended cases", maps.plan_cases, maps.compute_cases, parts=maps.parts),
    "features": Kind("features", embedding.plan_features, embedding.compute_features, parts=embedding.steps),
    "embedding": Kind(
        "embedding",
        embedding.plan,
        embedding.compute,
        needs=("features",),
        chained=True,
        late=True,
        parts=embedding.map_steps,
    ),
    "activations": Kind(
        "activations of all filters",
        activations.plan,
        activations.compute,
        parts=activations.steps,
        epochs=activations.epochs,
    ),
    "patterns": Kind(
        "patterns of filters",
        patterns.plan,
        patterns.compute,
        needs=("activations",),
        late=True,
        parts=activations.steps,
        epochs=activations.epochs,
    ),
    "simulation": Kind(
        "simulation",
        simulation.plan,
        simulation.compute,
        late=True,
        parts=simulation.steps,
        epochs=simulation.epochs,
    ),
}
