"""Placing an image on a stored map: against openTSNE's own transform, brute force, and the places of stored images."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openTSNE import TSNEEmbedding, affinity

from app.probe import Request
from precompute import placing, tsne
from precompute.bench import classifier, to_float
from precompute.edits import edits
from precompute.making import make
from precompute.probe import Shelf, answer
from store import runs
from store.errors import Missing
from store.objects import connect
from store.runs import Run
from tests import tiny

RANDOM = np.random.default_rng(0)
LABELS = np.repeat(np.arange(3), 50)
CLUSTERS = (RANDOM.normal(size=(150, 12)) + 4 * RANDOM.normal(size=(3, 12))[LABELS]).astype(np.float32)
PERPLEXITY = 10


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return tsne.lay_out(tsne.reduced(CLUSTERS, 0), PERPLEXITY, seed=0).points


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("world")
    asked = {"artifacts__embedding": {"perplexities": [5]}, "artifacts__saliency": None}
    return make(connect(str(folder / "store")), tiny.recipe(folder, **asked))


def test_the_nearest_are_those_of_brute_force() -> None:
    new = RANDOM.normal(size=(4, 12)).astype(np.float32) + 100
    every = np.linalg.norm(CLUSTERS[None] + 100 - new[:, None].astype(float), axis=-1)  # (n, N)
    found, distances = placing.nearest(CLUSTERS + 100, new, 9)
    np.testing.assert_array_equal(found, np.argsort(every, 1)[:, :9])
    np.testing.assert_allclose(distances, np.sort(every, 1)[:, :9], rtol=1e-4)


def test_of_so_few_all_are_nearest() -> None:
    found, _ = placing.nearest(CLUSTERS[:5], CLUSTERS[:1], 5)
    assert sorted(found[0]) == [0, 1, 2, 3, 4] and found[0, 0] == 0


def test_the_place_is_where_openTSNEs_transform_ends_up(points: np.ndarray) -> None:
    """At the map's perplexity, with steps enough, and without its approximations."""
    new = CLUSTERS[::25] + 0.5 * RANDOM.normal(size=(6, 12)).astype(np.float32)
    alike = affinity.PerplexityBasedNN(CLUSTERS, perplexity=PERPLEXITY, method="exact")
    theirs = TSNEEmbedding(points.copy(), alike, negative_gradient_method="bh", theta=0.0)
    expected = theirs.transform(new, perplexity=PERPLEXITY, n_iter=2000, learning_rate=1.0)
    expected -= (np.asarray(theirs) - points)[0]  # transform has shifted its map
    found = placing.placed(points, *placing.nearest(CLUSTERS, new, 3 * PERPLEXITY), PERPLEXITY)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_stored_point_lands_near_its_own_dot_and_a_new_one_with_its_class(points: np.ndarray) -> None:
    found = placing.placed(points, *placing.nearest(CLUSTERS, CLUSTERS, 3 * PERPLEXITY), PERPLEXITY)
    moved = np.linalg.norm(found - points, axis=1) / tsne.radius(points)
    assert np.quantile(moved, 0.9) < 0.05
    new = CLUSTERS[[0, 60, 149]] + 0.3
    places = placing.placed(points, *placing.nearest(CLUSTERS, new, 3 * PERPLEXITY), PERPLEXITY)
    closest = np.linalg.norm(points[None] - places[:, None], axis=-1).argmin(1)
    assert LABELS[closest].tolist() == [0, 1, 2]


def request(run: Run, pixels: np.ndarray, **changed: Any) -> Request:
    asked = Request(str(run.objects.local), run.id, run.uuid, 2, pixels.tobytes(), pixels.shape, (), (), "",
                    wants=("place",), perplexity=5)  # fmt: skip
    return replace(asked, **changed)


def test_the_probe_places_an_edited_image_beside_its_original(world: Run) -> None:
    pixels = runs.dataset(world.objects, world.attributes["dataset"]).read_blocks("pixels")
    asked = request(world, pixels[3], edits=edits({"rotation": 90.0}))
    _, arrays = answer(asked.header, pixels[3], Shelf())
    assert arrays["place/point"].shape == (2, 2) and np.isfinite(arrays["place/point"]).all()
    assert arrays["place/neighbours"].shape == arrays["place/distances"].shape == (2, 10)
    assert arrays["place/neighbours"][0, 0] == 3 and arrays["place/distances"][1, 0] > arrays["place/distances"][0, 0]
    (embedding,) = world.of_kind("embedding")
    points = embedding.read("points", 2)
    assert np.linalg.norm(arrays["place/point"][0] - points[3]) < 0.3 * tsne.radius(points)


def test_the_features_of_stored_images_are_the_stored_ones(world: Run) -> None:
    pixels = runs.dataset(world.objects, world.attributes["dataset"]).read_blocks("pixels")
    images, model = to_float(pixels, "cpu"), classifier(world, 1)  # type: ignore[arg-type]
    arrays = placing.answer(world, model, images, {"epoch": 1, "perplexity": 5})
    assert arrays["neighbours"][:, 0].tolist() == list(range(18))
    assert (arrays["distances"][:, 0] < 0.01 * arrays["distances"][:, 1]).all(), "but for float16"
    (features,) = world.of_kind("features")
    assert (arrays["neighbours"][:, 1:4] == features.read("neighbours", 1)[:, :3]).mean() > 0.9, "but for ties"
    again = placing.answer(world, model, images, {"epoch": 1, "perplexity": 5})
    np.testing.assert_array_equal(arrays["point"], again["point"])


def test_without_a_map_only_the_neighbours_are_told(world: Run) -> None:
    arrays = placing.answer(
        world, classifier(world, 0), to_float(np.zeros((2, 16, 16, 1), np.uint8), "cpu"), {"epoch": 0}
    )  # type: ignore[arg-type]
    assert set(arrays) == {"neighbours", "distances"}


def test_what_is_not_there_is_named(world: Run, tmp_path: Path) -> None:
    images = to_float(np.zeros((2, 16, 16, 1), np.uint8), "cpu")  # type: ignore[arg-type]
    with pytest.raises(Missing, match="perplexity 77"):
        placing.answer(world, classifier(world, 0), images, {"epoch": 0, "perplexity": 77})
    bare = make(connect(str(tmp_path / "store")), tiny.recipe(tmp_path, artifacts__saliency=None))
    with pytest.raises(Missing, match=r"artifacts\.embedding"):
        placing.answer(bare, classifier(bare, 0), images, {"epoch": 0})


def test_of_a_network_that_diverged_nothing_has_a_place(world: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "features", lambda *_: np.full((18, 4), np.nan, np.float32))
    images = to_float(np.zeros((2, 16, 16, 1), np.uint8), "cpu")  # type: ignore[arg-type]
    arrays = placing.answer(world, classifier(world, 0), images, {"epoch": 0, "perplexity": 5})
    assert np.isnan(arrays["point"]).all() and (arrays["neighbours"] == -1).all()
