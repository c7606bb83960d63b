"""Sanity checks: a shift that is taken back changes no logit, layers drawn anew are new, likeness is what it says."""

import hashlib
from collections.abc import Mapping

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from precompute.models import Classifier, build
from precompute.saliency import explain
from precompute.saliency.passes import span_of
from precompute.sanity import likeness, randomisation, subjects
from precompute.sanity.shift import Shift, certificate, corrected, correction
from precompute.sanity.stability import noisy
from precompute.sanity.subjects import Subject
from store.errors import BadInput

SMOOTH: Mapping[str, dict] = {
    "smooth-grad": {"draws": 4},
    "smooth-grad-squared": {"draws": 4},
    "var-grad": {"draws": 4},
    "smooth-grad-cam++": {},
}
CAMS: Mapping[str, dict] = {"cam": {}, "grad-cam": {}, "grad-cam++": {}, "smooth-grad-cam++": {}}
LAYERS = {"gap": "features.13", "roar-cnn": "features.4"}  # after a ReLU


def made(network: str = "gap", *, channels: int = 1, seed: int = 3) -> Classifier:
    """A network with batch norms that are no identity."""
    model = build(
        network, classes=4, channels=channels, size=28, mean=(0.13,) * channels, std=(0.31,) * channels, seed=seed
    )
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(torch.randn(module.num_features, generator=generator) / 5)  # type: ignore[union-attr]
            module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.5)  # type: ignore[union-attr]
    return model.eval().requires_grad_(False)


def pictures(count: int = 6, *, channels: int = 1, side: int = 28) -> Tensor:
    """Blobs on black, as digits are."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, channels, 7, 7, generator=generator)
    return (F.interpolate(coarse, size=(side, side), mode="bilinear") * 1.6 - 0.6).clamp(0, 1)


def state(model: nn.Module) -> str:
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in model.state_dict().values())).hexdigest()


def maps(
    model: nn.Module, images: Tensor, layer: str, techniques: Mapping[str, dict], span: Tensor | None = None
) -> dict[str, np.ndarray]:
    classes = torch.zeros(len(images), 1, dtype=torch.int64)
    found = explain(model, images, classes, layer=layer, techniques=techniques, span=span).maps
    return {name: values[:, 0].numpy() for name, values in found.items()}


# Input shift: pitfalls 4.6


@pytest.mark.parametrize("network", ["gap", "roar-cnn", "efficientnet-lite0"])
@pytest.mark.parametrize("mode", ["exact", "noise"])
def test_an_exact_correction_changes_no_logit(network: str, mode: str) -> None:
    """With padding and without, with a bias and with a batch norm in its place, with TensorFlow's lopsided padding."""
    logit, changed = certificate(made(network), pictures(), Shift(mode, -1.0))
    assert float(logit.max()) <= 1e-4 and not changed.any()


