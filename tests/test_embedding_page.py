"""The Embedding page: the dots are the stored map, filters and colours are what they say, and a click finds neighbours."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.embedding import chart, colouring
from app.embedding.colouring import Filter, coloured, shown
from app.widgets import point_cloud
from precompute.cases import probabilities
from store.objects import connect
from store.runs import Run, dataset, open_run
from tests import visits
from tests.worlds import make_world
from tests.worlds_embedding import outcome


@pytest.fixture
def visit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Opens the page on a world made with the arguments; `address` are query parameters."""

    def opened(address: dict[str, str] | None = None, **world: Any) -> AppTest:
        make_world(tmp_path, **{"perplexities": (5, 8), **world})
        return visits.opened(tmp_path, monkeypatch, "app/views/embedding.py", **(address or {}))

    return opened


def run_of(tmp_path: Path) -> Run:
    return open_run(connect(str(tmp_path)), "world-0123456789")


def of_world(tmp_path: Path, epoch: int) -> colouring.Outcome:
    run = run_of(tmp_path)
    labels = dataset(run.objects, run.attributes["dataset"]).read_blocks("label")
    return outcome(labels, probabilities(run.artifact("evaluation-0a").read("logits", epoch)))


def cloud(page: AppTest) -> dict[str, Any]:
    """What the map's message holds."""
    (data,) = [item.proto.bytes for item in page.get("bidi_component") if item.key == "embedding.map"]
    found: dict[str, Any] = {}
    for _ in range(2):
        length = int.from_bytes(data[:4], "little")
        found |= json.loads(data[4 : 4 + length])
        data = data[4 + length :]
    count = found["count"]
    words = np.frombuffer(data[: 8 * count], "<u2")
    octets = np.frombuffer(data[8 * count : 11 * count], np.uint8).reshape(3, count)
    found["segments"] = np.frombuffer(data[11 * count :], "<u2").reshape(-1, 4)
    found |= {"places": words[: 2 * count].reshape(count, 2) / 65_535, "true": words[2 * count : 3 * count]}
    return found | dict(zip(("levels", "percent", "shown"), octets, strict=True))


def texts(page: AppTest) -> str:
    blocks = [*page.markdown, *page.caption, *page.info, *page.error, *page.warning]
    return "\n".join(str(block.value).replace("\\", "") for block in blocks)


def pictures(page: AppTest, key: str) -> list[dict[str, Any]]:
    (data,) = [item.proto.bytes for item in page.get("bidi_component") if item.key == key]
    return json.loads(data[4 : 4 + int.from_bytes(data[:4], "little")])["items"]


def test_the_dots_are_the_stored_map(visit: Callable[..., AppTest], tmp_path: Path) -> None:
    found = cloud(visit())
    points = run_of(tmp_path).artifact("embedding-5").read("points", 3)
    radius = np.linalg.norm(points, axis=1).max()
    np.testing.assert_allclose(found["places"], 0.5 + points / radius / 2, atol=1e-4)
    of = of_world(tmp_path, 3)
    assert found["true"].tolist() == found["levels"].tolist() == of.true.tolist()
    np.testing.assert_allclose(found["percent"], of.confidence * 100, atol=0.51)
    assert found["shown"].all() and found["legend"] == [f"kind {number}" for number in range(4)]


def test_the_page_says_how_far_to_believe_the_map(visit: Callable[..., AppTest]) -> None:
    page = visit({"epoch": "2", "perplexity": "8"})
    assert "perplexity 8 · KL divergence 1.30 nats · trustworthiness 0.900 · moved by 0.20" in texts(page)
    assert "means little" in texts(page)
    assert "moved" not in texts(visit({"epoch": "0"}))


@pytest.mark.parametrize("by", colouring.WORDS)
def test_each_colour_is_chosen_by_the_address_and_the_control(visit: Callable[..., AppTest], by: str) -> None:
    page = visit({"colour": by})
    assert f"coloured by {by}" in cloud(page)["alt"]
    page.segmented_control(key="colour").set_value("correctness").run() if by != "correctness" else None
    assert cloud(page)["legend"] == ["right", "wrong"]


