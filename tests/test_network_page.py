"""The Network page: the dots are the stored answers, patterns are those of the selection, and what is missing is said."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import selection
from app.network import ablation, asking, recommended, rows, stored, strategies
from app.probe import Answer
from app.widgets import filters, patterns
from precompute.edits import edits
from store.errors import LoupeError
from store.objects import connect
from store.runs import Run, dataset, open_run
from tests import visits
from tests.worlds_network import DEAD, LAYERS, SUPPORT, make_network_world, scores

IMAGES, CLASSES = 60, 4


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Only to be looked at."""
    folder = tmp_path_factory.mktemp("network")
    make_network_world(folder, images=IMAGES)
    return folder


@pytest.fixture
def visit(store: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Opens the page on the shared world, or on one of its own; `address` are query parameters."""

    def opened(address: dict[str, str] | None = None, at: Path = store) -> AppTest:
        return visits.opened(at, monkeypatch, "app/views/network.py", **(address or {}))

    return opened


@pytest.fixture(scope="module")
def run(store: Path) -> Run:
    return open_run(connect(str(store)), "world-0123456789")


def answers(run: Run) -> np.ndarray:
    held = run.artifact("activations-0a")
    return held.read("activation", 3).astype(np.float32) * held.read("scale", 3)


def paths(run: Run) -> np.ndarray:
    return run.artifact("activations-0a").read("strongest", 3)[..., 0]


def having(run: Run, chosen: dict[int, int]) -> list[int]:
    """The images with these filters, slowly."""
    return [
        image for image, path in enumerate(paths(run)) if all(path[layer] == item for layer, item in chosen.items())
    ]


def pattern_filters(run: Run, number: int) -> dict[int, int]:
    row = run.artifact("patterns-0a").read("filters", 3)[number]
    return {layer: int(item) for layer, item in enumerate(row) if item >= 0}


def as_word(chosen: dict[int, int]) -> str:
    return "-".join(f"{layer}.{item}" for layer, item in sorted(chosen.items()))


def message(page: AppTest, key: str) -> bytes:
    (data,) = [item.proto.bytes for item in page.get("bidi_component") if item.key == key]
    return data


def parts(data: bytes, count: int) -> tuple[dict[str, Any], bytes]:
    """The first `count` headers of a message in one, and what follows them."""
    found: dict[str, Any] = {}
    for _ in range(count):
        length = int.from_bytes(data[:4], "little")
        found |= json.loads(data[4 : 4 + length])
        data = data[4 + length :]
    return found, data


def dots(page: AppTest) -> dict[str, Any]:
    found, body = parts(message(page, "network.dots"), 2)
    values = np.frombuffer(body, "<f4").reshape(3, -1)
    return found | dict(zip(("levels", "values", "means"), values, strict=True))


def listed(page: AppTest, key: str = "network.rows") -> list[dict[str, Any]]:
    return parts(message(page, key), 1)[0]["rows"]


def texts(page: AppTest) -> str:
    blocks = [*page.title, *page.subheader, *page.markdown, *page.caption, *page.info, *page.error, *page.warning]
    return "\n".join(str(block.value).replace("\\", "") for block in blocks)


# The dots


def test_every_filter_is_a_dot_shaded_by_its_answers_to_the_tray(visit: Callable[..., AppTest], run: Run) -> None:
    found = dots(visit({"images": "3,7"}))
    assert [column["filters"] for column in found["columns"]] == list(LAYERS)
    assert len({column["colour"] for column in found["columns"]}) == len(LAYERS)
    values = answers(run)
    np.testing.assert_allclose(found["values"], values[[3, 7]].mean(0), rtol=1e-3)
    np.testing.assert_allclose(
        np.delete(found["levels"], DEAD), np.delete(scores(values)[[3, 7]].mean(0), DEAD), atol=0.02
    )
    assert np.isnan(found["levels"][DEAD]) and found["shaded"]


def test_without_an_image_all_dots_are_alike(visit: Callable[..., AppTest]) -> None:
    page = visit()
    assert not dots(page)["shaded"] and "24 filters of 3 convolution layers" in dots(page)["alt"]
    assert "Click a dot" in texts(page) and "Select an image" in texts(page)


def test_the_path_of_the_focus_and_the_selected_pattern_are_lines(visit: Callable[..., AppTest], run: Run) -> None:
    chosen = pattern_filters(run, 0)
    found = dots(visit({"images": "5", "filters": as_word(chosen)}))
    offsets = np.concatenate([[0], np.cumsum(LAYERS)])
    places = [int(offsets[layer]) + item for layer, item in chosen.items()]
    assert found["selected"] == places
    lines = {line["kind"]: line["places"] for line in found["lines"]}
    assert lines == {"path": (offsets[:-1] + paths(run)[5]).tolist(), "pattern": places}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"filter": 7, "joins": False}, (7, False)),
        ({"filter": -1, "joins": True}, (-1, True)),
        ({"filter": 24}, None),
        ({"filter": True}, None),
        ({"filter": "7"}, None),
        (7, None),
        (None, None),
    ],
)
def test_a_browser_is_not_believed(monkeypatch: pytest.MonkeyPatch, said: object, expected: object) -> None:
    told: list[tuple[int, bool]] = []
    monkeypatch.setattr(filters, "mount", lambda **named: named["on_picked_change"]())
    monkeypatch.setattr(filters.st, "session_state", {"dots": {"picked": said}})
    filters.show(b"", 24, key="dots", on_pick=lambda place, joins: told.append((place, joins)))
    assert told == ([expected] if expected else [])


def test_filters_have_places_and_come_back_from_them() -> None:
    depth = tuple(stored.Layer(f"layer {n}", count, 6, 6, sum(LAYERS[:n])) for n, count in enumerate(LAYERS))
    every = [(layer, item) for layer, count in enumerate(LAYERS) for item in range(count)]
    assert stored.flat(every, depth) == list(range(sum(LAYERS)))
    assert [stored.at_place(place, depth) for place in range(sum(LAYERS))] == every
    assert stored.known(((0, 5), (0, 6), (3, 0)), depth) == ((0, 5),)


# One filter, and a pattern


def test_a_filter_shows_the_images_it_answers_to_most(visit: Callable[..., AppTest], run: Run) -> None:
    page = visit({"filters": "1.2"})
    held, place = run.artifact("activations-0a"), LAYERS[0] + 2
    items = parts(message(page, "network.top"), 1)[0]["items"]
    assert [item["image"] for item in items] == held.read("top_image", 3, place).tolist()
    assert [item["caption"] for item in items] == [f"{value:.3g}" for value in np.sort(answers(run)[:, place])[:-6:-1]]
    assert "One filter: l2:2" in texts(page) and "a map of 6 × 6, layer features.3" in texts(page)
    assert len(page.get("vega_lite_chart")) == 1


def test_a_dead_filter_is_said_to_tell_nothing_apart(visit: Callable[..., AppTest]) -> None:
    assert "the same to every image" in texts(visit({"filters": f"1.{DEAD - LAYERS[0]}"}))


def test_a_pattern_stands_beside_one_of_its_filters(visit: Callable[..., AppTest], run: Run) -> None:
    chosen = pattern_filters(run, 1)
    page = visit({"filters": as_word(chosen)})
    items = parts(message(page, "network.images"), 1)[0]["items"]
    assert [item["image"] for item in items] == having(run, chosen)
    layer, item = next(iter(chosen.items()))
    page.segmented_control(key="one").set_value(f"l{layer + 1}:{item}").run()
    assert f"One filter: l{layer + 1}:{item}" in texts(page)


def test_filters_that_the_network_does_not_have_are_left_out(visit: Callable[..., AppTest]) -> None:
    page = visit({"filters": "1.2-9.1-0.77"})
    assert "does not have" in texts(page) and dots(page)["selected"] == [LAYERS[0] + 2]


def test_the_outline_goes_around_what_is_high() -> None:
    map_ = np.zeros((4, 4))
    map_[1:3, 1:3] = 1
    picture = strategies.outlined(np.full((8, 8, 1), 90, np.uint8), map_)
    white = (picture == 255).all(-1)
    inside = np.argwhere(white)
    assert white.any() and not white[strategies.SIDE // 2, strategies.SIDE // 2]
    middle = (inside.min(0) + inside.max(0)) / 2
    np.testing.assert_allclose(middle, (strategies.SIDE - 1) / 2)
    assert not strategies.outline(np.ones((5, 5), bool)).any()


# Patterns


def test_the_patterns_of_the_images_are_those_they_have(visit: Callable[..., AppTest], run: Run) -> None:
    held = run.artifact("patterns-0a")
    support = held.read("support", 3)
    tray = {having(run, pattern_filters(run, number))[-1] for number in (0, 1)}
    expected = {n for n in np.flatnonzero(support) if tray & set(having(run, pattern_filters(run, int(n))))}
    seen = listed(visit({"images": ",".join(map(str, tray))}))
    assert {row["pattern"] for row in seen} <= expected and len(seen) == min(len(expected), rows.PAGE)
    for row in seen:
        of = having(run, pattern_filters(run, row["pattern"]))
        assert dict(row["numbers"])["images"] == str(len(of)) and len(of) >= SUPPORT
        assert {picture["image"] for picture in row["pictures"]} <= set(of)
        assert sum(item["count"] for item in row["slices"]) == len(of), "a pie sums to the support"


def test_the_patterns_with_a_filter_hold_it(visit: Callable[..., AppTest], run: Run) -> None:
    (layer, item), *_ = pattern_filters(run, 0).items()
    page = visit({"filters": f"{layer}.{item}", "patterns": "these filters"})
    assert listed(page)
    for row in listed(page):
        assert {"layer": layer, "text": f"l{layer + 1}:{item}"} in row["steps"]
    page.segmented_control(key="patterns").set_value("all").run()
    assert f"{(run.artifact('patterns-0a').read('support', 3) > 0).sum()} patterns" in texts(page)


@pytest.mark.parametrize("order", ["images", "lift", "layers"])
def test_the_order_is_the_chosen_one(visit: Callable[..., AppTest], run: Run, order: str) -> None:
    seen = [row["pattern"] for row in listed(visit({"patterns": "all", "sort": order}))]
    held = run.artifact("patterns-0a")
    by = {"images": "support", "lift": "lift"}
    keys = held.read(by[order], 3) if order in by else (held.read("filters", 3) >= 0).sum(1)
    assert list(keys[seen]) == sorted(keys[held.read("support", 3) > 0], reverse=True)[: rows.PAGE]


def test_the_selected_pattern_is_marked(visit: Callable[..., AppTest], run: Run) -> None:
    page = visit({"filters": as_word(pattern_filters(run, 2)), "patterns": "all", "sort": "images"})
    assert [row["pattern"] for row in listed(page) if row["selected"]] == [2]


def test_most_shared_patterns_come_first() -> None:
    held = stored.Patterns(
        filters=np.array([[1, 1, -1], [-1, 1, 2], [0, 0, -1]], np.int16),
        support=np.array([9, 6, 5]),
        lift=np.array([4.0, 2.0, 50.0]),
        p_value=np.zeros(3),
        kind=np.array([1, 1, 5]),
    )
    path = np.array([[1, 1, 2], [0, 1, 2]])
    assert recommended.listed(held, path, (), "these images", "surprise").tolist() == [1, 0]
    assert recommended.listed(held, path, (), "all", "surprise").tolist() == [2, 0, 1]
    assert recommended.listed(held, path, (), "all", "images", "maximal").tolist() == [2]
    assert recommended.listed(held, path, ((1, 1), (2, 2)), "these filters", "lift").tolist() == [1, 0]
    assert recommended.number_of(held.filters, ((1, 1), (2, 2))) == 1
    assert recommended.number_of(held.filters, ((1, 1),)) is None and recommended.number_of(held.filters, ()) is None


@pytest.mark.parametrize(
    ("counts", "bars"),
    [([9, 0, 0], False), ([6, 3, 1], False), ([5, 5, 0], True), ([34, 33, 33], True), ([9, 1, 1, 1, 1, 1], True)],
)
def test_bars_stand_where_a_pie_would_mislead(counts: list[int], bars: bool) -> None:
    assert rows.misleading(np.array(counts)) == bars


def test_the_smallest_classes_are_one_slice() -> None:
    found = rows.slices(np.array([1, 9, 2, 2, 1, 3, 0]), [f"kind {n}" for n in range(7)], 0)
    assert [item.count for item in found] == [9, 3, 2, 2, 2]
    assert [item.name for item in found] == ["kind 1", "kind 5", "kind 2", "kind 3", "2 others"]


def test_rows_call_back_with_what_they_show(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    state: dict[str, Any] = {"rows": {"picked": 4, "focused": 9}}
    monkeypatch.setattr(patterns.st, "session_state", state)

    def mount(**named: Any) -> None:
        named["on_picked_change"]()
        named["on_focused_change"]()

    monkeypatch.setattr(patterns, "mount", mount)
    row = patterns.Row(4, (), (patterns.Picture(8, 0, "", False),), "pie", (), (), "", False)
    patterns.show((b"", 1), patterns.Rows((row,), (), ""), key="rows", on_pick=told.append, on_focus=told.append)
    assert told == [4], "image 9 is not shown"


# What the probe says


def replied(monkeypatch: pytest.MonkeyPatch, more: dict[str, np.ndarray] | LoupeError) -> list[Any]:
    """Lets the probe answer with this; gives the requests."""
    asked: list[Any] = []

    def reply(name: str, request: Any, seconds: float) -> Answer | LoupeError:
        asked.append(request)
        return more if isinstance(more, LoupeError) else Answer(np.zeros(0, np.float32), (), {}, more)

    monkeypatch.setattr(asking, "reply", reply)
    return asked


def test_an_edited_image_leaves_its_path(
    visit: Callable[..., AppTest], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = pattern_filters(run, 0)
    image = having(run, chosen)[0]
    before = paths(run)[image]
    layer = max(chosen)
    after = before.copy()
    after[layer] = (before[layer] + 1) % LAYERS[layer]
    lead = np.full((2, len(LAYERS)), 0.25, np.float32)
    asked = replied(monkeypatch, {"path/strongest": np.stack([before, after]), "path/lead": lead})
    page = visit({"images": str(image), "edits": "brightness:0.2"})
    assert f"leaves the original's at l{layer + 1}" in texts(page) and "1 of 3 layers differ" in texts(page)
    assert asked[0].wants == ("path",) and asked[0].edits == edits({"brightness": 0.2}, attacked=image % CLASSES)
    lost = listed(page, "network.lost")
    assert lost and all(f"l{layer + 1}:{before[layer]}" in [step["text"] for step in row["steps"]] for row in lost)
    assert {line["kind"] for line in dots(page)["lines"]} == {"path", "edited"}


def test_an_edit_that_changes_no_path_is_said(
    visit: Callable[..., AppTest], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = paths(run)[[4, 4]]
    replied(monkeypatch, {"path/strongest": both, "path/lead": np.ones((2, len(LAYERS)), np.float32)})
    assert "Its path is the original's" in texts(visit({"images": "4", "edits": "brightness:0.2"}))


def test_ablation_compares_with_random_filters(
    visit: Callable[..., AppTest], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = pattern_filters(run, 0)
    images = having(run, chosen)
    count = len(images) + min(len(images), IMAGES - len(images))
    labels = dataset(run.objects, run.attributes["dataset"]).read_blocks("label")
    page = visit({"filters": as_word(chosen)})
    rest = ablation.others(np.array(images), np.arange(IMAGES))
    true = labels[[*images, *rest]]
    sure = 8.0 * np.eye(CLASSES)[true]
    out = np.where((np.arange(count) < len(images))[:, None], 0, sure)
    asked = replied(
        monkeypatch, {"ablation/plain": sure, "ablation/logits": out, "ablation/random": np.stack([sure] * 10)}
    )
    page.button(key="network.out").click().run()
    assert not page.exception
    assert asked[0].numbers == (*images, *rest) and asked[0].without == tuple(chosen.items())
    assert f"from 100% to 25% on {len(images)} images that have the pattern, and from 100% to 100%" in texts(page)
    assert "none of 10 such draws does as much" in texts(page)
    assert len(page.get("vega_lite_chart")) == 3


def test_what_the_probe_fails_at_is_said(
    visit: Callable[..., AppTest], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    replied(monkeypatch, LoupeError("The process that runs networks died."))
    page = visit({"filters": as_word(pattern_filters(run, 0)), "images": "4", "edits": "brightness:0.2"})
    page.button(key="network.out").click().run()
    assert not page.exception and len(page.error) == 2
    assert {button.label for button in page.button} >= {"Try again"}


def test_the_sentence_says_when_others_do_as_much() -> None:
    worse = ablation.Group("with the pattern", 5, np.array([0.9, 1]), np.array([0.8, 1]), np.full((2, 10), 0.5))
    assert "10 of 10 such draws do as much, so these 3 filters matter no more" in ablation.sentence(
        [worse], 3, "the true class"
    )


def test_images_compared_are_at_most_64_of_each_kind() -> None:
    having_it = np.arange(0, 400, 2)
    without = ablation.others(having_it, np.arange(500))
    assert len(ablation.spread(having_it)) == len(without) == ablation.MOST and not set(without) & set(having_it)


def small() -> None:
    """As the Workbench has them."""
    from app import selection
    from app.network import dots, rows

    now = selection.bar()
    assert now
    dots.dots(now, 200)
    rows.patterns(now, compact=True)


def test_dots_and_patterns_stand_elsewhere_too(store: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_STORE", str(store))
    page = AppTest.from_function(small, default_timeout=visits.PATIENCE)
    page.query_params["images"] = str(having(run, pattern_filters(run, 0))[0])
    page.run()
    assert not page.exception
    assert dots(page)["height"] == 200 and 0 < len(listed(page)) <= rows.COMPACT_PAGE


# Nothing, not yet, not any more


def test_a_run_without_a_network_section_says_what_to_do(visit: Callable[..., AppTest], tmp_path: Path) -> None:
    make_network_world(tmp_path, network=False)
    page = visit(at=tmp_path)
    assert "holds no activations" in texts(page) and "[artifacts.network]" in page.code[0].value


def test_another_epoch_offers_the_one_that_is_there(visit: Callable[..., AppTest]) -> None:
    page = visit({"epoch": "1", "images": "3"})
    assert "not of epoch 1" in texts(page)
    page.button(key="network.nearest.activations").click().run()
    assert page.session_state["epoch"] == 3 and dots(page)["shaded"]


def test_what_is_still_to_be_computed_is_said(visit: Callable[..., AppTest], tmp_path: Path) -> None:
    make_network_world(tmp_path, at=())
    said = texts(visit(at=tmp_path))
    assert "still to be computed. No epoch has them yet." in said and "epoch is there yet" not in said


def test_a_run_deleted_under_the_page_is_said(visit: Callable[..., AppTest], tmp_path: Path) -> None:
    run_id = make_network_world(tmp_path)
    page = visit({"images": "3"}, at=tmp_path)
    run = open_run(connect(str(tmp_path)), run_id)
    held = run.objects
    held.delete_each(
        [stat.path for stat in held.under(f"runs/{run_id}") if "activations" in stat.path or "patterns" in stat.path]
    )
    page.query_params["images"] = "9"
    page.run()
    assert not page.exception and ("deleted" in texts(page) or "holds no activations" in texts(page))


def test_an_address_holds_one_filter_of_a_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "held", lambda name: "1.2-0.3-1.4-x.1-")
    assert selection.filters_in_address() == ((0, 3), (1, 4)), "no image has two strongest filters of a layer"
    deep = tuple((layer, 1024 + layer) for layer in range(150))
    monkeypatch.setattr(selection, "held", lambda name: as_word(dict(deep)))
    assert selection.filters_in_address() == deep
