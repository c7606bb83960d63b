"""Makes a run: trains it and fills its artifacts, epoch by epoch, or goes on where an earlier process stopped."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

from precompute import elsewhere, embedding, thumbnails
from precompute.artifacts import carry_out, finished, planned, tasks, worth
from precompute.bench import Bench, open_bench
from precompute.recipe import Recipe
from precompute.train import allocate, train, untrained
from store.claims import Claims
from store.errors import LoupeError, Missing
from store.objects import Objects
from store.runs import Run, Status

POLL_SECONDS = 0.5  # between two looks at what other processes have finished, at first
LONGEST_POLL = 2.0


def make(
    objects: Objects,
    recipe: Recipe,
    show: Callable[[Status], None] = lambda status: None,
    *,
    on: str = "",
    meanwhile: Callable[[], None] | None = None,
) -> Run:
    """Trains and computes all that `recipe` asks for and that is not finished; returns the run.

    `on` is the id of an imported or recorded run, which the recipe alone does not determine. `meanwhile` is called once, as
    soon as the first epoch is there.
    """
    bench = elsewhere.reopen(objects, on, recipe) if on else open_bench(objects, recipe)
    bench.progress.show = show
    for _ in steps(bench):
        if meanwhile and looked_at(bench):
            meanwhile()
            meanwhile = None
    if meanwhile:
        meanwhile()
    return bench.run


def looked_at(bench: Bench) -> bool:
    """Whether the first epoch of the training is there to be looked at."""
    return any(epoch or not bench.run.epochs for item in bench.run.of_kind("evaluation") for epoch in item.marked())


def steps(bench: Bench, *, lead: bool = True) -> Iterator[bool]:
    """The making, one epoch or one task at a time: each is stored when the iterator comes back with True.

    Steps are idempotent: whoever begins again, in whatever process, goes on with what is not marked. Several processes
    may make one run: one of them leads, that is trains; all share the tasks, and one that finds nothing to do for the
    moment gets False and waits. With `lead` False it only helps. Whatever ends the making, the run's status says so.
    """
    claims = Claims(bench.run.objects, f"{bench.run.path}/claims")
    bench.progress.leads = lead
    try:
        begin(bench)
        while not complete(bench):
            if lead and claims.take("lead"):
                yield from led(bench, claims)
            else:
                yield from followed(bench, claims, lead=lead)
        end(bench)
    except (KeyboardInterrupt, GeneratorExit):
        with suppress(LoupeError):
            bench.progress.say("stopped", "It was interrupted; run the recipe again to go on.")
        raise
    except Exception as error:
        if deleted(bench.run):
            raise Missing(
                f"Run {bench.run.id} was deleted while it was made. Ask for it again to make it anew."
            ) from error
        with suppress(LoupeError):  # where the disk is full, the status cannot be written either
            text = str(error) if isinstance(error, LoupeError) else f"{type(error).__name__}: {error}"
            bench.progress.say("failed", text)
        raise
    finally:
        claims.close()


def deleted(run: Run) -> bool:
    """Whether somebody deleted the run; what cannot be asked counts as there."""
    with suppress(LoupeError):
        return run.objects.stat(f"{run.path}/zarr.json") is None
    return False


def begin(bench: Bench) -> None:
    """Plans the work."""
    bench.progress.earlier = dict(bench.run.status().rates)  # first: what plans may speak, and replace the status
    embedding.drop_outdated(bench.run)
    if bench.run.origin == "trained":
        allocate(bench)
    bench.progress.planned.update(planned(bench))
    bench.progress.worth = worth(bench)
    if bench.run.artifact("weights").marked():
        bench.progress.finished = Counter(finished(bench))


def complete(bench: Bench) -> bool:
    """Whether nothing that this recipe asks for is left to do."""
    return not (untrained(bench) or thumbnails.pending(bench) or tasks(bench))


def led(bench: Bench, claims: Claims) -> Iterator[bool]:
    """Trains, and computes after each epoch what its weights allow and nobody else computes already."""
    if complete(bench):  # by whoever led before
        return
    bench.progress.leads = True
    bench.run.reopen()  # a run that had been finished for an earlier recipe is not finished for this one
    for _ in train(bench):
        yield True
        yield from fill(bench, claims)
    for block in thumbnails.pending(bench):
        thumbnails.store(bench, block)
        yield True
    yield from fill(bench, claims)
    if tasks(bench):  # others are at them
        yield rest()


def followed(bench: Bench, claims: Claims, *, lead: bool) -> Iterator[bool]:
    """Computes what nobody else computes while another process trains; ends when that one is gone, or all is done."""
    bench.progress.leads = False
    idle = 0
    while not (lead and claims.take("lead")):
        for _ in fill(bench, claims):
            idle = 0
            yield True
        if complete(bench):
            return
        idle += 1
        yield rest(idle)


def rest(idle: int = 1) -> bool:
    """Waits, longer each time: to look what others have finished is a dozen requests to an object store."""
    time.sleep(min(POLL_SECONDS * idle, LONGEST_POLL))
    return False


def fill(bench: Bench, claims: Claims) -> Iterator[bool]:
    """Computes every task that the weights there allow and that nobody else is at."""
    computed = True
    while computed:
        computed = False
        if bench.progress.leads:
            bench.progress.planned, bench.progress.finished = Counter(planned(bench)), Counter(finished(bench))
        for task in tasks(bench):
            if not (task.ready() and claims.take(task.name)):
                continue
            if not task.finished():  # by another, since the tasks were listed
                carry_out(bench, task)
                computed = True
            claims.release(task.name)
            yield True


def end(bench: Bench) -> None:
    """Says that the run is finished, or what an earlier recipe asked for that is not there."""
    if not bench.progress.leads and bench.run.status().state == "finished":
        return
    bench.progress.leads = True
    if missing := bench.run.missing():
        names = ", ".join(missing)
        text = f"What an earlier recipe asked for is missing: {names}. `verify {bench.run.id} --repair` computes it."
        bench.progress.say("stopped", elsewhere.lacking(bench.run) or text)
    else:
        bench.run.summarise()
        bench.progress.say("finished")
