"""Artifacts: what is stored equals what a slow, separate computation gives; what is added later never trains again."""

from pathlib import Path

import numpy as np
import pytest
import torch

from precompute import artifacts, making, recipe, repairing
from precompute.bench import classifier, open_bench, to_float
from precompute.cases import probabilities, recommended
from precompute.making import make
from precompute.maps import packed
from precompute.material import select
from precompute.saliency import explain
from store import runs
from store.objects import connect
from store.runs import Run
from tests import tiny


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    folder = tmp_path_factory.mktemp("world")
    every = ["cam", "grad-cam", "grad-cam++", "smooth-grad-cam++"]
    asked = tiny.recipe(folder, artifacts__saliency__techniques=every, artifacts__saliency__layers=["features.13"])
    return folder, make(connect(str(folder / "store")), asked)


def test_everything_promised_is_there(world: tuple[Path, Run]) -> None:
    _, run = world
    assert run.missing() == {}
    assert run.verify() == []
    assert run.status().state == "finished"
    assert not run.objects.folders(f"{run.path}/resume")


def test_counts_follow_from_the_stored_logits(world: tuple[Path, Run]) -> None:
    _, run = world
    evaluation, labels = (
        run.of_kind("evaluation")[0],
        runs.dataset(run.objects, run.attributes["dataset"]).read_blocks("label"),
    )
    for epoch in run.attributes["kept"]:
        logits = evaluation.read("logits", epoch).astype(np.float64)
        predicted = logits.argmax(1)
        assert evaluation.read("accuracy", epoch)[1] == pytest.approx((predicted == labels).mean())
        likelihood = probabilities(logits)[np.arange(len(labels)), labels]
        assert evaluation.read("loss", epoch)[1] == pytest.approx(-np.log(likelihood).mean())
        confusion, by_class = evaluation.read("confusion", epoch), evaluation.read("by_class", epoch)
        for c in range(tiny.CLASSES):
            row = [(labels == c) & (predicted == d) for d in range(tiny.CLASSES)]
            assert confusion[c].tolist() == [int(cell.sum()) for cell in row]
            hits, called, real = ((labels == c) & (predicted == c)).sum(), (predicted == c).sum(), (labels == c).sum()
            precision = hits / called if called else np.nan
            f1 = 2 * hits / (called + real)
            np.testing.assert_allclose(by_class[c], [precision, hits / real, f1])


def test_stored_maps_are_those_of_the_stored_weights_for_true_and_predicted_class(world: tuple[Path, Run]) -> None:
    _, run = world
    images = runs.dataset(run.objects, run.attributes["dataset"]).read_blocks("pixels")
    labels = runs.dataset(run.objects, run.attributes["dataset"]).read_blocks("label")
    for artifact in run.of_kind("saliency"):
        facts = artifact.attributes
        for epoch in (0, 2):
            predicted = run.of_kind("evaluation")[0].read("logits", epoch).argmax(1)
            assert artifact.read("explained_class", epoch).tolist() == [labels.tolist(), predicted.tolist()]
            stored = artifact.read("maps", epoch).astype(np.float32) * artifact.read("scale", epoch)[..., None, None]
            for explained, classes in enumerate((labels, predicted)):
                for image in (0, 7):
                    fresh = (
                        explain(
                            classifier(run, epoch),
                            to_float(images[image : image + 1], torch.device("cpu")),
                            torch.tensor([[int(classes[image])]]),
                            layer=facts["layer"],
                            techniques={facts["technique"]: facts["options"]},
                            precision="float32",
                            seed=0,
                        )
                        .maps[facts["technique"]][0, 0]
                        .numpy()
                    )
                    np.testing.assert_allclose(stored[explained, image], fresh, atol=2e-3 * np.abs(fresh).max() + 1e-12)