def test_filters_come_from_the_address(visit: Callable[..., AppTest], tmp_path: Path) -> None:
    page = visit({"epoch": "1", "wrong": "true", "between": "kind 1", "and": "kind 2"}, images=80)
    of = of_world(tmp_path, 1)
    expected = (of.true != of.predicted) & np.isin(of.true, [1, 2]) & np.isin(of.predicted, [1, 2])
    found = cloud(page)
    assert 0 < expected.sum() < 80 and found["shown"].astype(bool).tolist() == expected.tolist()
    assert f"{expected.sum()} of 80 images shown" in texts(page)


def test_filters_are_held_by_the_address(visit: Callable[..., AppTest], tmp_path: Path) -> None:
    page = visit(images=80)
    page.slider(key="confidence").set_value((20, 60)).run()
    page.toggle(key="wrong").set_value(True).run()
    of = of_world(tmp_path, 3)
    expected = (of.true != of.predicted) & (of.confidence >= 0.2) & (of.confidence <= 0.6)
    assert cloud(page)["shown"].astype(bool).tolist() == expected.tolist()
    page.switch_page("app/views/overview.py").run()
    page.switch_page("app/views/embedding.py").run()
    assert cloud(page)["shown"].astype(bool).tolist() == expected.tolist()


def test_the_focus_has_its_neighbours_by_features(visit: Callable[..., AppTest], tmp_path: Path) -> None:
    page = visit({"images": "7,2", "epoch": "2"})
    features = run_of(tmp_path).artifact("features-0a")
    near, far = features.read("neighbours", 2, 7), features.read("distances", 2, 7)
    assert [item["image"] for item in pictures(page, "embedding.neighbours")] == near.tolist()
    assert [item["caption"] for item in pictures(page, "embedding.neighbours")] == [f"{value:#.3g}" for value in far]
    found = cloud(page)
    assert (found["focus"], found["held"], found["linked"]) == (7, [7, 2], near.tolist())
    assert "Image 7: **kind 3**" in texts(page)


def test_without_a_focus_the_page_says_what_a_click_does(visit: Callable[..., AppTest]) -> None:
    page = visit()
    assert "Click a dot" in texts(page) and cloud(page)["focus"] is None


def test_a_run_without_embedding_names_the_section_of_the_recipe(visit: Callable[..., AppTest]) -> None:
    page = visit(perplexities=())
    assert "holds no embedding" in page.info[0].value and "[artifacts.embedding]" in page.code[0].value
    assert not [item for item in page.get("bidi_component") if item.key == "embedding.map"]


def test_a_perplexity_left_out_has_its_reason(visit: Callable[..., AppTest]) -> None:
    page = visit(perplexities=(5, -100))
    assert "A perplexity of 100 needs more images." in texts(page)


def test_where_no_perplexity_is_possible_the_neighbours_are_still_there(visit: Callable[..., AppTest]) -> None:
    page = visit({"images": "3"}, perplexities=(-100,))
    assert "A perplexity of 100 needs more images." in texts(page) and len(pictures(page, "embedding.neighbours")) == 10


def test_where_the_map_is_not_computed_yet_the_neighbours_are_shown(
    visit: Callable[..., AppTest], tmp_path: Path
) -> None:
    make_world(tmp_path, perplexities=(5,), summarise=False)
    run_of(tmp_path).artifact("embedding-5").discard(3)
    monkeyed = visit({"images": "3"}, perplexities=(), name="second")
    page = monkeyed.selectbox(key="run").set_value("world-0123456789").run()
    assert "map of epoch 3 is still to be computed; it has been for 3 of 4 epochs" in texts(page)
    assert len(pictures(page, "embedding.neighbours")) == 10


