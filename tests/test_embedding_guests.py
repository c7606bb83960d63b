"""What the Embedding page shows beside its dots: contours, the view in the address, and images placed on the map."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.embedding import colouring
from app.network import asking
from app.probe import Answer, Request
from app.widgets import point_cloud
from precompute.remote import NO_WORKER
from store.errors import LoupeError
from tests import visits
from tests.test_embedding_page import cloud, pictures, run_of, texts, visit
from tests.worlds_embedding import outcome

__all__ = ("visit",)  # the fixture
Visit = Callable[..., AppTest]
PLACE = np.array([[0, 0], [3, -4]], np.float32)


def answer(request: Request) -> Answer:
    """As the probe would: the edited image at (3, -4), near images 5 and 2."""
    near, far = np.array([[7, 5], [5, 2]]), np.array([[0, 1], [1.25, 2.5]], np.float32)
    more = {"place/point": PLACE, "place/neighbours": near, "place/distances": far}
    return Answer(np.zeros(4, np.float32), (), {}, more)


@pytest.fixture
def replies(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What was asked, by name; `reply` says what is answered."""
    held: dict[str, Any] = {"asked": {}, "reply": answer}

    def reply(name: str, request: Request, seconds: float) -> Any:
        held["asked"][name] = request
        return held["reply"](request)

    monkeypatch.setattr(asking, "reply", reply)
    return held


def test_an_edited_image_is_a_guest_of_the_map_with_its_own_neighbours(
    visit: Visit, tmp_path: Path, replies: dict[str, Any]
) -> None:
    page = visit({"images": "7", "epoch": "2", "edits": "rotation:40"})
    (guest,) = cloud(page)["guests"]
    radius = np.linalg.norm(run_of(tmp_path).artifact("embedding-5").read("points", 2), axis=1).max()
    assert (guest["origin"], guest["label"]) == (7, "edited")
    np.testing.assert_allclose([guest["x"], guest["y"]], 0.5 + PLACE[1] / radius / 2, rtol=1e-5)
    asked = replies["asked"]["place.edited"]
    assert (asked.wants, asked.perplexity, asked.epoch, asked.edits.values) == (("place",), 5, 2, {"rotation": 40.0})
    assert [item["image"] for item in pictures(page, "embedding.near.edited")] == [5, 2]
    assert [item["caption"] for item in pictures(page, "embedding.near.edited")] == ["1.25", "2.50"]
    assert "Image 7 as edited" in texts(page)


def test_an_image_as_it_was_is_no_guest(visit: Visit, replies: dict[str, Any]) -> None:
    assert cloud(visit({"images": "7"}))["guests"] == [] and not replies["asked"]


def test_a_picture_of_ones_own_is_a_guest_without_origin(visit: Visit, replies: dict[str, Any]) -> None:
    page, file = visit(), io.BytesIO()
    Image.fromarray(np.full((30, 30, 3), 90, np.uint8)).save(file, "PNG")
    page.file_uploader(key="embedding.file").upload("mine.png", file.getvalue()).run()
    (guest,) = cloud(page)["guests"]
    assert (guest["origin"], guest["label"]) == (None, "yours")
    assert replies["asked"]["place.yours"].shape == (12, 12, 1) and replies["asked"]["place.yours"].edits is None
    assert "Your picture" in texts(page)


def test_a_file_that_is_no_picture_is_said_and_the_map_stays(visit: Visit, replies: dict[str, Any]) -> None:
    page = visit()
    page.file_uploader(key="embedding.file").upload("mine.png", b"no picture").run()
    assert not page.exception and "not a picture" in texts(page) and cloud(page)["guests"] == []


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (None, "The network is at work"),
        (LoupeError("It broke."), "It broke."),
        (LoupeError(NO_WORKER), NO_WORKER[:30]),
    ],
)
def test_what_is_not_placed_yet_or_never_is_said(visit: Visit, replies: dict[str, Any], reply: Any, said: str) -> None:
    replies["reply"] = lambda request: reply
    page = visit({"images": "7", "edits": "rotation:40"})
    assert said in texts(page) and cloud(page)["guests"] == []


