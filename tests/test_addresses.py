"""What an address says on pages that draw no widget for it, and what anybody may write into one."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.network import asking
from app.testing import edited
from app.testing.picture import Picture
from app.widgets import region as region_widget
from precompute.edits import PREDICTED, PREDICTED_AFTER
from store.errors import LoupeError
from tests.test_network_page import parts
from tests.test_workbench_page import (
    CLASSES,
    IMAGES,
    Oracle,
    Visit,
    curves,
    header,
    message,
    oracle,
    ran,
    seen,
    store,
    texts,
    visit,
)

__all__ = ("oracle", "store", "visit")  # the fixtures
TESTING, NETWORK = "app/views/testing.py", "app/views/network.py"


def at_layer(page: AppTest, layer: str) -> AppTest:
    """The page at an address with a layer, too: `visit` calls the store `at`."""
    page.query_params["at"] = layer
    return ran(page)


def on_testing(page: AppTest) -> AppTest:
    return ran(page.switch_page(TESTING))


def drawn_on(page: AppTest) -> Any:
    """The region that the place to draw one begins with."""
    (sent,) = [item.proto for item in page.get("bidi_component") if item.proto.component_name == "loupe_region"]
    return parts(sent.bytes, 1)[0]["region"]


def folded(page: AppTest, *, out: bool) -> AppTest:
    page.session_state["testing.region"] = out
    return ran(page)


# Words that are held


def test_how_images_are_looked_at_outlives_other_pages(visit: Visit, oracle: Oracle) -> None:
    said = {
        "images": "7",
        "technique": "cam",
        "explains": "after",
        "along": "blur",
        "measure": "rank",
        "view": "0.4_0.62_3.5",
        "charts": "bars",
        "sort": "images",
        "kind": "maximal",
    }
    page = at_layer(visit(patterns="all", **said), "features.4")
    request = next(request for request in oracle.asked if request.techniques)
    assert request.techniques[0][0] == "cam" and request.classes == (PREDICTED_AFTER,)
    assert header(page, "network.rows")["rows"][0]["chart"] == "bars"
    assert header(page, "embedding.map")["view"] == said["view"] and curves(page)["opened"] == "blur"
    for other in ("app/views/overview.py", TESTING, NETWORK):
        ran(page.switch_page(other))
        held = {name: word for name, word in page.query_params.items() if name != "patterns"}
        assert held == said | {"at": "features.4"}


def test_a_choice_on_the_testing_page_is_the_workbench_s(visit: Visit, oracle: Oracle) -> None:
    page = on_testing(visit(images="7"))
    page.selectbox(key="word.technique").select("grad-cam++")
    page.segmented_control(key="word.explains").set_value("true")
    ran(page)
    oracle.asked.clear()
    ran(page.switch_page("app/views/workbench.py"))
    request = next(request for request in oracle.asked if request.techniques)
    assert request.techniques[0][0] == "grad-cam++" and request.classes == (7 % CLASSES,)
    assert (page.query_params["technique"], page.query_params["explains"]) == ("grad-cam++", "true")
    on_testing(page).selectbox(key="word.technique").select("grad-cam")
    assert "technique" not in ran(page).query_params, "a default is left out"


def test_words_that_name_nothing_are_the_defaults(visit: Visit, oracle: Oracle) -> None:
    at_layer(visit(images="7", technique="luck", explains="why", charts="smoke"), "nowhere")
    request = next(request for request in oracle.asked if request.techniques)
    assert (request.techniques[0][0], request.layer) == ("grad-cam", "features.4") and request.classes == (PREDICTED,)


# The region


@pytest.mark.parametrize("said", [[0.1, 0.2, 0.5, 0.6], None])
def test_a_region_is_told_when_it_is_drawn_and_not_before(
    said: list[float] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    held: dict[str, Callable[[], None]] = {}
    monkeypatch.setattr(region_widget, "mount", lambda **given: held.update(given) or {"region": None})
    monkeypatch.setattr(region_widget.st, "session_state", {"key": {"region": said}})
    region_widget.region(b"", alt="", label="", key="key", first=(0, 0, 1, 1), on_draw=told.append)
    assert not told
    held["on_region_change"]()
    assert told == [said and tuple(said)]


def test_a_look_at_the_region_keeps_it(visit: Visit) -> None:
    page = folded(on_testing(visit(images="7", edits="region:0.1/0.2/0.5/0.6")), out=True)
    assert page.query_params["edits"] == "region:0.1/0.2/0.5/0.6"
    assert "A region is removed" in texts(page) and drawn_on(page) == [0.1, 0.2, 0.5, 0.6]


def test_what_one_draws_on_begins_with_the_region_as_it_is(visit: Visit) -> None:
    page = folded(on_testing(visit(images="7", edits="region:0.1/0.2/0.5/0.6")), out=True)
    page.query_params["edits"] = "region:0.1/0.2/0.7/0.8"
    assert drawn_on(ran(page)) == [0.1, 0.2, 0.5, 0.6], "one that moved would draw the picture anew"
    folded(page, out=False)
    assert drawn_on(folded(page, out=True)) == [0.1, 0.2, 0.7, 0.8]
    for images in ("8,7", "7,8"):
        page.query_params["images"] = images
        page.query_params["edits"] = f"region:0/0/0.5/0.{images[0]}"
        assert drawn_on(ran(page)) == [0, 0, 0.5, int(images[0]) / 10]


# What is beyond the network


@pytest.mark.parametrize("filters", ["9.1", "1.2-9.1", "0.99999", "1.2-2.77"])
def test_filters_beyond_the_network_are_left_out(visit: Visit, filters: str) -> None:
    page = visit(images="7", patterns="all", filters=filters)
    assert not seen(page)["pattern"] and len(seen(page)["dots"]) == filters.count("1.2")
    rings = [block.value for block in page.caption if "Ringed" in block.value]
    assert len(rings) == bool(seen(page)["ringed"]) == filters.count("1.2") and not any(
        "9" in text[20:] for text in rings
    )
    ran(page.switch_page(NETWORK))
    assert "this network does not have" in texts(page)


def test_a_class_beyond_the_network_s_is_not_attacked(visit: Visit, oracle: Oracle) -> None:
    page = visit(images="7", edits="fgsm:4,target:999")
    assert {request.edits.attacked for request in oracle.asked if request.edits} == {7 % CLASSES}
    on_testing(page)
    page.query_params["edits"] = "target:3"
    assert "raises the loss of kind 3 (the true class)" in texts(ran(page))


@pytest.mark.parametrize(
    ("word", "aimed"), [("", PREDICTED), ("target:2", 2), ("target:3", PREDICTED), ("target:predicted", PREDICTED)]
)
def test_a_class_that_is_attacked_is_one_of_the_classes(word: str, aimed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edited, "held", lambda name: word)
    assert edited.current_edits(Picture(b"", (0, 0, 3)), 3).attacked == aimed
    labelled = edited.current_edits(Picture(b"", (0, 0, 3), label=1), 3).attacked
    assert labelled == (aimed if word in ("target:2", "target:predicted") else 1)


# What the Workbench says


def test_a_path_that_fails_is_said_in_its_quarter(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = asking.reply
    broken = LoupeError("The network has no path today.")
    monkeypatch.setattr(asking, "reply", lambda name, *of: broken if name == "path" else answered(name, *of))
    page = visit(images="7")
    page.query_params["edits"] = "rotation:90"
    page.run()
    assert not page.exception and "no path today" in page.error[0].value
    assert page.button(key="network.again.path").label == "Try again"


def test_the_map_and_the_attack_say_what_they_mean(visit: Visit) -> None:
    page = visit(images="7")
    assert "trustworthiness 0.900" in texts(page)
    (place,) = [item for item in page.get("popover") if "Colour and filter" in str(item.proto)]
    assert "keeps neighbours, not distances" in str(place.proto)
    sliders = json.loads(message(page, "testing.compact.few").json)["rows"]
    assert sliders[-1]["help"].endswith("; the loss of kind 3 (the true class) rises")


def test_the_caption_of_the_curves_counts_what_they_are_means_over(visit: Visit) -> None:
    assert f"(n = {IMAGES // CLASSES})" in texts(visit(images="7"))
    assert f"(n = {IMAGES})" in texts(visit(images="7", measure="overall"))
    assert "upright: Testing" in texts(visit(edits="blur:2")) and "upright" not in texts(visit())
