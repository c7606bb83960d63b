"""The Sanity page: certificate first, every number is the stored one, and every state is told."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from app import probe, reading
from app.probe import Answer, Request
from app.sanity import charts, dotted, stored, words
from store.errors import LoupeError
from store.objects import connect
from store.runs import Run, open_run
from tests import visits, worlds_sanity
from tests.worlds import make_world
from tests.worlds_sanity import IMAGES, make_checked

PAGE = "app/views/sanity.py"
FALLING = "all layers from the top down to this one drawn anew"
ANEW = "layers drawn anew"


class Answering:
    """Answers a shift at once: maps that fall with the place, and afterwards with the other; a logit moves with the mode."""

    error = ""

    def soon(self, visitor: str, requests: Sequence[Request], seconds: float) -> dict[Request, Answer | LoupeError]:
        return {request: LoupeError(self.error) if self.error else self.one(request) for request in requests}

    def one(self, request: Request) -> Answer:
        asked, side = json.loads(request.shift), request.shape[0]
        more: dict[str, Any] = {
            "shift/input": request.image / 255 + asked["strength"],
            "shift/explained": np.array([2]),
        }
        for layer, techniques in asked["techniques"].items():
            for name in techniques:
                rising = np.arange(9.0).reshape(3, 3)
                turned = rising[::-1] if layer == "input" or name == "cam" else rising
                more |= {f"shift/before/{layer}/{name}": rising, f"shift/after/{layer}/{name}": turned}
        moved = 4.2 if asked["mode"] == "scalar" else 2e-6
        more |= {"shift/logit": np.full(7, moved), "shift/changed": np.arange(7) < (2 if moved > 1 else 0)}
        more["shift/logits"] = np.eye(4)[[2, 2]] * 5 + np.array([[0], [1e-6]])
        assert side == 12 and request.numbers
        return Answer(np.zeros(4), (), {}, more)

    def known(self, requests: object) -> dict[object, object]:
        return {}

    def progress(self, visitor: str, requests: object) -> dict[object, object]:
        return {}

    def warm(self) -> None: ...

    def forget(self, requests: object) -> None: ...


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checked")
    make_checked(folder)
    return folder


def opened(folder: Path, monkeypatch: pytest.MonkeyPatch, **address: str) -> AppTest:
    monkeypatch.setattr(probe, "shared", Answering)
    return visits.opened(folder, monkeypatch, PAGE, **address)


def run_of(folder: Path) -> Run:
    return open_run(connect(str(folder)), "world-0123456789")


def texts(page: AppTest) -> str:
    blocks = [*page.markdown, *page.caption, *page.info, *page.error, *page.warning]
    said = "\n".join(str(block.value) for block in blocks)
    return said.replace("\\", "").replace("**", "").replace("\N{NO-BREAK SPACE}", " ")


def helps(page: AppTest) -> str:
    return "\n".join(block.proto.help for block in page.markdown)


def tables(page: AppTest, key: str) -> list[pd.DataFrame]:
    """Of a chart, by its key where a click does something, else by a title in it."""
    every = [item.proto for item in page.get("vega_lite_chart")]
    (found,) = [item for item in every if item.id.endswith(key) or f'"{key}"' in item.spec]
    held = {item.name: pa.ipc.open_stream(item.data.data).read_pandas() for item in found.datasets}
    return [held[f"table{number}"] for number in range(len(held))]


# Input shift


def test_the_certificate_stands_first_and_says_what_a_changed_map_means(visit: Callable[..., AppTest]) -> None:
    page = visit()
    assert "For this image, the two networks differ by at most 1e-06 in any logit." in texts(page)
    assert "over 7 images; 0% of the predictions change" in helps(page) and "over 7 images" not in texts(page)
    assert "What changes in a map is the technique's doing." in texts(page)
    assert "differ by at most 3e-06 in any logit, over 8 images" in texts(page)
    page = visit(shift="bias only")
    assert "This is another network; for this image, a logit differs by up to 1e-06." in texts(page)
    assert "This is another network: a logit differs by up to 4.2, over 7 images; 29% of the predictions" in helps(page)
    assert "over 8 images; 25% of the predictions change" in texts(page) and "may be right" in texts(page)


def test_every_technique_of_the_run_is_shown_before_and_after_with_its_numbers(visit: Callable[..., AppTest]) -> None:
    said = texts(visit())
    assert said.count("largest difference") >= 2 and "Grad-CAM++ is not defined here" in said
    assert "Spearman 1.00, largest difference 0% of the largest value" in said, "Grad-CAM"
    assert "Spearman −0.80, largest difference 75% of the largest value" in said, "CAM"


def test_the_dots_are_the_stored_ones(visit: Callable[..., AppTest], made: Path) -> None:
    dots, bars = tables(visit(shift="noise image"), "sanity.shift.dots")
    artifact = run_of(made).artifact("sanity-shift-0b")
    expected = artifact.read("spearman", 3)[:, 2]
    np.testing.assert_allclose(dots.value.to_numpy().reshape(5, IMAGES), expected, atol=1e-6)
    assert dots.image.tolist() == [*range(0, 24, 3)] * 5
    assert dots.kind.tolist() == ["technique"] * 2 * IMAGES + ["control"] * 3 * IMAGES
    np.testing.assert_allclose(bars.value, np.median(expected, 1), atol=1e-6)
    assert bars.technique.tolist() == [
        "Grad-CAM", "Gradient × input", "Random map, features.13", "Random map, input", "Edge detector"
    ]  # fmt: skip


def test_what_has_no_structural_similarity_is_left_out_and_counted(visit: Callable[..., AppTest]) -> None:
    page = visit(likeness="SSIM")
    dots, _ = tables(page, "sanity.shift.dots")
    assert set(dots.technique) == {"Gradient × input", "Random map, input", "Edge detector"}
    table = page.dataframe[0].value
    assert table["Without a value"].tolist() == [8, 0, 8, 0, 0]
    about = [parse_qs(urlsplit(cell).query)["about"] for cell in table["Technique"]]
    assert about == [["grad-cam"], ["gradient-x-input"], ["random-map"], ["random-map"], ["edges"]]
    assert unquote(urlsplit(table["Technique"][2]).fragment) == "Random map, features.13"


def test_a_number_below_zero_has_a_minus_and_stays_a_number() -> None:
    def script() -> None:
        import pandas as pd

        from app.sanity import tabled

        tabled.draw(pd.DataFrame({"Technique": ["methods#CAM"] * 3, "Median": [-0.5, -0.001, float("nan")]}))

    (found,) = AppTest.from_function(script).run().dataframe
    assert found.value["Median"].tolist()[:2] == [-0.5, -0.001]
    shown = pa.ipc.open_stream(found.proto.arrow_data.styler.display_values).read_pandas()
    assert shown["Median"].tolist() == ["−0.50", "0.00", "–"]


def test_strength_mode_and_check_are_in_the_address(visit: Callable[..., AppTest]) -> None:
    page = visit(strength="0.5", shift="noise image")
    assert "noise of deviation 0.50" in texts(page)
    page.slider(key="strength").set_value(1.5).run()
    page.segmented_control(key="shift").set_value("bias only").run()
    assert "Shifted by +1.50 on every pixel." in texts(page)
    page.segmented_control(key="check").set_value("stability").run()
    assert "75% of the predictions stay" in texts(page) and page.session_state["strength"] == 1.5


def test_an_image_is_chosen_by_its_number(visit: Callable[..., AppTest]) -> None:
    page = visit(images="5")
    assert "Image 5, true kind 1: as it is" in texts(page)
    page.number_input(key="sanity.number").set_value(9).run()
    assert "Image 9, true kind 1" in texts(page) and page.query_params["images"].startswith("9")


def test_an_error_of_the_probe_is_told_with_a_way_to_try_again(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Answering, "error", "The network is broken.")
    page = opened(made, monkeypatch)
    assert [item.value.replace("\\", "") for item in page.error] == ["The network is broken."]
    page.button(key="sanity.again").click().run()
    assert not page.exception


# The other checks


def test_lines_go_down_the_layers_with_the_controls(visit: Callable[..., AppTest], made: Path) -> None:
    page = visit(check=ANEW)
    line, each = tables(page, FALLING)
    artifact = run_of(made).artifact("sanity-randomisation-0b")
    expected = np.median(artifact.read("spearman", 3)[:, 0], -1)  # (technique, stage, draw)
    first, found = each[each.place == 0], each[each.place > 0].value.to_numpy().reshape(5, 3, 3)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert (first.value == 1).all() and each.stage.unique().tolist() == ["trained", "head", "features.11", "features.0"]
    assert set(first.technique) == {"Grad-CAM", "Gradient × input", "Edge detector"}, "no random map is like another"
    np.testing.assert_allclose(line[line.place > 0].value.to_numpy().reshape(5, 3), np.median(expected, 2), atol=1e-6)
    assert "Predictions that stay: head 25%, features.11 25%, features.0 25%" in texts(page)
    table = page.dataframe[0].value
    assert table["Random map, 90%"].tolist() == [0.0] * 4 + [0.0]
    page.segmented_control(key="order").set_value("one at a time").run()
    line, _ = tables(page, "only this layer drawn anew")
    assert line.stage.unique().tolist() == each.stage.unique().tolist()
    (chart,) = [
        item.proto.spec for item in page.get("vega_lite_chart") if "only this layer drawn anew" in item.proto.spec
    ]
    assert '"line"' not in chart and "a bar at their median" in texts(page), "no stage goes on from the one before"


def test_what_has_no_value_has_no_point_and_the_words_of_its_measure() -> None:
    none, some = np.full((1, 2, 3), np.nan), np.full((1, 2, 3), 0.5)
    values = charts.down_table(["small", "large"], ["top", "low"], np.concatenate([none, some]), [False, False])
    assert set(values[np.isfinite(values.value)].technique) == {"large"}
    assert "structural" in dotted.nothing("ssim") and "same value everywhere" in dotted.nothing("spearman")


def test_stability_under_noise_and_over_epochs(visit: Callable[..., AppTest], made: Path) -> None:
    page = visit(check="stability")
    assert "75% of the predictions stay under noise of 5% of each image's range" in texts(page)
    artifact = run_of(made).artifact("sanity-stability-0b")
    dots, _ = tables(page, "sanity.stability.dots")
    expected = np.median(artifact.read("spearman", 3), 1)
    np.testing.assert_allclose(dots.value.to_numpy().reshape(5, IMAGES), expected, atol=1e-6)
    line, *_ = tables(page, "compared with epoch 3")
    assert line.stage.unique().tolist() == ["epoch 3", "epoch 2", "epoch 1"]
    over = np.median(artifact.read("over_epochs", 3), -1)
    np.testing.assert_allclose(line[line.place > 0].value.to_numpy().reshape(5, 2), over, atol=1e-6)


# States


@pytest.mark.parametrize("check", ["input shift", ANEW, "stability"])
def test_a_run_without_checks_names_the_section_of_the_recipe(
    check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_world(tmp_path)
    page = opened(tmp_path, monkeypatch, check=check)
    assert "nothing is trained twice" in texts(page) and "[artifacts.sanity]" in page.code[0].value
    if check == "input shift":
        assert "differ by at most" in texts(page), "the one image needs no stored check"


def test_another_epoch_is_one_click_away(visit: Callable[..., AppTest]) -> None:
    page = visit(check=ANEW, epoch="1")
    assert "Nothing checked at epoch 1. The recipe asks for the last epoch alone" in texts(page)
    [button] = [item for item in page.button if item.label == "Show epoch 3"]
    button.click().run()
    assert page.session_state["epoch"] == 3 and tables(page, FALLING)


def test_what_is_still_computed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = {"state": "running", "doing": "shifted inputs of epoch 3", "done": 3, "of": 9, "seconds_left": 70.0}
    make_checked(tmp_path, done=(), status=status)
    page = opened(tmp_path, monkeypatch, check="stability")
    assert "not finished yet. Now: shifted inputs of epoch 3, about 70 s left." in texts(page)


def test_an_address_that_makes_no_sense_shows_the_page(visit: Callable[..., AppTest]) -> None:
    page = visit(check="luck", shift="sideways", likeness="looks", strength="x", order="y")
    assert page.segmented_control(key="check").value == "input shift" and not page.error


def test_a_network_that_cannot_be_checked_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "The network calls no convolution or linear layer, so no layer could take a shift back."
    run = open_run(connect(str(tmp_path)), make_world(tmp_path, summarise=False))
    facts = {"evaluation": "evaluation-0a", "obstacle": reason, "obstacles": {}, "techniques": []}
    run.add("sanity-shift-0c", "sanity-shift", {}, (), facts)
    page = opened(tmp_path, monkeypatch, run=run.id)
    assert reason in [item.value for item in page.info] and not page.exception


# Reading


def test_the_numbers_that_other_pages_read(made: Path) -> None:
    run = run_of(made)
    evaluation = reading.evaluation(run)
    assert evaluation is not None
    artifact = stored.check(run, evaluation, stored.SHIFT)
    assert artifact is not None
    of = stored.subject(artifact, "gradient-x-input")
    assert of is not None and of.layer == "input" and not of.control
    null = stored.control_of(artifact, of)
    assert null is not None and (null.layer, null.name) == ("input", "random")
    found = stored.spread(stored.reaction(artifact, 3, of, "exact"))
    assert (found.count, found.without) == (IMAGES, 0) and found.median == pytest.approx(0.8 - 0.035)
    certificate = stored.certificate(artifact, 3, "scalar")
    assert (certificate.changed, certificate.images) == (0.25, 8) and certificate.largest == pytest.approx(4.2)
    assert stored.spread(np.full(3, np.nan)).count == 0
    assert len(stored.stages(run.artifact("sanity-randomisation-0b"))) == worlds_sanity.STAGES


def test_words_carry_their_numbers() -> None:
    assert words.likeness(stored.Spread(0.5, -0.001, 1, 7, 2)) == "0.50 (0.00 to 1.00, n = 7, 2 without a value)"
    assert words.likeness(stored.Spread(np.nan, np.nan, np.nan, 0, 9)).startswith("no value")
