"""Who is there to carry out what is asked for."""

from app import reading
from app.memory import remembered
from precompute import queue
from precompute.queue import Worker


def workers() -> list[Worker]:
    """All workers that have been seen at the store, read at most every two seconds whoever looks."""
    return workers_at(reading.store().address)


@remembered(20, seconds=2)
def workers_at(address: str) -> list[Worker]:
    return queue.workers(reading.store())
