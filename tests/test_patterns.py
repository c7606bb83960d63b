"""Patterns as artifacts, and networks without some filters: made, lost and made again, looked at by the probe."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from precompute import ablation, activations, answers, mining, paths, probe, significance
from precompute.bench import classifier, to_float
from precompute.closed import gapped
from precompute.making import make
from precompute.models import Classifier
from store import runs
from store.errors import BadInput
from store.objects import connect
from store.runs import Run
from tests import tiny

NETWORK = {"epochs": "kept", "support": 3, "permutations": 19, "gapped": True, "most": 60}
ARRAYS = ("filters", "support", "lift", "p_value", "kind", "by_class")


def asked(folder: Path, **options: Any) -> Any:
    return tiny.recipe(folder, artifacts__network={**NETWORK, **options})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("world")


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return make(connect(str(folder / "store")), asked(folder))


# Artifacts


def test_stored_patterns_are_those_of_the_stored_strongest_filters(run: Run) -> None:
    (stored,), (source,) = run.of_kind("patterns"), run.of_kind("activations")
    assert stored.marked() == source.marked() == (0, 1, 2)
    labels = runs.dataset(run.objects, run.attributes["dataset"]).read_blocks("label")
    for epoch in (0, 2):
        rows = source.read("strongest", epoch)[..., 0]
        read = {name: stored.read(name, epoch) for name in (*ARRAYS, "found")}
        count = int((read["support"] > 0).sum())
        expected = mining.joined(
            mining.ordered(mining.contiguous(rows, 3, 2), 60), mining.ordered(gapped(rows, 3, 2), 60)
        )
        assert count == len(expected) > 0 and len(read["support"]) == 120
        np.testing.assert_array_equal(read["filters"][:count], expected.filters)
        np.testing.assert_array_equal(read["kind"][:count], expected.kind)
        lift = significance.lift(rows, expected.filters, expected.support)
        np.testing.assert_allclose(read["lift"][:count], lift, rtol=1e-6)
        assert ((read["p_value"][:count] >= 1 / 20 - 1e-6) & (read["p_value"][:count] <= 1)).all()
        np.testing.assert_array_equal(read["by_class"].sum(1), read["support"])
        for row, support, classes in zip(expected.filters, expected.support, read["by_class"], strict=False):
            images = mining.having(rows, row)
            assert len(images) == support
            np.testing.assert_array_equal(np.bincount(labels[images], minlength=3), classes)
        assert (read["filters"][count:] == -1).all() and np.isnan(read["lift"][count:]).all()
        assert read["found"][0] == len(mining.contiguous(rows, 3, 2))
    assert run.missing() == {} and run.verify() == []
    assert run.status().done == run.status().of


def test_attributes_say_how_they_were_found(run: Run) -> None:
    (stored,), (source,) = run.of_kind("patterns"), run.of_kind("activations")
    assert stored.attributes["activations"] == source.path.rsplit("/", 1)[-1]
    assert {name: stored.attributes[name] for name in NETWORK} == NETWORK
    assert source.attributes["reduction"] == "mean" and source.attributes["z_scored"] is True
    layers = source.attributes["layers"]
    assert [layer["filters"] for layer in layers] == [4, 8, 16, 16]
    assert [layer["offset"] for layer in layers] == [0, 4, 12, 28]
    assert [(layer["height"], layer["width"]) for layer in layers] == [(16, 16), (8, 8), (4, 4), (4, 4)]


def test_what_was_lost_is_made_again_to_the_same_bits(tmp_path: Path, folder: Path, run: Run) -> None:
    """By a process that finds the weights, and neither trains nor counts twice."""
    shutil.copytree(folder / "store", tmp_path / "store")
    objects = connect(str(tmp_path / "store"))
    copy = runs.open_run(objects, run.id)
    items = [copy.of_kind(kind)[0] for kind in ("activations", "patterns")]
    before = {item.key(name, 1): objects.get(item.key(name, 1)) for item in items for name in item.attributes["arrays"]}
    for item in items:
        item.discard(1)
    copy.reopen()
    again = make(objects, asked(folder))
    assert {key: objects.get(key) for key in before} == before
    assert again.verify() == []


def test_patterns_asked_for_later_train_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = connect(str(tmp_path / "store"))
    first = make(objects, tiny.recipe(tmp_path))
    assert not first.of_kind("activations")
    monkeypatch.setattr("precompute.train.one_epoch", lambda *_: pytest.fail("trained again"))
    second = make(objects, asked(tmp_path, epochs="last", gapped=False, permutations=0))
    assert second.id == first.id and second.missing() == {}
    (patterns,) = second.of_kind("patterns")
    assert patterns.marked() == (2,) and second.status().done == second.status().of
    assert np.isnan(patterns.read("p_value", 2)).all() and patterns.read("found", 2)[1] == 0
    third = make(objects, asked(tmp_path, length=5))
    reasons = [item.attributes["obstacle"] for item in third.of_kind("patterns") if "obstacle" in item.attributes]
    assert len(reasons) == 1 and "5 layers" in reasons[0] and "4 convolution layers" in reasons[0]


def test_a_network_without_convolutions_or_one_that_diverged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = connect(str(tmp_path / "store"))
    broken = torch.full((18, 44), torch.nan)
    with monkeypatch.context() as patched:
        patched.setattr(activations, "reduced", lambda model, images, *_: broken[: len(images)])
        run = make(objects, asked(tmp_path, epochs="last"))
    (stored,), (patterns,) = run.of_kind("activations"), run.of_kind("patterns")
    assert (stored.read("strongest", 2) == -1).all() and (stored.read("top_image", 2) == -1).all()
    assert not patterns.read("support", 2).any()
    monkeypatch.setattr(activations, "layers_of", lambda *_: [])
    run = make(objects, asked(tmp_path, epochs="last", reduction="max"))
    for kind in ("activations", "patterns"):
        assert any("convolution" in item.attributes.get("obstacle", "") for item in run.of_kind(kind))


# Without some filters


FILTERS = ((1, 3), (1, 5), (3, 2))


def without(model: nn.Module, filters: Any) -> nn.Module:
    """The same network with weights that make these filters answer 0 everywhere."""
    blocks = [module for module in model.network.features if isinstance(module, nn.BatchNorm2d)]
    for layer, number in filters:
        blocks[layer].weight.data[number] = blocks[layer].bias.data[number] = 0
    return model


def request(run: Run, **changes: Any) -> dict[str, Any]:
    asked_for = {"store": run.objects.address, "run": run.id, "uuid": run.uuid, "epoch": 2, "seed": 0, "classes": ()}
    return {**asked_for, "techniques": {}, "without": FILTERS, "numbers": (0, 5, 17), **changes}


def test_a_filter_left_out_is_one_whose_answer_is_zero(run: Run) -> None:
    pixels = runs.dataset(run.objects, run.attributes["dataset"]).read_blocks("pixels")
    images = to_float(pixels[[0, 5, 17]], torch.device("cpu"))
    _, found = probe.answer(request(run), pixels[0], probe.Shelf())
    plain = run.of_kind("evaluation")[0].read("logits", 2)[[0, 5, 17]]
    np.testing.assert_allclose(found["ablation/plain"], plain, atol=1e-5)
    expected = without(classifier(run, 2), FILTERS)(images)
    np.testing.assert_allclose(found["ablation/logits"], expected, atol=1e-5)
    assert np.abs(found["ablation/logits"] - plain).max() > 1e-3
    assert found["ablation/random"].shape == (ablation.DRAWS, 3, 3)
    model = classifier(run, 2)
    widths = [layer["filters"] for layer in answers.layers_of(model, images[:1])]
    for number in (0, 9):
        drawn = ablation.others(FILTERS, widths, [0, number])
        expected = without(classifier(run, 2), drawn)(images)
        np.testing.assert_allclose(found["ablation/random"][number], expected, atol=1e-5)


def test_the_network_is_whole_afterwards(run: Run) -> None:
    """Also after an error in the middle."""
    model, images = classifier(run, 2), torch.rand(2, 1, 16, 16)
    before = model(images)
    names = [layer["name"] for layer in answers.layers_of(model, images)]
    assert not np.allclose(ablation.logits(model, images, FILTERS, names), before, atol=1e-4)
    assert torch.equal(model(images), before)
    with pytest.raises(RuntimeError), answers.following(model, lambda *_: None):
        model(torch.rand(2, 7, 16, 16))
    assert torch.equal(model(images), before)
    assert not any(module._forward_hooks for module in model.modules())


def test_other_filters_are_of_the_same_layers_and_none_of_the_patterns_own() -> None:
    widths = [4, 8, 16, 3]
    own = [*FILTERS[:2], (3, 0), (3, 1)]
    draws = [ablation.others(own, widths, [7, number]) for number in range(200)]
    for drawn in draws:
        assert [layer for layer, _ in drawn] == [1, 1, 3], "where too few are left, those"
        assert not {*own} & {*drawn} and len(set(drawn)) == 3 and drawn[-1] == (3, 2)
    assert {number for drawn in draws for layer, number in drawn if layer == 1} == {0, 1, 2, 4, 6, 7}
    assert draws[3] == ablation.others(own, widths, [7, 3]) and draws[3] != draws[4]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"without": ((9, 0),)}, "no filter 0 in layer 9.*layers up to 3"),
        ({"without": ((1, 8),)}, "filters up to 7"),
        ({"without": ((-1, 0),)}, "layers up to 3"),
        ({"numbers": (0, 18)}, "18 evaluated images"),
        ({"numbers": tuple(range(18)) * 12}, "From 1 to 200"),
    ],
)
def test_what_cannot_be_left_out_is_said(run: Run, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        ablation.answer(run, classifier(run, 2), torch.empty(0), request(run, **changes))


def test_numbers_and_paths_are_those_of_the_images_evaluated_last(tmp_path: Path) -> None:
    objects = connect(str(tmp_path / "store"))
    make(objects, asked(tmp_path, epochs="last"))
    few = tiny.recipe(tmp_path, evaluation__images=2, artifacts__network={**NETWORK, "epochs": "last"})
    make(objects, few)
    run = make(objects, asked(tmp_path, epochs="last", length=3))  # the latest patterns are not of the latest images
    shown = runs.dataset(objects, run.of_kind("evaluation")[0].attributes["dataset"]).read_blocks("pixels")
    assert len(shown) == 6 and np.array_equal(ablation.pixels(run, (5, 0)), shown[[5, 0]])
    with pytest.raises(BadInput, match="6 evaluated images"):
        ablation.pixels(run, (17,))
    assert paths.activations(run, 2).array("strongest").shape[1] == 6


class Scripted(nn.Module):
    """What reads its convolution is TorchScript, which nobody can watch."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.linear = nn.Conv2d(1, 4, 3), nn.Linear(4, 3)
        self.relu = torch.jit.script(nn.Sequential(nn.ReLU()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.linear(self.relu(self.convolution(images)).mean((2, 3)))


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_filters_that_cannot_be_left_out_do_not_seem_to_change_nothing() -> None:
    model, images = Classifier(Scripted(), (0.5,), (0.3,)).eval(), torch.rand(2, 1, 8, 8)
    (layer,) = answers.layers_of(model, images)
    with pytest.raises(BadInput, match=r"layer convolution.*TorchScript"):
        ablation.logits(model, images, ((0, 1),), [layer["name"]])
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.filterwarnings("error")
def test_answers_that_are_infinite_both_ways_are_no_numbers() -> None:
    values = np.array([[np.inf, 1], [-np.inf, 2]], np.float32)
    seen = activations.Seen.nothing(2, 2, 2)
    seen.add(values, np.array([0, 0]), 0)
    assert np.isnan(seen.statistics()["class_mean"]).tolist() == [[True, True], [False, True]]
