"""Curves along each change: the identity is the clean score, an image's curve is the live one, and a slow sum agrees."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from precompute import simulation
from precompute.bench import classifier, open_bench, to_float
from precompute.cases import probabilities
from precompute.catalogue import CHANGES, TRANSFORMS
from precompute.editing import Subject
from precompute.edits import edits
from precompute.making import make
from precompute.simulation import by_class, ranks
from store.objects import connect
from store.runs import Run, dataset
from store.schema import QUANTILES
from store.shards import Artifact
from tests import tiny

EPOCHS = (0, 1, 2)
EVERY = {"epochs": "kept", "changes": list(CHANGES)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("simulation")


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    """Colours, three epochs, all changes, all images."""
    asked = tiny.colour_recipe(
        folder, training__epochs=2, artifacts__saliency=None, artifacts__simulation=EVERY, training__precision="float32"
    )
    return make(connect(str(folder)), asked)


@pytest.fixture(scope="module")
def curves(run: Run) -> Mapping[str, Artifact]:
    return {item.attributes["change"]: item for item in run.of_kind("simulation")}


def labels(run: Run) -> np.ndarray:
    return dataset(run.objects, run.attributes["dataset"]).read_blocks("label")


def at_identity(artifact: Artifact) -> int:
    return artifact.attributes["points"].index(artifact.attributes["identity"])


def test_every_change_has_its_curve_at_every_epoch_asked_for(curves: Mapping[str, Artifact]) -> None:
    assert set(curves) == set(CHANGES)
    for name, artifact in curves.items():
        assert artifact.marked() == EPOCHS
        assert tuple(artifact.attributes["points"]) == CHANGES[name].points()


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("epoch", EPOCHS)
def test_the_identity_gives_the_stored_scores_exactly(
    run: Run, curves: Mapping[str, Artifact], name: str, epoch: int
) -> None:
    """Of all images and on one machine: the batches are those of the evaluation."""
    logits, true, artifact = run.of_kind("evaluation")[0].read("logits", epoch), labels(run), curves[name]
    here = at_identity(artifact)
    clean = probabilities(logits)
    expected = clean[np.arange(len(true)), true].astype(np.float32)
    np.testing.assert_array_equal(artifact.read("chance", epoch)[:, here], expected)
    np.testing.assert_array_equal(artifact.read("predicted", epoch)[:, here], logits.argmax(1))
    means = np.stack([clean.mean(0), [expected[true == number].mean() for number in range(3)]])
    stored = [artifact.read(key, epoch)[:, here] for key in ("mean_of_all", "mean")]
    np.testing.assert_allclose(np.stack(stored), means, atol=1e-6)


@pytest.mark.parametrize("epoch", EPOCHS)
def test_an_images_curve_is_the_live_one(run: Run, curves: Mapping[str, Artifact], epoch: int) -> None:
    """By the probe's own path, at every point, of every checkpoint, and for several images."""
    pixels, true, model = dataset(run.objects, run.attributes["dataset"]), labels(run), classifier(run, epoch)
    for name in curves:
        follow(pixels, true, model, curves[name], name, epoch)


def follow(pixels: Artifact, true: np.ndarray, model: nn.Module, artifact: Artifact, name: str, epoch: int) -> None:
    stored = artifact.read("chance", epoch)  # (image, point)
    for image in (0, 7, 17):
        shown = to_float(pixels.read_blocks("pixels", [image]), torch.device("cpu"))
        live = Subject(model, shown, edits({}, attacked=int(true[image]))).along(name, CHANGES[name].points())
        chance = probabilities(live.numpy())[:, true[image]]
        np.testing.assert_allclose(stored[image], chance, atol=1e-5)


def test_an_image_at_one_setting_is_the_live_one(run: Run, curves: Mapping[str, Artifact]) -> None:
    pixels, true = dataset(run.objects, run.attributes["dataset"]), labels(run)
    image = to_float(pixels.read_blocks("pixels", [3]), torch.device("cpu"))
    for name, artifact in curves.items():
        place = len(artifact.attributes["points"]) * 3 // 4
        made = edits({name: artifact.attributes["points"][place]}, attacked=int(true[3]))
        subject = Subject(classifier(run, 2), image, made)
        chance = probabilities(subject.logits(subject.images([made.values])[0]).numpy())[0, true[3]]
        assert artifact.read("chance", 2)[3, place] == pytest.approx(chance, abs=1e-5)


# Few images, grey ones


def test_few_images_of_each_class_are_the_first_of_them(tmp_path: Path) -> None:
    asked = tiny.recipe(
        tmp_path, artifacts__saliency=None, artifacts__simulation={"images": 2, "changes": ["rotation", "hue"]}
    )
    run = make(connect(str(tmp_path)), asked)
    by_change = {item.attributes["change"]: item for item in run.of_kind("simulation")}
    rotation, logits = by_change["rotation"], run.of_kind("evaluation")[0].read("logits", 2)
    assert rotation.marked() == (2,) and rotation.attributes["counts"] == [2, 2, 2]
    used = rotation.read("number", 2)
    assert used.tolist() == [0, 1, 2, 3, 4, 5]  # classes take turns
    true = labels(run)[used]
    clean = probabilities(logits)[used, true]
    np.testing.assert_allclose(rotation.read("chance", 2)[:, at_identity(rotation)], clean, atol=1e-6)
    assert by_change["hue"].attributes["arrays"] == {} and "grey" in by_change["hue"].attributes["obstacle"]
    assert run.status().of == run.status().done and run.verify() == []


