"""Every kind of artifact, and which of its shards are still to be computed.

Science and store meet in the functions named here and nowhere else. To add a kind: its arrays in store/schema.py, its
options in recipe.py, a function that plans its artifacts, one that computes a shard of them, and one line in KINDS.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from precompute import activations, attention, embedding, evaluation, maps, patterns, simulation
from precompute.bench import Bench, Shard
from precompute.recipe import digest
from precompute.roar import companions, cost, grid, rankings
from precompute.sanity import grid as sanity
from store.shards import Artifact


@dataclass(frozen=True)
class Kind:
    """One kind of artifact. `plan` allocates those a recipe asks for; `compute` fills one shard of several of them at once.

    `needs`: kinds whose shard of the same epoch `compute` reads; another process may still be at it. `chained`: it reads
    its own shard of the epoch before, too. `late`: it takes so long that the training goes first. `parts`: how many tasks
    an epoch has. `epochs`: those it is computed of. `typical`: whether a shard takes as long as most others.

    Where `shards` is another word than epoch, its shards are numbers of that, and `epochs` gives those. They are computed
    once the training is over, kind by kind, each as soon as the shards of other artifacts are there that `reads` names.
    """

    doing: str
    plan: Callable[[Bench], list[Artifact]]
    compute: Callable[[Bench, Sequence[Artifact], int], Mapping[str, Shard]]
    needs: tuple[str, ...] = ()
    chained: bool = False
    late: bool = False
    parts: Callable[[Bench], int] = lambda bench: 1
    epochs: Callable[[Bench], Sequence[int]] = Bench.kept_epochs
    typical: Callable[[Artifact, int], bool] = lambda artifact, index: True
    shards: str = "epoch"
    reads: Callable[[Bench, Artifact, int], Sequence["Needed"]] = lambda bench, artifact, index: ()

    @property
    def by_epoch(self) -> bool:
        return self.shards == "epoch"


Needed = tuple[Artifact, tuple[int, ...]]  # an artifact, and those of its shards that are read


@dataclass(frozen=True)
class Task:
    """Work that is left: one shard, at one epoch or number of something else, of artifacts that share a pass."""

    kind: str
    artifacts: tuple[Artifact, ...]
    epoch: int
    needs: tuple[Needed, ...] = ()
    after: tuple[int, ...] = ()  # epochs of its own artifacts that it needs, too

    @property
    def name(self) -> str:
        """Names it among the tasks of its run, in letters a path may have."""
        return f"{self.kind}-{self.epoch}-{digest([item.path for item in self.artifacts])}"

    def ready(self) -> bool:
        """Whether all that it reads is there."""
        return all(set(shards) <= set(item.marked()) for item, shards in self.needs) and all(
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
        if (kind.late or not kind.by_epoch) and weights.missing():
            continue
        groups: dict[tuple[int, str], list[Artifact]] = {}
        for artifact in kind.plan(bench):
            for index in artifact.missing():
                if index in ready or not kind.by_epoch:
                    groups.setdefault((index, shared_pass(artifact)), []).append(artifact)
        left = {index for index, _ in groups} if kind.chained else set()
        needs = tuple(item for other in kind.needs for item in KINDS[other].plan(bench)) if groups else ()
        for (index, _), group in groups.items():
            read: list[Needed] = [(item, (index,)) for item in needs]
            read += [needed for item in group for needed in kind.reads(bench, item, index)]
            task = Task(name, tuple(group), index, tuple(read), tuple(item for item in left if item < index))
            found.append((turn(kind, order, index), task))
    return [task for _, task in sorted(found, key=lambda item: item[0])]


def turn(kind: Kind, order: int, index: int) -> tuple[int, int, int]:
    """When a task's turn is: by epoch, late kinds after all others, and last, one after the other, those not by epoch."""
    return (int(kind.late), index, order) if kind.by_epoch else (2, order, index)


def carry_out(bench: Bench, task: Task) -> None:
    """Computes a task's shards and stores them."""
    kind = KINDS[task.kind]
    of = task.artifacts[0].promised
    which = f" of epoch {task.epoch}" if kind.by_epoch else f", {kind.shards} {of.index(task.epoch) + 1} of {len(of)}"
    typical = all(kind.typical(artifact, task.epoch) for artifact in task.artifacts)
    with bench.progress.step(task.kind, f"{kind.doing}{which}", typical=typical):
        shards = kind.compute(bench, task.artifacts, task.epoch)
        for artifact in task.artifacts:
            artifact.write(task.epoch, shards[artifact.path])


