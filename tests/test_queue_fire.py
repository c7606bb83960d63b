"""The queue under fire: killed workers, a database that goes away, several processes at one run."""

import time
from pathlib import Path

import pytest

from benchmarks.queue import crew, fire, shared, weights
from precompute import queue
from precompute.making import make
from store import runs
from store.errors import LoupeError
from store.objects import connect
from tests import tiny
from tests.postgres import postgres, programs
from tests.queues import until
from tests.s3 import BUCKET, s3


@pytest.fixture(autouse=True)
def begun(ready: None) -> None:
    """Workers that begin at once; tests/test_queue.py has a true one."""


needs_postgres = pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed here")


def test_killed_workers_lose_nothing_on_sqlite(tmp_path: Path) -> None:
    done = fire(tmp_path, str(tmp_path / "queue.sqlite"), 2, 2, 1, epochs=5, every=(0.5, 1.0), most=1)
    assert (done["runs"], done["kills"]) == (2, 1)


@needs_postgres
def test_killed_workers_lose_nothing_on_postgres(tmp_path: Path) -> None:
    with postgres() as server:
        done = fire(tmp_path, server.address, 3, 3, 2, epochs=4, every=(0.5, 1.0), most=2)
    assert (done["runs"], done["kills"]) == (3, 2)


@needs_postgres
def test_a_database_that_goes_away_and_comes_back_costs_nothing(tmp_path: Path) -> None:
    store = connect(str(tmp_path / "store"))
    with postgres() as server, crew(store.address, server.address, 1, tmp_path / "log"):
        place = queue.connect(server.address)
        job = place.enqueue(tiny.recipe(tmp_path, training__epochs=12))
        run = runs.open_run(store, until(place, job, lambda job: bool(job.run)).run)
        server.stop()
        with pytest.raises(LoupeError, match="does not answer"):
            place.jobs()
        time.sleep(1)
        server.start()
        assert until(place, job, lambda job: not job.active).state == "finished"
        assert not run.missing() and not runs.open_run(store, run.id).verify()


@needs_postgres
@pytest.mark.s3
def test_workers_share_one_run_over_s3_and_postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte for byte what one process makes on its own disk."""
    recipe = tiny.recipe(tmp_path, training__epochs=4)
    _, alone = shared(tmp_path, str(tmp_path / "queue.sqlite"), str(tmp_path / "alone"), 1, recipe)
    with s3() as environment, postgres() as server:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        _, together = shared(tmp_path, server.address, f"s3://{BUCKET}/together", 2, recipe)
    assert alone.keys() == together.keys()
    assert [name for name in alone if alone[name] != together[name] and not name.startswith("training/measures")] == []


def test_a_command_line_run_and_a_worker_on_one_recipe_share_its_work(tmp_path: Path) -> None:
    """Whoever comes second helps; the weights are those of either alone."""
    epochs = 20  # the worker is still at it when the command line comes
    recipe, store = tiny.recipe(tmp_path, training__epochs=epochs), connect(str(tmp_path / "store"))
    place = queue.connect(str(tmp_path / "queue.sqlite"))
    with crew(store.address, place.address, 1, tmp_path / "worker.log"):
        job = place.enqueue(recipe)
        run = runs.open_run(store, until(place, job, lambda job: bool(job.run)).run)
        by_hand = make(store, recipe)
        assert until(place, job, lambda job: not job.active).state == "finished"
    assert by_hand.id == run.id and runs.open_run(store, run.id).verify() == []
    twin = make(connect(str(tmp_path / "alone")), recipe)
    assert weights(run, epochs) == weights(twin, epochs)
