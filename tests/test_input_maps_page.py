"""Maps of the input on the Saliency page: beside those of any layer, with what is said where they miss their sum."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import pictures, probe
from app.probe import Answer, Request
from app.saliency import stored
from precompute.techniques import INPUT
from store.objects import connect
from store.runs import Run, open_run
from tests.test_saliency_page import FakeProbe, shown, texts
from tests.worlds_input import MISSED, SIDE, make_world


class Sized(FakeProbe):
    """Maps of the input are as large as the image."""

    def answer(self, request: Request) -> Answer:
        found = super().answer(request)
        return replace(found, maps={**found.maps, "integrated-gradients": np.ones((1, SIDE, SIDE), np.float32)})


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeProbe:
    made = Sized()
    monkeypatch.setattr(probe, "shared", lambda: made)
    return made


def of(tmp_path: Path) -> Run:
    return open_run(connect(str(tmp_path)), "world-0123456789")


def test_maps_of_the_input_stand_beside_those_of_the_layer(
    saliency_page: Callable[..., AppTest],
    fake: FakeProbe,
    tmp_path: Path,
) -> None:
    page = saliency_page({"explained": "true"})
    strip = shown(page)["case.correct"]
    titles = [row["title"] for row in strip["rows"]]
    assert titles == ["CAM", "Grad-CAM", "Grad-CAM++", "Integrated gradients"]
    assert page.selectbox(key="layer").options == [f"features.4, {SIDE // 2} × {SIDE // 2}", f"input, {SIDE} × {SIDE}"]
    row, artifact = strip["rows"][3], of(tmp_path).artifact("saliency-integrated-gradients")
    image = int(strip["caption"].removeprefix("Image "))
    raw = np.stack(
        [artifact.read("maps", epoch, 0, image) * artifact.read("scale", epoch, 0, image) for epoch in range(4)]
    )
    np.testing.assert_allclose(row["levels"], 127.5 + 127.5 * raw / np.abs(raw).max(), atol=0.6)
    assert row["note"] == f"{SIDE} × {SIDE}, signed, 1 misses its sum by 25.0%"
    labels = [cell["label"] for cell in row["cells"]]
    assert "25.0% off: more steps are needed" in labels[MISSED[0]]
    assert all("0.0% off" in label for epoch, label in enumerate(labels) if epoch != MISSED[0])
    assert "at layer features.4, and at the input where the maps are as large as the image" in strip["note"]
    assert not fake.asked


def test_the_input_can_be_chosen_alone(saliency_page: Callable[..., AppTest], fake: FakeProbe) -> None:
    page = saliency_page()
    page.selectbox(key="layer").select("input").run()
    strip = shown(page)["case.correct"]
    assert [row["title"] for row in strip["rows"]] == ["Integrated gradients"]
    assert f"at the input, maps of {SIDE} × {SIDE}" in strip["note"]


def test_a_run_with_maps_of_the_input_alone_shows_them(saliency_page: Callable[..., AppTest], fake: FakeProbe) -> None:
    page = saliency_page(alone=True)
    assert [row["title"] for row in shown(page)["case.correct"]["rows"]] == ["Integrated gradients"]


def test_an_enlarged_map_says_how_nearly_it_adds_up(
    saliency_page: Callable[..., AppTest],
    fake: FakeProbe,
) -> None:
    page = saliency_page({"epoch": str(MISSED[0]), "explained": "true"})
    page.session_state["enlarged"] = ("case.correct", "integrated-gradients")
    page.run()
    assert "Sum of the map" in texts(page) and "25.0% off: more steps are needed" in texts(page)
    assert f"at input ({SIDE} × {SIDE}, interpolated linearly)" in texts(page)


def test_a_class_of_which_no_map_is_stored_is_asked_of_the_probe_with_all_techniques(
    saliency_page: Callable[..., AppTest],
    fake: FakeProbe,
) -> None:
    saliency_page({"explained": "chosen", "class": "kind 3", "images": "0"})
    names = {name for request in fake.asked for name, _ in request.techniques}
    assert {"integrated-gradients", "cam"} <= names
    assert all(dict(request.techniques)["integrated-gradients"] == '{"steps": 50}' for request in fake.asked)


def test_layers_come_before_the_input(tmp_path: Path) -> None:
    run = make_world(tmp_path)
    evaluation = run.artifact("evaluation-0a")
    assert list(stored.layers(run, evaluation)) == ["features.4", INPUT]
    at_layer = [item.name for item in stored.techniques(run, evaluation, "features.4", live=False)]
    at_input = [item.name for item in stored.techniques(run, evaluation, INPUT, live=False)]
    assert at_layer == ["cam", "grad-cam", "grad-cam++", "integrated-gradients"] and at_input == at_layer[3:]


@pytest.mark.parametrize(("cells", "most"), [(12, 5), (8, 4), (8, 8), (5, 9)])
def test_large_maps_are_averaged_for_a_small_picture(cells: int, most: int) -> None:
    places = np.random.default_rng(0).random((2, cells, cells))
    found = pictures.shrunk(places, most)
    side = min(cells, most)
    fine = np.repeat(np.repeat(places, side, 1), side, 2)  # each part is now whole cells
    block = fine.shape[1] // side
    slow = fine.reshape(2, side, block, side, block).mean((2, 4))
    np.testing.assert_allclose(found, slow, atol=1e-12)


def test_a_fine_map_is_drawn_up_to_what_a_hundredth_of_it_exceeds_and_says_so() -> None:
    fine = np.arange(2 * 28**2, dtype=np.float32).reshape(2, 28, 28)
    fine[0, 0, 0] = 1e6  # one pixel that would leave nothing to see of the others
    tops = pictures.tops(fine, shared=False)
    exceeded = (fine > tops[:, None, None]).mean((1, 2))
    np.testing.assert_allclose(exceeded, 0.01, atol=2e-3)
    assert (pictures.tops(fine, shared=True) == tops.max()).all()
    assert pictures.ends(fine, 5.0, signed=True) == ("≤−5", "≥5") and pictures.ends(fine, 1e6, signed=False) == (
        "0",
        "1e+06",
    )
    coarse = fine[:, :7, :7]
    assert pictures.tops(coarse, shared=False).tolist() == coarse.max((1, 2)).tolist()
    single = np.zeros((1, 28, 28), np.float32)
    single[0, 3, 4] = 2.0  # fewer than a hundredth: shown up to the largest
    assert pictures.tops(single, shared=False).tolist() == [2.0]