def planned(bench: Bench) -> dict[str, int]:
    """How many steps of each kind a whole run has, for the estimate of the time left.

    Without a network it is not known what applies to it, nor without an evaluation which cases there are: all counts then.
    """
    counts = {"training": 0 if bench.run.origin == "imported" else bench.run.epochs}
    known = bool(bench.run.artifact("weights").marked())
    evaluated = known and bench.run.epochs in evaluation.plan(bench)[0].marked()
    for name, kind in KINDS.items():
        there = kind.plan(bench) if known else []
        certain = there or evaluated
        counts[name] = sum(of for of, _ in passes(there)) if certain else len(kind.epochs(bench)) * kind.parts(bench)
    return counts


def worth(bench: Bench) -> dict[str, float]:
    """Epochs of training that one step of Remove and Retrain takes as long as, by kind."""
    asked, trained = bench.recipe.artifacts.roar, len(bench.data.train.labels) - len(bench.recipe.training.leave_out)
    if asked is None or not bench.run.epochs or not trained:
        return {}
    facts = {"test_images": len(bench.data.test.labels)}
    train, test = cost.used(asked, facts, trained, len(bench.run.classes))
    work = cost.work(asked, train, test, bench.run.epochs)
    steps = {kind: len(KINDS[kind].epochs(bench)) * KINDS[kind].parts(bench) for kind in work}
    return {kind: images / trained / steps[kind] for kind, images in work.items() if steps[kind]}


def finished(bench: Bench) -> dict[str, int]:
    """How many of those are finished already, by whomever."""
    imported = bench.run.origin == "imported"  # without a history
    trained = 0 if imported else len(bench.run.artifact("training").marked()) - 1  # epoch 0 is not trained
    counts = {"training": max(trained, 0)}
    for name, kind in KINDS.items():
        counts[name] = sum(done for _, done in passes(kind.plan(bench)))
    return counts


def passes(artifacts: Sequence[Artifact]) -> list[tuple[int, int]]:
    """Of artifacts of a kind, for each pass that some of them share: how many shards they promise, and how many all have."""
    found: dict[str, tuple[int, int]] = {}
    for artifact in artifacts:
        if artifact.promised:
            shared, promised = shared_pass(artifact), len(artifact.promised)
            before = found.get(shared, (promised, promised))
            found[shared] = max(before[0], promised), min(before[1], len(artifact.marked()))
    return list(found.values())


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
    "attention": Kind(
        "attention in numbers",
        attention.plan,
        attention.compute,
        parts=attention.parts,
        reads=attention.reads,
    ),
    "sanity-shift": Kind(
        "shifted inputs",
        sanity.plan_shift,
        sanity.compute_shift,
        needs=("evaluation",),
        late=True,
        epochs=sanity.epochs,
    ),
    "sanity-randomisation": Kind(
        "maps of layers drawn anew",
        sanity.plan_randomisation,
        sanity.compute_randomisation,
        needs=("evaluation",),
        late=True,
        epochs=sanity.epochs,
    ),
    "sanity-stability": Kind(
        "stability of maps",
        sanity.plan_stability,
        sanity.compute_stability,
        needs=("evaluation",),
        late=True,
        epochs=sanity.epochs,
    ),
    "ranking": Kind(
        "order of the pixels to remove",
        rankings.plan,
        rankings.compute,
        late=True,
        parts=rankings.layers,
        epochs=rankings.promised,
        shards="block",
    ),
    "faithfulness": Kind(
        "deletion, insertion, infidelity and sensitivity",
        companions.plan,
        companions.compute,
        late=True,
        parts=companions.parts,
        epochs=lambda bench: bench.epochs_asked("last"),
    ),
    "roar": Kind(
        "remove and retrain",
        grid.plan,
        grid.compute,
        late=True,
        epochs=grid.count,
        typical=grid.typical,
        shards="cell",
        reads=grid.reads,
    ),
}
