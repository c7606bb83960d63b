"""Makes a run: trains it and fills its artifacts, epoch by epoch, or goes on where an earlier process stopped."""

from collections.abc import Callable, Iterator

from precompute.artifacts import carry_out, planned, tasks
from precompute.bench import Bench, open_bench
from precompute.recipe import Recipe
from precompute.train import train
from store.errors import LoupeError
from store.objects import Objects
from store.runs import Run, Status, dataset


def make(objects: Objects, recipe: Recipe, show: Callable[[Status], None] = lambda status: None) -> Run:
    """Trains and computes all that `recipe` asks for and that is not finished; returns the run."""
    bench = open_bench(objects, recipe)
    bench.progress.show = show
    for _ in steps(bench):
        pass
    return bench.run


def steps(bench: Bench) -> Iterator[Status]:
    """The making, one epoch or one task at a time: each is stored when the iterator comes back with the status.

    Steps are idempotent: whoever begins again, in whatever process, goes on with what is not marked. Whatever ends the
    making, the run's status says so.
    """
    progress = bench.progress
    try:
        bench.run.reopen()
        expect(bench)
        for _ in train(bench):
            yield progress.status()
            yield from fill(bench)
        yield from fill(bench)
        if not bench.run.missing():
            bench.run.summarise()
    except (KeyboardInterrupt, GeneratorExit):
        progress.say("stopped", "It was interrupted; run the recipe again to go on.")
        raise
    except Exception as error:
        progress.say("failed", str(error) if isinstance(error, LoupeError) else f"{type(error).__name__}: {error}")
        raise
    progress.say("finished")


def fill(bench: Bench) -> Iterator[Status]:
    """Computes every artifact that the weights there are allow."""
    while pending := tasks(bench):
        for task in pending:
            carry_out(bench, task)
            yield bench.progress.status()


def expect(bench: Bench) -> None:
    """Counts what is finished already, so that progress starts there."""
    progress = bench.progress
    progress.planned.update(planned(bench))
    for item in bench.run.artifacts().values():
        kind = item.kind
        done = len(item.marked()) - (kind == "training")  # epoch 0 is not trained
        if kind in progress.planned and item.promised:
            progress.finished[kind] = min(max(progress.finished[kind], done), progress.planned[kind])


def remove_damage(run: Run) -> list[str]:
    """Discards every damaged shard of a run and of its images; returns what it found, one sentence each."""
    found = []
    for artifact in [dataset(run.objects, run.attributes["dataset"]), *run.artifacts().values()]:
        artifact.known.clear()
        for index in artifact.marked():
            stats = {name: run.objects.stat(artifact.key(name, index)) for name in artifact.attributes["arrays"]}
            problems = [artifact.problem(name, index, stat, thorough=True) for name, stat in stats.items()]
            if any(problems):
                artifact.discard(index)
                found += [problem for problem in problems if problem]
    run.reopen()
    return found
