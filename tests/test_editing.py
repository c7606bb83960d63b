"""The probe on edited images: what it answers is what the transforms and the run's own weights give, live and in curves."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from app.probe import Answer, Probe, Request, about_store
from precompute import catalogue, editing
from precompute import probe as child
from precompute.bench import classifier, to_float
from precompute.catalogue import CHANGES
from precompute.editing import Subject
from precompute.edits import PREDICTED, PREDICTED_AFTER, Edits, edits
from precompute.making import make
from precompute.saliency import explain
from precompute.transforms import fgsm, transformed
from store.errors import BadInput
from store.objects import connect
from store.runs import Run, dataset
from tests import tiny

EPOCH = 2
MIXED = edits(
    {"rotation": 30, "brightness": 1.25, "noise": 12, "fgsm": 4}, (0.1, 0.1, 0.4, 0.4), fill="blur", attacked=1
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("editing")
    return make(connect(str(folder)), tiny.recipe(folder))


def pixels(run: Run, number: int = 4) -> np.ndarray:
    return dataset(run.objects, run.attributes["dataset"]).read_blocks("pixels", [number])[0]


def request(run: Run, made: Edits, *, along: tuple[str, ...] = (), classes: tuple[int, ...] = (PREDICTED,)) -> Request:
    image, techniques = pixels(run), () if along else (("grad-cam", "{}"), ("grad-cam++", "{}"))
    return Request(
        str(run.objects.local), run.id, run.uuid, EPOCH, image.tobytes(), image.shape, classes, techniques,
        run.attributes["default_layer"], edits=made, along=along,
    )  # fmt: skip


def answered(run: Run, made: Edits, **more: object) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    asked = request(run, made, **more)
    return child.answer(asked.header, asked.image, child.Shelf())


def test_no_edits_at_all_change_nothing(run: Run) -> None:
    _, arrays = answered(run, Edits())
    np.testing.assert_array_equal(arrays["edited/pixels"], pixels(run).astype(np.float32) / 255)
    np.testing.assert_allclose(arrays["edited/logits"], arrays["logits"], atol=1e-6)
    np.testing.assert_array_equal(arrays["edited/map/grad-cam"], arrays["map/grad-cam"])


def test_the_answer_is_what_the_transforms_and_the_weights_give(run: Run) -> None:
    header, arrays = answered(run, MIXED, classes=(PREDICTED, PREDICTED_AFTER, 0))
    model, image = classifier(run, EPOCH), to_float(pixels(run)[None].copy(), torch.device("cpu"))
    amounts = {name: torch.tensor([value]) for name, value in MIXED.values.items() if name != "fgsm"}
    changed = transformed(image, amounts, MIXED)
    expected, _ = fgsm(model, changed, torch.tensor([4.0]), torch.tensor([1]))
    np.testing.assert_array_equal(arrays["edited/pixels"], expected[0].permute(1, 2, 0).numpy())
    logits = model(torch.cat([image, expected])).numpy()
    np.testing.assert_allclose(np.stack([arrays["logits"], arrays["edited/logits"]]), logits, atol=1e-5)
    assert header["classes"] == [*logits.argmax(1).tolist(), 0]
    layer = run.attributes["default_layer"]
    for place, of in (("", image), ("edited/", expected)):
        found = explain(model, of, torch.tensor([header["classes"]]), layer=layer, techniques={"grad-cam++": {}})
        np.testing.assert_allclose(arrays[f"{place}map/grad-cam++"], found.maps["grad-cam++"][0].numpy(), atol=1e-6)


@pytest.mark.parametrize("name", CHANGES)
def test_a_curve_at_the_slider_s_value_is_the_live_value(run: Run, name: str) -> None:
    others = MIXED.without(name)
    _, arrays = answered(run, others, along=(name,))
    values, logits = arrays[f"along/{name}/values"], arrays[f"along/{name}/logits"]
    for place in (0, len(values) // 2, len(values) - 1):
        settings = edits({**others.values, name: float(values[place])}, others.region, fill="blur", attacked=1)
        live = answered(run, settings)[1]["edited/logits"]
        np.testing.assert_allclose(logits[place], live, atol=1e-5)


def test_all_curves_come_in_one_request(run: Run) -> None:
    _, arrays = answered(run, Edits(), along=tuple(CHANGES))
    clean = answered(run, Edits())[1]["logits"]
    for name, item in CHANGES.items():
        place = list(arrays[f"along/{name}/values"]).index(item.identity)
        np.testing.assert_allclose(arrays[f"along/{name}/logits"][place], clean, atol=1e-5)


def test_a_flip_is_the_smallest_on_its_curve(run: Run) -> None:
    """At the value found another class is predicted; a step's tenth closer to the identity it is not."""
    model, flipped = classifier(run, EPOCH), 0
    for number in range(6):
        subject = Subject(model, to_float(pixels(run, number)[None].copy(), torch.device("cpu")), Edits())
        base = int(subject.original.argmax())
        for name, item in CHANGES.items():
            for sign, (value, new) in zip((-1, 1), editing.finished(subject.curve(name))["flips"], strict=True):
                if np.isnan(value):
                    continue
                flipped += 1
                assert sign * (value - item.identity) > 0
                assert int(subject.along(name, [value]).argmax()) == new != base
                before = item.identity if item.binary else value - sign * item.step / editing.FINENESS
                assert int(subject.along(name, [before]).argmax()) == base
    assert flipped >= 6


