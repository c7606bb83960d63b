"""Who goes on with a job whose worker does not: dead workers' jobs wait again, and so does one that a live worker lost."""

import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from precompute.queue import RUNS, Queue, reached
from store import workers
from store.errors import LoupeError
from store.objects import Objects

DEATHS = 10  # workers that may die at one step of a job before it is given up; as often one may lose it
DIED = "{} workers died one after the other in the same step; is their memory too small?"
LOST = "It was begun {} times and nothing came of it: its row in the queue's database cannot be carried out."

log = logging.getLogger("loupe")


def take_over(objects: Objects, place: Queue, me: str) -> None:
    """Makes the jobs of dead workers wait again. Only the worker that began first does so, so that nothing happens twice."""
    there = workers.workers(objects, by=me)
    living = [worker.id for worker in there if worker.alive]
    if not living or living[0] != me:
        return
    for job in place.found(status="PENDING", load_output=False):
        if job.worker and job.worker not in living:
            log.warning("Worker %s is gone; %s goes on elsewhere.", job.worker, job.name)
            with suppress(LoupeError):  # one that cannot be written is no reason to leave the others
                release(place, job.id)
    for worker in there:
        if not worker.alive:
            workers.gone(objects, worker.id)


def release(place: Queue, job_id: str, why: str = DIED) -> None:
    """Makes a job wait again that nobody carries on; gives it up where that came too often at the same step."""
    client = place.client
    with reached(place.address):
        said = client.list_workflows(workflow_ids=[job_id], load_input=False)[0].attributes
        about: Mapping[str, Any] = said if isinstance(said, dict) else {}
        steps = len(client.list_workflow_steps(job_id))
        before = about.get("deaths", 0) if steps == about.get("died_at") else 0
        deaths = before + 1 if isinstance(before, int) else 1
        client.update_workflow_attributes(job_id, {"deaths": deaths, "died_at": steps}, merge=True)
        if deaths < DEATHS:
            client.resume_workflow(job_id, queue_name=RUNS)
        else:
            client.update_workflow_attributes(job_id, {"reason": why.format(deaths), "failed": True}, merge=True)
            client.cancel_workflow(job_id)


def pick_up(place: Queue, me: str, at_hand: Collection[str], before: Collection[str]) -> set[str]:
    """Makes a job of this worker wait again that nothing here carries out, now nor at the last look; returns those of now.

    That is how a database leaves it that could not write down how a step ended, because its disk was full; and a row that
    something else wrote, which cannot be begun.
    """
    mine = place.found(status="PENDING", executor_id=[me], load_output=False)
    dropped = {job.id for job in mine if job.active} - set(at_hand)
    for job_id in dropped & set(before):
        log.warning("The queue lost how far job %s had come; it goes on.", job_id)
        with suppress(LoupeError):
            release(place, job_id, LOST)
    return dropped
