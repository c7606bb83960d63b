"""Which workers there are: each says every few seconds, in an object of its own, that it lives and what it does."""

import json
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from store.claims import alive
from store.errors import LoupeError
from store.objects import Objects, Stat

BEATS_EVERY = 5.0  # seconds
SILENT_SECONDS = 20.0  # who said nothing for so long is dead
FOLDER = "workers"


@dataclass(frozen=True)
class Worker:
    """A process that carries out jobs, as it last said."""

    id: str
    host: str
    pid: int
    began: float
    at: float  # when it last said so, Unix time by the store's clock
    doing: str  # id of the run it is at, "" where it waits
    device: str
    alive: bool


def beat(objects: Objects, worker_id: str, facts: Mapping[str, Any]) -> None:
    """Says that a worker lives."""
    body = {"host": socket.gethostname(), "pid": os.getpid(), **facts}
    objects.put(f"{FOLDER}/{worker_id}.json", json.dumps(body).encode())


def gone(objects: Objects, worker_id: str) -> None:
    """Takes a worker out of the list."""
    objects.delete_each([f"{FOLDER}/{worker_id}.json"])


def workers(objects: Objects, by: str = "") -> list[Worker]:
    """All workers that said they are there, those alive first; what is damaged is left out.

    The worker that asks names itself in `by`: the time of its own beat is the store's, whatever this machine's clock says.
    """
    stats = list(objects.under(FOLDER))
    now = next((stat.at for stat in stats if stat.path == f"{FOLDER}/{by}.json"), time.time())
    found = [worker for stat in stats if (worker := read(objects, stat, now))]
    return sorted(found, key=lambda worker: (not worker.alive, worker.began))


def read(objects: Objects, stat: Stat, now: float) -> Worker | None:
    with suppress(LoupeError, TypeError, ValueError, AttributeError):
        said = objects.get_json(stat.path)
        host, pid = str(said["host"]), int(said["pid"])
        here = host == socket.gethostname()
        return Worker(
            id=stat.path.rsplit("/", 1)[-1].removesuffix(".json"),
            host=host,
            pid=pid,
            began=float(said.get("began", 0)),
            at=stat.at,
            doing=str(said.get("doing", "")),
            device=str(said.get("device", "")),
            alive=now - stat.at < SILENT_SECONDS and (alive(pid) if here else True),
        )
    return None
