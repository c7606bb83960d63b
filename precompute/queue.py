"""The queue's client: asks for runs, lists, cancels and retries them. No torch here, so the app may use it.

A job is a durable workflow of DBOS, in SQLite where nothing else is said, in PostgreSQL for several machines; `jobs.py`
carries it out. Everything that goes through the queue is JSON: nothing is pickled, and what says it is, is refused.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from precompute.recipe import Recipe, digest
from precompute.rows import UNREADABLE, listed
from store import objects as places
from store.errors import BadInput, LoupeError, Missing
from store.workers import Worker, workers

__all__ = ["Job", "Queue", "Worker", "connect", "workers"]

if TYPE_CHECKING:
    from dbos import DBOSClient, WorkflowStatus

VERSION = "1"  # of the workflow's steps: workers take only jobs of their own version
APPLICATION = "loupe"
RUNS = "runs"  # the queue of runs, and
MAKE = "make"  # its workflow
LATEST_MS = 253_000_000_000_000  # in the year 9987
PRIORITIES = range(1, 10)  # 1 first, 5 usual
ACTIVE = ["ENQUEUED", "DELAYED", "PENDING"]
STATES = {"ENQUEUED": "waiting", "DELAYED": "scheduled", "PENDING": "running", "CANCELLED": "cancelled"}
ENDS = ("finished", "failed", "cancelled")
DAMAGED = "Its row in the queue's database cannot be read: something else wrote into it. Forget it, and ask for the run again."


@dataclass(frozen=True)
class Job:
    """A run that somebody asked for."""

    id: str
    name: str  # of the recipe
    recipe: Mapping[str, Any]  # its fields
    state: str  # waiting, scheduled, running, finished, failed or cancelled
    by: str  # who asked for it
    asked: float  # Unix time, like all times here
    started: float | None
    ended: float | None
    at: float | None  # not before this time
    priority: int  # 1 first, 9 last
    worker: str  # id of the worker that has it, or had it last
    run: str  # the run's id, once it is known
    reason: str  # why it failed, or who cancelled it
    log: tuple[str, ...]  # last lines of a failed job's log
    parent: str  # the run it was re-trained from
    hypothesis: str  # what was expected of it

    @property
    def active(self) -> bool:
        return self.state in ("waiting", "scheduled", "running")


def address_of(address: str | None = None) -> str:
    """The database's address: as given, else LOUPE_QUEUE, else queue.sqlite beside the runs. Raises BadInput."""
    said = address or os.environ.get("LOUPE_QUEUE", "")
    if not said:
        folder = places.connect().local
        said = str(folder / "queue.sqlite") if folder else "queue.sqlite"
    if said.startswith(("postgres://", "postgresql://", "sqlite:///")):
        return said.replace("postgres://", "postgresql://", 1)
    if "://" in said:
        kinds = "a file path or an address postgresql://user:password@host:5432/database was expected"
        raise BadInput(f"LOUPE_QUEUE: '{shown(said)}' is no queue that can be opened; {kinds}.")
    return f"sqlite:///{os.path.abspath(os.path.expanduser(said))}"  # noqa: PTH100, PTH111  an address, not a path


def shown(address: str) -> str:
    """An address without its password."""
    head, at, tail = address.rpartition("@")
    return f"{head.partition('://')[0]}://…@{tail}" if at else address


def connect(address: str | None = None) -> "Queue":
    """The queue at `address`, or at the environment's LOUPE_QUEUE. Nothing is opened before it is used."""
    return Queue(address_of(address))