def test_wrongly_attributed_images_are_explained_for_the_class_they_were_taken_for(world: tuple[Path, Run]) -> None:
    _, run = world
    evaluation = run.of_kind("evaluation")[0]
    last = run.epochs
    labels = runs.dataset(run.objects, run.attributes["dataset"]).read_blocks("label")
    wrong = evaluation.read("logits", last).argmax(1) != labels
    cases = run.of_kind("cases")
    assert bool(wrong.any()) == bool(cases)
    for artifact in cases:
        saliency = next(
            item for item in run.of_kind("saliency") if item.attributes["technique"] == artifact.attributes["technique"]
        )
        for number, (image, chosen) in enumerate(
            zip(artifact.attributes["images"], artifact.attributes["classes"], strict=True)
        ):
            assert evaluation.read("logits", last)[image].argmax() == chosen != labels[image]
            one = artifact.read("maps", last, number).astype(np.float32) * artifact.read("scale", last, number)
            other = saliency.read("maps", last, 1, image).astype(np.float32) * saliency.read("scale", last, 1, image)
            np.testing.assert_allclose(one, other, atol=2e-3 * np.abs(other).max() + 1e-12)


def test_small_gradients_survive_float16() -> None:
    maps = np.linspace(-3e-8, 1e-8, 98, dtype=np.float32).reshape(2, 1, 7, 7)
    values, scale = packed(maps)
    np.testing.assert_allclose(values.astype(np.float32) * scale[..., None, None], maps, atol=3e-8 * 1e-3)
    values, scale = packed(np.zeros((1, 7, 7), np.float32))
    assert not values.any()
    assert not scale.any()


def test_a_technique_added_later_is_computed_from_the_stored_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = connect(str(tmp_path / "store"))
    first = make(objects, tiny.recipe(tmp_path))
    before = {
        stat.path: stat.e_tag
        for stat in objects.under(first.path)
        if not stat.path.endswith(("status.json", "summary.json", f"{first.id}/zarr.json"))
    }
    monkeypatch.setattr("precompute.train.one_epoch", lambda *_: pytest.fail("trained again"))
    second = make(objects, tiny.recipe(tmp_path, artifacts__saliency__techniques=["grad-cam", "cam"]))
    assert second.id == first.id
    assert {item.attributes["technique"] for item in second.of_kind("saliency")} == {"grad-cam", "cam"}
    after = {stat.path: stat.e_tag for stat in objects.under(first.path)}
    assert all(after[path] == e_tag for path, e_tag in before.items())
    assert second.missing() == {}


def test_run_again_nothing_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects, asked = connect(str(tmp_path / "store")), tiny.recipe(tmp_path)
    make(objects, asked)
    monkeypatch.setattr(making, "carry_out", lambda *_: pytest.fail("computed again"))
    monkeypatch.setattr("precompute.train.one_epoch", lambda *_: pytest.fail("trained again"))
    make(objects, asked)


def test_an_option_changed_is_another_artifact_beside_the_first(tmp_path: Path) -> None:
    objects = connect(str(tmp_path / "store"))
    for draws in (1, 2):
        options = {"smooth-grad-cam++": {"draws": draws}}
        run = make(
            objects,
            tiny.recipe(
                tmp_path, artifacts__saliency__techniques=["smooth-grad-cam++"], artifacts__saliency__options=options
            ),
        )
    assert [item.attributes["options"]["draws"] for item in run.of_kind("saliency")] == [2, 1]


def test_where_cam_is_not_defined_the_store_holds_the_reason_and_no_array(tmp_path: Path) -> None:
    run = make(
        connect(str(tmp_path / "store")),
        tiny.recipe(
            tmp_path, model__network="roar-cnn", model__options={}, artifacts__saliency__techniques=["cam", "grad-cam"]
        ),
    )
    by_name = {item.attributes["technique"]: item for item in run.of_kind("saliency")}
    assert "3 linear layers" in by_name["cam"].attributes["obstacle"]
    assert by_name["cam"].attributes["arrays"] == {}
    assert by_name["grad-cam"].marked() == (0, 1, 2)


def test_thinned_runs_hold_artifacts_of_the_kept_epochs_only(tmp_path: Path) -> None:
    run = make(connect(str(tmp_path / "store")), tiny.recipe(tmp_path, training__epochs=5, evaluation__keep=2))
    assert (
        run.artifact("weights").marked()
        == run.of_kind("evaluation")[0].marked()
        == run.of_kind("saliency")[0].marked()
        == (0, 2, 4, 5)
    )
    assert run.artifact("training").marked() == (0, 1, 2, 3, 4, 5)
    assert run.verify() == []


