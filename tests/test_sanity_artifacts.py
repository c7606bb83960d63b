"""Sanity checks as artifacts of a real, tiny run, what the probe answers about a shift, and training on shuffled labels."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from precompute import bench as benches
from precompute import probe
from precompute.artifacts import finished, planned
from precompute.bench import Bench, classifier, open_bench
from precompute.estimate import estimate
from precompute.making import make
from precompute.material import shuffled
from precompute.recipe import Recipe, parse
from precompute.sanity import grid, likeness
from precompute.sanity.shift import Shift, certificate
from precompute.sanity.subjects import Subject
from store.errors import BadInput
from store.objects import connect
from store.runs import Run, dataset
from store.schema import KINDS, ORDERS, SHIFTS
from store.shards import Artifact
from tests import tiny

TECHNIQUES = ("cam", "grad-cam", "gradient-x-input")
ASKED = {"images": 9, "randomised": 6, "stages": 3, "earlier": 3}


def recipe(folder: Path, **changes: object) -> Recipe:
    asked = {
        "artifacts__saliency__techniques": list(TECHNIQUES),
        "artifacts__saliency__layers": ["features.13"],  # the last one: CAM is defined there
        "artifacts__sanity": ASKED,
        "artifacts__attention": None,
    }
    return tiny.recipe(folder, **{**asked, **changes})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sanity")


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return make(connect(str(folder)), recipe(folder))


@pytest.fixture(scope="module")
def found(run: Run) -> Mapping[str, Artifact]:
    return {kind: run.of_kind(kind)[0] for kind in KINDS if kind.startswith("sanity-")}


def names(artifact: Artifact) -> list[str]:
    return [item["name"] for item in artifact.attributes["techniques"]]


def at(artifact: Artifact, name: str, technique: str) -> np.ndarray:
    return artifact.read(name, 2)[names(artifact).index(technique)]


def test_each_check_is_made_of_the_last_epoch_with_every_technique_and_the_controls(
    folder: Path, run: Run, found: Mapping[str, Artifact]
) -> None:
    assert run.missing() == {} and run.verify() == []
    for artifact in found.values():
        assert artifact.marked() == (2,)
        assert names(artifact) == [*TECHNIQUES, "random", "random", "edges"]
        sizes = [(item["height"], item["width"]) for item in artifact.attributes["techniques"]]
        assert sizes[0] == sizes[3] and sizes[2] == sizes[4] == sizes[5] == (tiny.SIDE, tiny.SIDE)
    assert found["sanity-shift"].read("spearman", 2).shape == (6, len(SHIFTS), 9)
    assert found["sanity-randomisation"].read("spearman", 2).shape == (6, len(ORDERS), 3, 3, 6)
    assert found["sanity-stability"].read("spearman", 2).shape == (6, 3, 9)
    bench = open_bench(run.objects, recipe(folder))
    assert planned(bench) == finished(bench)


def test_the_shift_is_certified_and_only_the_technique_that_multiplies_by_the_input_answers(
    run: Run, found: Mapping[str, Artifact]
) -> None:
    artifact = found["sanity-shift"]
    logit, changed = artifact.read("logit", 2), artifact.read("changed", 2)  # (mode, image)
    exact, scalar, noise = range(3)
    assert logit[exact].max() <= 1e-4 and logit[noise].max() <= 1e-4 and not changed[[exact, noise]].any()
    pixels = dataset(run.objects, run.attributes["dataset"]).read_blocks("pixels")[artifact.read("number", 2)]
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    slow, _ = certificate(classifier(run, 2), images, Shift("scalar", -1.0))
    np.testing.assert_allclose(logit[scalar], slow.numpy(), rtol=1e-3, atol=1e-4)
    for name in ("cam", "grad-cam"):
        assert np.nanmin(at(artifact, "spearman", name)[exact]) >= 0.999
    assert np.nanmedian(at(artifact, "spearman", "gradient-x-input")[exact]) < 0.9
    assert np.nanmedian(at(artifact, "largest", "gradient-x-input")[exact]) > 0.1
    assert np.isnan(at(artifact, "ssim", "cam")).all(), "too small"
    assert np.abs(np.nanmedian(at(artifact, "spearman", "random"), -1)).max() < 0.5
    np.testing.assert_allclose(at(artifact, "spearman", "edges")[exact], 1, atol=1e-3)


def test_layers_drawn_anew_leave_the_edge_detector_alone(found: Mapping[str, Artifact]) -> None:
    artifact = found["sanity-randomisation"]
    assert [len(stage) for stage in artifact.attributes["layers"]] == [1, 4, 4]
    assert (at(artifact, "spearman", "edges") == 1).all()
    assert np.nanmedian(at(artifact, "spearman", "gradient-x-input")[0, -1]) < 0.9
    own = artifact.read("spearman", 2)
    first = [0, 1, 2, 5]  # not the random ones, which are drawn again each time
    np.testing.assert_array_equal(own[first, 0, 0], own[first, 1, 0])  # the topmost alone is the topmost alone
    kept = artifact.read("kept", 2)
    assert kept.shape == (2, 3, 3) and ((kept >= 0) & (kept <= 1)).all()


def test_over_epochs_is_what_the_stored_maps_say(run: Run, found: Mapping[str, Artifact]) -> None:
    artifact = found["sanity-stability"]
    assert artifact.read("earlier", 2).tolist() == [1, 0, -1]
    assert np.isnan(at(artifact, "over_epochs", "cam")[2]).all()
    (maps,) = [item for item in run.of_kind("saliency") if item.attributes["technique"] == "cam"]
    numbers, predicted = artifact.read("number", 2), run.of_kind("evaluation")[0].read("logits", 2).argmax(1)
    known = [(place, number) for place, number in enumerate(numbers)
             if maps.read("explained_class", 1)[0, number] == predicted[number]]  # fmt: skip
    assert known
    for place, number in known:
        last, before = maps.read("maps", 2, 1, int(number)), maps.read("maps", 1, 0, int(number))
        expected = likeness.spearman(last.astype(float), before.astype(float))
        assert at(artifact, "over_epochs", "cam")[0, place] == pytest.approx(float(expected), abs=0.02)
    np.testing.assert_array_equal(at(artifact, "over_epochs", "edges")[:2], 1)


def test_another_option_is_another_artifact_and_the_same_recipe_computes_nothing(folder: Path, run: Run) -> None:
    before = {item.path for item in run.artifacts().values()}
    again = make(connect(str(folder)), recipe(folder))
    assert again.id == run.id and {item.path for item in again.artifacts().values()} == before
    more = make(connect(str(folder)), recipe(folder, artifacts__sanity={**ASKED, "noise": 0.1}))
    new = {
        item.path.rsplit("/", 1)[-1].rsplit("-", 1)[0] for item in more.artifacts().values() if item.path not in before
    }
    assert more.id == run.id and new == {"sanity-stability"}


def test_a_plan_made_again_loads_no_network(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = open_bench(run.objects, recipe(folder))
    first = checks(bench)
    bench.classifier(2)
    monkeypatch.setattr(benches, "classifier", lambda *_: pytest.fail("a network was loaded"))
    assert checks(bench) == first and len(first) == 3


def silent(run: Run, folder: Path) -> Bench:
    """Leaves the run's status as it is."""
    bench = open_bench(run.objects, recipe(folder))
    bench.progress.leads = False
    return bench


