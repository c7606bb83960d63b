"""Rows of the queue's database that somebody else wrote, with a real worker at work: it says what is wrong, and goes on.

Nothing in them may be unpickled or run, and one row must not keep the others from being listed.
"""

import base64
import ctypes
import json
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from precompute import queue, remote
from precompute.looks import LOOK, LOOKS
from precompute.queue import MAKE, RUNS, VERSION, Queue
from store.errors import LoupeError
from store.objects import connect
from tests.fuzz.messages import honest, image, store_run, value
from tests.fuzz.running import Check

Draws = np.random.Generator
ROOT = Path(__file__).parents[2]
SECONDS = 60  # after which a row must have been dealt with
NAMES = (MAKE, MAKE, LOOK, "nothing", "os.system", "temp_workflow-send", "DBOS.launch", "advance")
QUEUES = (RUNS, RUNS, LOOKS, LOOKS, "nowhere", "_dbos_internal_queue")
KNOWN = {(MAKE, RUNS), (LOOK, LOOKS), (MAKE, LOOKS), (LOOK, RUNS)}  # of these something must come
COLUMNS = (
    "inputs", "serialization", "attributes", "class_name", "config_name", "executor_id", "priority", "created_at",
    "authenticated_roles", "recovery_attempts",
)  # fmt: skip


class Touch:
    def __reduce__(self) -> tuple:
        return os.system, ("touch pickled",)


def rows(folder: Path) -> Check:
    """Checks one row; the worker lives as long as this process."""
    run = store_run(folder)
    place, base = queue.connect(str(folder / "queue.sqlite")), honest(run)
    os.environ |= {"LOUPE_STORE": run.objects.address, "LOUPE_QUEUE": str(folder / "queue.sqlite")}
    place.jobs()
    command = [sys.executable, "-m", "precompute", "worker", "--hosted", "--alone"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with (folder / "worker.log").open("wb") as log:
        worker = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, preexec_fn=ends_too)
    asked = base | {"store": connect(str(folder)).address}
    while True:
        try:
            remote.Remote().ask(asked, {"image": image()}, 60)
            break
        except LoupeError:
            time.sleep(1)

    def check(draws: Draws) -> str:
        name, queued = str(draws.choice(NAMES)), str(draws.choice(QUEUES))
        job = put(place, folder, draws, name, queued, asked)
        problem = settled(place, job) if (name, queued) in KNOWN else ""
        try:
            place.jobs()
        except LoupeError as error:
            problem = problem or f"nothing can be listed any more: {error}"
        found = remote.Remote().ask(asked, {"image": image()}, SECONDS)[0]
        problem = problem or (f"the next question gets {found}" if "error" in found else "")
        if worker.poll() is not None:
            return "ends the worker"
        ran = [path for path in (folder / "pickled", ROOT / "pickled") if path.exists()]
        with sqlite3.connect(folder / "queue.sqlite", timeout=30) as database:
            database.execute("delete from workflow_status where workflow_uuid = ?", (job,))
        return "runs code of the row" if ran else problem

    return check


def ends_too() -> None:
    """The worker ends with the process that started it."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def put(place: Queue, folder: Path, draws: Draws, name: str, queued: str, asked: dict[str, Any]) -> str:
    """A job of wrong arguments, or one whose row is tampered with before anybody sees it; returns its id."""
    arguments = [value(draws) for _ in range(int(draws.integers(0, 4)))]
    if draws.random() < 0.3:
        arguments = [remote.packed(asked | {"epoch": value(draws)} if draws.random() < 0.5 else asked, {})]
    try:
        json.dumps(arguments)
    except ValueError:
        arguments = [{}]
    options: Any = {"workflow_name": name, "queue_name": "later", "app_version": VERSION}
    job = place.client.enqueue(options, *arguments).workflow_id
    changes = {"queue_name": queued}
    for _ in range(int(draws.integers(0, 3))):
        column = str(draws.choice(COLUMNS))
        pool = ("", "x", "[]", "null", "py_pickle", "-1", "1e99", '{"args": 1}', '{"positionalArgs": [[]]}', "{" * 3000)
        changes[column] = pool[int(draws.integers(0, len(pool)))]
    if draws.random() < 0.3:
        pickled = base64.b64encode(pickle.dumps({"args": (Touch(), Touch()), "kwargs": {}})).decode()
        changes |= {"inputs": pickled, "serialization": "py_pickle"}
    with sqlite3.connect(folder / "queue.sqlite", timeout=30) as database:
        there = {line[1] for line in database.execute("pragma table_info(workflow_status)")}
        for column in [item for item in changes if item in there]:
            database.execute(f"update workflow_status set {column} = ? where workflow_uuid = ?", (changes[column], job))
    return job


def settled(place: Queue, job: str) -> str:
    """What is wrong with how a row ends."""
    with sqlite3.connect(place.address.removeprefix("sqlite:///"), timeout=30) as database:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            (state,) = database.execute("select status from workflow_status where workflow_uuid = ?", (job,)).fetchone()
            if state not in ("ENQUEUED", "PENDING"):
                return ""
            time.sleep(0.2)
    return f"is {state} after {SECONDS} s"
