"""What the Simulation page says of classes without images, of images without labels, and from which numbers it says it."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from app.simulation import charts, large, scene, words
from app.simulation.stored import Withstood
from store.schema import UNLABELLED
from tests.test_simulation_page import curve, dataset_of, opened, texts
from tests.worlds_simulation import make_simulated


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty classes, of which the last six have no image."""
    folder = tmp_path_factory.mktemp("simulated")
    make_simulated(folder, changes=("blur", "noise"), classes=30, images=24)
    return folder


@pytest.mark.parametrize("measure", ["probability", "first", "rank"])
def test_a_class_without_images_has_no_numbers(made: Path, monkeypatch: pytest.MonkeyPatch, measure: str) -> None:
    page = opened(made, monkeypatch, measure=measure, **{"class": "kind 29"})
    (alt,) = [str(item.proto) for item in page.get("vega_lite_chart") if item.proto.id.endswith("simulation.large")]
    assert "kind 29: no image." in alt and "nan" not in alt.split("datasets")[-1]
    assert "Band:" not in texts(page) and "No image of kind 29 was changed." in texts(page)
    assert "over all 30 classes." in texts(page) and "most confused" not in texts(page), "nor is it confused with any"


def test_what_a_class_withstands_is_said_of_the_curves_that_are_shown(made: Path) -> None:
    now = SimpleNamespace(
        run=None, evaluation=None, data=dataset_of(made), epoch=3, chosen=1, classes=[f"kind {n}" for n in range(30)]
    )
    for name in ("blur", "noise"):
        of = scene.Scene(now, {"blur": curve(made, name)}, "blur", "first")  # type: ignore[arg-type]
        assert [item.name for item in scene.withstood(of)] == [name], "not of what is computed with other options since"


def test_an_image_without_a_label_is_none_of_any_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large.reading, "labels", lambda data: np.array([0, UNLABELLED, 0]))
    monkeypatch.setattr(large.reading, "measured", lambda *of: np.array([0]))
    drawn = charts.Drawn(np.zeros(2), np.zeros((1, 2)), 0, np.zeros((0, 2)))
    artifact = SimpleNamespace(attributes={"images": "all"})
    said = [large.of_focus(SimpleNamespace(focus=focus, data=None, epoch=3), artifact, drawn) for focus in range(3)]  # type: ignore[arg-type]
    assert said[0] == "" and "has no label" in said[1] and "the recipe asks for all" in said[2]


def test_which_part_is_smallest_is_said_where_nothing_fails_at_once() -> None:
    part = Withstood("noise", (0, 25, 50), 0, 8, (1, 0.875, 0.25))
    weak = Withstood("flip_vertical", (0, 1), 0, 8, (1, 0.5))
    assert "Noise needs the smallest part of its range; at its worst 25" in words.verdict((part,), "cat", 9)
    assert "smallest part" not in words.verdict((part, weak), "cat", 9)
    lost = Withstood("noise", (0, 25), 0, 0, (1, 1))
    assert words.verdict((lost,), "cat", 1).startswith("The only image of cat is not recognised unchanged")
    assert words.verdict((lost,), "cat", 9).startswith("None of the 9 images of cat is recognised unchanged")