def test_damage_is_removed_and_computed_again_to_the_same_bits(tmp_path: Path) -> None:
    objects, asked = connect(str(tmp_path / "store")), tiny.recipe(tmp_path)
    run = make(objects, asked)
    maps, weights = run.of_kind("saliency")[0], run.artifact("weights")
    kept = {key: objects.get(key) for key in (maps.key("maps", 1), weights.key("float32", 1))}
    for key, data in kept.items():
        objects.put(key, bytes([data[0] ^ 1]) + data[1:])
    damaged = runs.open_run(objects, run.id)
    assert len(damaged.verify()) == 2
    assert len(repairing.remove_damage(damaged)) == 2
    make(objects, recipe.parse(dict(damaged.recipe)))
    assert runs.open_run(objects, run.id).verify() == []
    assert all(objects.get(key) == data for key, data in kept.items())


def test_other_evaluated_images_get_artifacts_and_labels_of_their_own(tmp_path: Path) -> None:
    objects = connect(str(tmp_path / "store"))
    make(objects, tiny.recipe(tmp_path))
    run = make(objects, tiny.recipe(tmp_path, evaluation__images=2))
    newest, first = run.of_kind("evaluation")
    for evaluation, count in ((newest, 6), (first, 18)):
        labels = runs.dataset(objects, evaluation.attributes["dataset"]).read_blocks("label")
        accuracy = (evaluation.read("logits", 2).argmax(1) == labels).mean()
        assert len(labels) == count
        assert evaluation.read("accuracy", 2)[1] == pytest.approx(accuracy)
    assert len({item.attributes["evaluation"] for item in run.of_kind("saliency")}) == 2
    assert run.verify() == []


def test_verify_finds_what_is_gone_altogether(tmp_path: Path) -> None:
    objects = connect(str(tmp_path / "store"))
    run = make(objects, tiny.recipe(tmp_path))
    name = run.of_kind("saliency")[0].path
    objects.delete_each([f"{name}/maps/zarr.json"])
    assert any(f"{name}/maps/zarr.json" in problem for problem in runs.open_run(objects, run.id).verify())
    repairing.remove_damage(runs.open_run(objects, run.id))
    assert make(objects, tiny.recipe(tmp_path)).verify() == []
    objects.delete(name)
    objects.delete_each([f"{run.path}/summary.json"])
    assert any("not finished" in problem for problem in runs.open_run(objects, run.id).verify())


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"arrays": {}}', b"\xff"])
def test_a_damaged_mark_counts_as_not_finished_and_is_mended(damage: bytes, tmp_path: Path) -> None:
    objects = connect(str(tmp_path / "store"))
    run = make(objects, tiny.recipe(tmp_path))
    mark = run.of_kind("evaluation")[0].mark_key(1)
    objects.put(mark, damage)
    objects.put(f"{run.path}/summary.json", b"")
    objects.put(f"{run.path}/status.json", b"")
    damaged = runs.open_run(objects, run.id)
    assert damaged.status().state == "unknown"
    assert any("lacks 1" in problem for problem in damaged.verify())
    assert any(mark in line for line in repairing.remove_damage(damaged))
    assert make(objects, tiny.recipe(tmp_path)).verify() == []


def test_n_images_of_each_class_are_selected_in_their_own_order() -> None:
    labels = np.array([2, 0, 1, 0, 2, 2, 0])
    assert select(labels, "all").tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert select(labels, 2).tolist() == [0, 1, 2, 3, 4]
    assert select(labels, 1).tolist() == [0, 1, 2]


def test_recommended_cases_are_most_confident_first_without_repeats() -> None:
    logits = np.array([[4, 0, 0], [5, 0, 0], [6, 0, 0], [0, 3, 0], [4, 0, 0]], np.float32)
    cases = recommended(logits, np.array([0, 0, 1, 0, 0]), 0)
    assert cases.correct.tolist() == [1, 0, 4]  # equal confidence keeps the order of the images
    assert cases.taken_for_it.tolist() == [2]
    assert cases.missed.tolist() == [3]
    assert recommended(logits, np.array([0, 0, 1, 0, 0]), 2).correct.size == 0


def test_what_takes_long_waits_for_all_the_rest(world: tuple[Path, Run]) -> None:
    folder, run = world
    asked = tiny.recipe(
        folder, artifacts__saliency__layers=["features.13"], artifacts__embedding={"perplexities": (2,)}
    )
    order = [task.kind for task in artifacts.tasks(open_bench(run.objects, asked))]
    assert set(order) == {"features", "embedding"}
    assert order == sorted(order, key=lambda kind: artifacts.KINDS[kind].late)