@contextmanager
def reached(address: str) -> Iterator[None]:
    """Turns the database's errors into ours."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except LoupeError:
        raise
    except UNREADABLE as error:  # the address, or a row that somebody else wrote; its text may hold the password
        raise LoupeError(
            f"The queue at {shown(address)} cannot be read: its address or a row of it is damaged."
        ) from error
    except (SQLAlchemyError, OSError) as error:
        first = (str(error).splitlines() or ["no reason given"])[0]
        raise LoupeError(
            f"The queue at {shown(address)} does not answer: {first}. Jobs are safe there; start the database, or set "
            "LOUPE_QUEUE to another one."
        ) from error


@dataclass(frozen=True)
class Queue:
    """A place where runs are asked for. Every method raises LoupeError where the database does not answer."""

    address: str

    @cached_property
    def client(self) -> "DBOSClient":
        from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer

        refuse_pickles()
        with reached(self.address):
            if self.address.startswith("sqlite:///"):
                os.makedirs(os.path.dirname(self.address.removeprefix("sqlite:///")) or ".", exist_ok=True)  # noqa: PTH103, PTH120
            DBOS.migrate(self.address)  # a client alone would find no tables before the first worker
            return DBOSClient(
                system_database_url=self.address,
                serializer=DBOSPortableJSONSerializer(),
                application_name=APPLICATION,
                retry_connection_errors=False,
            )

    def enqueue(
        self,
        recipe: Recipe,
        *,
        by: str = "",
        parent: str = "",
        hypothesis: str = "",
        priority: int = 5,
        at: float | None = None,
    ) -> str:
        """Asks for a run, not before the Unix time `at`; returns the job's id. The same recipe still waiting is that job."""
        if priority not in PRIORITIES:
            raise BadInput(f"A priority is a whole number from 1 (first) to 9 (last), not {priority}.")
        fields = recipe.model_dump(mode="json")
        said = {"by": by[:200], "parent": parent[:120], "hypothesis": hypothesis[:2000]}
        about = {name: text.replace("\0", "") for name, text in said.items()}  # which PostgreSQL keeps in no JSON
        options: dict[str, Any] = {
            "workflow_name": MAKE,
            "queue_name": RUNS,
            "app_version": VERSION,
            "deduplication_id": digest(fields),
            "duplication_policy": "return-existing",
            "priority": priority,
            "attributes": about,
        }
        if at is not None and at > time.time():
            options["delay_seconds"] = at - time.time()
        with reached(self.address):
            job = self.standing(fields, forgotten=True) or self.client.enqueue(options, fields, about).workflow_id  # type: ignore[arg-type]
            if at is None and self.client.list_workflows(workflow_ids=[job], status="DELAYED", load_input=False):
                self.client.set_workflow_delay(job, delay_seconds=0)  # it was asked for tonight: now counts
        return job

    def standing(self, fields: Mapping[str, Any], *, forgotten: bool = False) -> str:
        """Id of a job for this recipe that waits or runs, "" where there is none.

        forgotten: only among those that DBOS would not find, because it forgets its deduplication id where a job is retried,
        or given back by a worker that stops; the recipes of these few are read, not of all in the queue.
        """
        which: dict[str, Any] = {"status": ACTIVE, "load_output": False}
        if forgotten:
            rows, _ = listed(self.client, MAKE, load_input=False, **which)
            which["workflow_ids"] = [row.workflow_id for row in rows if not row.deduplication_id]
            if not which["workflow_ids"]:
                return ""
        return next((job.id for job in self.found(**which) if job.active and job.recipe == fields), "")

    def jobs(self, limit: int | None = 500) -> list[Job]:
        """The latest jobs, latest first; all of them with None."""
        return self.found(limit=limit)

    def job(self, job_id: str) -> Job:
        """One job; raises Missing where there is none of this id."""
        found = self.found(workflow_ids=[job_id])
        if not found:
            raise Missing(
                f"There is no job '{job_id[:60]}' in the queue. List those there are: python -m precompute jobs."
            )
        return found[0]

    def found(self, **which: Any) -> list[Job]:
        with reached(self.address):
            whole, damaged = listed(self.client, MAKE, **which)
            return [*map(job_of, whole), *map(unreadable, damaged)]

    def waiting(self) -> bool:
        """Whether any job waits for a worker at this moment."""
        return any(job.active for job in self.found(status="ENQUEUED", limit=1, load_output=False))

    def cancel(self, job_id: str, by: str = "") -> None:
        """Ends a job; one that runs ends after the step it is in. What is finished stays."""
        if not (job := self.job(job_id)).active:
            raise BadInput(f"Job {job.name} is {job.state} already; only what waits or runs can be cancelled.")
        with reached(self.address):
            self.client.update_workflow_attributes(
                job_id, {"reason": f"cancelled by {by}" if by else "cancelled"}, merge=True
            )
            self.client.cancel_workflow(job_id)

    def retry(self, job_id: str, by: str = "") -> str:
        """Makes a failed or cancelled job wait again; it goes on with what is not finished. Returns the job's id."""
        job = self.job(job_id)
        if job.active:
            raise BadInput(
                f"Job {job.name} is {job.state}; only what failed, was cancelled or is finished can be retried."
            )
        with reached(self.address):
            if again := self.standing(job.recipe):
                raise BadInput(f"{job.name} was asked for again meanwhile: job {again[:8]} makes it.")
            self.client.update_workflow_attributes(
                job_id, {"reason": "", "retried": by, "deaths": 0, "failed": False}, merge=True
            )
            self.client.rewind_workflow(job_id, queue_name=RUNS)
        return job_id

    def forget(self, job_id: str) -> None:
        """Takes a job that has ended out of the list; its run stays."""
        if (job := self.job(job_id)).active:
            raise BadInput(f"Job {job.name} is {job.state}: cancel it first.")
        with reached(self.address):
            self.client.delete_workflow(job_id)


