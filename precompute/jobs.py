"""The queue's worker: carries out jobs as durable workflows, one epoch or task a step, and takes over what dead workers left.

A step is idempotent, because the store's marks are what says that work is done: whoever carries a job on, in whatever
process, goes on with what is not marked. A worker without a job helps with the runs of others.
"""

import logging
import os
import signal
import socket
import threading
import time
import traceback
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer

from precompute import allowed, looks, queue
from precompute.queue import APPLICATION, MAKE, RUNS, VERSION, Queue, reached
from precompute.recipe import parse
from precompute.succession import pick_up, take_over
from precompute.terminal import counted
from store import workers
from store.errors import BadInput, Busy, LoupeError, NoSpace, Unanswered
from store.objects import Objects
from store.runs import Run, all_runs

if TYPE_CHECKING:
    from dbos import WorkflowStatus

    from precompute.bench import Bench

AGAIN_SECONDS = 15.0  # between two attempts where the disk is full or the store does not answer
IDLE_SECONDS = 5.0  # a step that finds nothing to do ends after so long, so that a cancel is noticed
LOG_LINES = 40
WAITS = (NoSpace, Unanswered, Busy)  # what passes by itself

log = logging.getLogger("loupe")


@dataclass
class Making:
    """A job that this worker has in hand."""

    bench: "Bench"
    steps: Iterator[bool]
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES))


@dataclass
class Here:
    """This worker process. DBOS registers workflows as functions of a module, so there is one of it."""

    objects: Objects | None = None
    id: str = ""
    client: DBOSClient | None = None
    makings: dict[str, Making] = field(default_factory=dict)  # by job
    waiting: dict[str, Run] = field(default_factory=dict)  # runs of jobs that try again later
    at_hand: set[str] = field(default_factory=set)  # jobs whose workflow runs in this process
    computing: Any = field(default_factory=threading.RLock)  # torch's random state is the process's: one step at a time
    doing: str = ""
    hosted: bool = False  # it works for others: recipes may name only what LOUPE_ALLOW lists
    stopped: threading.Event = field(default_factory=threading.Event)


HERE = Here()


@DBOS.workflow(name=MAKE)
def make_job(recipe: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """Carries out one job, step by step; returns how it ended."""
    job_id = str(DBOS.workflow_id)
    HERE.at_hand.add(job_id)
    try:
        while True:
            said = advance(job_id, recipe, about)
            if said["state"] == "waits":
                DBOS.sleep(AGAIN_SECONDS)
            elif said["state"] != "running":
                log.info("%s: %s.", said.get("run") or name_of(recipe), said["state"])
                return said
    finally:
        HERE.at_hand.discard(job_id)
        put_down(job_id)


@DBOS.step(name="advance")
def advance(job_id: str, recipe: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """One epoch or one task of a job. Says "running" as long as there is more, "waits" where what stops it may pass."""
    with HERE.computing:
        try:
            return {"state": "running" if step(job_id, recipe, about) else "finished"} | known(job_id)
        except WAITS as error:
            log.warning("%s waits: %s", name_of(recipe), error)
            put_down(job_id, f"{error} It is tried again every {AGAIN_SECONDS:.0f} s.", waits=True)
            return {"state": "waits", "reason": str(error)}
        except Exception as error:
            return failure(job_id, error)


def step(job_id: str, recipe: dict[str, Any], about: dict[str, Any]) -> bool:
    """Goes on until something is stored or some seconds are over; False where nothing is left to do."""
    making = HERE.makings.get(job_id) or take_up(job_id, recipe, about)
    HERE.doing = making.bench.run.id
    deadline = time.monotonic() + IDLE_SECONDS
    for stored in making.steps:
        if stored or time.monotonic() > deadline:
            making.lines.append(f"{time.strftime('%H:%M:%S')} {making.bench.progress.doing}")
            return True
    return False


def take_up(job_id: str, recipe: dict[str, Any], about: dict[str, Any]) -> Making:
    """Opens the run of a job, and says in the store and in the queue which one it is."""
    from precompute.making import steps

    if HERE.objects is None or HERE.client is None:
        raise LoupeError("Jobs are carried out by a worker: python -m precompute worker.")
    if not (isinstance(recipe, Mapping) and isinstance(about, Mapping)):
        raise BadInput(
            f"A job holds the fields of a recipe and who asked for it, not {recipe!r:.80} and {about!r:.80}."
        )
    bench = opened(HERE.objects, recipe)
    asked = {name: str(about.get(name, "")) for name in ("parent", "hypothesis", "by")}
    if any(asked.values()):
        row = row_of(job_id)
        bench.run.keep("lineage", asked | {"job": job_id, "at": queue.seconds(row.created_at if row else None) or 0.0})
    HERE.client.update_workflow_attributes(job_id, {"run": bench.run.id}, merge=True)
    HERE.makings[job_id] = Making(bench, steps(bench))
    log.info("%s: begins, or goes on.", bench.run.id)
    return HERE.makings[job_id]


def name_of(recipe: object) -> str:
    """For the log; anything may have been put into the queue."""
    return str(recipe.get("name"))[:40] if isinstance(recipe, Mapping) else "A job"


def opened(objects: Objects, recipe: Mapping[str, Any]) -> "Bench":
    """The bench of a job's recipe. Raises Forbidden where a hosted worker may not carry it out."""
    from precompute.bench import open_bench

    asked_for = parse(dict(recipe), "recipe of the job")
    if HERE.hosted:
        allowed.check(asked_for, (run for there in map(all_runs, [objects]) for run in there[0]))  # opened if need be
    return open_bench(objects, asked_for)


def row_of(job_id: str) -> "WorkflowStatus | None":
    found = HERE.client.list_workflows(workflow_ids=[job_id], load_input=False) if HERE.client else []
    return found[0] if found else None


def known(job_id: str) -> dict[str, str]:
    return {"run": HERE.makings[job_id].bench.run.id} if job_id in HERE.makings else {}


def failure(job_id: str, error: Exception) -> dict[str, Any]:
    """What a person needs to know of a job that failed."""
    ours = isinstance(error, LoupeError)
    lines = [*(HERE.makings[job_id].lines if job_id in HERE.makings else ())]
    lines += [] if ours else traceback.format_exception(error)
    text = [part for line in lines for part in line.rstrip().splitlines()][-LOG_LINES:]
    reason = str(error) if ours else f"{type(error).__name__}: {error}"
    log.error("%s", reason)
    return {"state": "failed", "reason": reason[:2000], "log": text} | known(job_id)


def put_down(job_id: str, reason: str = "", *, waits: bool = False) -> None:
    """Lets go of a job, once no step of it is under way. One that was cancelled is stopped, and its run says by whom."""
    with HERE.computing:
        making, run = HERE.makings.pop(job_id, None), HERE.waiting.pop(job_id, None)
        HERE.doing = ""
        if making is not None:
            making.steps.close()  # type: ignore[attr-defined]
            run = making.bench.run
    if run is None:
        return
    if waits:
        HERE.waiting[job_id] = run
    with suppress(LoupeError):
        stop(run, reason or cancelled(job_id))


def stop(run: Run, reason: str) -> None:
    """Gives the reason why a run that is not finished is not gone on with."""
    status = run.status()
    if reason and status.state in ("running", "stopped", "failed"):
        run.say(vars(status) | {"state": "stopped", "reason": reason, "seconds_left": None})


def cancelled(job_id: str) -> str:
    with suppress(Exception):  # the database may be what is gone
        if (row := row_of(job_id)) and row.status == "CANCELLED":
            return str((row.attributes or {}).get("reason", "cancelled"))
    return ""


def work(
    objects: Objects, place: Queue, *, runs: int = 1, name: str = "", help_others: bool = True, hosted: bool = False
) -> None:
    """Carries out jobs until it is stopped: `runs` at a time, interleaved. Raises LoupeError where the queue does not answer."""
    HERE.objects, HERE.client, HERE.hosted = objects, place.client, hosted
    HERE.id = f"{name or socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    DBOS(
        config={
            "name": APPLICATION,
            "system_database_url": place.address,
            "application_version": VERSION,
            "executor_id": HERE.id,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "ERROR",
            "run_migrations": False,  # the client made them
        }
    )
    with reached(place.address):
        DBOS.launch()
        DBOS.register_queue(RUNS, worker_concurrency=runs, polling_interval_sec=0.5)
        looks.listen(objects.address)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: HERE.stopped.set())
    threading.Thread(target=live, args=(objects, place), daemon=True, name="heart").start()
    log.info("Worker %s waits for jobs in %s, for runs in %s.", HERE.id, queue.shown(place.address), objects.address)
    while not HERE.stopped.wait(1.0):
        if help_others and not HERE.makings:
            help_with(objects, place)
    leave(objects, place)


