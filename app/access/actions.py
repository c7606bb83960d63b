"""Everything that changes anything. Each function asks first who wants it: a hidden button is no protection, because a
browser may send the click of a button that was never drawn. Pages call these, and nothing else that writes."""

from collections.abc import Sequence

import streamlit as st

from app import interactions, reading
from app.access import roles
from app.runs import roster
from precompute import allowed
from precompute import queue as queues
from precompute.recipe import Recipe
from store import judgements, runs, thinning, trail
from store.errors import Busy
from store.judgements import Observation, Verdict
from store.runs import Run


def queue() -> queues.Queue:
    """The queue the environment names, shared by all sessions."""
    return connected(queues.address_of())


@st.cache_resource(show_spinner=False)
def connected(address: str) -> queues.Queue:
    return queues.connect(address)


# Trainings


def retrain(
    recipe: Recipe, *, parent: str = "", hypothesis: str = "", at: float | None = None, priority: int = 5
) -> str:
    """Asks for a training, now or not before the Unix time `at`; returns the job's id."""
    by = roles.demand("re-train").name
    harmless(recipe)
    job = queue().enqueue(recipe, by=by, parent=parent, hypothesis=hypothesis, priority=priority, at=at)
    interactions.did("re-train", job)
    return job


def harmless(recipe: Recipe) -> None:
    """On a host with sign-in, raises Forbidden for a recipe that names code or files the host does not allow."""
    if roles.sign_in():
        allowed.check(recipe, reading.all_runs()[0])


def cancel(job_id: str) -> None:
    by = roles.demand("cancel").name
    queue().cancel(job_id, by=by)
    trail.note(reading.store(), "cancel", by, {"job": job_id})
    interactions.did("cancel", job_id)


def retry(job_id: str) -> str:
    """Asks again for a failed or cancelled training, which goes on from where it stopped; returns the job's id."""
    by = roles.demand("cancel").name
    again = queue().retry(job_id, by=by)
    trail.note(reading.store(), "retry", by, {"job": again})
    return again


def forget(job_id: str) -> None:
    """Takes a job that has ended out of the list; its run stays."""
    by = roles.demand("cancel").name
    queue().forget(job_id)
    trail.note(reading.store(), "forget", by, {"job": job_id})


# Runs


def delete_run(run: Run) -> int:
    """Deletes a run with all that is beside it; returns the bytes freed. Raises Busy while it is being made."""
    by = roles.demand("delete").name
    idle(run, "deleted")
    trail.note(run.objects, "delete", by, {"run": run.id, "uuid": run.uuid})
    freed = runs.delete_run(run.objects, run.id)
    reading.listed.clear()
    roster.shared().forget(run)
    interactions.did("delete", run.id)
    return freed


def thin(run: Run, keep: Sequence[int]) -> int:
    """Deletes the weights of all epochs but these, the first and the last; returns the bytes freed."""
    by = roles.demand("delete").name
    idle(run, "thinned")
    trail.note(run.objects, "thin", by, {"run": run.id, "keep": sorted(keep)})
    freed = thinning.thin(run, keep)
    roster.shared().forget(run)
    return freed


def idle(run: Run, done: str) -> None:
    if reading.status(run).state == "running":
        raise Busy(f"Run {run.id} is being made and cannot be {done} now. Cancel it on the Queue page first, or wait.")


# Judgements


def observe(run: Run, observation: Observation) -> Observation:
    """Leaves an observation in the name of who is here; returns it as it was stored."""
    said = judgements.observe(run, observation, by=roles.demand("judge").name)
    interactions.did("observe", said.id)
    return said


def decide(run: Run, verdict: str, reason: str = "") -> Verdict:
    """Leaves a verdict, "keep", "reject" or "undecided"; returns it as it was stored."""
    said = judgements.decide(run, verdict, reason, by=roles.demand("judge").name)
    interactions.did("decide", said.id)
    return said
