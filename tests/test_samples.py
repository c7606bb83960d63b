"""Networks as they come, on photographs inside packages: no training, no labels, and nothing said that was not measured."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from precompute import bench, datasets, evaluation, models, samples
from precompute.__main__ import app
from precompute.cases import recommended
from precompute.datasets import DataSet, Images, in_memory
from precompute.decoding import kept_share
from precompute.making import make
from precompute.recipe import Recipe, parse, read
from precompute.samples import PHOTOGRAPHS
from store.errors import BadInput, LoupeError, Missing
from store.objects import connect
from store.runs import Run, dataset, open_run, run_ids
from store.schema import UNLABELLED
from tests import tiny

CATS = {"tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat"}


def unlabelled(*, known: tuple[int, ...] = ()) -> DataSet:
    """Six small images of noise in three classes; of the first ones the label is known."""
    pixels = np.random.default_rng(0).integers(0, 255, (6, 16, 16, 1), np.uint8)
    labels = np.array([*known, *[UNLABELLED] * (6 - len(known))])
    none = Images(np.empty(0, np.int64), lambda numbers: pixels[:0], ())
    test = in_memory(pixels, labels, [f"noise {number}" for number in range(6)])
    return DataSet("Noise", ("a", "b", "c"), (0.5,), (0.25,), 16, none, test, notes=("Made up.",))


def recipe(**changes: object) -> Recipe:
    data = {"set": "tests.test_samples:unlabelled", "options": {}}
    return parse(tiny.fields(Path("none"), **{"data": data, "training__epochs": 0, **changes}))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make(connect(str(tmp_path_factory.mktemp("store"))), recipe())


# The photographs


@pytest.fixture(scope="module")
def photographs() -> DataSet:
    return datasets.load("sample-photographs", {"scale": "efficientnet-lite"})


@pytest.fixture(scope="module")
def logits(photographs: DataSet) -> Tensor:
    """Of the network as the recipe of the demo describes it, (photograph, 1000)."""
    asked = read("recipes/pretrained.toml")
    network = models.frozen(bench.initial(asked, photographs))
    pixels = bench.to_float(photographs.test.read(np.arange(len(PHOTOGRAPHS))), torch.device("cpu"))
    with torch.inference_mode():
        return network(pixels)


def test_photographs_have_no_label_and_nothing_is_trained_on_them(photographs: DataSet) -> None:
    pixels = photographs.test.read(np.arange(len(PHOTOGRAPHS)))
    assert pixels.shape == (15, 224, 224, 3) and pixels.std((1, 2, 3)).min() > 5
    assert set(photographs.test.labels) == {UNLABELLED} and len(photographs.train.labels) == 0
    assert len(set(photographs.classes)) == 1000
    assert "danielbuechele" in photographs.notes[1] and "vultilion" in photographs.notes[1]


def test_pixels_reach_the_weights_as_they_were_trained(photographs: DataSet) -> None:
    # efficientnet/lite of github.com/tensorflow/tpu: (pixel - 127) / 128, the central 224 of 224 + 32 pixels
    normalize = models.Normalize(photographs.mean, photographs.std)
    levels = torch.tensor([0.0, 127.0, 255.0]).view(1, 1, 1, 3).expand(1, 3, 1, 3)
    expected = (levels - 127) / 128
    torch.testing.assert_close(normalize(levels / 255), expected)
    assert kept_share(224) == 224 / (224 + 32)


@pytest.mark.parametrize(
    ("photograph", "right", "least"),
    [
        ("Chelsea the cat", CATS, 3),
        ("cup of coffee", {"espresso"}, 1),
        ("pavilion in China (danielbuechele, CC BY 2.0)", {"palace"}, 1),
    ],
)
def test_five_likeliest_classes(
    photographs: DataSet, logits: Tensor, photograph: str, right: set[str], least: int
) -> None:
    best = logits[list(PHOTOGRAPHS).index(photograph)].topk(5).indices.tolist()
    named = {photographs.classes[number] for number in best}
    assert len(named & right) >= least
    assert photographs.classes[best[0]] in right


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "PHOTOGRAPHS", {"nothing": ("no_such_package", "data/none.png")})
    with pytest.raises(Missing, match=r"no_such_package/data/none\.png is not there"):
        samples.photographs()


# A run without training


def test_a_run_without_training_has_epoch_0_and_all_it_promises(made: Run) -> None:
    assert made.epochs == 0 and made.status().state == "finished" and made.verify() == []
    assert made.artifact("training").marked() == (0,)
    assert "training_images" not in made.attributes
    assert not list(made.objects.under(f"{made.path}/resume"))
    images = dataset(made.objects, made.attributes["dataset"])
    assert images.read_blocks("label").tolist() == [UNLABELLED] * 6


def test_nothing_is_counted_of_images_without_a_label(made: Run) -> None:
    outputs = made.of_kind("evaluation")[0]
    assert np.isnan(outputs.read("accuracy", 0)).all() and np.isnan(outputs.read("loss", 0)).all()
    assert not outputs.read("confusion", 0).any() and np.isnan(outputs.read("by_class", 0)).all()
    predicted = outputs.read("logits", 0).argmax(1)
    explained = made.of_kind("saliency")[0].read("explained_class", 0)  # (2, image)
    assert (explained == predicted).all()


def test_only_labelled_images_are_counted(tmp_path: Path) -> None:
    data = {"set": "tests.test_samples:unlabelled", "options": {"known": [0, 1, 2, 2]}}
    run = make(connect(str(tmp_path)), recipe(data=data, artifacts__saliency=None))
    outputs = run.of_kind("evaluation")[0]
    logits, labels = outputs.read("logits", 0)[:4], np.array([0, 1, 2, 2])
    predicted = logits.argmax(1)
    assert outputs.read("accuracy", 0)[1] == (predicted == labels).mean()
    assert outputs.read("loss", 0)[1] == pytest.approx(evaluation.mean_loss(logits, labels))
    matrix = outputs.read("confusion", 0)
    assert matrix.sum() == 4 and all(matrix[pair] for pair in zip(labels, predicted, strict=True))


def test_an_unlabelled_image_is_no_error_but_may_be_taken_for_a_class() -> None:
    logits = np.array([[2.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
    found = recommended(logits, np.array([UNLABELLED, 0, UNLABELLED]), 0)
    assert found.correct.tolist() == [1] and found.taken_for_it.tolist() == [0] and found.missed.tolist() == []


def test_without_training_images_nothing_can_be_trained(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"Noise has no training images\. With epochs = 0"):
        make(connect(str(tmp_path)), recipe(training__epochs=1))


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step", "one-cycle"])
def test_initial_weights_of_a_labelled_set_are_measured(tmp_path: Path, schedule: str) -> None:
    changes = {"training__epochs": 0, "training__schedule": schedule, "artifacts__saliency": None}
    run = make(connect(str(tmp_path / "store")), tiny.recipe(tmp_path, **changes))
    assert np.isfinite(run.of_kind("evaluation")[0].read("accuracy", 0)).all() and run.verify() == []


# Beside another


def test_what_is_to_be_made_meanwhile_is_made_once_when_the_first_epoch_is_there(tmp_path: Path) -> None:
    objects, seen = connect(str(tmp_path / "store")), []

    def meanwhile() -> None:
        run = open_run(objects, run_ids(objects)[0])
        seen.append(run.of_kind("evaluation")[0].marked())

    make(objects, tiny.recipe(tmp_path, training__epochs=3), meanwhile=meanwhile)
    assert seen == [(0, 1)]
    make(objects, tiny.recipe(tmp_path, training__epochs=3), meanwhile=meanwhile)  # nothing is left to do
    assert seen == [(0, 1), (0, 1, 2, 3)]


def written(folder: Path, name: str, squares: str) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(
        f'name = "{name}"\n[data]\nset = "npz"\noptions = {{ path = "{squares}" }}\n[model]\nnetwork = "gap"\n'
        "[training]\nepochs = 1\n[artifacts]\n"
    )
    return path


def test_a_second_recipe_that_fails_does_not_end_the_first(tmp_path: Path) -> None:
    first = written(tmp_path, "first", str(tiny.write_images(tmp_path)))
    second = written(tmp_path, "second", str(tmp_path / "none.npz"))
    store = tmp_path / "store"
    done = CliRunner().invoke(app, ["run", str(first), "--beside", str(second), "--store", str(store)])
    assert isinstance(done.exception, LoupeError) and "none.npz" in str(done.exception)
    (run,) = run_ids(connect(str(store)))
    assert run.startswith("first-") and open_run(connect(str(store)), run).status().state == "finished"
    again = CliRunner().invoke(app, ["run", str(first), "--beside", str(first), "--store", str(store)])
    assert again.exit_code == 0 and again.output.count(f"{run}: epoch 1, test accuracy") == 2