def live(objects: Objects, place: Queue) -> None:
    """Says every few seconds that this worker lives, and takes over the jobs of those that do not."""
    began, device = time.time(), device_name()
    dropped: set[str] = set()
    while not HERE.stopped.is_set():
        try:
            workers.beat(objects, HERE.id, {"began": began, "doing": HERE.doing, "device": device})
            take_over(objects, place, HERE.id)
            dropped = pick_up(place, HERE.id, HERE.at_hand, dropped)
            looks.tidy(place)
        except Exception as error:  # whatever a row of the database leads to, the heart goes on
            log.warning("%s", error)
        HERE.stopped.wait(workers.BEATS_EVERY)


def device_name() -> str:
    import torch

    return (
        torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else f"cpu, {counted(torch.get_num_threads(), 'thread')}"
    )


def help_with(objects: Objects, place: Queue) -> None:
    """Computes what is left to do in the runs of other workers, until a job of our own comes or nothing is left."""
    from precompute.making import steps

    try:
        others = [job for job in place.found(status="PENDING", load_output=False) if job.worker != HERE.id and job.run]
        if not others or place.waiting():
            return
        bench = opened(objects, others[-1].recipe)
        helping = steps(bench, lead=False)
        HERE.doing = bench.run.id
        try:
            while not (HERE.makings or HERE.stopped.is_set()):
                with HERE.computing:
                    next(helping)
        finally:
            helping.close()  # type: ignore[attr-defined]
            HERE.doing = ""
    except StopIteration:  # nothing is left
        return
    except Exception as error:  # its data, code or memory may be missing here; who has the job will say so
        log.warning("Cannot help: %s", error)
        HERE.stopped.wait(AGAIN_SECONDS)


def leave(objects: Objects, place: Queue) -> None:
    """Ends at once: what is under way waits for another worker, who goes on with the step this one was in."""
    log.info("Stopping. What was finished is kept, and what was under way waits for the next worker.")
    with suppress(LoupeError):
        for job in place.found(status="PENDING", executor_id=HERE.id, load_output=False):
            if making := HERE.makings.get(job.id):
                stop(making.bench.run, "Its worker was stopped; the job waits for the next one.")
            with reached(place.address):
                place.client.resume_workflow(job.id, queue_name=RUNS)
        workers.gone(objects, HERE.id)
    looks.end()
    os._exit(0)
