"""Judging on the pages: what is left there is stored in the author's name, found again, and leads back to what it is about."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import reading
from app.access import roles
from app.judgement import observed, remarks
from app.widgets import region as region_widget
from store import judgements
from store.judgements import Observation, decide, observe
from store.objects import connect
from store.runs import Run, open_run
from tests.test_judgements import SEEN as SAID
from tests.test_pages import OVERVIEW, opened, shows, sound, words
from tests.worlds import make_world

SALIENCY = "app/views/saliency.py"
SEEN = replace(SAID, text="It looks at the corner.", tags=("corner", "grass"), region=(0.1, 0.2, 0.6, 0.7))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    shows(tmp_path, monkeypatch)
    st.cache_resource.clear()
    yield tmp_path
    st.cache_resource.clear()


def made(folder: Path, **world: Any) -> Run:
    return open_run(connect(str(folder)), make_world(folder, **world))


def judging(run: Run, **query: str) -> AppTest:
    """The Overview page with the judgement opened."""
    app = opened(OVERVIEW, run=run.id, **query)
    app.session_state["overview.judgement"] = True
    return app.run()


def key_of(app: AppTest, kind: str, ending: str) -> Any:
    (found,) = [item for item in getattr(app, kind) if item.key and item.key.endswith(ending)]
    return found


def test_what_was_said_of_a_run_of_other_classes_brings_its_class_along(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made(store)
    monkeypatch.setattr(st, "session_state", {"class.names": ("others",), "class": 0})  # as the bar left it
    remarks.restore(run, replace(SEEN, explained="kind 2"))
    assert st.session_state["class"] == 2
    assert st.session_state["class.names"] == reading.class_names(run), "or the bar forgets the class"


# The verdict


def test_a_verdict_is_stored_and_stands_in_the_bar(store: Path) -> None:
    run = made(store)
    app = judging(run)
    app.text_input(key=roles.NAME).set_value("Ada").run()
    app.button_group(key=f"judging.verdict.{run.id}.0").set_value("reject").run()
    app.text_area(key=f"judging.verdict.{run.id}.0.reason").set_value("It looks at the *grass*.").run()
    app.button(key=f"judging.verdict.{run.id}.0.save").click().run()
    sound(app)
    found = judgements.verdict(run)
    assert found and (found.verdict, found.reason, found.by) == ("reject", "It looks at the *grass*.", "Ada")
    assert "It looks at the *grass*." in [item.value for item in app.text]
    assert key_of(app, "text_area", ".reason").value == "", "the next form begins empty"
    assert "reject" in words(app), "in the bar, too"


def test_an_earlier_verdict_stays_in_the_history(store: Path) -> None:
    run = made(store)
    decide(run, "keep", "At first sight.")
    decide(run, "reject", "At second sight.")
    app = judging(run)
    assert [item.value for item in app.text][:2] == ["At second sight.", "At first sight."]


def test_the_button_waits_for_a_choice(store: Path) -> None:
    run = made(store)
    app = judging(run)
    draft = f"judging.verdict.{run.id}.0"
    assert app.button(key=f"{draft}.save").disabled
    app.button_group(key=draft).set_value("keep").run()
    assert not app.button(key=f"{draft}.save").disabled


# Observations


def enlarged(run: Run, technique: str = "grad-cam", image: int = 5, epoch: int = 2) -> AppTest:
    """The Saliency page with a map of an image enlarged and its form opened."""
    app = opened(OVERVIEW, run=run.id, images=str(image), **{"class": "kind 1"})
    app.session_state["epoch"] = epoch
    app.session_state["enlarged"] = ("focus", technique)
    app.switch_page(SALIENCY).run()
    for fold in [item for item in app.expander if "Leave an observation" in item.label]:
        app.session_state[fold.key or ""] = True
    return app.run()


def form(run: Run) -> str:
    from app.judgement.judging import draft_of

    about = Observation(**{name: getattr(SEEN, name) for name in ("epoch", "image", "technique", "layer", "explained")})
    return f"judging.draft.{draft_of(run, Observation(**{**vars_of(about), 'evaluation': SEEN.evaluation}))}.0"


def vars_of(said: Observation) -> dict[str, Any]:
    return {name: getattr(said, name) for name in said.__dataclass_fields__}


def test_an_observation_on_a_map_says_exactly_which(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made(store)
    monkeypatch.setattr(region_widget, "mount", lambda **_: {"region": [0.7, 0.6, 0.1, 2.0]})
    app = enlarged(run)
    draft = form(run)
    opened_form = draft.replace("draft", "open").removesuffix(".0")
    app.session_state[opened_form] = True
    app.run()
    app.text_area(key=f"{draft}.text").set_value("It looks at the *corner*.").run()
    app.text_input(key=f"{draft}.own").set_value("corner,  less  grass, ,Corner").run()
    app.button(key=f"{draft}.save").click().run()
    sound(app)
    (stored,) = judgements.observations(run)
    assert stored.text == "It looks at the *corner*." and stored.tags == ("corner", "less grass")
    assert (stored.epoch, stored.image, stored.technique, stored.layer) == (2, 5, "grad-cam", "features.4")
    assert (stored.explained, stored.evaluation, stored.run) == ("kind 1", "evaluation-0a", run.id)
    assert stored.region == (0.1, 0.6, 0.7, 1.0), "the corners in order, cut at the edge"
    assert "It looks at the *corner*." in [item.value for item in app.text]


def test_what_is_no_observation_is_said_and_not_stored(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made(store)
    monkeypatch.setattr(region_widget, "mount", lambda **_: {"region": None})
    app, draft = enlarged(run), form(run)
    app.session_state[draft.replace("draft", "open").removesuffix(".0")] = True
    app.run()
    app.button(key=f"{draft}.save").click().run()
    assert not app.exception and "needs a text or a tag" in app.error[0].value
    app.text_input(key=f"{draft}.own").set_value("x" * 41).run()
    app.button(key=f"{draft}.save").click().run()
    assert not app.exception and "40 characters" in app.error[0].value
    assert judgements.observations(run) == []


@pytest.mark.parametrize(
    "said",
    [None, "0,0,1,1", [float("nan"), 0, 1, 1], [0, 0, 1], {"x": 1}, [0, 0, 0, 0], [["a"], 0, 1, 1], [True, 0, 1, 1]],
)
def test_what_a_browser_says_is_a_region_or_nothing(said: object) -> None:
    assert region_widget.drawn_by(said) is None


def test_a_region_from_a_browser_is_cut_at_the_picture() -> None:
    assert region_widget.drawn_by([-1, 0.5, 0.5, 9]) == (0.0, 0.5, 0.5, 1.0)


def test_all_observations_are_listed_and_filtered_by_tag(store: Path) -> None:
    run = made(store)
    observe(run, SEEN, by="Ada")
    observe(run, Observation("Of the whole run.", ("speed",)), by="<b>Bob</b>")
    app = judging(run)
    sound(app)
    texts = [item.value for item in app.text]
    assert texts == ["Of the whole run.", SEEN.text], "latest first"
    assert "Ada, 20" in words(app) and "<b>Bob</b>" in words(app) and "UTC" in words(app)
    app.button_group(key=f"judging.tags.{run.id}").set_value(["corner"]).run()
    assert [item.value for item in app.text] == [SEEN.text]
    assert "1 of 2 observations" in words(app)


def test_show_brings_back_run_epoch_class_image_and_map(store: Path) -> None:
    run, other = made(store), made(store, name="other", epochs=2)
    observe(run, SEEN)
    app = judging(run)
    app.session_state["epoch"] = 0
    app.run()
    key_of(app, "button", judgements.observations(run)[0].id).click().run()
    sound(app)
    assert app.title[0].value == "Saliency" and other.id != run.id
    state = app.session_state
    assert (state["run"], state["epoch"], state["class"]) == (run.id, 2, 1)
    assert state["held.images"].split(",")[0] == "5" and state["enlarged"] == ("focus", "grad-cam")
    assert SEEN.text in [item.value for item in app.text], "and what was said about this very map is there"


def test_many_observations_come_in_pages(store: Path) -> None:
    run = made(store)
    for number in range(19):
        observe(run, Observation(f"number {number}"))
    app = judging(run)
    sound(app)
    assert len(app.text) == 8


@pytest.mark.parametrize(
    "change",
    [
        {"image": 10_000},
        {"epoch": 3, "evaluation": "evaluation-gone"},
        {"technique": "no such"},
        {"layer": "no such"},
        {"explained": "no such"},
        {"explained": "kind 3"},
        {"technique": "grad-cam++"},
    ],
)
def test_what_is_not_there_any_more_is_said(store: Path, change: dict[str, Any]) -> None:
    run = made(store)
    observe(run, Observation(**{**vars_of(SEEN), **change}))
    app = judging(run)
    sound(app)
    assert "Its map is not shown" in words(app) and SEEN.text in [item.value for item in app.text]


def test_a_damaged_observation_is_said_and_hides_no_other(store: Path) -> None:
    run = made(store)
    observe(run, SEEN)
    run.objects.put(f"{run.path}/observations/0000000000001-x.json", b"{")
    app = judging(run)
    assert not app.exception and SEEN.text in [item.value for item in app.text]
    assert "is damaged" in app.warning[0].value


def test_who_may_not_judge_finds_no_form_and_is_refused(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made(store)
    observe(run, SEEN)
    monkeypatch.setenv("LOUPE_READ_ONLY", "1")
    app = judging(run)
    sound(app)
    assert not [item for item in app.text_area] and "Nobody can leave observations" in words(app)
    assert SEEN.text in [item.value for item in app.text]


# The map of an observation


def test_the_map_of_an_observation_is_the_stored_one(store: Path) -> None:
    run = made(store)
    view = observed.seen(run, SEEN)
    artifact = run.artifact("saliency-grad-cam")
    raw = artifact.read("maps", 2, 0, 5).astype(np.float32) * artifact.read("scale", 2, 0, 5)
    np.testing.assert_allclose(view.raw, raw, rtol=1e-6)
    assert view.why == "" and "kind 1 → " in view.words


def test_a_frame_lies_on_the_edges_of_its_region() -> None:
    drawn = observed.framed(np.full((100, 100, 3), 9, np.uint8), (0.2, 0.3, 0.6, 0.8))
    changed = np.argwhere((drawn != 9).any(-1))
    assert changed.min(0).tolist() == [30, 20] and changed.max(0).tolist() == [80, 60]
    assert (drawn[40:70, 30:50] == 9).all() and (drawn[31, 30] == 255).all()
    assert observed.framed(drawn, (0.0, 0.0, 1.0, 1.0)).shape == drawn.shape


# A parent's observations beside the child


def related(folder: Path, **child: Any) -> tuple[Run, Run]:
    parent, run = made(folder), made(folder, name="child", **child)
    run.keep("lineage", {"parent": parent.id, "hypothesis": "less <i>grass</i>", "by": "Ada", "at": 1.0, "job": "j"})
    return parent, run


def test_the_parents_observations_lie_beside_the_childs_maps(store: Path) -> None:
    parent, run = related(store)
    observe(parent, SEEN, by="Ada")
    app = judging(run)
    sound(app)
    said = words(app)
    assert "Expected: less <i>grass</i>" in said and f"Re-trained from {parent.id}" in said
    assert "The parent, epoch 2" in said and "This run, epoch 2" in said
    assert SEEN.text in [item.value for item in app.text]
    key_of(app, "button", f"{judgements.observations(parent)[0].id}.show").click().run()
    assert (app.session_state["run"], app.session_state["epoch"]) == (run.id, 2)


def test_a_child_without_that_epoch_shows_the_nearest_and_says_so(store: Path) -> None:
    parent, run = related(store, kept=(0, 3))
    observe(parent, SEEN)
    said = words(judging(run))
    assert "This run, epoch 3" in said and "nearest epoch that this run holds is 3" in said


def test_a_child_on_other_images_says_so(store: Path) -> None:
    parent, run = related(store, images=20)
    observe(parent, SEEN)
    app = judging(run)
    sound(app)
    assert "does not evaluate that image" in words(app)


def test_a_parent_that_was_deleted_leaves_no_section(store: Path) -> None:
    run = made(store)
    for parent in ("gone-0123456789", run.id, "../../x", ""):
        run.keep("lineage", {"parent": parent, "hypothesis": "", "by": "", "at": 1.0, "job": ""})
    app = judging(run)
    sound(app)
    assert "Re-trained from" not in words(app)


def test_both_maps_have_one_scale(store: Path) -> None:
    parent, run = related(store)
    views = [observed.seen(run, SEEN), observed.seen(parent, Observation(**{**vars_of(SEEN), "epoch": 1}))]
    top = max(view.top for view in views)
    alone = observed.over(views[0], views[0].top)
    shared = observed.pictured(views)[0]
    expected = observed.over(views[0], top)
    assert shared is not None and (shared == expected).all()
    assert views[0].top == top or (shared != alone).any()


def test_images_are_found_again_by_their_source(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(store)
    few, all_images = FewImages("a", [4, 9, 2]), FewImages("b", list(range(12)))
    assert [observed.same_image(few, all_images, number) for number in range(3)] == [4, 9, 2]
    assert observed.same_image(all_images, few, 9) == 1 and observed.same_image(all_images, few, 3) is None
    other = FewImages("c", [4], fingerprint="other")
    assert observed.same_image(few, other, 0) is None


class FewImages:
    """Stands for a data set's artifact."""

    def __init__(self, path: str, source: list[int], fingerprint: str = "f") -> None:
        self.path, self.source = path, np.array(source)
        self.attributes = {"fingerprint": fingerprint, "size": 8, "channels": 1}

    def read_blocks(self, name: str, selection: Any = slice(None)) -> np.ndarray:
        return self.source[selection]


def test_reads_of_judgements_are_kept_and_renewed(store: Path) -> None:
    run = made(store)
    observe(run, SEEN)
    first = reading.observations(run)
    assert first == judgements.observations(run)
    decide(run, "keep")
    reading.judged.clear()
    assert reading.verdict(run) == judgements.verdict(run)
