"""Thinning: weights that are not needed any more go, everything computed from them stays, nothing is made again."""

from pathlib import Path

import numpy as np
import pytest

from precompute.bench import classifier
from precompute.making import make
from precompute.recipe import Recipe
from store import runs, thinning
from store.errors import BadInput, Missing
from store.objects import Objects, connect
from store.runs import Run
from store.shards import Artifact
from tests import tiny


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return tiny.recipe(tmp_path, training__epochs=4)


@pytest.fixture
def run(tmp_path: Path, recipe: Recipe) -> Run:
    return make(connect(str(tmp_path / "store")), recipe)


def again(run: Run) -> Run:
    return runs.open_run(run.objects, run.id)


def test_what_it_costs_is_what_it_frees(run: Run) -> None:
    cost = thinning.cost(run, keep=[2])
    before = sum(stat.size for stat in run.objects.under(f"{run.path}/weights") if "/c/" in stat.path)
    assert cost.epochs == (1, 3)
    assert thinning.thin(run, keep=[2]) == cost.bytes
    after = sum(stat.size for stat in run.objects.under(f"{run.path}/weights") if "/c/" in stat.path)
    assert before - after == cost.bytes > 0
    assert thinning.thin(again(run), keep=[2]) == 0


def test_first_and_last_always_stay_and_the_run_is_whole(run: Run) -> None:
    thinning.thin(run, keep=[])
    thinned = again(run)
    assert thinned.artifact("weights").marked() == (0, 4)
    assert thinned.verify() == [] and thinned.read_json("summary.json")
    assert thinned.of_kind("evaluation")[0].marked() == (0, 1, 2, 3, 4)


def test_making_it_again_trains_nothing_and_adds_what_the_weights_allow(run: Run, recipe: Recipe) -> None:
    thinning.thin(run, keep=[2])
    more = recipe.model_dump(mode="json")
    more["artifacts"]["saliency"]["techniques"] = ["grad-cam", "grad-cam++"]
    made = make(run.objects, Recipe.model_validate(more))
    techniques = {item.attributes["technique"]: item.marked() for item in made.of_kind("saliency")}
    assert techniques == {"grad-cam": (0, 1, 2, 3, 4), "grad-cam++": (0, 2, 4)}
    assert made.status().state == "finished" and again(run).verify() == []


def test_a_network_that_is_gone_is_said_to_be_gone(run: Run, tmp_path: Path) -> None:
    viewer = again(run)
    assert classifier(viewer, 1)
    before = viewer.artifact("weights").marked()
    thinning.thin(run, keep=[2])
    with pytest.raises(Missing, match="were deleted to save space"):
        classifier(again(run), 1)
    with pytest.raises(Missing, match="deleted since this page was opened"):  # by who had it open before
        classifier(viewer, 3)
    assert before == (0, 1, 2, 3, 4)


def test_an_interrupted_thinning_can_be_repeated(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, name in ((Artifact, "discard"), (Run, "summarise")):
        monkeypatch.setattr(kind, name, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            thinning.thin(again(run), keep=[2])
        monkeypatch.undo()
        again(run).summarise()
        assert again(run).summarised()
    thinning.thin(again(run), keep=[2])
    assert again(run).verify() == []


def test_a_run_under_way_keeps_its_weights(tmp_path: Path, recipe: Recipe) -> None:
    from precompute.bench import open_bench
    from precompute.making import steps

    objects: Objects = connect(str(tmp_path / "half"))
    bench = open_bench(objects, recipe)
    making = steps(bench)
    for _ in range(5):
        next(making)
    with pytest.raises(BadInput, match="not trained to its end"):
        thinning.thin(again(bench.run), keep=[])
    making.close()  # type: ignore[attr-defined]
    assert not np.array_equal(bench.run.artifact("weights").marked(), ())


def test_weights_that_something_is_still_computed_from_stay(run: Run, recipe: Recipe) -> None:
    from precompute.bench import open_bench
    from precompute.making import steps

    more = recipe.model_dump(mode="json")
    more["artifacts"]["saliency"]["techniques"] = ["grad-cam", "grad-cam++"]
    making = steps(open_bench(run.objects, Recipe.model_validate(more)))
    next(making)
    with pytest.raises(BadInput, match=r"lacks (attention|saliency)-grad-campp"):
        thinning.thin(again(run), keep=[])
    for _ in making:
        pass
    assert again(run).verify() == [] and again(run).status().state == "finished"
