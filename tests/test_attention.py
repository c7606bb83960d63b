"""Attention in numbers as an artifact: shares and likenesses are those of the stored maps, whatever computed them."""

from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from scipy.stats import spearmanr

from precompute import attention
from precompute.artifacts import tasks
from precompute.attention import compared
from precompute.bench import open_bench
from precompute.making import make
from precompute.photographs import PARTS
from precompute.recipe import Recipe, parse
from store.errors import BadInput
from store.objects import connect
from store.runs import Run
from store.schema import CONTROLS
from store.shards import Artifact
from tests import tiny
from tests.made_birds import BOX, SIDE, made_birds
from tests.test_regions import slowly

EPOCHS = 3
CORNER = (0.0, 0.0, 0.25, 0.5)
AREA = (BOX[2] - BOX[0]) * (BOX[3] - BOX[1])


def recipe(folder: Path, **changes: object) -> Recipe:
    fields = {
        "data": {"set": "tests.made_birds:made_birds"},
        "training__epochs": EPOCHS,
        "artifacts__saliency__techniques": ["cam", "grad-cam", "gradient-x-input"],
        "artifacts__attention": {"regions": {"corner": list(CORNER)}},
    }
    return parse(tiny.fields(folder, **{**fields, **changes}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attention")


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return make(connect(str(folder)), recipe(folder))


def of(run: Run, technique: str) -> tuple[Artifact, Artifact]:
    """The artifacts of attention and of saliency."""
    (found,) = [item for item in run.of_kind("attention") if item.attributes["technique"] == technique]
    return found, run.artifact(found.attributes["saliency"])


def test_every_technique_and_epoch_has_its_numbers(run: Run) -> None:
    assert {item.attributes["technique"] for item in run.of_kind("attention")} == {
        "cam",
        "grad-cam",
        "gradient-x-input",
    }
    assert all(item.marked() == (0, 1, 2, 3) for item in run.of_kind("attention")) and run.verify() == []
    regions = of(run, "cam")[0].attributes["regions"]
    assert [item["name"] for item in regions] == ["head", "body", "background", "box", *PARTS, "corner"]


@pytest.mark.parametrize("technique", ["cam", "grad-cam", "gradient-x-input"])
def test_shares_are_those_of_the_stored_maps(run: Run, technique: str) -> None:
    found, saliency = of(run, technique)
    names = [item["name"] for item in found.attributes["regions"]]
    box, corner = np.zeros((2, SIDE, SIDE))
    box[BOX[1] : BOX[3], BOX[0] : BOX[2]] = 1
    corner[:14, :7] = 1
    share, maps = found.read("share", 2), saliency.read("maps", 2)  # (2, N, R), (2, N, h, w)
    for slot, image in ((0, 0), (1, 6)):
        for name, mask in (("box", box), ("background", 1 - box), ("corner", corner)):
            expected = slowly(maps[slot, image].astype(float), mask)
            assert share[slot, image, names.index(name)] == pytest.approx(expected, abs=1e-6)


def test_head_body_and_background_are_the_whole_image(run: Run) -> None:
    """Where there is a box: without a head to be seen there is nothing on it, and all of the box is body."""
    found = of(run, "grad-cam")[0]
    share, area = found.read("share", 3, 0), found.read("control", 3, CONTROLS.index("uniform"))  # (N, R)
    told, headed = np.isfinite(share[:, -1]), np.arange(12) % 4 != 3  # some maps have no positive evidence
    boxed = told & (np.arange(12) % 5 != 4)
    assert (boxed & headed).any() and (boxed & ~headed).any()
    np.testing.assert_allclose(share[boxed, :3].sum(1), 1, rtol=1e-5)
    assert np.isnan(share[~boxed, :3]).all() and (share[boxed & ~headed, 0] == 0).all()
    assert (share[boxed & headed, 0] > 0).all()
    np.testing.assert_array_equal(share[boxed & ~headed, 1], share[boxed & ~headed, 3])
    assert area[boxed, 3] == pytest.approx(AREA / SIDE**2)


def test_discs_are_as_large_as_is_said(run: Run) -> None:
    """A radius of a tenth of the root of the box's area, without a box of the side, about the eye of images 0 and 4."""
    found = of(run, "cam")[0]
    eye = [item["name"] for item in found.attributes["regions"]].index("left eye")
    area = found.read("control", 0, 0)[:, eye] * SIDE**2
    at = np.arange(SIDE) + 0.5
    squares = (at[:, None] - 12) ** 2 + (at - 7.5) ** 2
    assert area[0] == pytest.approx((squares <= 0.01 * AREA).sum(), rel=1e-5)
    assert area[4] == pytest.approx((squares <= 0.01 * SIDE**2).sum(), rel=1e-5) and area[4] > area[0] > 0
    assert np.isnan(area[3]), "not visible"


def test_maps_are_read_and_ranked_a_few_images_at_a_time(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = of(run, "gradient-x-input")
    ranked, sizes = attention.ranks, []
    monkeypatch.setattr(attention, "ranks", lambda maps: sizes.append(maps.size) or ranked(maps))
    monkeypatch.setattr(attention, "MOST_VALUES", 5 * SIDE**2)
    bench = open_bench(run.objects, recipe(folder))
    bench.progress.leads = False  # the run's status stays as it is
    (shard,) = attention.compute(bench, [found], EPOCHS).values()
    assert max(sizes) <= 5 * SIDE**2
    for name, values in shard.items():
        np.testing.assert_array_equal(values[0], found.read(name, EPOCHS))


def test_likeness_is_spearmans_with_the_first_trained_the_one_before_and_at_last_all(run: Run) -> None:
    found, saliency = of(run, "cam")
    assert [compared((0, 1, 2, 3), epoch) for epoch in range(4)] == [[], [0], [1], [0, 1, 2]]
    assert compared((0, 2, 4, 6, 7), 6) == [2, 4]
    for epoch, earlier in ((1, 0), (3, 0), (3, 2)):
        maps = saliency.read("maps", [earlier, epoch], 0, 5).astype(float)
        expected = spearmanr(maps[0].ravel(), maps[1].ravel()).statistic
        assert found.read("likeness", epoch, earlier, 5) == pytest.approx(expected, abs=1e-3)
    assert np.isnan(found.read("likeness", 2, 0)).all() and np.isnan(found.read("likeness", 2, 3)).all()
    assert (found.read("likeness", 3, 3) == 1).all()


def test_other_options_make_another_artifact_and_no_other_training(run: Run, folder: Path, tmp_path: Path) -> None:
    copytree(folder, tmp_path / "store")  # the others look at the run as it is, in whatever order they come
    again = make(connect(str(tmp_path / "store")), recipe(folder, artifacts__attention={"radius": 0.3}))
    assert again.id == run.id and len(again.of_kind("attention")) == 6 and len(again.of_kind("saliency")) == 3


def test_numbers_wait_for_the_maps_they_compare(folder: Path, tmp_path: Path) -> None:
    """Another process may still be at the maps of an earlier epoch."""
    made = make(connect(str(tmp_path)), recipe(folder, training__seed=1, artifacts__attention=None))
    assert made.of_kind("attention") == []
    for item in made.of_kind("saliency"):
        item.discard(1)
    bench = open_bench(connect(str(tmp_path)), recipe(folder, training__seed=1))
    ready = {task.epoch: task.ready() for task in tasks(bench) if task.kind == "attention"}
    assert ready == {0: True, 1: False, 2: False, 3: False}


def test_data_without_boxes_have_likenesses_alone(folder: Path, tmp_path: Path) -> None:
    changes = {"artifacts__saliency__techniques": ["grad-cam"], "artifacts__attention": {}, "training__epochs": 1}
    made = make(connect(str(tmp_path)), tiny.recipe(tmp_path, **changes))
    (found,) = made.of_kind("attention")
    assert set(found.attributes["arrays"]) == {"likeness"} and found.attributes["regions"] == []
    assert np.isfinite(found.read("likeness", 1, 1)).all() and made.verify() == []


def test_boxes_without_parts_have_box_and_background(folder: Path) -> None:
    changes = {"data": {"set": "tests.made_birds:made_birds", "options": {"parts": False}}}
    bench = open_bench(connect(str(folder / "other")), recipe(folder, **changes))
    found = attention.regions(bench, bench.recipe.artifacts.attention)  # type: ignore[arg-type]
    assert [item.name for item in found] == ["background", "box", "corner"]


@pytest.mark.parametrize("corners", [[0.5, 0, 0.5, 1], [0, 0, 1.5, 1], [0.2, 0.1]])
def test_a_region_that_is_none_is_refused(folder: Path, corners: list[float]) -> None:
    with pytest.raises(BadInput, match=r"artifacts\.attention"):
        recipe(folder, artifacts__attention={"regions": {"corner": corners}})


def test_the_made_birds_are_what_they_say() -> None:
    data = made_birds()
    assert data.test.boxes is not None and data.test.parts is not None and data.test.parts.shape == (12, 15, 2)
