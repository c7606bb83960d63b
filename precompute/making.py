"""Makes a run: trains it and fills its artifacts, epoch by epoch, or goes on where an earlier process stopped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
    with said(bench):
        bench.run.reopen()
        expect(bench)
        for _ in train(bench):
            fill(bench)
        fill(bench)
        if not bench.run.missing():
            bench.run.summarise()
    return bench.run


def fill(bench: Bench) -> None:
    """Computes every artifact that the weights there are allow."""
    while pending := tasks(bench):
        for task in pending:
            carry_out(bench, task)


def expect(bench: Bench) -> None:
    """Counts what is finished already, so that progress starts there."""
    progress = bench.progress
    progress.planned.update(planned(bench))
    for item in bench.run.artifacts().values():
        kind = item.kind
        done = len(item.marked()) - (kind == "training")  # epoch 0 is not trained
        if kind in progress.planned and item.promised:
            progress.finished[kind] = min(max(progress.finished[kind], done), progress.planned[kind])


@contextmanager
def said(bench: Bench) -> Iterator[None]:
    """Whatever ends the making, the run's status says so."""
    try:
        yield
    except KeyboardInterrupt:
        bench.progress.say("stopped", "It was interrupted; run the recipe again to go on.")
        raise
    except LoupeError as error:
        bench.progress.say("failed", str(error))
        raise
    except Exception as error:
        bench.progress.say("failed", f"{type(error).__name__}: {error}")
        raise
    bench.progress.say("finished")


def remove_damage(run: Run) -> list[str]:
    """Discards every damaged shard of a run and of its images; returns what it found, one sentence each."""
    found = []
    for artifact in [dataset(run.objects, run.attributes["dataset"]), *run.artifacts().values()]:
        artifact.known.clear()
        for index in artifact.marked():
            stats = {name: run.objects.stat(artifact.key(name, index)) for name in artifact.attributes["arrays"]}
            problems = [
                problem
                for name, stat in stats.items()
                if (problem := artifact.problem(name, index, stat, thorough=True))
            ]
            if problems:
                artifact.discard(index)
                found += problems
    run.reopen()
    return found
