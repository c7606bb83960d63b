"""The queue: what is asked for is carried out once and whole, whatever dies meanwhile; nothing is unpickled."""

import base64
import os
import pickle
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.queue import Crew, crew
from precompute import queue, remote
from precompute.queue import Queue
from store import runs, workers
from store.errors import BadInput, LoupeError, Missing, NoSpace
from store.objects import Objects
from tests import tiny
from tests.postgres import programs
from tests.queues import until

needs_postgres = pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed here")


@pytest.fixture
def hired(tmp_path: Path, place: Queue, store: Objects) -> Iterator[Crew]:
    """One worker."""
    with crew(store.address, place.address, 1, tmp_path / "worker.log") as one:
        yield one


# The client


def test_a_job_says_who_asked_for_what_and_why(place: Queue, tmp_path: Path) -> None:
    recipe = tiny.recipe(tmp_path)
    job = place.job(place.enqueue(recipe, by="Ada", parent="tiny-1", hypothesis="less grass", priority=3))
    assert (job.state, job.by, job.parent, job.hypothesis, job.priority) == (
        "waiting",
        "Ada",
        "tiny-1",
        "less grass",
        3,
    )
    assert job.recipe == recipe.model_dump(mode="json") and abs(job.asked - time.time()) < 5


def test_the_same_recipe_waits_only_once(place: Queue, tmp_path: Path) -> None:
    first = place.enqueue(tiny.recipe(tmp_path))
    assert place.enqueue(tiny.recipe(tmp_path)) == first
    assert place.enqueue(tiny.recipe(tmp_path, training__seed=1)) != first
    assert len(place.jobs()) == 2


def test_tonight_is_not_now(place: Queue, tmp_path: Path) -> None:
    at = time.time() + 3600
    job = place.job(place.enqueue(tiny.recipe(tmp_path), at=at))
    assert job.state == "scheduled" and job.at == pytest.approx(at, abs=2)


def test_what_was_asked_for_tonight_may_be_asked_for_now(place: Queue, tmp_path: Path) -> None:
    job = place.enqueue(tiny.recipe(tmp_path), at=time.time() + 3600)
    assert place.enqueue(tiny.recipe(tmp_path)) == job
    with sqlite3.connect(tmp_path / "queue.sqlite") as database:
        ((status, due),) = database.execute("select status, delay_until_epoch_ms from workflow_status").fetchall()
    assert status == "ENQUEUED" or due / 1000 < time.time() + 1


def test_what_waits_can_be_cancelled_retried_and_forgotten(place: Queue, tmp_path: Path) -> None:
    job = place.enqueue(tiny.recipe(tmp_path))
    with pytest.raises(BadInput, match="cancel it first"):
        place.forget(job)
    place.cancel(job, by="Ada")
    assert (place.job(job).state, place.job(job).reason) == ("cancelled", "cancelled by Ada")
    with pytest.raises(BadInput, match="cancelled already"):
        place.cancel(job)
    place.retry(job)
    assert (place.job(job).state, place.job(job).reason) == ("waiting", "")
    place.cancel(job)
    place.forget(job)
    with pytest.raises(Missing, match="no job"):
        place.job(job)


def test_what_is_retried_or_given_back_is_not_asked_for_twice(place: Queue, tmp_path: Path) -> None:
    recipe = tiny.recipe(tmp_path)
    job = place.enqueue(recipe)
    place.client.resume_workflow(job, queue_name=queue.RUNS)  # as a worker does that stops
    assert place.enqueue(recipe) == job
    place.cancel(job)
    other = place.enqueue(recipe)
    assert other != job
    with pytest.raises(BadInput, match=f"asked for again meanwhile: job {other[:8]}"):
        place.retry(job)
    place.cancel(other)
    place.retry(job)
    assert place.enqueue(recipe) == job


@pytest.mark.parametrize("address", ["mysql://root:secret@host/db", "ftp://somewhere"])
def test_an_address_that_is_none_is_named_without_its_password(address: str) -> None:
    with pytest.raises(BadInput, match="LOUPE_QUEUE") as error:
        queue.connect(address)
    assert "secret" not in str(error.value)


def test_a_database_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(LoupeError, match="does not answer") as error:
        queue.connect("postgresql://loupe:secret@127.0.0.1:9/none").jobs()
    assert "secret" not in str(error.value)


