"""Maps of the input as artifacts of a run: where they lie, that they add up, what they cost; and what the probe answers."""

from pathlib import Path

import numpy as np
import pytest
import torch

from precompute import bench as benches
from precompute import editing, effort, maps
from precompute.bench import classifier, open_bench, to_float
from precompute.completeness import FLAGGED, gap
from precompute.edits import edits
from precompute.making import make
from precompute.maps import asked, parts
from precompute.saliency import explain
from precompute.techniques import INPUT
from precompute.wanted import Saliency
from store import runs
from store.objects import connect
from store.runs import Run
from tests import tiny

TECHNIQUES = ["grad-cam", "integrated-gradients", "gradient-x-input", "guided-backprop"]
WANTED = {
    "training__epochs": 1,
    "artifacts__saliency__techniques": TECHNIQUES,
    "artifacts__saliency__layers": ["auto", "features.2", "auto"],
    "artifacts__saliency__options": {"integrated-gradients": {"steps": 60}},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    folder = tmp_path_factory.mktemp("input")
    return folder, make(connect(str(folder / "store")), tiny.recipe(folder, **WANTED))


def by_place(run: Run) -> dict[tuple[str, str], dict[str, object]]:
    each = [item.attributes for item in run.of_kind("saliency")]
    return {(facts["technique"], facts["layer"]): facts for facts in each}


def test_techniques_of_the_input_are_computed_once_at_the_input_whatever_the_layers(world: tuple[Path, Run]) -> None:
    run = world[1]
    default = run.attributes["default_layer"]
    found = by_place(run)
    layers = [(TECHNIQUES[0], default), (TECHNIQUES[0], "features.2")]
    assert set(found) == {*layers, *((name, INPUT) for name in TECHNIQUES[1:])}
    of_input = found["integrated-gradients", INPUT]
    assert (of_input["height"], of_input["width"], of_input["precision"]) == (tiny.SIDE, tiny.SIDE, "float32")
    assert [bool(found[place]["signed"]) for place in layers] == [False, False] and of_input["signed"]
    assert not found["guided-backprop", INPUT]["signed"]
    assert all(item.marked() == (0, 1) for item in run.of_kind("saliency"))
    bench = open_bench(run.objects, tiny.recipe(world[0], **WANTED))
    assert parts(bench) == 3 and len(asked(bench)) == 5  # two layers and the input share a pass each


def test_maps_are_packed_batch_by_batch(world: tuple[Path, Run], monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw, the maps of all images and techniques would take many times the memory."""
    packed, packs = maps.packed, []
    monkeypatch.setattr(benches, "batch_of", lambda _side: 5)
    monkeypatch.setattr(maps, "packed", lambda raw: packs.append(raw.shape) or packed(raw))
    bench = open_bench(world[1].objects, tiny.recipe(world[0], **WANTED))
    bench.progress.leads = False  # the run's status stays as it is
    of_input = [item for item in maps.plan(bench) if item.attributes["layer"] == INPUT]
    for path, shard in maps.compute(bench, of_input, 1).items():
        for name, values in shard.items():
            stored = next(item for item in of_input if item.path == path).read(name, 1)
            np.testing.assert_allclose(values[0], stored, rtol=1e-3, atol=2e-3)
    assert {shape[:2] for shape in packs} == {(2, 5), (2, 3)}


def test_the_artifact_keeps_how_nearly_its_maps_add_up(world: tuple[Path, Run]) -> None:
    run = world[1]
    pixels = runs.dataset(run.objects, run.attributes["dataset"]).read_blocks("pixels")
    item = next(item for item in run.of_kind("saliency") if item.attributes["technique"] == "integrated-gradients")
    sums, model = item.read("completeness", 1), classifier(run, 1)  # (2, N, 2)
    images = to_float(pixels, torch.device("cpu"))
    mean = model.normalize.mean.expand_as(images[:1])
    rise = (model(images) - model(mean)).numpy()
    classes = item.read("explained_class", 1)
    np.testing.assert_allclose(sums[..., 1], np.take_along_axis(rise, classes.T, 1).T, rtol=1e-4, atol=1e-5)
    raw = item.read("maps", 1).astype(np.float64) * item.read("scale", 1)[..., None, None]
    np.testing.assert_allclose(sums[..., 0], raw.sum((2, 3)), rtol=0.01, atol=0.01 * np.abs(raw).sum((2, 3)).max())
    assert np.median(gap(sums)) < FLAGGED  # hardly trained: where the logit hardly differs, a hundredth of it is little
    others = [item for item in run.of_kind("saliency") if item.attributes["technique"] != "integrated-gradients"]
    assert all("completeness" not in item.attributes["arrays"] for item in others)
    assert not run.verify()


def test_recommended_cases_have_maps_of_the_input_too(world: tuple[Path, Run]) -> None:
    cases = {item.attributes["technique"]: item for item in world[1].of_kind("cases")}
    wrong = world[1].of_kind("evaluation")[0].read("accuracy", 1)[1] < 1
    assert ("integrated-gradients" in cases) == wrong
    if wrong:
        assert cases["integrated-gradients"].read("maps", 1).shape[1:] == (tiny.SIDE, tiny.SIDE)


def test_a_technique_that_does_not_apply_says_why(tmp_path: Path) -> None:
    techniques = {"artifacts__saliency__techniques": ["cam"], "artifacts__saliency__layers": [INPUT]}
    run = make(connect(str(tmp_path / "store")), tiny.recipe(tmp_path, training__epochs=1, **techniques))
    (item,) = run.of_kind("saliency")
    assert item.attributes["obstacle"] == "CAM needs a layer of the network; the input is the image itself."


def test_the_probe_answers_before_and_after_an_edit_with_sums(world: tuple[Path, Run]) -> None:
    run = world[1]
    pixels = runs.dataset(run.objects, run.attributes["dataset"]).read_blocks("pixels")[:1]
    image, model = to_float(pixels, torch.device("cpu")), classifier(run, 1)
    request = {
        "classes": [1], "layer": INPUT, "precision": "float32", "seed": 0,
        "techniques": {"integrated-gradients": {"steps": 7}, "cam": {}},
        "edits": {**vars(edits({"brightness": 0.5}))},
    }  # fmt: skip
    header, arrays = editing.answer(model, image, request)
    assert header["obstacle"] == "CAM needs a layer of the network; the input is the image itself."
    asked_alone = {"integrated-gradients": {"steps": 7}}
    for prefix, shown in (("", image), ("edited/", torch.from_numpy(arrays["edited/pixels"]).permute(2, 0, 1)[None])):
        found = explain(model, shown, torch.tensor([[1]]), layer=INPUT, techniques=asked_alone)
        for what, expected in (("map", found.maps), ("completeness", found.completeness)):
            values = arrays[f"{prefix}{what}/integrated-gradients"]
            np.testing.assert_allclose(values, expected["integrated-gradients"][0], atol=1e-5)


# What they cost


def test_what_maps_cost_is_counted_by_the_passes_they_share() -> None:
    cams = Saliency(techniques=("cam", "grad-cam"), layers=("a", "b"))
    assert (effort.of_one_place(cams), effort.maps(cams), len(effort.places(cams))) == (1, 4, 2)
    both = Saliency(
        techniques=("grad-cam", "gradient", "integrated-gradients", "smooth-grad", "var-grad"),
        layers=("a", "b"),
        options={"integrated-gradients": {"steps": 20}},
    )
    assert effort.places(both) == {"a": ("grad-cam",), "b": ("grad-cam",), INPUT: both.techniques[1:]}
    assert effort.of_one_place(both) == pytest.approx((1 + 1 + (1 + 20 + 15)) / 3)  # both smooth ones share 15 draws
    facts = {"layers": [{"name": "a", "height": 7, "width": 7}, {"name": "b", "height": 14, "width": 14}]}
    assert effort.values(both, facts, 28) == 49 + 196 + 4 * 784
    auto = Saliency(techniques=("cam",), layers=("auto",))
    assert effort.values(auto, facts | {"default_layer": "a"}, 28) == 49
