"""The guide: its steps lead to where their things are, say what this run has, and leave who leaves it alone."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import main, reading, selection
from app.guide import findings, panel, place
from app.guide.steps import STEPS, before, first, following
from precompute.cases import probabilities
from precompute.edits import Edits
from store.objects import connect
from store.runs import open_run
from tests.test_pages import opened, shows, sound, words
from tests.worlds import make_world
from tests.worlds_network import make_network_world

pytestmark = pytest.mark.filterwarnings("ignore")
SALIENCY, TESTING, NETWORK, RETRAIN = (f"app/views/{name}.py" for name in ("saliency", "testing", "network", "retrain"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guide")
    make_network_world(folder, images=40)
    return folder


@pytest.fixture
def world(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shows(made, monkeypatch)
    return made


def press(app: AppTest, key: str) -> AppTest:
    app.button(key=f"guide.{key}").click().run()
    sound(app)
    return app


def keys(app: AppTest) -> set[str]:
    return {str(button.key).removeprefix("guide.") for button in app.button if str(button.key).startswith("guide.")}


def done(app: AppTest) -> bool:
    return panel.DONE in "".join(item.value for item in app.markdown)


# The table


def test_every_step_has_its_page() -> None:
    assert all((main.VIEWS / f"{step.page}.py").exists() for step in STEPS)


@pytest.mark.parametrize(("labelled", "order"), [(True, [1, 2, 3, 4, 5, 6]), (False, [4, 5, 6])])
def test_steps_on_right_and_wrong_need_labels(
    monkeypatch: pytest.MonkeyPatch, labelled: bool, order: list[int]
) -> None:
    monkeypatch.setattr(reading, "labelled", lambda data: labelled)
    now: selection.Selection = SimpleNamespace(data=None)  # type: ignore[assignment]
    assert first(now) == order[0]
    assert [following(number, now) for number in order] == [*order[1:], 0]
    assert [before(number, now) for number in order] == [0, *order[:-1]]


@pytest.mark.parametrize(
    ("counts", "every", "missed"),
    [
        ([[5, 0, 0], [0, 5, 0], [0, 0, 5]], None, None),
        ([[5, 1, 0], [1, 4, 0], [0, 3, 2]], 1, 1),  # both have all three cases, class 1 errs more
        ([[5, 0, 0], [2, 3, 0], [0, 0, 5]], None, 1),
        ([[0, 9, 0], [9, 0, 0], [0, 0, 5]], None, 0),
    ],
)
def test_the_class_begun_with_has_all_three_cases(
    counts: list[list[int]], every: int | None, missed: int | None
) -> None:
    assert findings.telling(np.array(counts), *findings.CASES) == every
    assert findings.telling(np.array(counts), "missed") == missed


# A walk


def test_it_leads_through_this_run_and_ends(world: Path) -> None:
    app = press(opened(), "start")
    now = app.session_state["selection"]
    for number, (case, title) in enumerate(zip(findings.CASES, ("Right", "Taken for it", "Missed"), strict=True), 1):
        found = reading.recommended(now.evaluation, now.data, 3, app.session_state["selection"].chosen)
        image = int(getattr(found, case)[0])
        assert (app.title[0].value, app.query_params["guide"]) == ("Saliency", str(number))
        assert f"Image {image}: this" in words(app) and f"Under **{title}**" in words(app) and not done(app)
        app.session_state["enlarged"] = (f"case.{case}", "grad-cam")
        assert done(app.run())
        press(app, "next")
    assert (app.title[0].value, app.query_params["images"]) == ("Testing", str(image))
    assert f"Image {image}: this" in words(app)
    press(app, "next")
    assert app.title[0].value == "Network" and "images share the path **l" in words(app).replace("Take image", "")
    press(app, "next")
    assert app.title[0].value == "Re-train" and "taken for **kind" in words(app)
    assert "next" not in keys(app)
    press(app, "leave")
    assert "guide" not in app.query_params and not keys(app)
    assert not keys(app.switch_page("app/views/overview.py").run())


def test_a_link_to_a_step_shows_it_and_other_pages_lead_back(world: Path) -> None:
    app = opened(guide="5", images="7")
    assert "This step is on the page Network" in app.button(key="guide.there").label
    press(app, "there")
    assert app.title[0].value == "Network" and app.query_params["images"] == "7"
    assert press(app, "back").title[0].value == "Testing"


@pytest.mark.parametrize("word", ["0", "7", "٣", "<script>"])
def test_a_word_that_names_no_step_is_none(world: Path, word: str) -> None:
    app = opened(guide=word)
    sound(app)
    assert keys(app) == {"start", "decline"}


def test_who_left_is_not_asked_again_and_can_go_on(world: Path) -> None:
    app = press(opened(TESTING, guide="4"), "leave")
    assert not keys(app.switch_page("app/views/overview.py").run())
    app.switch_page("app/views/guide.py").run()
    assert app.button(key="guide.start").label == "Go on with step 4"
    assert press(app, "start").title[0].value == "Testing"


def test_a_browser_that_remembers_is_not_asked(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(st.context), "cookies", property(lambda self: {place.COOKIE: "3"}))
    assert not keys(opened())


# What counts as done


def test_a_flip_of_this_image_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    run = SimpleNamespace(uuid="a")
    now = SimpleNamespace(run=run, epoch=3, focus=7)
    last = SimpleNamespace(edits=Edits((("hue", 9.0),)), scene=SimpleNamespace(selection=now), predicted=(1, 2))
    monkeypatch.setattr(findings.st, "session_state", {"testing.last": last})
    assert findings.flipped(now)  # type: ignore[arg-type]
    for changed in ({"focus": 8}, {"epoch": 2}):
        assert not findings.flipped(SimpleNamespace(**vars(now) | changed))  # type: ignore[arg-type]
    last.predicted = (1, 1)
    assert not findings.flipped(now)  # type: ignore[arg-type]


def test_a_selected_pattern_and_a_training_asked_for_are_done(world: Path) -> None:
    assert not done(opened(NETWORK, guide="5", images="7", filters="0.1"))
    assert done(opened(NETWORK, guide="5", images="7", filters="0.1-1.1"))
    app = opened(RETRAIN, guide="6")
    assert not done(app)
    app.session_state[f"sent.{app.session_state['selection'].run.id}"] = "job"
    monkey = pytest.MonkeyPatch()
    monkey.setattr("app.retrain.sending.sent", lambda run: None)
    assert done(app.run())
    monkey.undo()


# What a run may lack


def test_viewers_are_told_what_an_engineer_would_do(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_READ_ONLY", "1")
    assert "Here you may only look" in words(opened(RETRAIN, guide="6"))


def test_without_labels_it_begins_with_an_edit(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "labelled", lambda data: False)
    app = press(opened(), "start")
    assert app.title[0].value == "Testing" and "back" not in keys(app)
    run = open_run(connect(str(world)), app.session_state["selection"].run.id)
    least = int(probabilities(run.artifact("evaluation-0a").read("logits", 3)).max(-1).argmin())
    assert app.query_params["images"] == str(least)
    assert "have no label" in words(opened(SALIENCY, guide="2"))


def test_a_class_without_the_case_leads_to_one_that_has_it(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true = reading.recommended

    def none_missed(evaluation: object, data: object, epoch: int, chosen: int) -> SimpleNamespace:
        found = true(evaluation, data, epoch, chosen)  # type: ignore[arg-type]
        return SimpleNamespace(**vars(found) | ({"missed": found.missed[:0]} if chosen == 0 else {}))

    monkeypatch.setattr(reading, "recommended", none_missed)
    monkeypatch.setattr(findings, "telling", lambda counts, *names: 2)
    app = opened(SALIENCY, guide="3", **{"class": "kind 0"})
    assert "no such case of kind 0" in words(app)
    press(app, "take")
    assert app.session_state["selection"].chosen == 2 and "Under **Missed**" in words(app)


def test_runs_without_patterns_or_epochs_and_no_run_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shows(tmp_path, monkeypatch)
    app = opened(SALIENCY, guide="1")
    assert panel.WAITING in words(app) and "make demo" in words(app)
    make_world(tmp_path, finished=-1)
    reading.listed.clear()
    app = opened("app/views/guide.py")
    assert panel.WAITING in words(app)
    make_world(tmp_path, name="bare")
    reading.listed.clear()
    assert findings.NO_PATTERNS in words(opened(NETWORK, guide="5", run="bare-0123456789"))
