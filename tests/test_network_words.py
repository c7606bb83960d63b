"""What the Network page says of what is not there, not all there, or not known; and on which page of its patterns it stays."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.network import ablation, rows, stored
from store.objects import connect
from store.runs import open_run
from tests.test_network_page import IMAGES, dots, store, texts, visit
from tests.worlds import make_world
from tests.worlds_network import add_network

__all__ = ("store", "visit")  # the fixtures
Visit = Callable[..., AppTest]


@pytest.mark.parametrize(
    ("found", "most", "cut"),
    [([30, 0], 30, False), ([31, 5], 30, True), ([9, -1], 30, True), ([9, 20], 30, False), ([40, 30], 50, False)],
)
def test_a_list_that_was_cut_is_said_to_be(found: list[int], most: int, cut: bool) -> None:
    artifact = SimpleNamespace(read=lambda name, epoch: np.array(found), attributes={"most": most})
    assert rows.kept(artifact, 3) == (
        f" Not all are stored: of each kind the {most} that most images have." if cut else ""
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(("value", "said"), [(0.0004, "0.0004"), (0.005, "0.005"), (1, "1"), (np.nan, "–")])
def test_a_small_p_is_never_nothing(value: float, said: str) -> None:
    of = stored.Patterns(np.zeros((1, 2)), np.array([9]), np.ones(1), np.array([value], np.float32), np.ones(1))
    assert dict(rows.measures(of, 0))["p"] == said


def test_only_images_with_a_label_are_compared_where_some_have_one() -> None:
    labels = np.array([0, -1, 1, -1, 0, 1, -1, 1])
    own, others = ablation.compared(np.array([0, 1, 2]), labels)
    assert own.tolist() == [0, 2] and len(others) == 2 and (labels[others] >= 0).all()
    assert [len(part) for part in ablation.compared(np.array([1, 3]), labels)] == [0, 0]
    assert ablation.compared(np.array([0, 1, 2]), np.full(8, -1))[0].tolist() == [0, 1, 2]


def test_a_click_leaves_the_page_of_patterns_where_it_is(visit: Visit) -> None:
    page = visit({"images": "3", "patterns": "all"})
    page.session_state["network.page"] = 2
    page.run()
    for name, word in (("filters", "1.2"), ("images", "5,3")):
        page.session_state[f"held.{name}"] = word
        assert page.run().session_state["network.page"] == 2
    page.selectbox(key="word.sort").select("images").run()
    assert page.session_state["network.page"] == 1 and not page.exception


def world(folder: Path, *, diverged: bool) -> Path:
    """A world whose network gives no numbers at the last epoch, or whose patterns are not there yet."""
    run = open_run(connect(str(folder)), make_world(folder, images=IMAGES, summarise=False))
    add_network(run)
    if diverged:
        held = run.artifact("activations-0a")
        shard = {name: held.read(name, 3)[None] for name in held.attributes["arrays"]}
        held.discard(3)
        held.write(3, shard | {"mean": np.full_like(shard["mean"], np.nan)})
    else:
        run.artifact("patterns-0a").discard(3)
    return folder


def test_of_a_network_that_diverged_no_dots_are_explained(visit: Visit, tmp_path: Path) -> None:
    page = visit({"images": "3"}, at=world(tmp_path, diverged=True))
    assert "it has diverged" in texts(page) and "Colour: layer" not in texts(page)
    assert "Colour: layer" in texts(visit({"images": "3"})), "else they are"


def test_patterns_that_are_not_there_yet_are_not_said_to_lack_a_filter(visit: Visit, tmp_path: Path) -> None:
    at = world(tmp_path, diverged=False)
    page = visit({"filters": "1.2"}, at=at)
    assert dots(page)["selected"] and "There are no patterns at this epoch." in texts(page)
    assert "No stored pattern" not in texts(page)
    assert "none of the stored patterns" not in texts(visit({"filters": "0.1-1.2"}, at=at))
