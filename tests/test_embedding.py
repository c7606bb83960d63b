"""Features, their neighbours and their maps: against brute force, closed forms and scikit-learn; and the same again."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.manifold import trustworthiness
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from precompute import embedding, making, tsne
from precompute.bench import Bench, classifier, to_float
from precompute.making import make
from store import runs
from store.errors import BadInput
from store.objects import connect
from store.runs import Run
from tests import tiny

RANDOM = np.random.default_rng(0)
LABELS = np.repeat(np.arange(3), 40)
CLUSTERS = (RANDOM.normal(size=(120, 12)) + 4 * RANDOM.normal(size=(3, 12))[LABELS]).astype(np.float32)


def asked(folder: Path, **changes: object) -> dict[str, object]:
    return {"artifacts__embedding": {"perplexities": [3, 5, 30]}, **changes}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    folder = tmp_path_factory.mktemp("world")
    return folder, make(connect(str(folder / "store")), tiny.recipe(folder, **asked(folder)))


# The science


def test_neighbours_are_those_of_brute_force() -> None:
    found, distances = tsne.neighbours(CLUSTERS, 7)
    every = np.linalg.norm(CLUSTERS[:, None].astype(float) - CLUSTERS[None], axis=-1)  # (n, n)
    np.fill_diagonal(every, np.inf)
    np.testing.assert_array_equal(found, np.argsort(every, 1)[:, :7])
    np.testing.assert_allclose(distances, np.sort(every, 1)[:, :7], rtol=1e-5)


def test_equal_points_are_neighbours_of_each_other_and_not_of_themselves() -> None:
    found, distances = tsne.neighbours(np.ones((6, 3), np.float32), 3)
    assert not (found == np.arange(6)[:, None]).any() and (distances == 0).all()


@pytest.mark.parametrize("count", [120, 40])
def test_trustworthiness_is_scikit_learns(count: int) -> None:
    points = RANDOM.normal(size=(count, 2))
    nearest = min(15, (count - 1) // 2)
    expected = trustworthiness(CLUSTERS[:count], points, n_neighbors=nearest)
    assert tsne.trustworthiness(CLUSTERS[:count], points) == pytest.approx(expected, abs=1e-9)
    assert tsne.trustworthiness(CLUSTERS[:count], CLUSTERS[:count]) == 1


def test_of_many_points_a_part_tells_the_trustworthiness(monkeypatch: pytest.MonkeyPatch) -> None:
    points = tsne.reduced(CLUSTERS, 0)[:, :2]
    whole = tsne.trustworthiness(CLUSTERS, points)
    monkeypatch.setattr(tsne, "TRUSTED_ROWS", 60)
    assert tsne.trustworthiness(CLUSTERS, points) == pytest.approx(whole, abs=0.02)


def test_a_turned_mirrored_larger_map_has_not_moved() -> None:
    before, angle = RANDOM.normal(size=(50, 2)), 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    other = 3 * before @ turn * [1, -1] + 5
    assert tsne.move(before, other) == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(tsne.aligned(other, before) / 3, before - before.mean(0), atol=1e-9)


def test_a_move_is_measured_in_radii_of_the_map() -> None:
    cross = np.array([[10, 0], [-10, 0], [0, 10], [0, -10], [2, 0], [-2, 0]], float)
    wider = cross * np.array([1, 1, 1, 1, 2.5, 2.5])[:, None]
    assert tsne.move(cross, wider) == pytest.approx(2 * 0.3 / 6)


def test_the_map_brings_classes_together_that_a_random_one_does_not() -> None:
    found = tsne.lay_out(tsne.reduced(CLUSTERS, 0), 10, seed=0)
    assert np.isnan(found.move)

    def recognised(points: np.ndarray) -> float:
        return KNeighborsClassifier(5).fit(points[::2], LABELS[::2]).score(points[1::2], LABELS[1::2])

    assert recognised(RANDOM.normal(size=(120, 2))) < 0.6
    assert recognised(found.points) > 0.95


def test_the_divergence_is_that_of_the_definition() -> None:
    """Over all pairs, of affinities found by bisection: what trees and nearest neighbours only approximate."""
    points = tsne.reduced(CLUSTERS, 0)
    found = tsne.lay_out(points, 10, seed=0)
    near = np.linalg.norm(points[:, None] - points[None], axis=-1) ** 2
    likely = np.stack([perplexed(np.delete(row, at), 10, at) for at, row in enumerate(near)])
    joint = (likely + likely.T) / (2 * len(points))
    close = 1 / (1 + np.linalg.norm(found.points[:, None] - found.points[None], axis=-1) ** 2)
    np.fill_diagonal(close, 0)
    held = joint > 0
    exact = (joint[held] * np.log(joint[held] / (close / close.sum())[held])).sum()
    assert found.divergence == pytest.approx(exact, abs=0.01)


def perplexed(squares: np.ndarray, perplexity: float, at: int) -> np.ndarray:
    """Gaussian probabilities of the other points, of this perplexity, with 0 put in at the point itself."""
    low, high = 0.0, 1e6
    for _ in range(200):
        precision = (low + high) / 2
        share = np.exp(-precision * (squares - squares.min()))
        share /= share.sum()
        entropy = -(share[share > 0] * np.log(share[share > 0])).sum()
        low, high = (precision, high) if np.exp(entropy) > perplexity else (low, precision)
    return np.insert(share, at, 0)


@pytest.mark.parametrize("changed", [0.1, 3.0])
def test_a_map_goes_on_from_the_one_before_and_moves_little(changed: float) -> None:
    """Even where nothing of the features stays."""
    before = tsne.lay_out(tsne.reduced(CLUSTERS, 0), 10, seed=0).points.astype(np.float32)
    later = CLUSTERS[RANDOM.permutation(120)] if changed > 1 else CLUSTERS
    later = later + changed * RANDOM.normal(size=CLUSTERS.shape).astype(np.float32)
    found = tsne.lay_out(tsne.reduced(later, 0), 10, seed=0, before=before)
    assert 0 < found.move <= tsne.FURTHEST
    assert found.move == pytest.approx(tsne.move(before, found.points))
    np.testing.assert_allclose(found.points.mean(0), 0, atol=1e-6)
    again = tsne.lay_out(tsne.reduced(later, 0), 10, seed=0, before=before)
    np.testing.assert_array_equal(found.points, again.points)


def of_other_features() -> tuple[np.ndarray, np.ndarray, tsne.Layout, tsne.Layout]:
    """Features of which none stays, the map of those before, and of these a map by itself and one that goes on."""
    other = CLUSTERS[np.random.default_rng(3).permutation(120)]
    before = tsne.lay_out(tsne.reduced(CLUSTERS, 0), 20, seed=0).points
    reduced = tsne.reduced(other, 0)
    return other, before, tsne.lay_out(reduced, 20, seed=0), tsne.lay_out(reduced, 20, seed=0, before=before)


def test_a_map_stopped_short_is_no_worse_than_half_way() -> None:
    """Not left where exaggeration has just pressed its groups together: less divergent than the map it came from."""
    other, before, free, held = of_other_features()
    assert tsne.move(before, free.points) > tsne.FURTHEST >= held.move > 0.5 * tsne.FURTHEST
    later = tsne.lay_out(tsne.reduced(other, 0), 20, seed=0, before=held.points)
    assert free.divergence < held.divergence and later.divergence < held.divergence
    assert tsne.trustworthiness(other, held.points) > tsne.trustworthiness(other, before) + 0.1


def test_a_map_of_several_epochs_later_may_move_as_often_and_is_held_back_by_none() -> None:
    """As of an untrained network, and the next whose weights are kept: held at a third of the way, it would show neither."""
    other, before, anew, held = of_other_features()
    found = tsne.lay_out(tsne.reduced(other, 0), 20, seed=0, before=before, epochs=6)
    assert held.move <= tsne.FURTHEST < found.move <= 6 * tsne.FURTHEST
    assert found.divergence <= anew.divergence < held.divergence
    assert tsne.trustworthiness(other, found.points) >= tsne.trustworthiness(other, anew.points) - 0.01
    assert found.move == pytest.approx(tsne.move(before, found.points))
    twice = tsne.lay_out(tsne.reduced(other, 0), 20, seed=0, before=before, epochs=2)
    assert twice.move <= 2 * tsne.FURTHEST


def test_an_epoch_goes_on_from_the_latest_map_there_is_and_knows_how_long_ago_that_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, lay_out = [], tsne.lay_out
    monkeypatch.setattr(tsne, "lay_out", lambda *of, **how: seen.append((of[1], how["epochs"])) or lay_out(*of, **how))
    changes = asked(tmp_path, training__epochs=5, evaluation__keep=2)
    run = making.make(connect(str(tmp_path / "store")), tiny.recipe(tmp_path, **changes))
    found = next(item for item in run.of_kind("embedding") if item.attributes["perplexity"] == 3)
    assert found.marked() == (0, 2, 4, 5)
    assert [epochs for perplexity, epochs in seen if perplexity == 3] == [1, 2, 2, 1]
    for epoch, earlier in ((2, 0), (4, 2), (5, 4)):
        points, epochs = embedding.before(found, epoch)
        np.testing.assert_array_equal(points, found.read("points", earlier))
        assert epochs == epoch - earlier
        assert found.read("move", epoch) <= epochs * tsne.FURTHEST
    assert embedding.before(found, 0) == (None, 1)


def test_maps_that_an_earlier_version_left_unfinished_go_and_finished_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, objects = tiny.recipe(tmp_path, **asked(tmp_path)), connect(str(tmp_path / "store"))
    monkeypatch.setattr(embedding, "VERSION", 2)
    made = make(objects, recipe)
    old = {
        item.attributes["perplexity"]: item for item in made.of_kind("embedding") if "obstacle" not in item.attributes
    }
    objects.delete_each([f"{old[3].path}/done/{old[3].marked()[-1]}.json", f"{made.path}/summary.json"])
    monkeypatch.setattr(embedding, "VERSION", 3)
    run = make(connect(str(tmp_path / "store")), recipe)
    versions = sorted((item.attributes["perplexity"], item.attributes["version"]) for item in run.of_kind("embedding"))
    assert (3, 2) not in versions and {(3, 3), (5, 2), (5, 3)} <= set(versions)
    assert run.status().state == "finished" and not list(objects.under(old[3].path))


@pytest.mark.parametrize("features", [np.zeros((40, 5), np.float32), np.ones((40, 1), np.float32)])
def test_points_that_are_all_equal_make_a_map_too(features: np.ndarray) -> None:
    """As of a network whose units are dead."""
    found = tsne.lay_out(tsne.reduced(features, 0), 5, seed=0)
    assert np.isfinite(found.points).all() and np.isfinite(found.divergence)


def test_features_survive_being_packed() -> None:
    features = CLUSTERS * np.logspace(-12, 6, 120, dtype=np.float32)[:, None]
    features[3] = 0
    found = embedding.unpacked(*embedding.packed(features))
    np.testing.assert_allclose(found, features, atol=5e-4 * np.abs(features).max(1).max(), rtol=0)
    assert (np.abs(found - features).max(1) <= 5e-4 * np.abs(features).max(1)).all()


def test_the_logits_must_be_those_of_a_linear_layer() -> None:
    logits = torch.ones(2, 3)
    assert embedding.before_last([(torch.zeros(2, 4), logits)], logits).shape == (2, 4)
    for read in ([], [(torch.zeros(2, 4), 2 * logits)]):
        with pytest.raises(BadInput, match="linear layer"):
            embedding.before_last(read, logits)


# Artifacts


def test_stored_features_are_what_the_last_layer_reads(world: tuple[Path, Run]) -> None:
    _, run = world
    (features,) = run.of_kind("features")
    pixels = runs.dataset(run.objects, run.attributes["dataset"]).read_blocks("pixels")
    for epoch in (0, 2):
        network = classifier(run, epoch)
        last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
        stored = embedding.unpacked(features.read("features", epoch), features.read("scale", epoch))
        logits = network(to_float(pixels, torch.device("cpu")))
        np.testing.assert_allclose(last(torch.from_numpy(stored)).detach(), logits, atol=5e-3)
        found, distances = tsne.neighbours(stored, 10)
        np.testing.assert_array_equal(features.read("neighbours", epoch), found)
        np.testing.assert_allclose(features.read("distances", epoch), distances, rtol=1e-6)


def test_each_perplexity_has_its_map_at_every_epoch_or_a_reason(world: tuple[Path, Run]) -> None:
    _, run = world
    maps = {item.attributes["perplexity"]: item for item in run.of_kind("embedding")}
    assert set(maps) == {3, 5, 30}
    assert "there are 18" in maps[30].attributes["obstacle"] and maps[30].promised == ()
    for perplexity in (3, 5):
        assert maps[perplexity].marked() == (0, 1, 2)
        moves = maps[perplexity].read("move", (0, 1, 2))
        assert np.isnan(moves[0]) and (moves[1:] <= tsne.FURTHEST).all()
        points = maps[perplexity].read("points", (0, 1, 2))
        assert moves[2] == pytest.approx(tsne.move(points[1], points[2]), abs=1e-5)
        assert np.isfinite(maps[perplexity].read("divergence", 2))
    assert run.missing() == {} and run.verify() == []
    assert run.status().done == run.status().of


def test_a_map_lost_is_computed_again_to_the_same_bits(tmp_path: Path, world: tuple[Path, Run]) -> None:
    """Also by a process that was killed after it, and without training again."""
    asked_for = tiny.recipe(tmp_path, **asked(tmp_path))
    objects = connect(str(tmp_path / "store"))
    run = make(objects, asked_for)
    one = next(item for item in run.of_kind("embedding") if item.attributes["perplexity"] == 5)
    before = {epoch: objects.get(one.key("points", epoch)) for epoch in (1, 2)}
    other = next(item for item in world[1].of_kind("embedding") if item.attributes["perplexity"] == 5)
    assert before[2] == world[1].objects.get(other.key("points", 2)), "the same in another store"
    for epoch in (1, 2):
        one.discard(epoch)
    runs.open_run(objects, run.id).reopen()
    again = make(objects, asked_for)
    assert {epoch: objects.get(one.key("points", epoch)) for epoch in (1, 2)} == before
    assert again.verify() == []


def test_training_goes_before_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    carry_out = making.carry_out
    monkeypatch.setattr(making, "carry_out", lambda bench, task: (order.append(task.name), carry_out(bench, task)))
    make(connect(str(tmp_path / "store")), tiny.recipe(tmp_path, **asked(tmp_path)))
    first = next(number for number, name in enumerate(order) if name.startswith("embedding"))
    assert all(name.startswith(("embedding", "cases")) or "-2-" in name for name in order[first:])
    assert [name.split("-")[1] for name in order if name.startswith("embedding")] == ["0", "1", "2"]


def test_an_embedding_asked_for_later_trains_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = connect(str(tmp_path / "store"))
    first = make(objects, tiny.recipe(tmp_path))
    assert not first.of_kind("features")
    monkeypatch.setattr("precompute.train.one_epoch", lambda *_: pytest.fail("trained again"))
    second = make(objects, tiny.recipe(tmp_path, **asked(tmp_path)))
    assert second.id == first.id and second.missing() == {} and len(second.of_kind("embedding")) == 3


def test_a_network_that_diverged_has_no_place_on_the_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next epoch's map goes on from the one before."""
    hidden = embedding.hidden

    def broken(bench: Bench, epoch: int, numbers: np.ndarray) -> np.ndarray:
        return hidden(bench, epoch, numbers) * (np.nan if epoch == 1 else 1)

    monkeypatch.setattr(embedding, "hidden", broken)
    run = make(connect(str(tmp_path / "store")), tiny.recipe(tmp_path, **asked(tmp_path)))
    (features,) = run.of_kind("features")
    points = next(item for item in run.of_kind("embedding") if item.promised)
    assert run.missing() == {}
    assert (features.read("neighbours", 1) == -1).all() and np.isnan(features.read("distances", 1)).all()
    for name in ("points", "divergence", "trustworthiness", "move"):
        assert np.isnan(points.read(name, 1)).all()
    assert points.read("move", 2) <= tsne.FURTHEST


def test_a_single_image_has_features_and_no_neighbours(tmp_path: Path) -> None:
    tiny.write_images(tmp_path, test=1)
    run = make(connect(str(tmp_path / "store")), tiny.recipe(tmp_path, artifacts__embedding={}))
    features = run.of_kind("features")[0]
    assert features.read("neighbours", 2).tolist() == [[-1]] and np.isnan(features.read("distances", 2)).all()
    assert not run.verify()