def test_another_option_is_another_artifact_and_the_rest_is_kept(tmp_path: Path) -> None:
    for images in (1, 2):
        asked = tiny.recipe(
            tmp_path, artifacts__saliency=None, artifacts__simulation={"images": images, "changes": ["blur"]}
        )
        run = make(connect(str(tmp_path)), asked)
    assert [item.attributes["images"] for item in run.of_kind("simulation")] == [2, 1]


# Sums


def test_the_sums_are_what_a_slow_loop_gives(run: Run, curves: Mapping[str, Artifact]) -> None:
    artifact, true = curves["noise"], labels(run)
    chance = artifact.read("chance", 2)
    for number in range(3):
        for point in range(chance.shape[1]):
            own = sorted(float(chance[image, point]) for image in range(len(true)) if true[image] == number)
            assert artifact.read("mean", 2)[number, point] == pytest.approx(math.fsum(own) / len(own), abs=1e-6)
            for place, share in enumerate(QUANTILES):
                at = share * (len(own) - 1)
                low, part = int(at), at - int(at)
                expected = own[low] + part * (own[min(low + 1, len(own) - 1)] - own[low])
                assert artifact.read("quantiles", 2)[number, place, point] == pytest.approx(expected, abs=1e-6)


def test_a_class_without_images_has_no_curve() -> None:
    mean, quantiles = by_class(np.array([[0.2], [0.4]], np.float32), np.array([2, 2]), 3)
    assert np.isnan(mean[:2]).all() and np.isnan(quantiles[:2]).all()
    assert mean[2, 0] == pytest.approx(0.3)


def test_ranks_count_ties_against_the_true_class() -> None:
    logits = np.array([[3.0, 1, 2], [3, 3, 2], [1, 1, 1], [0, 2, 1], [np.nan, 0, 1]])
    assert ranks(logits, np.array([0, 0, 1, 0, 1])).tolist() == [1, 2, 3, 3, 3]
    slow = [
        [1 + sum(other >= row[at] for place, other in enumerate(row) if place != at) for at in range(3)]
        for row in logits[:4]
    ]
    assert [[int(ranks(row[None], np.array([at]))[0]) for at in range(3)] for row in logits[:4]] == slow


# Planted


class Bright(nn.Module):
    """Tells two of three classes, dark and bright, by nothing but the mean of all values."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean = images.mean((1, 2, 3))
        return torch.stack([0.15 - mean, mean - 0.15, 0 * mean - 1000], 1) * 20


def test_a_network_that_reads_brightness_alone_shows_it(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tiny.colour_recipe(folder, training__epochs=2, artifacts__saliency=None, artifacts__simulation=EVERY,
                               training__precision="float32")  # fmt: skip
    bench = open_bench(connect(str(folder)), asked)
    monkeypatch.setattr(type(bench), "classifier", lambda self, epoch: Bright())
    bright = replace(bench.data, test=replace(bench.data.test, labels=np.ones_like(bench.data.test.labels)))
    planted = replace(bench, data=bright)
    images = bench.data.test.read(bench.evaluated) / 255
    for name in ("brightness", "rotation", "flip_vertical", "hue"):
        seen = simulation.looks(planted, 2, name, np.arange(len(bench.evaluated)))
        if name == "brightness":
            points = np.array(CHANGES[name].points())
            mean = np.clip(images[None] * points[:, None, None, None, None], 0, 1).mean((2, 3, 4)).T  # (image, point)
            np.testing.assert_allclose(seen.chance, 1 / (1 + np.exp(-40 * (mean - 0.15))), atol=1e-4)
            np.testing.assert_array_equal(seen.rank, np.where(mean > 0.15, 1, 2))
            assert (np.diff(seen.chance, axis=1) >= 0).all() and np.ptp(seen.chance) > 0.5
        elif name == "flip_vertical":
            np.testing.assert_allclose(seen.chance, seen.chance[:, :1].repeat(2, 1), atol=1e-6)
        else:
            assert np.ptp(seen.chance, axis=1).max() < 0.5


# Factors


def test_the_training_images_are_counted_by_what_the_change_changes(run: Run, curves: Mapping[str, Artifact]) -> None:
    for name, artifact in curves.items():
        if name not in simulation.FACTORS:
            assert "training" not in artifact.attributes["arrays"] and np.isnan(artifact.read("level", 2)).all()
            continue
        assert artifact.read("training", 2).sum(1).tolist() == [32, 32, 32]
        assert artifact.attributes["trained"] == 96
    level = curves["brightness"].read("level", 2)  # (class, point)
    here = at_identity(curves["brightness"])
    np.testing.assert_allclose(level[:, here // 2], level[:, here] / 2, atol=1e-5)
    hues = curves["hue"].read("training", 2)[:, :-1].argmax(1) * 15  # bars of red, green and blue
    assert [
        min(abs(low - true), abs(low + 360 - true)) <= 15 for low, true in zip(hues, (0, 120, 240), strict=True)
    ] == [True] * 3


def test_all_transforms_are_simulated_unless_a_recipe_says_otherwise(tmp_path: Path) -> None:
    assert tiny.recipe(tmp_path, artifacts__simulation={}).artifacts.simulation.changes == tuple(TRANSFORMS)  # type: ignore[union-attr]


@pytest.mark.parametrize(("name", "channels", "words"), [("brightness", 4, "4 channels"), ("hue", 2, "2 channels"),
                                                         ("rotation", 4, ""), ("hue", 3, ""), ("hue", 1, "grey")])  # fmt: skip
def test_what_is_no_colour_image_has_no_brightness(name: str, channels: int, words: str) -> None:
    bench = SimpleNamespace(labels=np.array([0, 1]), run_channels=channels)
    reason = simulation.obstacle(bench, name)  # type: ignore[arg-type]
    assert words in reason and bool(words) == bool(reason)