def job_of(status: "WorkflowStatus") -> Job:
    """A job as its row says; what anybody else wrote into the table is read with care."""
    given: Mapping[str, Any] = status.input if isinstance(status.input, dict) else {}  # type: ignore[assignment]
    output = status.output if isinstance(status.output, dict) else {}
    about = status.attributes if isinstance(status.attributes, dict) else {}
    args, lines = given.get("args"), output.get("log")
    recipe = next((item for item in args if isinstance(item, dict)), {}) if isinstance(args, list | tuple) else {}
    state = STATES.get(status.status) or (said if (said := output.get("state")) in ENDS else "failed")
    if about.get("failed") and state == "cancelled":  # given up by a worker, not by a person
        state = "failed"
    return Job(
        id=status.workflow_id,
        name=str(recipe.get("name", "?")),
        recipe=recipe,
        state=state,
        by=str(about.get("by", "")),
        asked=seconds(status.created_at) or 0.0,
        started=seconds(status.dequeued_at),
        ended=seconds(status.completed_at),
        at=seconds(status.delay_until_epoch_ms),
        priority=status.priority if status.priority and status.priority in PRIORITIES else 5,
        worker=status.executor_id or "",
        run=str(output.get("run") or about.get("run", "")),
        reason=str(output.get("reason") or about.get("reason") or (status.error or "")),
        log=tuple(str(line) for line in lines) if isinstance(lines, list) else (),
        parent=str(about.get("parent", "")),
        hypothesis=str(about.get("hypothesis", "")),
    )


def unreadable(job_id: str) -> Job:
    """A job of which nothing is known but that there is one."""
    return Job(job_id, "?", {}, "failed", "", 0.0, None, None, None, 5, "", "", DAMAGED, (), "", "")


def seconds(milliseconds: int | None) -> float | None:
    """None also for what is no time of this age."""
    plausible = isinstance(milliseconds, int | float) and 0 <= milliseconds < LATEST_MS
    return milliseconds / 1000 if plausible and milliseconds is not None else None


def refuse_pickles() -> None:
    """DBOS unpickles what its row says is a pickle, whichever serializer is set: here such a row is an error."""
    from dbos import _serialization

    def refuse(self: object, data: str) -> Any:
        raise ValueError("a pickle, which Loupe does not read")

    _serialization.DefaultSerializer.deserialize = refuse  # type: ignore[assignment, method-assign]