class Bright(torch.nn.Module):
    """Class 1 where the mean is above 0.3, with a margin that grows linearly."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean = images.mean((1, 2, 3))
        return torch.stack([torch.full_like(mean, 0.3), mean], 1)


def test_bisection_finds_a_known_threshold() -> None:
    subject = Subject(Bright(), torch.full((1, 1, 8, 8), 0.5), Edits())
    (low, new), (high, _) = editing.finished(subject.curve("brightness"))["flips"]
    assert 0.6 - 0.05 / editing.FINENESS <= low <= 0.6 and new == 0 and np.isnan(high)
    _, (reach, new) = editing.finished(subject.curve("fgsm"))["flips"]
    assert np.isnan(reach)  # 32/255 darker is still above 0.3
    near = Subject(Bright(), torch.full((1, 1, 8, 8), 0.35), Edits())
    _, (reach, new) = editing.finished(near.curve("fgsm"))["flips"]
    assert 0.05 * 255 <= reach <= 0.05 * 255 + 1 / editing.FINENESS and new == 0


def test_a_technique_that_is_not_defined_at_the_layer_is_left_out_with_the_reason(run: Run) -> None:
    asked = request(run, Edits())
    techniques = {"cam": {}, "grad-cam": {}}
    header, arrays = child.answer({**asked.header, "techniques": techniques}, asked.image, child.Shelf())
    assert "map/cam" not in arrays and "map/grad-cam" in arrays and "edited/map/grad-cam" in arrays
    assert header["obstacle"].startswith("CAM needs")


def test_classes_and_transforms_that_are_not_there_are_refused(run: Run) -> None:
    with pytest.raises(BadInput, match="attacked"):
        answered(run, edits({"fgsm": 3}, attacked=9))
    with pytest.raises(BadInput, match="explained"):
        answered(run, Edits(), classes=(9,))
    with pytest.raises(BadInput, match="No transform"):
        answered(run, Edits(), along=("warp",))


def test_the_real_child_answers_edits_and_curves(run: Run) -> None:
    made = Probe()
    try:
        found = made.ask(request(run, MIXED))
        _, expected = answered(run, MIXED)
        np.testing.assert_allclose(found.more["edited/logits"], expected["edited/logits"], atol=1e-5)
        np.testing.assert_allclose(found.more["edited/map/grad-cam++"], expected["edited/map/grad-cam++"], atol=1e-5)
        curve = made.ask(request(run, MIXED, along=("hue", "fgsm")))
        assert isinstance(curve, Answer) and {name.split("/")[1] for name in curve.more} == {"hue", "fgsm"}
        assert curve.nbytes > 0 and not curve.maps
    finally:
        made.child.kill()


def test_what_else_is_wanted_is_answered_by_functions_of_the_table(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalogue.EXTRAS, "sums", "tests.test_editing:sums")
    made = edits({"brightness": 0.5})
    asked = replace(request(run, made), wants=("sums",), perplexity=30)
    _, arrays = child.answer(asked.header, asked.image, child.Shelf())
    plain = pixels(run).astype(np.float32) / 255
    np.testing.assert_allclose(arrays["sums/of"], [plain.sum(), plain.sum() / 2], rtol=1e-5)
    assert arrays["sums/perplexity"] == 30 and "edited/map/grad-cam" in arrays
    asked = replace(asked, edits=None, techniques=())
    _, arrays = child.answer(asked.header, asked.image, child.Shelf())
    np.testing.assert_allclose(arrays["sums/of"], [plain.sum()] * 2, rtol=1e-5)
    with pytest.raises(BadInput, match="No question"):
        child.answer({**asked.header, "wants": ["nothing"]}, asked.image, child.Shelf())
    monkeypatch.setitem(catalogue.EXTRAS, "sums", "precompute.nowhere:answer")
    with pytest.raises(BadInput, match="nowhere"):
        child.answer(asked.header, asked.image, child.Shelf())


def test_filters_are_left_out_on_images_of_the_store(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalogue.EXTRAS, "ablation", "tests.test_editing:left_out")
    asked = about_store(str(run.objects.local), run.id, run.uuid, 1, without=((0, 3), (2, 1)), numbers=(4, 5))
    header, arrays = child.answer(asked.header, asked.image, child.Shelf())
    assert arrays["ablation/without"].tolist() == [[0, 3], [2, 1]] and arrays["ablation/numbers"].tolist() == [4, 5]
    assert header == {"classes": []}


def sums(of: Run, model: torch.nn.Module, images: torch.Tensor, asked: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {"of": images.sum((1, 2, 3)).numpy(), "perplexity": np.array(asked["perplexity"])}


def left_out(of: Run, model: torch.nn.Module, images: torch.Tensor, asked: Mapping[str, Any]) -> dict[str, np.ndarray]:
    assert not len(images) and of.classes
    return {"without": np.array(asked["without"]), "numbers": np.array(asked["numbers"])}
