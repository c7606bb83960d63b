"""Thumbnails: the training images, all of them also where a run leaves some out, small, and once for all runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from precompute import thumbnails
from precompute.bench import open_bench
from precompute.making import make
from store import runs
from store.objects import connect
from tests import tiny


def test_they_are_the_training_images_with_those_left_out(tmp_path: Path) -> None:
    objects, recipe = connect(str(tmp_path / "store")), tiny.recipe(tmp_path, training__leave_out=[1, 5])
    run = make(objects, recipe)
    found = runs.dataset(objects, run.attributes["training_images"])
    with np.load(tmp_path / "squares.npz") as arrays:
        np.testing.assert_array_equal(found.read_blocks("pixels")[..., 0], arrays["train_x"])
        np.testing.assert_array_equal(found.read_blocks("label"), arrays["train_y"])
    np.testing.assert_array_equal(found.read_blocks("source"), np.arange(48))
    assert run.verify() == []


def test_two_runs_on_the_same_data_share_them_and_the_last_one_takes_them_along(tmp_path: Path) -> None:
    objects = connect(str(tmp_path / "store"))
    one, two = (make(objects, tiny.recipe(tmp_path, training__seed=seed, training__epochs=1)) for seed in (0, 1))
    name = one.attributes["training_images"]
    assert two.attributes["training_images"] == name
    runs.delete_run(objects, one.id)
    assert objects.stat(f"datasets/{name}/zarr.json")
    runs.delete_run(objects, two.id)
    assert not list(objects.under("datasets"))


def test_damage_is_found_and_mended(tmp_path: Path) -> None:
    from precompute.repairing import remove_damage

    objects, recipe = connect(str(tmp_path / "store")), tiny.recipe(tmp_path, training__epochs=1)
    run = make(objects, recipe)
    shard = f"datasets/{run.attributes['training_images']}/pixels/c/0/0/0/0"
    objects.put(shard, b"noise")
    assert any(shard in line for line in runs.open_run(objects, run.id).verify())
    remove_damage(runs.open_run(objects, run.id))
    assert make(objects, recipe).verify() == []


def test_of_very_many_images_some_are_kept_spread_evenly() -> None:
    np.testing.assert_array_equal(thumbnails.kept(10), np.arange(10))
    many = thumbnails.kept(1_000_000)
    assert len(many) == len(set(many)) == thumbnails.MOST and many[0] == 0 and many[-1] == 999_999
    assert set(np.diff(many)) <= {19, 20, 21}


def test_large_images_become_small_and_keep_their_mean() -> None:
    image = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    small = thumbnails.shrunk(image, 64)
    assert small.shape == (64, 64, 3) and abs(float(small.mean()) - float(image.mean())) < 1


def test_a_run_from_before_there_were_thumbnails_needs_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = open_bench(connect(str(tmp_path / "store")), tiny.recipe(tmp_path))
    attributes = {key: value for key, value in bench.run.attributes.items() if key != "training_images"}
    assert thumbnails.pending(bench) == [0]
    assert thumbnails.pending(replace(bench, run=replace(bench.run, attributes=attributes), beside={})) == []
