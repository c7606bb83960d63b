"""The Re-train page without a browser: what is filled in, changed, estimated, refused and sent."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app import moments, reading
from app.access import actions
from app.jobs import crew
from app.retrain import retraining, sending, training_set
from precompute import queue as queues
from precompute.recipe import parse
from store.objects import connect
from store.runs import open_run
from tests import worlds
from tests.test_pages import folder, opened, sound, words  # noqa: F401  folder is a fixture

PAGE = "app/views/retrain.py"
RUN = "world-0123456789"
FORM = f"form.{RUN}"

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def world(folder: Path) -> Path:  # noqa: F811
    """A finished run with rates, in a store with a queue of its own."""
    rates = {"evaluation": 2.0, "saliency": 10.0, "cases": 1.0}
    worlds.make_world(folder, status={"state": "finished", "done": 3, "of": 3, "rates": rates})
    return folder


def queue() -> queues.Queue:
    return actions.queue()


def adam(app: AppTest) -> AppTest:
    return app.selectbox(key=f"{FORM}.training.optimizer").set_value("adam").run()


def button(app: AppTest, key: str) -> Any:
    return next((item for item in app.button if item.key == key), None)


def test_the_form_is_filled_from_the_run(world: Path) -> None:
    app = opened(PAGE)
    sound(app)
    assert app.selectbox(key=f"{FORM}.training.optimizer").value == "sgd"
    assert app.number_input(key=f"{FORM}.training.learning_rate").value == 0.01
    assert app.number_input(key=f"{FORM}.training.epochs").value == 3
    assert "Nothing yet" in words(app)


def test_a_run_that_failed_before_its_first_epoch_is_trained_differently(folder: Path) -> None:  # noqa: F811
    worlds.make_world(folder, finished=-1, status={"state": "failed", "reason": "the loss is not a number"})
    app = adam(opened(PAGE))
    assert not app.exception
    assert "No epoch of it was finished." in words(app) and "is shown" not in words(app)
    assert "sgd → adam" in words(app)
    assert f"{RUN} measured nothing" in words(app)
    assert button(app, "train") is not None


def test_a_change_is_said_and_put_back(world: Path) -> None:
    app = adam(opened(PAGE))
    assert "optimizer** sgd → adam" in words(app)
    button(app, f"back.{FORM}.training.optimizer").click().run()
    sound(app)
    assert app.selectbox(key=f"{FORM}.training.optimizer").value == "sgd"
    assert "sgd → adam" not in words(app)


def test_what_is_typed_outlives_a_visit_to_another_page(world: Path) -> None:
    app = adam(opened(PAGE))
    app.switch_page("app/views/overview.py").run()
    app.switch_page(PAGE).run()
    assert app.selectbox(key=f"{FORM}.training.optimizer").value == "adam"
    assert "sgd → adam" in words(app)


def test_time_and_disk_are_estimated_from_what_the_parent_took(world: Path) -> None:
    app = adam(opened(PAGE))
    assert "About 62 s" in words(app)  # 3 epochs of 3.5 s, 4 times 13 s
    assert f"Measured in {RUN}, on a CPU with 2 threads." in words(app)
    app.number_input(key=f"{FORM}.training.epochs").set_value(300).run()
    assert "About 1.4 h" not in words(app)  # 300 epochs of 3.5 s, 301 times 13 s
    assert "About 83 min" in words(app)


def test_what_was_never_measured_is_said(folder: Path) -> None:  # noqa: F811
    worlds.make_world(folder)
    said = words(adam(opened(PAGE)))
    assert "Not known, and not counted: evaluation, maps" in said
    assert "More than " in said and "About " not in said


def test_the_button_asks_for_the_training(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = adam(opened(PAGE))
    app.text_area(key=f"hypothesis.{RUN}").input("less grass in Deer").run()
    app.text_input(key="your.name").input("Ada").run()
    button(app, "train").click().run()
    sound(app)
    (job,) = queue().jobs()
    assert (job.recipe["training"]["optimizer"], job.parent, job.hypothesis) == ("adam", RUN, "less grass in Deer")
    assert (job.by, job.state) == ("Ada", "waiting")
    assert "is asked for and waits for a worker" in words(app)
    assert "no worker is running" in words(app)
    alone = sending.in_line(job.id).news
    monkeypatch.setattr(queues, "workers", lambda store: [SimpleNamespace(alive=True)])
    crew.workers_at.clear()  # seconds later
    assert sending.in_line(job.id).news != alone  # so that a worker that comes or goes is told of at once
    button(app, "train").click().run()
    assert len(queue().jobs()) == 1  # the same recipe is the same job


def test_tonight(world: Path) -> None:
    app = adam(opened(PAGE))
    app.toggle(key="later").set_value(True).run()
    button(app, "train").click().run()
    sound(app)
    (job,) = queue().jobs()
    assert job.state == "scheduled"
    assert (moments.here(job.at or 0).hour, moments.here(job.at or 0).minute) == (22, 0)
    assert "begins not before" in words(app)


def test_the_same_recipe_leads_to_the_run_there_is(world: Path) -> None:
    objects = connect(str(world))
    run = open_run(objects, RUN)
    fields = retraining.start(run) | {}
    fields["training"] = fields["training"] | {"optimizer": "adam"}
    recipe = parse(fields)
    twin = recipe.run_id({"data": "abc"}, "float32")
    assert retraining.twin(run, recipe) is None
    worlds.make_world(world, name="other")
    made = worlds.create_run(objects, twin, dict(run.attributes) | {"recipe": fields})
    made.keep("asked", recipe.model_dump(mode="json"))
    made.say({"state": "finished"})
    reading.listed.clear()
    app = adam(opened(PAGE, run=RUN))
    assert f"This very run exists already: {twin}" in words(app)
    assert button(app, "train") is None
    app.number_input(key=f"{FORM}.training.seed").set_value(1).run()
    assert "exists already" not in words(app)
    assert button(app, "train")


def test_more_maps_of_weights_that_are_there_are_only_computed(world: Path) -> None:
    run = open_run(connect(str(world)), RUN)
    before = parse(retraining.start(run))
    name = before.run_id({"data": "abc"}, "float32")
    made = worlds.create_run(connect(str(world)), name, dict(run.attributes))
    made.keep("asked", before.model_dump(mode="json"))
    made.say({"state": "finished"})
    reading.listed.clear()
    more = before.model_dump(mode="json")
    more["artifacts"]["saliency"]["techniques"] = ["cam"]
    found = retraining.twin(run, parse(more))
    assert found is not None
    assert (found.run.id, found.complete) == (name, False)
    assert found.text().startswith("The weights of this run exist already:")
    assert retraining.twin(run, before).complete  # type: ignore[union-attr]


def test_of_a_run_that_is_being_computed_only_that_is_said(world: Path) -> None:
    run = open_run(connect(str(world)), RUN)
    fields = retraining.start(run) | {}
    fields["training"] = fields["training"] | {"optimizer": "adam"}
    name = parse(fields).run_id({"data": "abc"}, "float32")
    made = worlds.create_run(connect(str(world)), name, dict(run.attributes) | {"recipe": fields})
    made.say({"state": "running"})
    reading.listed.clear()
    app = adam(opened(PAGE, run=RUN))
    assert f"This run is being computed at this moment: {name}" in words(app) and "exist already" not in words(app)
    assert button(app, "train") is None


def test_forged_values_are_sentences_or_put_back_and_nothing_is_sent(world: Path) -> None:
    app = opened(PAGE)
    app.session_state[f"{FORM}.training.leave_out"] = "-4, <b>"
    app.session_state[f"{FORM}.training.learning_rate"] = 0.0
    app.run()
    assert not app.exception
    assert any("training.leave_out" in item.value.replace("\\", "") for item in app.error)
    assert app.number_input(key=f"{FORM}.training.learning_rate").value == 0.01
    assert button(app, "train") is None
    assert queue().jobs() == []


def test_one_who_may_not_train_sees_the_form_and_why(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_READ_ONLY", "1")
    app = opened(PAGE)
    sound(app)
    assert "this Loupe only shows runs" in words(app)
    assert all(item.disabled for item in app.number_input if str(item.key).startswith(FORM))
    app.session_state[f"{FORM}.training.optimizer"] = "adam"
    app.run()
    assert button(app, "train") is None or button(app, "train").disabled
    assert queue().jobs() == []


def test_a_run_that_todays_loupe_cannot_make_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    facts = worlds.attributes

    def foreign(*about: Any) -> dict[str, Any]:
        found: dict[str, Any] = facts(*about)
        found["recipe"]["model"]["network"] = "not-here"
        return found

    monkeypatch.setattr(worlds, "attributes", foreign)
    worlds.make_world(folder)
    app = opened(PAGE)
    sound(app)
    assert "cannot be trained again from here" in words(app)
    assert "No network is called 'not-here'" in words(app)


def test_an_imported_run_says_what_a_re_train_means(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    facts = worlds.attributes
    monkeypatch.setattr(worlds, "attributes", lambda *about: facts(*about) | {"origin": "imported"})
    worlds.make_world(folder)
    assert "A re-train begins anew, here" in words(opened(PAGE))


# Class weights and images left out


def test_a_tables_edits_become_weights() -> None:
    names = ("cat", "dog", "deer")
    once = training_set.edited({}, {"0": {"weight": 2}, "2": {"weight": 0.5}}, names)
    assert once == {"cat": 2.0, "deer": 0.5}
    assert training_set.edited(once, {"0": {"weight": 1.0}, "1": {"weight": 3}}, names) == {"dog": 3.0, "deer": 0.5}
    forged: dict[Any, Any] = {"9": {"weight": 2}, "x": {"weight": 2}, "1": [2], "2": {"weight": "much"}}
    assert training_set.edited({}, forged | {"0": {"weight": float("nan")}}, names) == {}


def test_class_weights_that_do_not_go_are_refused_in_words(world: Path) -> None:
    app = opened(PAGE)
    app.session_state[f"{FORM}.training.class_weights"] = {"kind 0": -1.0}
    app.run()
    assert any("weights must be above 0" in item.value for item in app.error)


class Shown:
    """Stands for the thumbnails component: remembers what it was given."""

    def __init__(self) -> None:
        self.calls: dict[str, Any] = {}

    def __call__(self, sheet: tuple[bytes, int], items: Sequence[Any], *, key: str, on_pick: Any, **more: Any) -> None:
        self.calls[key.rsplit(".", 1)[-1]] = (items, on_pick)


def unfolded(app: AppTest) -> AppTest:
    """The page with the images that may be left out; a test keeps no fold open by itself."""
    app.session_state["fold.leave_out"] = True
    return app.run()


def test_training_images_are_browsed_and_left_out(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = stored_images(world)
    shown = Shown()
    monkeypatch.setattr(training_set, "thumbnails", shown)
    monkeypatch.setattr(training_set.reading, "training_images", lambda run: data, raising=False)
    app = unfolded(opened(PAGE))
    sound(app)
    items, _ = shown.calls["all"]
    assert [item.image for item in items] == [0, 4, 8, 12, 16, 20]  # of the first of four classes
    app.text_input(key=f"{FORM}.training.leave_out").input("4, 9")
    unfolded(app)
    sound(app)
    assert "leave_out** not set → 4, 9" in words(app)
    assert "2 left out, 22 of 24 are trained on" in words(app)
    assert [item.image for item in shown.calls["out"][0]] == [4, 9]
    assert [item.marked for item in shown.calls["all"][0]] == [False, True, False, False, False, False]
    button(app, "train").click().run()
    assert queue().jobs()[0].recipe["training"]["leave_out"] == [4, 9]


def stored_images(world: Path) -> Any:
    """Images with labels and numbers, as the training images are stored."""
    from store import runs

    run = open_run(connect(str(world)), RUN)
    return runs.dataset(run.objects, run.attributes["dataset"])


def test_without_stored_training_images_numbers_can_be_typed(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_set.reading, "training_images", lambda run: None, raising=False)
    app = unfolded(opened(PAGE))
    sound(app)
    assert "are not stored" in words(app)
    app.text_input(key=f"{FORM}.training.leave_out").input("one").run()
    assert any("leave_out" in item.value.replace("\\", "") for item in app.error)


# Times


@pytest.mark.parametrize(
    ("now", "clock", "expected"),
    [
        (datetime(2026, 3, 1, 21, 0, tzinfo=UTC), time(22, 0), datetime(2026, 3, 1, 22, 0, tzinfo=UTC)),
        (datetime(2026, 3, 1, 22, 0, tzinfo=UTC), time(22, 0), datetime(2026, 3, 2, 22, 0, tzinfo=UTC)),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), time(1, 30), datetime(2027, 1, 1, 1, 30, tzinfo=UTC)),
    ],
)
def test_tonight_is_the_next_time_of_that_clock(now: datetime, clock: time, expected: datetime) -> None:
    assert moments.next_time(clock, now) == expected


def test_tonight_follows_the_clock_over_the_change_to_summer_time() -> None:
    from zoneinfo import ZoneInfo

    berlin = ZoneInfo("Europe/Berlin")
    then = moments.next_time(time(22, 0), datetime(2026, 3, 28, 23, 0, tzinfo=berlin))
    assert (then.hour, then.utcoffset()) == (22, timedelta(hours=2))
    fixed = timezone(timedelta(hours=9))
    assert moments.last_time(time(18, 0), datetime(2026, 3, 1, 7, 0, tzinfo=fixed)).day == 28


def test_sizes_read_as_people_say_them() -> None:
    sizes = [retraining.size(value) for value in (900, 24_000, 1_500_000, 2.5e9, 3e12)]
    assert sizes == ["0.9 kB", "24 kB", "1.5 MB", "2.5 GB", "3.0 TB"]