def test_of_a_network_that_diverged_nothing_has_a_place(visit: Callable[..., AppTest], tmp_path: Path) -> None:
    make_world(tmp_path, perplexities=(5,), summarise=False)
    run = run_of(tmp_path)
    for name in ("embedding-5", "features-0a"):
        artifact = run.artifact(name)
        shard = {key: artifact.read(key, 3)[None] for key in artifact.attributes["arrays"]}
        artifact.discard(3)
        broken = {key: np.full_like(value, np.nan if value.dtype.kind == "f" else -1) for key, value in shard.items()}
        artifact.write(3, broken)
    run.summarise()
    page = visit({"images": "3", "run": run.id}, perplexities=(), name="second")
    assert "it has diverged" in texts(page)
    assert not [item for item in page.get("bidi_component") if item.key in ("embedding.map", "embedding.neighbours")]


@pytest.mark.parametrize(("count", "held"), [(5, 5), (24, 12)])
def test_a_lasso_puts_the_least_certain_into_the_tray(
    visit: Callable[..., AppTest], tmp_path: Path, count: int, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: dict[str, Any] = {}
    monkeypatch.setattr(chart.selection, "choose_images", lambda images: said.update(images=images))
    monkeypatch.setattr(chart.st, "session_state", said)
    make_world(tmp_path)
    of = of_world(tmp_path, 2)
    chart.lassoed(of, list(range(count)))
    assert said["images"] == np.argsort(of.margin[:count], kind="stable")[:held].tolist()
    assert f"{count} images in the lasso" in said["embedding.lassoed"]


def test_an_address_that_makes_no_sense_shows_the_page(visit: Callable[..., AppTest]) -> None:
    page = visit({"perplexity": "77", "colour": "smell", "confidence": "a", "between": "kind 99", "wrong": "perhaps"})
    assert cloud(page)["shown"].all() and not page.error


# Colours and filters


TRUE = np.array([0, 0, 1, 1, 2])
SHARES = np.array([[0.9, 0.1, 0], [0.2, 0.7, 0.1], [0.3, 0.4, 0.3], [0.1, 0.1, 0.8], [0, 0.05, 0.95]])


def test_an_outcome_is_that_of_the_definition() -> None:
    of = outcome(TRUE, SHARES)
    assert of.predicted.tolist() == [0, 1, 1, 2, 2]
    np.testing.assert_allclose(of.confidence, [0.9, 0.7, 0.4, 0.8, 0.95])
    np.testing.assert_allclose(of.margin, [0.8, 0.5, 0.1, 0.7, 0.9])


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (Filter(), [0, 1, 2, 3, 4]),
        (Filter(wrong=True), [1, 3]),
        (Filter(least=40, most=80), [1, 2, 3]),
        (Filter(pair=(0, 1)), [0, 1, 2]),
        (Filter(pair=(-1, 2)), [3, 4]),
        (Filter(pair=(1, 1)), [1, 2, 3]),
        (Filter(wrong=True, pair=(1, 2), most=50), []),
    ],
)
def test_a_filter_passes_what_it_says(by: Filter, expected: list[int]) -> None:
    assert np.flatnonzero(shown(outcome(TRUE, SHARES), by)).tolist() == expected


def test_of_many_classes_the_chosen_one_and_its_confusions_have_colours() -> None:
    shares = np.eye(30)
    shares[4] = shares[17]  # class 4 is taken for 17
    found = coloured(outcome(np.arange(30), shares), "true class", [str(number) for number in range(30)], 4)
    assert found.legend == ("4", "17", "other classes") and found.palette[-1] == colouring.OTHERS
    assert found.levels[4] == 0 and found.levels[17] == 1 and found.levels[29] == 2
    assert f'OTHERS = "{colouring.OTHERS}"' in point_cloud.TEXTS["js"]  # which draws them under the others


def test_scales_run_from_nothing_to_all() -> None:
    found = coloured(outcome(TRUE, SHARES), "margin", ("a", "b", "c"), 0)
    assert len(found.palette) == 256 and found.levels.tolist() == [204, 127, 26, 179, 229]


# What a browser says


@pytest.mark.parametrize("said", [None, True, -1, 24, 2.5, "3", [1], {"image": 1}])
def test_only_numbers_of_dots_are_believed(said: object) -> None:
    assert not point_cloud.number(said, 24)
    assert point_cloud.number(23, 24)
