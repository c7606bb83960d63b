"""The Workbench: four views on one page that follow one selection; what a run does not hold is said in its quarter."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import probe
from app.probe import Answer, Probe, Request
from app.testing import asking
from app.widgets import curves as widget
from precompute.catalogue import CHANGES
from store.errors import LoupeError
from store.objects import connect
from store.runs import Run, open_run
from tests import visits
from tests.test_network_page import parts
from tests.worlds import make_world
from tests.worlds_network import add_network
from tests.worlds_simulation import add_change, make_simulated

QUARTERS = ("Embedding", "Testing", "Network", "Simulation")
IMAGES, CLASSES, SIDE, EPOCH = 40, 4, 12, 3
Visit = Callable[..., AppTest]


class Oracle(Probe):
    """A probe that answers at once, and no curves."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Request] = []

    def warm(self) -> None: ...

    def known(self, requests: Sequence[Request]) -> dict[Request, Answer | LoupeError]:
        return {request: said(request) for request in requests if not request.along}

    def progress(self, visitor: str, requests: Sequence[Request]) -> dict[Request, Answer | LoupeError]:
        self.asked += requests
        return self.known(requests)


def said(request: Request) -> Answer:
    logits = np.arange(CLASSES, dtype=np.float32)
    maps = {"grad-cam": np.ones((1, 6, 6), np.float32)} if request.techniques else {}
    more = {
        "edited/logits": logits[::-1].copy(),
        "edited/pixels": request.image.astype(np.float32) / 255,
        "edited/map/grad-cam": np.zeros((1, 6, 6), np.float32),
        "edited/still": np.zeros(1, np.float32),
        "path/strongest": np.array([[0, 1, 2], [0, 3, 4]], np.int16),
        "path/lead": np.ones((2, 3), np.float32),
        "place/point": np.zeros((2, 2), np.float32),
        "place/neighbours": np.array([[1, 2], [3, 4]], np.int32),
        "place/distances": np.ones((2, 2), np.float32),
    }
    return Answer(logits, (3,), maps, more)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with everything; only to be looked at."""
    folder = tmp_path_factory.mktemp("workbench")
    run = open_run(connect(str(folder)), make_world(folder, images=IMAGES, perplexities=(5,), summarise=False))
    add_network(run)
    for name in CHANGES:
        add_change(run, name, (EPOCH,), (EPOCH,), "all")
    run.summarise()
    return folder


@pytest.fixture
def run(store: Path) -> Run:
    return open_run(connect(str(store)), "world-0123456789")


@pytest.fixture
def oracle(monkeypatch: pytest.MonkeyPatch) -> Oracle:
    made = Oracle()
    monkeypatch.setattr(probe, "shared", lambda: made)
    monkeypatch.setattr(asking, "ANSWER_SECONDS", 0)
    return made


@pytest.fixture
def visit(store: Path, oracle: Oracle, monkeypatch: pytest.MonkeyPatch) -> Visit:
    """Opens the page at an address."""

    def opened(at: Path = store, **address: str) -> AppTest:
        monkeypatch.setenv("LOUPE_STORE", str(at))
        return ran(visits.app("app/views/workbench.py", **address))

    return opened


def ran(page: AppTest) -> AppTest:
    page.run()
    assert not page.exception and not page.error
    return page


def message(page: AppTest, key: str) -> Any:
    (found,) = [item.proto for item in page.get("bidi_component") if item.key == key]
    return found


def header(page: AppTest, key: str, count: int = 1) -> dict[str, Any]:
    return parts(message(page, key).bytes, count)[0]


def curves(page: AppTest) -> dict[str, Any]:
    return json.loads(message(page, "simulation.curves").json)


def seen(page: AppTest) -> dict[str, Any]:
    """What each quarter says is selected."""
    listed = [item for item in page.get("bidi_component") if item.key == "network.rows"]
    rows = header(page, "network.rows")["rows"] if listed else []
    return {
        "map": header(page, "embedding.map")["focus"],
        "ringed": header(page, "embedding.map")["having"],
        "images": header(page, "testing.compact.pair")["images"][0]["alt"].split(",")[0],
        "dots": header(page, "network.dots")["selected"],
        "path": [line["places"] for line in header(page, "network.dots")["lines"] if line["kind"] == "path"],
        "pattern": [row["pattern"] for row in rows if row["selected"]],
        "class": curves(page)["strong"],
        "own": curves(page)["charts"][0]["own"],
    }


def texts(page: AppTest) -> str:
    blocks = [*page.markdown, *page.caption, *page.info, *page.warning]
    return "\n".join(str(block.value).replace("\\", "") for block in blocks)


def test_the_four_views_are_there_each_with_a_way_to_its_own_page(visit: Visit) -> None:
    page = visit(images="7")
    assert [title for title in QUARTERS if f"**{title}**" in texts(page)] == list(QUARTERS)
    links = [item.proto.page for item in page.get("page_link")]
    assert links == [f"{title.lower()}" for title in QUARTERS]
    assert len(curves(page)["charts"]) == len(CHANGES) and not page.get("vega_lite_chart")


def test_an_image_is_followed_by_all_four_views(visit: Visit, run: Run, oracle: Oracle) -> None:
    page = visit(images="7")
    paths = run.artifact("activations-0a").read("strongest", EPOCH)[..., 0]
    chance = run.artifact("simulation-rotation").read("chance", EPOCH)
    for image in (7, 30):
        page.session_state["held.images"] = str(image)
        found = seen(ran(page))
        assert (found["map"], found["images"]) == (image, f"Image {image}")
        assert found["path"] == [[int(item) + at for item, at in zip(paths[image], (0, 6, 14), strict=True)]]
        np.testing.assert_allclose(found["own"], chance[image], atol=1e-4)
        assert oracle.asked[-1].image.shape == (SIDE, SIDE, 1)


def test_a_pattern_is_followed(visit: Visit, run: Run) -> None:
    page = visit(images="7", patterns="all")
    number = header(page, "network.rows")["rows"][0]["pattern"]
    filters = run.artifact("patterns-0a").read("filters", EPOCH)[number]
    chosen = [(layer, int(item)) for layer, item in enumerate(filters) if item >= 0]
    page.session_state["held.filters"] = "-".join(f"{layer}.{item}" for layer, item in chosen)
    found, paths = seen(ran(page)), run.artifact("activations-0a").read("strongest", EPOCH)[..., 0]
    having = [image for image, path in enumerate(paths) if all(path[layer] == item for layer, item in chosen)]
    assert found["ringed"] == having and found["pattern"] == [number] and len(found["dots"]) == len(chosen)
    assert f"Ringed: {len(having)} images with l{chosen[0][0] + 1}:" in texts(page)


def test_an_edit_is_seen_on_the_map_the_path_and_the_curves(visit: Visit, oracle: Oracle) -> None:
    page = visit(images="7", edits="rotation:90")
    (guest,) = header(page, "embedding.map")["guests"]
    assert (guest["origin"], guest["label"]) == (7, "edited")
    assert [line["places"] for line in header(page, "network.dots")["lines"] if line["kind"] == "edited"] == [
        [0, 9, 18]
    ]
    settings = {chart["name"]: chart["setting"] for chart in curves(page)["charts"]}
    assert settings.pop("rotation") == 0.75 and not any(settings.values())
    assert {request.wants for request in oracle.asked} == {(), ("path",), ("place",)}


def test_a_slider_draws_the_other_views_again(visit: Visit) -> None:
    page = visit(images="7")
    assert not header(page, "embedding.map")["guests"]
    page.session_state["held.edits"] = "rotation:90"
    assert header(ran(page), "embedding.map")["guests"]


def test_links_and_pages_keep_the_selection(visit: Visit) -> None:
    page = visit(images="7,3", filters="1.2", along="blur")
    before = dict(page.query_params)
    page.switch_page("app/views/network.py").run()
    page.switch_page("app/views/workbench.py")
    assert dict(ran(page).query_params) == before
    assert seen(page)["map"] == 7 and curves(page)["opened"] == "blur"


def test_a_class_is_followed_by_its_line(visit: Visit) -> None:
    page = visit(images="7")
    assert seen(page)["class"] == 0
    page.selectbox(key="class").select_index(2)
    assert seen(ran(page))["class"] == 2


@pytest.mark.parametrize("said", [None, {"line": -1, "chart": "blur"}, {"line": True, "chart": "blur"}, {"line": 9}, 3])
def test_a_browser_may_say_anything_about_a_line(said: object, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[object] = []
    told: dict[str, Callable[[], None]] = {}
    monkeypatch.setattr(widget, "mount", lambda **given: told.update(given))
    monkeypatch.setattr(widget.st, "session_state", {"key": {"picked": said, "opened": said}})
    chart = widget.Chart("blur", "Blur", [0, 1], ["0", "1"], [], [[0, 1]], [], [], [], 0, None, "")
    shown = widget.Curves([chart], ["cat"], ["#000000"], 0, "blur", 0, 1, ("0", "1"), False, True, 1, 50)
    widget.curves(shown, key="key", on_pick=lambda *given: heard.append(given), on_open=heard.append)
    told["on_picked_change"](), told["on_opened_change"]()
    assert not heard
    widget.st.session_state["key"] = {"picked": {"line": 0, "chart": "blur"}, "opened": "blur"}
    told["on_picked_change"](), told["on_opened_change"]()
    assert heard == [(0, "blur"), "blur"]


def test_what_a_run_does_not_hold_is_said_in_its_quarter(visit: Visit, tmp_path: Path) -> None:
    make_world(tmp_path)
    page = visit(tmp_path, images="7")
    said = [item.value for item in page.info]
    for word in ("no embedding", "no activations", "no simulation"):
        assert sum(word in text for text in said) == 1
    assert "python -m precompute run" in "\n".join([*said, *(item.value for item in page.code)])
    assert "[artifacts.simulation]" in "\n".join(item.value for item in page.code)
    assert len(page.get("page_link")) == len(QUARTERS)


def test_curves_that_are_still_to_be_computed_are_told_so(visit: Visit, tmp_path: Path) -> None:
    make_simulated(tmp_path, changes=("blur",), done=())
    assert "The curves of epoch 3 are still to be computed" in texts(visit(tmp_path))
    make_simulated(tmp_path / "other", changes=("blur",), promised=(3,))
    assert "No curves at epoch 1; the page Simulation says" in texts(visit(tmp_path / "other", epoch="1"))


def test_without_an_image_each_view_says_what_to_do(visit: Visit) -> None:
    page = visit()
    assert "Click an image, here or on another page, to change it here." in texts(page)
    assert "Select an image" in texts(page)
    assert header(page, "embedding.map")["focus"] is None
