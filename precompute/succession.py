"""Who goes on with a job whose worker does not: dead workers' jobs wait again, and so does one that a live worker lost."""

import logging
from collections.abc import Collection, Mapping
from typing import Any

from precompute.queue import RUNS, Queue, reached
from store import workers
from store.objects import Objects

DEATHS = 10  # workers that may die at one step of a job before it is given up

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
            release(place, job.id)
    for worker in there:
        if not worker.alive:
            workers.gone(objects, worker.id)


def release(place: Queue, job_id: str) -> None:
    """Makes a job wait again whose worker is gone; gives it up where too many died at the same step."""
    client = place.client
    with reached(place.address):
        about: Mapping[str, Any] = client.list_workflows(workflow_ids=[job_id])[0].attributes or {}
        steps = len(client.list_workflow_steps(job_id))
        deaths = int(about.get("deaths", 0)) + 1 if steps == about.get("died_at") else 1
        client.update_workflow_attributes(job_id, {"deaths": deaths, "died_at": steps}, merge=True)
        if deaths < DEATHS:
            client.resume_workflow(job_id, queue_name=RUNS)
        else:
            reason = f"{deaths} workers died one after the other in the same step; is their memory too small?"
            client.update_workflow_attributes(job_id, {"reason": reason, "failed": True}, merge=True)
            client.cancel_workflow(job_id)


def pick_up(place: Queue, me: str, at_hand: Collection[str], before: Collection[str]) -> set[str]:
    """Makes a job of this worker wait again that nothing here carries out, now nor at the last look; returns those of now.

    That is how a database leaves it that could not write down how a step ended, because its disk was full.
    """
    mine = place.found(status="PENDING", executor_id=[me], load_output=False)
    dropped = {job.id for job in mine} - set(at_hand)
    for job_id in dropped & set(before):
        log.warning("The queue lost how far job %s had come; it goes on.", job_id)
        with reached(place.address):
            place.client.resume_workflow(job_id, queue_name=RUNS)
    return dropped
