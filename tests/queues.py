"""Waiting for a job."""

import time
from collections.abc import Callable

from precompute.queue import Job, Queue


def until(place: Queue, job: str, right: Callable[[Job], bool], seconds: float = 60) -> Job:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if right(found := place.job(job)):
            return found
        time.sleep(0.1)
    raise AssertionError(f"after {seconds} s the job is {place.job(job)}")