def checks(bench: Bench) -> list[Artifact]:
    return [*grid.plan_shift(bench), *grid.plan_randomisation(bench), *grid.plan_stability(bench)]


def test_random_maps_are_others_for_every_image_however_they_are_batched(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = silent(run, folder)
    look = grid.Look(
        bench, (Subject("random", "Random map", "", 3, 3, True, control=True),), np.arange(9), torch.zeros(9)
    )
    (whole,) = look(bench.classifier(2), draw=0).maps
    monkeypatch.setattr(benches, "batch_of", lambda _side: 4)
    (parts,) = look(bench.classifier(2), draw=0).maps
    assert len(np.unique(parts)) == 9 * 9
    np.testing.assert_array_equal(parts, whole)


def test_a_techniques_own_noise_does_not_grow_with_a_noise_image(folder: Path, run: Run) -> None:
    bench = silent(run, folder)
    smooth = Subject("smooth-grad", "SmoothGrad", "input", tiny.SIDE, tiny.SIDE, signed=False, options={"draws": 4})
    look = grid.Look(bench, (smooth,), np.arange(9), torch.zeros(9, dtype=torch.int64))
    before, after = (look(bench.classifier(2), draw=0, shift=shift).maps[0] for shift in (None, Shift("noise", -1.0)))
    assert likeness.spearman(before, after).min() >= 0.99


class Filters(torch.nn.Module):
    """A convolution that is no layer."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(classes, 1, 3, 3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.conv2d(images, self.weight)


def without_layers(classes: int) -> torch.nn.Module:
    return torch.nn.Sequential(Filters(classes), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())


def test_a_network_that_can_take_no_shift_back_says_so_and_the_run_is_finished(tmp_path: Path) -> None:
    changes = {"training__epochs": 1, "artifacts__saliency__techniques": ["grad-cam"]}
    changes |= {"artifacts__saliency__layers": ["1"], "model": {"network": f"{__name__}:without_layers"}}
    made = make(connect(str(tmp_path)), recipe(tmp_path, **changes))
    (shift,), (anew,) = made.of_kind("sanity-shift"), made.of_kind("sanity-randomisation")
    assert "no convolution or linear layer" in shift.attributes["obstacle"] and shift.promised == ()
    assert anew.marked() == (1,) and made.missing() == {} and made.verify() == []


def test_without_maps_there_is_nothing_to_check(folder: Path, run: Run) -> None:
    bench = open_bench(connect(str(folder)), recipe(folder, artifacts__saliency=None))
    from precompute.artifacts import KINDS as MADE

    for kind in ("sanity-shift", "sanity-randomisation", "sanity-stability"):
        assert MADE[kind].plan(bench) == [] and tuple(MADE[kind].epochs(bench)) == ()


def test_fewer_than_three_draws_are_refused(folder: Path) -> None:
    with pytest.raises(BadInput, match="draws"):
        recipe(folder, artifacts__sanity={"draws": 2})


def test_the_estimate_counts_the_checks(run: Run) -> None:
    before = parse(dict(run.recipe))
    fields = before.model_dump(mode="json")
    without = parse(fields | {"artifacts": fields["artifacts"] | {"sanity": None}})
    more, less = (estimate(run, before, item) for item in (before, without))
    assert more.seconds is not None and less.seconds is not None and more.seconds > less.seconds


# The probe


def test_the_probe_answers_about_an_image_what_the_artifact_holds(run: Run, found: Mapping[str, Artifact]) -> None:
    artifact = found["sanity-shift"]
    pixels = dataset(run.objects, run.attributes["dataset"]).read_blocks("pixels")
    number = int(artifact.read("number", 2)[4])
    layers: dict[str, dict[str, object]] = {}
    for item in artifact.attributes["techniques"][:3]:
        layers.setdefault(item["layer"], {})[item["name"]] = item["options"]
    asked = {"mode": "exact", "strength": -1.0, "seed": 0, "chosen": -1, "techniques": layers}
    answer = asked_of(run, pixels[number], asked)
    for item in artifact.attributes["techniques"][:3]:
        before, after = (answer[f"shift/{when}/{item['layer']}/{item['name']}"] for when in ("before", "after"))
        for measure, slack in (("spearman", 0.03), ("largest", 1e-4)):  # rounding orders what is nearly zero
            expected = at(artifact, measure, item["name"])[0, 4]
            np.testing.assert_allclose(getattr(likeness, measure)(before, after), expected, atol=slack)
    np.testing.assert_allclose(answer["shift/input"], pixels[number] / 255 - 1, atol=1e-6)
    assert answer["shift/logit"].shape == (3,) and answer["shift/logit"].max() <= 1e-4
    with pytest.raises(BadInput, match="ranges of its values"):
        asked_of(run, pixels[number], asked | {"strength": 3.0})
    with pytest.raises(BadInput, match="mode, strength"):
        asked_of(run, pixels[number], {"mode": "exact"})


def asked_of(run: Run, image: np.ndarray, asked: Mapping[str, object]) -> Mapping[str, np.ndarray]:
    request = {
        "store": str(run.objects.local), "run": run.id, "uuid": run.uuid, "epoch": 2, "classes": [], "techniques": {},
        "layer": "", "precision": "float32", "seed": 0, "wants": ["shift"], "numbers": [0, 5, 7],
        "edits": {"settings": [], "region": None, "fill": "mean", "corners": "reflect", "seed": 0, "attacked": -1},
        "shift": json.dumps(asked),
    }  # fmt: skip
    return probe.answer(request, image, probe.Shelf())[1]


# Shuffled labels


def test_a_run_on_shuffled_labels_is_another_run_and_the_field_alone_changes_no_id(folder: Path, run: Run) -> None:
    asked = recipe(folder, artifacts__saliency=None, artifacts__sanity=None, training__shuffled_labels=True)
    assert "shuffled_labels" not in parse(dict(run.recipe)).training.identity()
    bench = open_bench(connect(str(folder)), asked)
    plain = open_bench(connect(str(folder)), recipe(folder))
    assert bench.run.id != run.id == plain.run.id
    dealt, true = bench.data.train.labels, plain.data.train.labels
    assert not np.array_equal(dealt, true) and np.array_equal(np.sort(dealt), np.sort(true))
    np.testing.assert_array_equal(bench.labels, plain.labels)
    np.testing.assert_array_equal(bench.all_training.labels, true)
    np.testing.assert_array_equal(shuffled(plain.data, 0).train.labels, dealt)
    assert not np.array_equal(shuffled(plain.data, 1).train.labels, dealt)