def test_of_a_diverged_network_a_guest_has_no_place(visit: Visit, replies: dict[str, Any]) -> None:
    more: dict[str, np.ndarray] = {
        "place/point": np.full((2, 2), np.nan),
        "place/neighbours": np.full((2, 2), -1),
        "place/distances": PLACE,
    }
    replies["reply"] = lambda request: Answer(np.zeros(4), (), {}, more)
    page = visit({"images": "7", "edits": "rotation:40"})
    assert cloud(page)["guests"] == [] and "no finite numbers for it" in texts(page)


def test_lines_are_drawn_where_classes_overlap_and_the_switch_is_in_the_address(visit: Visit) -> None:
    assert cloud(visit(images=200))["lines"] == []
    page = visit({"contours": "true", "epoch": "1"}, images=200)
    found = cloud(page)
    assert len(found["lines"]) > 0 and sum(found["lines"]) == len(found["segments"])
    assert "Inside a line, at least two classes have 1" in texts(page)
    page.toggle(key="contours").set_value(False).run()
    assert cloud(page)["lines"] == []


def test_the_view_comes_from_the_address_and_leaves_with_the_map(visit: Visit) -> None:
    page = visit({"view": "0.4_0.62_3.5"})
    assert cloud(page)["view"] == "0.4_0.62_3.5" and page.query_params["view"] == "0.4_0.62_3.5"
    page.segmented_control(key="perplexity").set_value(8).run()
    assert cloud(page)["view"] == "" and "view" not in page.query_params


@pytest.mark.parametrize("word", ["", "1_2", "a_b_c", "nan_1_1", "1_1_inf", "99_1_1", "0_0_0", "1_1_1_1", "9" * 500])
def test_a_view_that_is_none_shows_the_whole_map(word: str) -> None:
    assert point_cloud.view(word) == ""


def test_without_labels_dots_are_coloured_by_what_is_known() -> None:
    of = outcome(np.array([-1, 0, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]]))
    assert of.wrong.tolist() == [False, True, False]
    found = colouring.coloured(of, "correctness", ("a", "b"), 0)
    assert found.levels.tolist() == [2, 1, 0] and found.legend == ("right", "wrong", "unlabelled")
    found = colouring.coloured(of, "true class", ("a", "b"), 0)
    assert found.levels.tolist() == [2, 0, 1] and found.legend == ("a", "b", "unlabelled")
    assert colouring.coloured(of, "predicted class", ("a", "b"), 0).legend == ("a", "b")
    assert colouring.shown(of, colouring.Filter(wrong=True)).tolist() == [False, True, False]


UNLABELLED = """
import streamlit as st
from app.embedding import controls

st.session_state["said"] = controls.stacked([5], ("a", "b"), ("predicted class", "confidence", "margin"))
"""


def test_without_labels_nothing_is_misclassified_and_no_classes_overlap() -> None:
    page = AppTest.from_string(UNLABELLED)
    page.query_params["wrong"] = page.query_params["contours"] = "true"
    page.run()
    said = page.session_state["said"]
    assert not page.toggle and not page.exception and (said.by.wrong, said.contours) == (False, False)


COMPACT = """
import streamlit as st
from app import selection
from app.embedding.compact import cloud

if selection.bar():
    cloud(selection.current(), 300)
"""


def compact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **world: Any) -> AppTest:
    from tests.worlds import make_world

    make_world(tmp_path, **world)
    monkeypatch.setenv("LOUPE_STORE", str(tmp_path))
    return AppTest.from_string(COMPACT, default_timeout=visits.PATIENCE).run()


def test_the_compact_map_has_its_height_and_its_controls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = compact(tmp_path, monkeypatch, perplexities=(5, 8))
    assert not page.exception and cloud(page)["height"] == 300
    page.segmented_control(key="colour").set_value("margin").run()
    page.toggle(key="wrong").set_value(True).run()
    found = cloud(page)
    assert "coloured by margin" in found["alt"] and 0 < found["shown"].sum() < 24


def test_the_compact_map_says_why_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = compact(tmp_path, monkeypatch)
    assert not page.exception and "artifacts.embedding" in page.code[0].value
