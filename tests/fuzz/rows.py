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

from app.jobs import joblist
from precompute import queue, remote
from precompute.looks import LOOK, LOOKS
from precompute.queue import MAKE, RUNS, VERSION, Queue
from store.errors import LoupeError
from store.objects import connect
from tests.fuzz.messages import honest, image, store_run, value
from tests.fuzz.running import Check
from tests.fuzz.visitor import Visitor, boxes

Draws = np.random.Generator
ROOT = Path(__file__).parents[2]
SECONDS = 120  # after which a row must have been dealt with
STARTING_SECONDS = 2000  # by the clock
# Beats come ten times as often, so that a row that cannot be begun is given up within seconds
WORKER = "from store import workers; workers.BEATS_EVERY = 0.5; from precompute.__main__ import main; main()"
LIBC = ctypes.CDLL(None)
NAMES = (MAKE, MAKE, LOOK, "nothing", "os.system", "temp_workflow-send", "DBOS.launch", "advance")
QUEUES = (RUNS, RUNS, LOOKS, LOOKS, "nowhere", "_dbos_internal_queue")
KNOWN = {(MAKE, RUNS), (MAKE, LOOKS)}  # of these something must come; who asks for a look waits no longer than he likes
STATUS, INPUT, OUTPUT = "workflow_status", "workflow_input", "workflow_output"
COLUMNS = {
    "inputs": INPUT, "serialization": STATUS, "attributes": STATUS, "class_name": STATUS, "config_name": STATUS,
    "executor_id": STATUS, "priority": STATUS, "created_at": STATUS, "authenticated_roles": STATUS,
    "recovery_attempts": STATUS, "started_at_epoch_ms": STATUS, "completed_at": STATUS, "output": OUTPUT, "error": OUTPUT,
}  # fmt: skip
SAID = json.dumps(
    {"run": "../../etc", "by": "<b>", "hypothesis": "x" * 9999, "state": "odd", "log": [[]], "reason": {}}
)
POOL = (
    "", "x", "[]", "null", "py_pickle", "-1", "1e99", '{"args": 1}', '{"positionalArgs": [[]]}', "{" * 3000, "[" * 9999, SAID,
    "9" * 5000,
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
    command = [sys.executable, "-c", WORKER, "worker", "--hosted", "--alone"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with (folder / "worker.log").open("wb") as log:
        worker = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, preexec_fn=ends_too)
    asked = base | {"store": connect(str(folder)).address}
    begin(worker, asked, folder)
    visitor = Visitor()

    def check(draws: Draws) -> str:
        name, queued = str(draws.choice(NAMES)), str(draws.choice(QUEUES))
        job = put(place, folder, draws, name, queued, asked)
        problem = settled(place, job) if (name, queued) in KNOWN else ""
        try:
            place.jobs()
        except LoupeError as error:
            problem = problem or f"nothing can be listed any more: {error}"
        joblist.jobs_at.clear()
        problem = problem or "; ".join(boxes(visitor.opened("app/views/queue.py", {})))
        found = remote.Remote().ask(asked, {"image": image()}, SECONDS)[0]
        problem = problem or (f"the next question gets {found}" if "error" in found else "")
        if worker.poll() is not None:
            return "ends the worker"
        ran = [path for path in (folder / "pickled", ROOT / "pickled") if path.exists()]
        with sqlite3.connect(folder / "queue.sqlite", timeout=30) as database:
            for table in (STATUS, INPUT, OUTPUT):
                database.execute(f"delete from {table} where workflow_uuid = ?", (job,))
        return "runs code of the row" if ran else problem

    return check


def begin(worker: subprocess.Popen, asked: dict[str, Any], folder: Path) -> None:
    """Waits until the worker answers."""
    until = time.monotonic() + STARTING_SECONDS
    while True:
        try:
            remote.Remote().ask(asked, {"image": image()}, 600)
            return
        except LoupeError:
            if worker.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"The worker answers nothing:\n{(folder / 'worker.log').read_text()}") from None
            time.sleep(1)


def ends_too() -> None:
    """The worker ends with the process that started it."""
    LIBC.prctl(1, signal.SIGKILL)


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
    changes = {}
    for _ in range(int(draws.integers(0, 4))):
        changes[str(draws.choice(list(COLUMNS)))] = POOL[int(draws.integers(0, len(POOL)))]
    if draws.random() < 0.3:
        pickled = base64.b64encode(pickle.dumps({"args": (Touch(), Touch()), "kwargs": {}})).decode()
        changes |= {str(draws.choice(["inputs", "output"])): pickled, "serialization": "py_pickle"}
    ended = {"output", "error"} & set(changes)
    status = str(draws.choice(["SUCCESS", "ERROR", "odd"])) if ended else "ENQUEUED"
    with sqlite3.connect(folder / "queue.sqlite", timeout=30) as database:
        if ended:
            database.execute(f"insert into {OUTPUT} (workflow_uuid, retention_timestamp) values (?, 0)", (job,))
        for column, said in changes.items():
            database.execute(f"update {COLUMNS[column]} set {column} = ? where workflow_uuid = ?", (said, job))
        last = f"update {STATUS} set queue_name = ?, status = ? where workflow_uuid = ?"  # from now on it may be taken
        database.execute(last, (queued, status, job))
    return job


def settled(place: Queue, job: str) -> str:
    """What is wrong with how a row ends: what somebody asked for is carried out, or failed."""
    until = time.monotonic() + SECONDS
    while (found := place.job(job)).active:
        if time.monotonic() > until:
            return f"is {found.state} after {SECONDS} s"
        time.sleep(0.2)
    return ""
