"""Answers of filters: against a slow re-implementation in float64, closed forms, and the probe's live path of the same image."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from precompute import activations, answers, paths
from precompute.activations import Seen, packed, shrunk, unpacked
from precompute.bench import classifier, to_float
from precompute.making import make
from precompute.models import Classifier, build
from store import runs
from store.errors import Missing
from store.objects import connect
from store.runs import Run
from store.shards import Artifact
from tests import tiny

RANDOM = np.random.default_rng(0)
NETWORK = {"epochs": "kept", "support": 3, "permutations": 19, "gapped": True}


def asked(folder: Path, **options: Any) -> Any:
    return tiny.recipe(folder, artifacts__network={**NETWORK, **options})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("world")


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return make(connect(str(folder / "store")), asked(folder))


@pytest.fixture(scope="module")
def stored(run: Run) -> Artifact:
    return run.of_kind("activations")[0]


@pytest.fixture(scope="module")
def images(run: Run) -> Tensor:
    return to_float(runs.dataset(run.objects, run.attributes["dataset"]).read_blocks("pixels"), torch.device("cpu"))


def network(name: str, size: int = 32, channels: int = 3) -> Classifier:
    return build(name, classes=10, channels=channels, size=size, mean=(0.5,) * channels, std=(0.3,) * channels).eval()


# Which answers


def test_vgg_16_has_4224_filters_in_13_layers() -> None:
    layers = answers.layers_of(network("vgg16-small"), torch.zeros(1, 3, 32, 32))
    assert len(layers) == 13 and activations.count_of(layers) == 4224
    assert [layer["filters"] for layer in layers] == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    assert [layer["height"] for layer in layers] == [32] * 2 + [16] * 2 + [8] * 3 + [4] * 3 + [2] * 3, "before pooling"


def seen(model: nn.Module, images: Tensor) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    with torch.inference_mode(), answers.following(model, lambda name, maps: found.update({name: maps.clone()})):
        model(images)
    return found


def test_an_answer_is_what_the_relu_after_the_convolution_gives() -> None:
    model, images = network("vgg16-small"), torch.rand(2, 3, 32, 32)
    kept: dict[int, Tensor] = {}
    relus = [module for module in model.modules() if isinstance(module, nn.ReLU)]
    for number, relu in enumerate(relus):
        relu.register_forward_hook(lambda _m, _i, output, number=number: kept.update({number: output.clone()}))
    for maps, expected in zip(seen(model, images).values(), kept.values(), strict=True):
        assert torch.equal(maps, expected)


class Odd(nn.Module):
    """Functions in place of modules, one ReLU used twice, a residual sum in place, a pooling before the ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        self.norm, self.relu, self.unused = nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 3, 1)
        self.head = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        first = F.relu(self.one(x))
        second = self.norm(self.two(first))
        second += first
        pooled = F.relu(F.max_pool2d(self.three(self.relu(second)), 2))
        return self.head(pooled.mean((2, 3)))


def test_answers_are_found_where_there_are_no_modules() -> None:
    torch.manual_seed(0)
    model, x = Classifier(Odd(), (0.0,) * 3, (1.0,) * 3).eval(), torch.rand(2, 3, 8, 8)
    body = model.network
    with torch.inference_mode():
        first = body.one(x).relu()
        second = body.norm(body.two(first))
        expected = {"one": first, "two": second, "three": body.three((second + first).relu())}
        plain = model(x)
    found = seen(model, x)
    assert list(found) == list(expected), "a layer that is not called has no answer"
    for name, maps in expected.items():
        torch.testing.assert_close(found[name], maps)
    with torch.inference_mode():
        assert torch.equal(model(x), plain), "nothing of the watching is left"


def test_linear_and_depthwise_layers_of_efficientnet_answer_too() -> None:
    model = network("efficientnet-lite0", 32)
    found = seen(model, torch.rand(1, 3, 32, 32))
    assert len(found) == 49
    linear = {name for name, maps in found.items() if maps.min() < 0}
    assert linear and all(name.endswith("_project_conv") for name in linear)


# Stored


def slowly(run: Run, images: Tensor, epoch: int) -> list[np.ndarray]:
    """Maps (N, k, h, w) of each layer in float64, convolution by convolution as the Sequential lists them."""
    model, found = classifier(run, epoch).double(), []
    x = model.normalize(images.double())
    for module in model.network.features:
        x = module(x)
        if isinstance(module, nn.ReLU):
            found.append(x.numpy())
    return found