@pytest.mark.parametrize("mode", ["exact", "noise"])
def test_the_correction_is_the_convolution_of_the_signal_with_the_layers_own_padding(mode: str) -> None:
    model, shift = made(), Shift(mode, 0.7, seed=5)
    signal = shift.signal(pictures())
    layer, added = correction(model, signal, scalar=False)
    assert layer is model.network.features[0]  # type: ignore[union-attr, index]
    torch.testing.assert_close(added, F.conv2d(signal / 0.31, layer.weight, padding=1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("network", "layer"), LAYERS.items())
def test_exactly_shifted_the_cam_family_stays_and_what_multiplies_by_the_input_does_not(
    network: str, layer: str
) -> None:
    model, images, shift = made(network), pictures(), Shift("exact", -1.0)
    family = CAMS if network == "gap" else {name: {} for name in CAMS if name != "cam"}
    others = {"gradient": {}, "gradient-x-input": {}, "integrated-gradients": {"steps": 8}}
    before = maps(model, images, layer, {**family, **others})
    with corrected(model, shift.signal(images), shift):
        after = maps(model, images + shift.signal(images), layer, {**family, **others})
    alike = {name: likeness.spearman(before[name], after[name]) for name in before}
    for name in (*family, "gradient"):
        assert np.nanmin(alike[name]) >= 0.999 and np.isfinite(alike[name]).any(), name
    for name in ("gradient-x-input", "integrated-gradients"):
        assert np.nanmedian(alike[name]) < 0.9, name


def test_under_a_noise_image_gradients_move_only_where_max_pooling_chooses_among_equal_values() -> None:
    """On a flat background, rounding decides which of them; where there is texture nothing is equal."""
    model, shift, flat = made(), Shift("noise", -1.0), pictures()
    textured = flat + 0.3 * torch.rand(flat.shape, generator=torch.Generator().manual_seed(4))
    least = []
    for images in (textured, flat):
        before = maps(model, images, LAYERS["gap"], {"gradient": {}})["gradient"]
        with corrected(model, shift.signal(images), shift):
            after = maps(model, images + shift.signal(images), LAYERS["gap"], {"gradient": {}})["gradient"]
        least.append(likeness.spearman(before, after).min())
    assert least[0] >= 0.999 and 0.7 < least[1] < 0.999


def test_under_a_noise_image_smooth_techniques_stay_with_noise_of_the_plain_images_range() -> None:
    """With noise of the shifted image's own range, which is wider, SmoothGrad would fail the check by our doing."""
    model, shift, flat = made(), Shift("noise", -1.0), pictures()
    images = flat + 0.3 * torch.rand(flat.shape, generator=torch.Generator().manual_seed(4))

    def alike(span: Tensor | None) -> dict[str, float]:
        before = maps(model, images, LAYERS["gap"], SMOOTH, span)
        with corrected(model, shift.signal(images), shift):
            after = maps(model, images + shift.signal(images), LAYERS["gap"], SMOOTH, span)
        return {name: likeness.spearman(before[name], after[name]).min() for name in SMOOTH}

    assert min(alike(span_of(images)).values()) >= 0.99
    assert alike(None)["smooth-grad"] < 0.95


def test_the_bias_alone_is_enough_without_padding_and_not_with_it() -> None:
    images, shift = pictures(), Shift("scalar", -1.0)
    assert float(certificate(made("roar-cnn"), images, shift)[0].max()) <= 1e-4
    assert float(certificate(made("gap"), images, shift)[0].max()) > 1e-2


@pytest.mark.parametrize(("depth", "share"), [(1, 0.12), (5, 0.53), (13, 0.96)])
def test_the_border_error_spreads_a_pixel_with_every_further_layer(depth: int, share: float) -> None:
    """Of a 32 × 32 map, with 3 × 3 kernels that are zero-padded: 1 - ((32 - 2 depth) / 32)²."""
    torch.manual_seed(0)
    convolutions = [nn.Conv2d(2 if number else 1, 2, 3, padding=1) for number in range(depth)]
    for layer in convolutions:
        nn.init.uniform_(layer.weight, 0.1, 0.3)
    model = Classifier(nn.Sequential(*convolutions).double(), (0.0,), (1.0,)).double().eval()
    shift, images = Shift("scalar", -1.0), pictures(1, side=32).double()
    with torch.no_grad():
        before = model(images)
        with corrected(model, shift.signal(images), shift):
            after = model(images + shift.signal(images))
    wrong = ((after - before).abs() > 1e-9).any(1).double().mean()
    assert float(wrong) == pytest.approx(1 - ((32 - 2 * depth) / 32) ** 2, abs=1e-6)
    assert float(wrong) == pytest.approx(share, abs=0.01)


def test_a_wrong_correction_moves_cam_at_the_border_of_a_padded_network() -> None:
    model, images, shift = made(), pictures(), Shift("scalar", -1.0)
    before = maps(model, images, LAYERS["gap"], {"cam": {}})["cam"]
    with corrected(model, shift.signal(images), shift):
        after = maps(model, images + shift.signal(images), LAYERS["gap"], {"cam": {}})["cam"]
    apart = np.abs(after - before).mean(0)  # (7, 7)
    assert apart[[0, -1]].mean() > 2 * apart[2:-2, 2:-2].mean() and np.nanmin(likeness.spearman(before, after)) < 0.999


def test_a_grey_image_for_a_network_of_three_channels_is_shifted_in_all_of_them() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    model = Classifier(network, (0.2,), (0.5,)).eval().requires_grad_(False)
    for mode in ("exact", "noise"):
        assert float(certificate(model, pictures(), Shift(mode, 1.5))[0].max()) <= 1e-4


def test_a_linear_first_layer_takes_a_shift_back() -> None:
    model = Classifier(
        nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.ReLU(), nn.Linear(8, 3)), (0.2,), (0.5,)
    ).eval()
    for mode in ("exact", "scalar", "noise"):
        assert float(certificate(model, pictures(), Shift(mode, -1.0))[0].detach().max()) <= 1e-4


