"""The Queue page without a browser: what runs, waits, failed; the morning view; recipes by upload; disk given back."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.access import actions
from app.jobs import joblist, overnight, uploads
from precompute import queue as queues
from precompute.queue import Job, Worker
from precompute.recipe import Recipe, parse
from store import trail
from store.errors import BadInput, Forbidden
from store.objects import connect
from store.runs import open_run, run_ids
from tests import worlds
from tests.test_pages import folder, opened, sound, words  # noqa: F401  folder is a fixture

PAGE = "app/views/queue.py"
RUN = "world-0123456789"
DEMO = {"name": "demo", "data": {"set": "mnist5000"}, "model": {"network": "gap"}}
TOML = b'name = "%s"\n[data]\nset = "mnist5000"\n[model]\nnetwork = "gap"\n'
NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC).timestamp()
EVENING = datetime(2026, 3, 1, 18, 0, tzinfo=UTC).timestamp()

pytestmark = pytest.mark.filterwarnings("ignore")


def job(state: str, **facts: Any) -> Job:
    about: dict[str, Any] = {
        "id": f"id-{state}", "name": "demo", "recipe": DEMO, "state": state, "by": "Ada", "asked": NOW - 3600, "started": None,
        "ended": None, "at": None, "priority": 5, "worker": "", "run": "", "reason": "", "log": (), "parent": "", "hypothesis": "",
    }  # fmt: skip
    return Job(**about | facts)


@pytest.fixture
def fake(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Job]]:  # noqa: F811
    """A queue that says what a test puts into this list."""
    found: list[Job] = []
    monkeypatch.setattr(joblist, "jobs", lambda: found)
    monkeypatch.setattr(overnight, "jobs", lambda: found)
    monkeypatch.setattr(joblist, "workers", lambda: [])
    yield found


def queue() -> queues.Queue:
    return actions.queue()


def button(app: AppTest, key: str) -> Any:
    return next((item for item in app.button if item.key == key), None)


# Jobs


def test_an_empty_queue_says_how_to_fill_it(folder: Path) -> None:  # noqa: F811
    worlds.make_world(folder)
    app = opened(PAGE)
    sound(app)
    assert "python -m precompute enqueue recipes/" in words(app)
    assert "Nothing is waiting." in words(app) and "No run is asked for" not in words(app)
    assert "No worker is running" in words(app)
    assert "Last night" not in words(app)


def test_a_waiting_job_is_cancelled_tried_again_and_forgotten(folder: Path) -> None:  # noqa: F811
    worlds.make_world(folder)
    name = queue().enqueue(parse(DEMO), by="Ada", hypothesis="*nothing* changes", parent=RUN)
    app = opened(PAGE)
    sound(app)
    assert "asked for by Ada at" in words(app)
    assert f"Re-trained from {RUN}. Expected: *nothing* changes" in words(app)
    assert "It waits: no worker is running" in words(app)
    button(app, f"cancel.{name}").click().run()
    sound(app)
    assert queue().job(name).state == "cancelled"
    button(app, f"retry.{name}").click().run()
    assert queue().job(name).state == "waiting"
    button(app, f"cancel.{name}").click().run()
    button(app, f"forget.{name}").click().run()
    assert queue().jobs() == []
    acts = [entry.action for entry in trail.trail(connect(str(folder)))]
    assert sorted(acts) == ["cancel", "cancel", "forget", "retry"]


def test_one_who_may_only_look_finds_no_button(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    worlds.make_world(folder)
    name = queue().enqueue(parse(DEMO))
    monkeypatch.setenv("LOUPE_READ_ONLY", "1")
    app = opened(PAGE)
    sound(app)
    assert "demo" in words(app)
    assert [item.key for item in app.button if str(item.key).endswith(name)] == []
    assert "Ask for runs by their recipe files" not in [item.label for item in app.expander]


def test_a_failed_job_says_why_and_shows_its_log(fake: list[Job]) -> None:
    fake.append(job("failed", reason="Loss is not finite in epoch 3.", log=("epoch 1", "epoch *2*"), ended=NOW))
    app = opened(PAGE)
    assert [item.value for item in app.error] == ["Loss is not finite in epoch 3."]
    assert "epoch 1\nepoch *2*" in [item.value for item in app.code]
    assert button(app, "retry.id-failed")
    assert button(app, "forget.id-failed")
    assert button(app, "cancel.id-failed") is None


def test_a_running_job_says_how_far_it_is_and_where(fake: list[Job], folder: Path, monkeypatch: Any) -> None:  # noqa: F811
    left = {"state": "running", "doing": "training epoch 2 of 3", "done": 4, "of": 10, "seconds_left": 40.0}
    worlds.make_world(folder, finished=1, status=left)
    fake.append(job("running", run=RUN, started=time.time() - 600, worker="w1"))
    alive = Worker("w1", "host", 7, 0.0, time.time(), RUN, "a GPU", True)
    gone = Worker("w2", "other", 8, 0.0, time.time() - 600, "", "cpu", False)
    monkeypatch.setattr(joblist, "workers", lambda: [alive, gone])
    app = opened(PAGE)
    sound(app)
    said = words(app)
    assert "for 10 min at worker w1" in said
    assert f"w1 on host, a GPU, at {RUN}" in said
    assert "w2 on other is gone; it was last heard of 10 min ago" in said
    assert "about 40 s left" in app.get("progress")[0].proto.text
    assert app.get("progress")[0].proto.value == 40


def test_jobs_under_way_are_in_the_order_in_which_they_run(fake: list[Job]) -> None:
    fake += [
        job("scheduled", id="c", name="third", at=NOW + 1e9),
        job("waiting", id="b", name="second", asked=NOW),
        job("waiting", id="a", name="first", priority=1, asked=NOW + 5),
        job("running", id="r", name="now", started=NOW),
    ]
    app = opened(PAGE)
    names = [
        name for name in ("now", "first", "second", "third") for item in app.markdown if f"**{name}**" in item.value
    ]
    found = [item.value.split("**")[1] for item in app.markdown if item.value.startswith("**")]
    assert found[:4] == names[:4] == ["now", "first", "second", "third"]
    assert "not before" in words(app)


def test_many_jobs_are_paged(fake: list[Job]) -> None:
    fake += [job("finished", id=f"id-{number}", name=f"demo-{number}", ended=NOW) for number in range(45)]
    app = opened(PAGE)
    shown = [item.key for item in app.button if str(item.key).startswith("forget.")]
    assert shown == [f"forget.id-{number}" for number in range(20)]
    app.session_state["queue.page"] = 3
    app.run()
    assert len([item for item in app.button if str(item.key).startswith("forget.")]) == 5


def test_a_queue_that_does_not_answer_is_an_error_in_its_place(folder: Path, monkeypatch: Any) -> None:  # noqa: F811
    worlds.make_world(folder)
    (folder / "queue.txt").write_text("no database, but long enough to be taken for one " * 100)
    monkeypatch.setenv("LOUPE_QUEUE", str(folder / "queue.txt"))
    app = opened(PAGE)
    assert not app.exception
    assert ["does not answer" in item.value for item in app.error] == [True]
    assert "Disk: how much each run takes" in [item.label for item in app.expander]


# The morning view


def test_the_night_is_what_was_due_in_it() -> None:
    found = [
        job("finished", id="in", ended=EVENING + 10, asked=EVENING - 9000),
        job("finished", id="before", ended=EVENING - 10, asked=EVENING - 9000),
        job("failed", id="failed", ended=NOW - 10),
        job("waiting", id="never begun", asked=EVENING + 5),
        job("waiting", id="due at ten", asked=EVENING - 9000, at=EVENING + 4 * 3600),
        job("scheduled", id="tonight", at=NOW + 3600),
        job("running", id="running", started=NOW - 100),
        job("cancelled", id="cancelled", ended=NOW - 100, reason="cancelled by Ada"),
    ]
    seen = overnight.night(found, EVENING, NOW)
    assert [item.id for item in seen.finished] == ["in"]
    assert [item.id for item in seen.failed] == ["failed"]
    assert [item.id for item in seen.open] == ["never begun", "due at ten", "running", "cancelled"]


def test_the_morning_says_what_became_of_the_night(fake: list[Job]) -> None:
    now = time.time()
    fake += [
        job("finished", id="1", run="demo-1", asked=now, ended=now),
        job("failed", id="2", name="demo-2", asked=now, ended=now, reason="The disk is full."),
        job("waiting", id="3", name="demo-3", asked=now - 60),
    ]
    app = opened(PAGE)
    said = words(app)
    assert "**1** finished, **1** failed, **1** not finished since" in said
    assert "**demo-2** failed: The disk is full." in said
    assert "**demo-3** was never begun; it waits since" in said


# Recipes by upload


def test_several_files_are_asked_for_and_each_error_names_its_file(folder: Path) -> None:  # noqa: F811
    worlds.make_world(folder)
    app = unfolded(opened(PAGE))
    app.file_uploader(key="queue.files.0").upload("one.toml", TOML % b"one", "text/plain")
    app.file_uploader(key="queue.files.0").upload("bad.toml", b"name = ", "text/plain")
    app.file_uploader(key="queue.files.0").upload("two.toml", TOML % b"two", "text/plain")
    unfolded(app)
    assert ["bad.toml is not valid TOML" in item.value.replace("\\", "") for item in app.error] == [True]
    app.button(key="queue.enqueue").click()
    unfolded(app)
    assert sorted(item.name for item in queue().jobs()) == ["one", "two"]


def test_where_one_recipe_is_refused_none_is_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    def allowed(recipe: Recipe) -> None:
        if recipe.name == "two":
            raise Forbidden("Not this one.")

    monkeypatch.setattr(actions, "harmless", allowed)
    recipes = [recipe for name in (b"one", b"two") for recipe in uploads.parsed("x.toml", TOML % name)]
    with pytest.raises(Forbidden):
        uploads.send(recipes, None)
    assert not queue().jobs()


def unfolded(app: AppTest, key: str = "queue.upload") -> AppTest:
    app.session_state[key] = True
    return app.run()


def test_a_grid_in_a_file_is_all_its_points() -> None:
    grid = TOML % b"grid" + b'[grid]\n"training.seed" = [0, 1, 2]\n'
    assert [recipe.training.seed for recipe in uploads.parsed("grid.toml", grid)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"\xff\xfe", "x.toml is not valid TOML"),
        (TOML % b"UPPER", "name"),
        (TOML % b"fine" + b"[training]\nepochs = -1\n", "training.epochs"),
        (b"#" * 300_000, "x.toml has 300,000 bytes"),
    ],
)
def test_files_that_hold_no_recipe_are_refused_in_words(body: bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said) as refused:
        uploads.parsed("x.toml", body)
    assert "x.toml" in str(refused.value)


# Disk


def test_weights_are_thinned_after_the_cost_is_said(folder: Path) -> None:  # noqa: F811
    worlds.make_world(folder, epochs=4)
    add_weights(folder)
    app = unfolded(opened(PAGE), "queue.disk")
    sound(app)
    app.selectbox(key="queue.room").set_value(RUN)
    unfolded(app, "queue.disk")
    sound(app)
    assert "The weights after epoch 1, 3 of" in words(app)
    before = open_run(connect(str(folder)), RUN).size()
    app.button(key="queue.thin").click()
    unfolded(app, "queue.disk")
    sound(app)
    run = open_run(connect(str(folder)), RUN)
    assert run.artifact("weights").marked() == (0, 2, 4)
    assert run.size() < before
    assert [entry.action for entry in trail.trail(run.objects)] == ["thin"]


def add_weights(folder: Path) -> None:  # noqa: F811
    import numpy as np

    run = open_run(connect(str(folder)), RUN)
    run.reopen()
    tensors = [{"name": "w", "array": "float32", "start": 0, "shape": [1000]}]
    artifact = run.add("weights", "weights", {"epoch": 5, "float32.value": 1000}, range(5), {"tensors": tensors})
    for epoch in range(5):
        artifact.write(epoch, {"float32": np.random.default_rng(epoch).normal(size=(1, 1000)).astype(np.float32)})
    run.summarise()


def test_nobody_who_only_looks_can_give_disk_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    worlds.make_world(folder)
    monkeypatch.setenv("LOUPE_READ_ONLY", "1")
    st.cache_resource.clear()
    app = unfolded(opened(PAGE), "queue.disk")
    sound(app)
    assert len(app.dataframe) == 1
    assert [item.key for item in app.selectbox if item.key == "queue.room"] == []
    assert run_ids(connect(str(folder))) == [RUN]