@pytest.mark.parametrize("reduction", ["mean", "max"])
def test_activations_are_those_of_a_slow_pass_in_float64(
    folder: Path, images: Tensor, run: Run, reduction: str
) -> None:
    other = run if reduction == "mean" else make(run.objects, asked(folder, reduction="max", z_scored=False))
    item = next(found for found in other.of_kind("activations") if found.attributes["reduction"] == reduction)
    labels = runs.dataset(run.objects, run.attributes["dataset"]).read_blocks("label")
    for epoch in (0, 2):
        maps = slowly(run, images, epoch)
        exact = np.concatenate([getattr(layer, reduction)((2, 3)) for layer in maps], 1)  # (N, F)
        read = {name: item.read(name, epoch) for name in item.attributes["arrays"]}
        np.testing.assert_allclose(unpacked(read["activation"], read["scale"]), exact, atol=6e-4 * exact.max())
        np.testing.assert_allclose(read["mean"], exact.mean(0), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(read["deviation"], exact.std(0), rtol=1e-3, atol=1e-6)
        for number in range(3):
            np.testing.assert_allclose(read["class_mean"][:, number], exact[labels == number].mean(0), atol=1e-5)
        check_tops(read, exact)
        check_strongest(read, exact, [layer.shape[1] for layer in maps], z_scored=reduction == "mean")


def check_tops(read: dict[str, np.ndarray], exact: np.ndarray) -> None:
    best = -np.sort(-exact, 0)[:9].T  # (F, 9)
    np.testing.assert_allclose(read["top_value"], best, atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(exact.T, read["top_image"], 1), best, atol=1e-5)
    assert all(len(set(row)) == 9 for row in read["top_image"].tolist())


def check_strongest(read: dict[str, np.ndarray], exact: np.ndarray, widths: list[int], *, z_scored: bool) -> None:
    spread = exact.std(0)
    above = np.where(spread > 0, (exact - exact.mean(0)) / np.where(spread > 0, spread, 1), -np.inf)
    scores = above if z_scored else exact
    for layer, part in enumerate(np.split(scores, np.cumsum(widths)[:-1], 1)):
        best = -np.sort(-part, 1)
        found = read["strongest"][:, layer]
        got = np.take_along_axis(part, found.astype(int), 1)
        np.testing.assert_allclose(got, best[:, :2], rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(read["lead"][:, layer], best[:, 0] - best[:, 1], atol=2e-3)


def test_a_small_map_shows_where_the_filter_answers(run: Run, images: Tensor, stored: Artifact) -> None:
    maps, number = slowly(run, images, 2), 0
    read = {name: stored.read(name, 2) for name in ("top_image", "top_map")}
    for layer in maps:
        for own in range(layer.shape[1]):
            for rank, image in enumerate(read["top_image"][number + own]):
                small, whole = read["top_map"][number + own, rank], layer[image, own]
                assert small.max() == (255 if whole.max() > 0 else 0)
                expected = shrunk(torch.from_numpy(whole)[None])[0].numpy()
                np.testing.assert_allclose(small.astype(int), expected.astype(int), atol=1)
        number += layer.shape[1]


def test_a_map_keeps_its_corner_and_its_shares_when_it_is_resized() -> None:
    maps = torch.zeros(3, 28, 28)
    maps[0, :4, :4], maps[0, 20:, 20:], maps[1] = 2, 1, -1
    small = shrunk(maps)
    assert small[0, 0, 0] == 255 and abs(int(small[0, 13, 13]) - 128) <= 1 and small[0, 7, 7] == 0
    assert not small[1:].any(), "negative answers are none"


def test_what_is_stored_does_not_depend_on_the_batch(run: Run, images: Tensor, stored: Artifact) -> None:
    model, layers = classifier(run, 2), stored.attributes["layers"]
    whole = answers.reduced(model, images, layers, "mean")
    apart = torch.cat([answers.reduced(model, image[None], layers, "mean") for image in images])
    torch.testing.assert_close(whole, apart, rtol=1e-5, atol=1e-6)


# Statistics, batch by batch


def test_batches_add_up() -> None:
    values = RANDOM.normal(50, 1, (200, 7)).astype(np.float32)
    values[:, 3], values[90:, 5] = 2, values[90, 5]  # one that never varies, one with ties
    labels = RANDOM.integers(-1, 3, 200)
    whole = Seen.nothing(7, 4, 9)
    for start, stop in pairwise((0, 60, 61, 130, 200)):
        whole.add(values[start:stop], labels[start:stop], start)
    found, exact = whole.statistics(), values.astype(float)
    np.testing.assert_allclose(found["mean"], exact.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found["deviation"], exact.std(0), rtol=1e-5)
    np.testing.assert_array_equal(found["scale"], np.abs(values).max(0))
    for number in range(3):
        np.testing.assert_allclose(found["class_mean"][:, number], exact[labels == number].mean(0), rtol=1e-6)
    assert np.isnan(found["class_mean"][:, 3]).all(), "no image is of that class, and unlabelled ones are of none"
    np.testing.assert_array_equal(found["top_image"], np.argsort(-values, 0, kind="stable")[:9].T)
    assert found["top_image"][3].tolist() == list(range(9)), "of equals the earlier"


def test_fewer_images_than_ranks() -> None:
    few = Seen.nothing(2, 1, 3)
    few.add(np.array([[1, 2], [np.nan, 3]], np.float32), np.zeros(2, int), 0)
    found = few.statistics()
    assert found["top_image"].tolist() == [[0, -1, -1], [1, 0, -1]]
    assert np.isnan(found["top_value"][0, 1:]).all()


def test_packing_takes_no_memory_and_spoils_nothing() -> None:
    values = (RANDOM.normal(size=(1300, 5)) * [1e-12, 1, 1e6, 0, 3]).astype(np.float32)
    before, scale = values.copy(), np.abs(values).max(0)
    small = packed(values, scale)
    assert np.shares_memory(small, values) and small.dtype == np.float16
    np.testing.assert_allclose(unpacked(small, scale), before, rtol=0, atol=5e-4 * scale.max())
    assert (np.abs(unpacked(small, scale) - before).max(0) <= 5e-4 * scale).all()


# The strongest
LAYERS = [{"offset": 0, "filters": 3}, {"offset": 3, "filters": 1}]


def found(values: list[list[float]], *, z_scored: bool = False) -> tuple[Any, Any]:
    rows = np.array(values, np.float32)
    known = {"mean": rows.mean(0), "deviation": rows.std(0), "scale": np.abs(rows).max(0)}
    strongest, lead = paths.strongest(rows, LAYERS, known, z_scored=z_scored, rows=2)
    return strongest.tolist(), lead.tolist()


def test_ties_go_to_the_lower_number_and_a_dead_layer_has_none() -> None:
    strongest, lead = found([[1, 3, 3, 5], [0, 0, 0, 0], [2, 2, 2, 1]])
    assert strongest == [[[1, 2], [0, -1]], [[-1, -1], [-1, -1]], [[0, 1], [0, -1]]]
    assert lead[0][0] == 0 and np.isnan([lead[0][1], *lead[1]]).all()


def test_a_large_filter_does_not_always_win() -> None:
    values = [[100.0, 1, 0, 0], [101, 0, 0, 0], [102, 0, 0, 0], [101, 0, 0, 0]]
    assert [row[0][0] for row in found(values)[0]] == [0, 0, 0, 0]
    assert [row[0][0] for row in found(values, z_scored=True)[0]] == [1, 0, 0, 0]


def test_filters_that_never_vary_are_nobodys_strongest() -> None:
    """Also where they vary by rounding alone."""
    strongest, _ = found([[1, 5, 0, 0], [2, 5 + 1e-6, 0, 0], [0, 5, 0, 0]], z_scored=True)
    assert strongest == [[[0, -1], [-1, -1]]] * 3


def test_a_network_that_diverged_has_no_strongest() -> None:
    nan = float("nan")
    for z_scored in (False, True):
        strongest, _ = found([[nan, nan, nan, nan], [1, nan, 2, 1]], z_scored=z_scored)
        assert strongest[0] == [[-1, -1], [-1, -1]]


# The probe's path


def test_the_path_of_a_stored_image_is_the_stored_one(run: Run, images: Tensor, stored: Artifact) -> None:
    for epoch in (0, 2):
        model, whole = classifier(run, epoch), stored.read("strongest", epoch)[..., 0]
        lead = stored.read("lead", epoch)
        for number in (0, 7, 17):
            both = torch.stack([images[number], images[number].flip(-1)])
            answer = paths.answer(run, model, both, {"epoch": epoch})
            clear = ~(lead[number] < 1e-4)  # what is tied but for rounding may fall either way
            assert (answer["strongest"][0] == whole[number])[clear].all()
            np.testing.assert_allclose(answer["lead"][0], lead[number], atol=1e-4)
            assert answer["activation"].shape == (2, activations.count_of(stored.attributes["layers"]))
            assert (answer["activation"][0] != answer["activation"][1]).any()


def test_an_epoch_without_activations_says_so(run: Run) -> None:
    with pytest.raises(Missing, match=r"no activations of epoch 1.*kept"):
        paths.activations(make(run.objects, tiny.recipe(Path(run.objects.address).parent, name="other")), 1)