def test_nothing_of_the_model_is_changed_by_a_check() -> None:
    model = made()
    before = state(model)
    with pytest.raises(RuntimeError, match="on the way"), corrected(model, torch.ones(1, 1, 28, 28), Shift("exact", 1)):
        raise RuntimeError("on the way")
    certificate(model, pictures(), Shift("scalar", 1))
    assert state(model) == before and not any(module._forward_hooks for module in model.modules())


def test_a_mode_that_does_not_exist_is_refused() -> None:
    with pytest.raises(BadInput, match="exact, scalar, noise"):
        Shift("sideways", 1).signal(pictures())


# Randomisation: pitfalls 4.7


def fresh(seed: int) -> Mapping[str, Tensor]:
    return made(seed=seed).network.state_dict()


class Backwards(nn.Module):
    """Registers its layers in another order than it calls them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(self.second(self.first(images))).mean((2, 3)))


def test_stages_stand_in_the_order_of_the_forward_pass_from_the_top() -> None:
    model = Classifier(Backwards(), (0.0,), (1.0,))
    assert randomisation.stages_of(model, pictures(1), 9) == (("head",), ("second", "norm"), ("first",))
    assert randomisation.stages_of(model, pictures(1), 2) == (("head",), ("first", "second", "norm"))


def test_every_stage_and_draw_has_weights_of_its_own() -> None:
    """In layers of one shape, too: the third and fourth convolution of VGG have the same."""
    model = made("vgg16-small")
    stages = randomisation.stages_of(model, pictures(1), 100)
    seeds = {randomisation.seed_of(0, draw, stage) for draw in range(3) for stage in range(len(stages))}
    assert len(seeds) == 3 * len(stages) == 42
    new = randomisation.drawn(
        stages[:3], lambda seed: made("vgg16-small", seed=seed).network.state_dict(), seed=0, draw=0
    )
    first, second = (next(value for key, value in part.items() if value.dim() == 4) for part in new[1:])
    assert first.shape == second.shape and not torch.equal(first, second)


def test_drawn_from_the_top_down_or_one_at_a_time() -> None:
    model = made()
    stages = randomisation.stages_of(model, pictures(1), 9)
    new = randomisation.drawn(stages, fresh, seed=0, draw=0)
    assert set(randomisation.cascaded(new, 4)) == set(model.network.state_dict()), "nothing is left of what was learned"
    before, original = state(model), model.network.state_dict()
    twin = randomisation.randomised(model, randomisation.cascaded(new, 1), pictures())
    after = twin.get_submodule("network").state_dict()
    kept = {name for name in original if name.endswith("weight") and torch.equal(original[name], after[name])}
    assert {"features.0.weight", "features.4.weight", "features.8.weight"} <= kept
    assert "head.weight" not in kept and "features.11.weight" not in kept
    assert state(model) == before and not twin.training


def test_new_batch_norms_get_the_statistics_of_a_batch_and_old_ones_keep_theirs() -> None:
    model, images = made(), pictures(8)
    stages = randomisation.stages_of(model, images, 9)
    twin = randomisation.randomised(model, randomisation.drawn(stages, fresh, seed=0, draw=0)[1], images)
    features = twin.get_submodule("network.features")
    with torch.no_grad():
        below = nn.Sequential(*list(features)[:11])(twin.normalize(images))  # type: ignore[arg-type, operator]
        given = features[11](below)  # type: ignore[index, operator]
    torch.testing.assert_close(features[12].running_mean, given.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)  # type: ignore[index, union-attr]
    torch.testing.assert_close(features[12].running_var, given.var((0, 2, 3)), rtol=1e-3, atol=1e-5)  # type: ignore[index, union-attr]
    assert torch.equal(features[9].running_mean, model.network.features[9].running_mean)  # type: ignore[index, union-attr]


def test_an_untouched_network_gives_the_same_maps_a_random_map_none_and_edges_fail() -> None:
    model, images = made(), pictures(12)
    every = [Subject("grad-cam", "Grad-CAM", LAYERS["gap"], 7, 7, signed=False)]
    every += subjects.controls(every, 28)
    assert [item.name for item in every] == ["grad-cam", "random", "edges"]
    classes = torch.zeros(12, dtype=torch.int64)
    new = randomisation.drawn(randomisation.stages_of(model, images, 9), fresh, seed=0, draw=0)
    networks = [
        model,
        *(randomisation.randomised(model, part, images) for part in ({}, randomisation.cascaded(new, 4))),
    ]
    seen = [
        subjects.maps_of(network, images, classes, every, numbers=range(12), seed=0, draw=draw)
        for draw, network in enumerate(networks)
    ]
    same, other = ([likeness.spearman(*pair) for pair in zip(seen[0], found, strict=True)] for found in seen[1:])
    assert np.nanmin(same[0]) == 1 and np.nanmedian(other[0]) < 0.9
    for alike in (same, other):
        assert abs(alike[1].mean()) < 3 / np.sqrt(12 * 48), "chance"
        assert (alike[2] == 1).all(), "an edge detector asks no network"


# Stability


def test_noise_is_of_the_images_own_range_and_the_same_however_images_are_batched() -> None:
    images = pictures(40) * torch.linspace(0.2, 1, 40)[:, None, None, None]
    changed = noisy(images, noise=0.1, seed=1, draw=2) - images
    span = images.amax((1, 2, 3)) - images.amin((1, 2, 3))
    torch.testing.assert_close(changed.std((1, 2, 3)), 0.1 * span, rtol=0.1, atol=0)
    torch.testing.assert_close(noisy(images[7:9], noise=0.1, seed=1, draw=2) - images[7:9], changed[7:9])
    assert not torch.equal(noisy(images, noise=0.1, seed=1, draw=3), images + changed)


# Likeness


def test_spearman_is_scipys_with_ties_and_without_a_value_for_flat_maps() -> None:
    random = np.random.default_rng(0)
    one, other = random.integers(0, 5, (2, 30, 6, 6)).astype(np.float32)
    one[3] = 0.2
    other[4] = np.nan
    found = likeness.spearman(one, other)
    for number in range(30):
        if number in (3, 4):
            assert np.isnan(found[number])
        else:
            assert found[number] == pytest.approx(spearmanr(one[number].ravel(), other[number].ravel()).statistic)
    assert np.nanmax(np.abs(likeness.spearman(one, -np.exp(one)) + 1)) < 1e-12
    np.testing.assert_array_equal(likeness.spearman_absolute(-one, one), likeness.spearman(one, one))


def test_structural_similarity_is_scikit_images_of_raw_maps_and_nothing_for_small_ones() -> None:
    random = np.random.default_rng(0)
    one = random.normal(size=(3, 32, 40)) * 1e-4
    other = one + random.normal(size=one.shape) * 3e-5
    span = [max(a.max(), b.max()) - min(a.min(), b.min()) for a, b in zip(one, other, strict=True)]
    slow = [structural_similarity(a, b, data_range=of) for a, b, of in zip(one, other, span, strict=True)]
    np.testing.assert_allclose(likeness.ssim(one, other), slow, atol=1e-6)
    np.testing.assert_allclose(likeness.ssim(one, one), 1)
    assert np.isnan(likeness.ssim(one[:, :31], other[:, :31])).all()


def test_the_largest_difference_is_a_share_of_the_largest_value() -> None:
    one = np.array([[[0.0, 2.0], [1.0, -4.0]], [[0.0, 0.0], [0.0, 0.0]]])
    other = np.array([[[0.0, 1.0], [1.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]])
    assert likeness.largest(one, other).tolist() == [2.0, 0.0]
