"""Makes a run: trains it and fills its artifacts, epoch by epoch, or goes on where an earlier process stopped."""

from collections.abc import Callable, Iterator
from contextlib import suppress

from precompute.artifacts import carry_out, finished, planned, tasks
from precompute.bench import Bench, open_bench
from precompute.recipe import Recipe
from precompute.train import allocate, train
from store.errors import LoupeError, Missing
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
    progress, run = bench.progress, bench.run
    try:
        run.reopen()
        weights, _ = allocate(bench)
        progress.planned.update(planned(bench))
        if 0 in weights.marked():
            progress.finished.update(finished(bench))
        for _ in train(bench):
            yield progress.status()
            yield from fill(bench)
        yield from fill(bench)
    except (KeyboardInterrupt, GeneratorExit):
        progress.say("stopped", "It was interrupted; run the recipe again to go on.")
        raise
    except Exception as error:
        with suppress(LoupeError):  # where the disk is full, the status cannot be written either
            progress.say("failed", str(error) if isinstance(error, LoupeError) else f"{type(error).__name__}: {error}")
        raise
    if missing := run.missing():
        names = ", ".join(missing)
        progress.say(
            "stopped", f"What an earlier recipe asked for is missing: {names}. `verify {run.id} --repair` computes it."
        )
    else:
        run.summarise()
        progress.say("finished")


def fill(bench: Bench) -> Iterator[Status]:
    """Computes every artifact that the weights there are allow."""
    while pending := tasks(bench):
        for task in pending:
            carry_out(bench, task)
            yield bench.progress.status()


def remove_damage(run: Run) -> list[str]:
    """Discards every damaged shard of a run and of its images; returns what it found, one sentence each."""
    found = [line for artifact in run.artifacts().values() for line in artifact.discard_damage()]
    for name in run.datasets():
        with suppress(Missing):  # making the run stores its images again
            found += dataset(run.objects, name, run.id).discard_damage()
    run.reopen()
    return found
