"""The worker where things go wrong around it: hostile rows, lost outcomes, deleted runs, other people's troubles."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from precompute import bench, jobs, making, succession
from precompute.bench import open_bench
from precompute.queue import Queue
from store import runs
from store.errors import Missing, NoSpace
from store.objects import Objects, connect
from tests import tiny


class Client:
    """A queue of which only the attributes of one job are asked."""

    def __init__(self, status: str = "PENDING", **attributes: str) -> None:
        self.status, self.attributes, self.created_at = status, attributes, 0

    def update_workflow_attributes(self, *_: object, **__: object) -> None: ...

    def list_workflows(self, **_: object) -> list[Any]:
        return [self]


@pytest.fixture
def here(store: Objects, monkeypatch: pytest.MonkeyPatch) -> jobs.Here:
    found = jobs.Here(store, "me", Client())  # type: ignore[arg-type]
    monkeypatch.setattr(jobs, "HERE", found)
    return found


def changed(tmp_path: Path, **values: object) -> None:
    with sqlite3.connect(tmp_path / "queue.sqlite") as database:
        for name, value in values.items():
            database.execute(f"update workflow_status set {name} = ?", (value,))


@pytest.mark.parametrize(
    "row",
    [
        {"attributes": "[1]"},
        {"attributes": '"x"'},
        {"attributes": json.dumps({"by": {}, "deaths": "x", "failed": [1], "run": ["a"]})},
        {"status": "SUCCESS", "output": json.dumps({"log": 5, "run": 7, "state": [1]})},
        {"status": "WEIRD"},
        {"created_at": "x"},
        {"created_at": 10**18},
        {"created_at": -(10**18)},
        {"delay_until_epoch_ms": "soon"},
        {"started_at_epoch_ms": "x", "completed_at": "x"},
    ],
)
def test_a_row_of_the_wrong_types_is_still_a_job(row: dict[str, object], place: Queue, tmp_path: Path) -> None:
    job = place.enqueue(tiny.recipe(tmp_path))
    changed(tmp_path, **row)
    found = place.job(job)
    assert found.name == "tiny" and isinstance(found.asked, float) and isinstance(found.log, tuple)
    assert place.enqueue(tiny.recipe(tmp_path, name="other")) != job


@pytest.mark.parametrize(
    "damage",
    [{"attributes": "{"}, {"attributes": "[" * 9999}, {"authenticated_roles": "x"}],
    ids=("no JSON", "too deep", "of another column"),
)
def test_a_row_that_cannot_be_read_does_not_hide_the_others(
    damage: dict[str, object], place: Queue, tmp_path: Path
) -> None:
    damaged = place.enqueue(tiny.recipe(tmp_path, name="damaged"))
    changed(tmp_path, **damage)
    assert not place.waiting()
    there = [place.enqueue(tiny.recipe(tmp_path, name=f"r{number}")) for number in range(5)]
    found = place.jobs()
    assert {job.id for job in found[:-1]} == {*there} and found[-1].id == damaged
    assert found[-1].state == "failed" and "cannot be read" in found[-1].reason
    assert len(place.jobs(limit=2)) == 2
    place.forget(damaged)
    assert {job.id for job in place.jobs()} == {*there}


@pytest.mark.parametrize("row", [{"priority": "x"}, {"status": "SUCCESS"}, {"status": "odd"}])
def test_a_page_finds_nothing_odd_in_a_row(row: dict[str, object], place: Queue, tmp_path: Path) -> None:
    job = place.enqueue(tiny.recipe(tmp_path))
    changed(tmp_path, **row)
    with sqlite3.connect(tmp_path / "queue.sqlite") as database:
        said = json.dumps({"state": "unheard of"})
        database.execute("insert into workflow_output (workflow_uuid, output) values (?, ?)", (job, said))
    found = place.job(job)
    assert found.priority == 5 and found.state in ("waiting", "failed")


def test_a_job_whose_outcome_the_queue_lost_goes_on(place: Queue, tmp_path: Path) -> None:
    job = place.enqueue(tiny.recipe(tmp_path))
    changed(tmp_path, status="PENDING", executor_id="me")
    assert succession.pick_up(place, "me", {job}, set()) == set()
    first = succession.pick_up(place, "me", set(), set())
    assert first == {job} and place.job(job).state == "running"  # it may just be ending
    succession.pick_up(place, "me", set(), first)
    assert place.job(job).state == "waiting"


@pytest.mark.parametrize("about", ["[]", '{"deaths": "x"}', "null"])
def test_a_row_that_cannot_be_begun_is_given_up_and_the_others_go_on(
    about: str, place: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(succession, "DEATHS", 2)
    job = place.enqueue(tiny.recipe(tmp_path))
    for turn in range(2):
        changed(tmp_path, status="PENDING", executor_id="me", **({} if turn else {"attributes": about}))
        succession.pick_up(place, "me", set(), {job})
    assert place.job(job).state == "failed" and "begun 2 times" in place.job(job).reason


def test_cancelled_while_it_waits_it_says_so(
    here: jobs.Here, store: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise NoSpace("No space is left.")

    fields = tiny.recipe(tmp_path).model_dump(mode="json")
    assert jobs.advance("job", fields, {})["state"] == "running"
    monkeypatch.setattr(making, "carry_out", full)
    assert jobs.advance("job", fields, {})["state"] == "waits"
    here.client = Client("CANCELLED", reason="cancelled by Ada")  # type: ignore[assignment]
    jobs.put_down("job")
    run = runs.all_runs(store)[0][0]
    assert (run.status().state, run.status().reason) == ("stopped", "cancelled by Ada")


def test_one_thread_is_not_called_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for count, said in ((1, "cpu, 1 thread"), (2, "cpu, 2 threads")):
        monkeypatch.setattr("torch.get_num_threads", lambda count=count: count)
        assert jobs.device_name() == said


@pytest.mark.parametrize("steps", [1, 5, 100])
def test_a_run_that_is_deleted_while_it_is_made_stays_deleted(steps: int, store: Objects, tmp_path: Path) -> None:
    recipe = tiny.recipe(tmp_path)
    opened = open_bench(store, recipe)
    going_on = making.steps(opened)
    total = sum(1 for _ in making.steps(open_bench(connect(str(tmp_path / "other")), recipe)))
    for _ in range(min(steps, total)):
        next(going_on)
    runs.delete_run(store, opened.run.id)
    with pytest.raises(Missing, match="was deleted while it was made"):
        list(going_on)
    assert runs.all_runs(store) == ([], [])
    assert making.make(store, recipe).verify() == []


@pytest.mark.parametrize(
    "error", [RuntimeError("out of memory"), ModuleNotFoundError("mynets"), Missing("no data here")]
)
def test_who_cannot_help_goes_on_living(
    error: Exception, here: jobs.Here, place: Queue, store: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = others_job(place, tmp_path, monkeypatch, lambda: (_ for _ in ()).throw(error))
    jobs.help_with(store, place)
    assert waited == [jobs.AGAIN_SECONDS]  # the data are not read again every second


def test_a_hosted_worker_helps_only_with_what_is_listed(
    here: jobs.Here, place: Queue, store: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    here.hosted = True
    monkeypatch.setenv("LOUPE_ALLOW", "")
    others_job(place, tmp_path, monkeypatch, lambda: opened.append(1))
    jobs.help_with(store, place)
    assert not opened


def others_job(
    place: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Callable[[], object]
) -> list[float]:
    """A job that another worker has; `opened` is called where its run is opened. Returns the waits."""
    place.enqueue(tiny.recipe(tmp_path))
    changed(tmp_path, status="PENDING", executor_id="other", attributes=json.dumps({"run": "tiny-1"}))
    waits: list[float] = []
    monkeypatch.setattr(bench, "open_bench", lambda *_: opened())
    monkeypatch.setattr(jobs.HERE.stopped, "wait", waits.append)
    return waits