def test_a_row_that_says_it_is_a_pickle_is_not_unpickled(place: Queue, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
            return os.system, (f"touch {tmp_path / 'exploded'}",)

    job = place.enqueue(tiny.recipe(tmp_path))
    text = base64.b64encode(pickle.dumps({"args": (Bomb(),), "kwargs": {}})).decode()
    with sqlite3.connect(tmp_path / "queue.sqlite") as database:
        for table, column in database.execute(
            "select m.name, c.name from sqlite_master m, pragma_table_info(m.name) c where m.type = 'table' and c.name = 'inputs'"
        ).fetchall():
            database.execute(f"update {table} set {column} = ?", (text,))
        changed = database.execute("update workflow_status set serialization = 'py_pickle'").rowcount
    assert changed == 1
    found = place.job(job)
    assert found.name == "?" and not (tmp_path / "exploded").exists()


# The worker


def test_a_worker_makes_what_was_asked_for(hired: Crew, place: Queue, store: Objects, tmp_path: Path) -> None:
    """One that is fine, one that fails, one that is cancelled: three jobs, one after the other, by one worker."""
    fine = place.enqueue(tiny.recipe(tmp_path), by="Ada", parent="tiny-0", hypothesis="it learns")
    wrong = place.enqueue(tiny.recipe(tmp_path, data__options={"path": str(tmp_path / "nowhere.npz")}))
    endless = place.enqueue(tiny.recipe(tmp_path, name="endless", training__epochs=500))
    done = until(place, fine, lambda job: not job.active)
    run = runs.open_run(store, done.run)
    assert done.state == "finished" and run.status().state == "finished" and not run.verify()
    lineage = run.kept("lineage")[0]
    assert (lineage["parent"], lineage["hypothesis"], lineage["by"], lineage["job"]) == (
        "tiny-0",
        "it learns",
        "Ada",
        fine,
    )
    failed = until(place, wrong, lambda job: not job.active)
    assert failed.state == "failed" and "nowhere.npz" in failed.reason
    cancel(place, store, endless)


def cancel(place: Queue, store: Objects, endless: str) -> None:
    """Takes effect within one step; what was finished stays, and a retry goes on from there."""
    run = runs.open_run(store, until(place, endless, lambda job: bool(job.run)).run)
    while run.status().done < 3:
        time.sleep(0.05)
    place.cancel(endless, by="Ada")
    done = run.artifact("training").marked()[-1]
    deadline = time.monotonic() + 30
    while run.status().reason != "cancelled by Ada" and time.monotonic() < deadline:
        time.sleep(0.05)  # for a moment it is merely interrupted
    assert (run.status().state, run.status().reason) == ("stopped", "cancelled by Ada")
    stopped = run.artifact("training").marked()[-1]
    assert stopped <= done + 2
    place.retry(endless)
    until(place, endless, lambda job: job.state == "running")
    while run.artifact("training").marked()[-1] <= stopped:
        time.sleep(0.05)
    place.cancel(endless)


def test_a_full_disk_makes_a_job_wait_and_not_fail(
    tmp_path: Path, store: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    from precompute import jobs, making

    class Client:
        def update_workflow_attributes(self, *_: object, **__: object) -> None: ...
        def list_workflows(self, **_: object) -> list[object]:
            return []

    def full(*_: object) -> None:
        raise NoSpace("No space is left.")

    monkeypatch.setattr(jobs, "HERE", jobs.Here(store, "me", Client()))  # type: ignore[arg-type]
    fields = tiny.recipe(tmp_path).model_dump(mode="json")
    assert jobs.advance("job", fields, {})["state"] == "running"  # the first epoch
    with monkeypatch.context() as broken:
        broken.setattr(making, "carry_out", full)
        said = jobs.advance("job", fields, {})
    run = runs.all_runs(store)[0][0]
    assert (
        said["state"] == "waits" and run.status().state in ("stopped", "failed") and "No space" in run.status().reason
    )
    while (said := jobs.advance("job", fields, {}))["state"] == "running":
        pass
    assert said["state"] == "finished" and not run.verify()


# A host without torch


def test_a_worker_answers_for_a_host_that_has_no_torch(
    ready: None, hired: Crew, place: Queue, store: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUPE_STORE", store.address)
    monkeypatch.setenv("LOUPE_QUEUE", place.address)
    run = runs.open_run(store, until(place, place.enqueue(tiny.recipe(tmp_path)), lambda job: not job.active).run)
    question = {"id": 1, "store": "/etc", "run": run.id, "uuid": run.uuid, "epoch": 1, "classes": [], "techniques": {}}
    image = runs.dataset(store, run.attributes["dataset"]).read_blocks("pixels")[0]
    header, arrays = remote.Remote().ask(question, {"image": image}, 60)
    assert "error" not in header, header
    np.testing.assert_allclose(arrays["logits"], run.of_kind("evaluation")[0].read("logits", 1, 0), atol=1e-5)
    assert not place.client.list_workflows(name=remote.LOOK)  # what a visitor asked is not kept


def test_without_a_worker_it_is_said_at_once(place: Queue, store: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_STORE", store.address)
    monkeypatch.setenv("LOUPE_QUEUE", place.address)
    with pytest.raises(Missing, match="no worker is running"):
        remote.Remote().ask({}, {}, 60)


@pytest.mark.parametrize("noise", ["", "not base64 !", base64.b64encode(b"\x00" * 12).decode(), "QUJDRA=="])
def test_a_message_that_is_none_is_an_error(noise: str) -> None:
    with pytest.raises(LoupeError):
        remote.unpacked(noise)


# Who is there


def test_a_worker_that_is_silent_or_whose_process_is_gone_is_dead(store: Objects) -> None:
    workers.beat(store, "here", {"began": 1.0, "doing": "tiny-1", "device": "cpu"})
    workers.beat(store, "gone", {"pid": 2**22 + 1})
    store.put("workers/damaged.json", b"{")
    found = {worker.id: worker for worker in workers.workers(store)}
    assert found.keys() == {"here", "gone"}
    assert found["here"].alive and found["here"].doing == "tiny-1" and not found["gone"].alive
