"""Techniques of the input: against slow loops in float64, closed forms, captum, and what they must leave alone."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from captum import attr
from torch import Tensor, nn

from precompute import models
from precompute.completeness import FLAGGED, flagged, gap
from precompute.models import Classifier
from precompute.saliency import explain, gradient
from precompute.saliency.class_activation import noise_draws
from precompute.saliency.gradient import COLOURS, squares_on
from precompute.saliency.layers import INPUT, Layer, layer_at, obstacle
from precompute.saliency.passes import Pass
from precompute.techniques import TECHNIQUES, layer_of, passes, positions, signed
from store.errors import BadInput

SIDE, MEAN, STD = 8, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
AT_INPUT = [name for name, entry in TECHNIQUES.items() if entry.at_input]
FEW: dict[str, dict[str, Any]] = {name: {"draws": 2} for name in ("smooth-grad", "smooth-grad-squared", "var-grad")}


def classifier(*modules: nn.Module, channels: int = 3, seed: int = 0) -> Classifier:
    """A frozen network with random weights in float64."""
    made = Classifier(nn.Sequential(*modules), MEAN[:channels], STD[:channels])
    generator = torch.Generator().manual_seed(seed)
    for value in made.network.state_dict().values():
        value.copy_(torch.randn(value.shape, generator=generator) * 0.3)
    return models.frozen(made).double()


def bent(*, bias: bool = True, rectifier: Callable[[], nn.Module] = nn.ReLU) -> Classifier:
    """Two rectified convolutions and a linear head of three classes."""
    body = (nn.Conv2d(3, 4, 3, bias=bias), rectifier(), nn.Conv2d(4, 5, 3, bias=bias), rectifier())
    return classifier(*body, nn.Flatten(), nn.Linear(5 * 16, 3, bias=bias))


def images(count: int = 3, channels: int = 3, side: int = SIDE) -> Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(1)).double()


def columns(count: int = 3) -> Tensor:
    """Two explained classes an image, the same twice for one of them."""
    return torch.tensor([[0, 2], [1, 1], [2, 0]])[:count]


def seen_by(model: nn.Module, **changes: Any) -> Pass:
    return Pass(model, changes.pop("images", images()), changes.pop("classes", columns()), INPUT, **changes)


def each(seen: Pass, one: Callable[[Tensor, int], Tensor]) -> Tensor:
    """A slow oracle of (image (1, C, H, W), class) for all of them: (N, E, ...)."""
    pairs = zip(seen.images, seen.classes.tolist(), strict=True)
    return torch.stack([torch.stack([one(image[None], number) for number in row]) for image, row in pairs])


def slow_gradient(model: Classifier, image: Tensor, number: int) -> Tensor:
    """By the normalised image (C, H, W), without a hook."""
    normal = ((image - model.normalize.mean) / model.normalize.std).requires_grad_()
    return torch.autograd.grad(model.network(normal)[0, number], normal)[0][0]


# Against loops and closed forms


def test_the_gradient_is_what_a_small_change_does_to_the_logit() -> None:
    model, step = classifier(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, 3)), 1e-6
    seen = seen_by(model, images=images(1), classes=columns(1))
    found = gradient.gradient(seen, channels="signed")[0]  # (E, H, W)
    for place, (y, x) in product(range(2), ((0, 0), (3, 5), (7, 7))):
        slope = 0.0
        for channel in range(3):  # one unit of n is one standard deviation of pixels
            moved = images(1).repeat(2, 1, 1, 1)
            moved[0, channel, y, x] += step * STD[channel]
            moved[1, channel, y, x] -= step * STD[channel]
            up, down = model(moved)[:, columns(1)[0, place]]
            slope += float(up - down) / (2 * step)
        assert float(found[place, y, x]) == pytest.approx(slope, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("channels", COLOURS)
def test_gradient_times_input_multiplies_by_the_normalised_image(channels: str) -> None:
    model = bent()

    def one(image: Tensor, number: int) -> Tensor:
        product_ = slow_gradient(model, image, number) * ((image - model.normalize.mean) / model.normalize.std)[0]
        return product_.abs().sum(0) if channels == "magnitude" else product_.sum(0)

    seen = seen_by(model)
    torch.testing.assert_close(gradient.gradient_x_input(seen, channels=channels), each(seen, one))


def test_without_biases_gradient_times_input_adds_up_to_the_logit() -> None:
    for bias in (False, True):
        seen = seen_by(bent(bias=bias))
        found, logits = gradient.gradient_x_input(seen).sum((2, 3)), seen.logits.gather(1, seen.classes)
        assert torch.allclose(found, logits) is not bias


class Square(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return values**2


def test_integrated_gradients_of_a_sum_of_squares_are_its_terms() -> None:
    model = classifier(Square(), nn.Flatten(), nn.Linear(3 * SIDE**2, 3))
    seen = seen_by(model)
    weight = model.network[2].weight.unflatten(1, (3, SIDE, SIDE))  # (K, C, H, W)
    terms = weight[seen.classes] * seen.activation[:, None] ** 2  # (N, E, C, H, W)
    torch.testing.assert_close(gradient.integrated_gradients(seen), terms.sum(2), rtol=1e-5, atol=1e-7)
    magnitudes = gradient.integrated_gradients(seen, channels="magnitude")
    torch.testing.assert_close(magnitudes, terms.abs().sum(2), rtol=1e-5, atol=1e-7)  # first |.|, then the sum


@pytest.mark.parametrize("baseline", ["mean", "black", "white"])
def test_integrated_gradients_follow_the_straight_way_from_the_baseline(baseline: str) -> None:
    model, steps = classifier(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, 3)), 100
    start = {"mean": model.normalize.mean, "black": torch.zeros(()), "white": torch.ones(())}[baseline]

    def one(image: Tensor, number: int) -> Tensor:
        way = image - start
        slopes = [slow_gradient(model, start + way * (at + 0.5) / steps, number) for at in range(steps)]
        return (way[0] / model.normalize.std[0] * torch.stack(slopes).mean(0)).sum(0)

    seen = seen_by(model, images=images(2), classes=columns(2))
    found = gradient.integrated_gradients(seen, baseline=baseline)
    torch.testing.assert_close(found, each(seen, one), rtol=1e-3, atol=1e-5)


def test_smooth_grads_are_moments_of_the_gradients_of_noisy_copies() -> None:
    model, draws, noise = bent(), 3, 0.2

    def copies(image: Tensor, number: int) -> Tensor:
        deviation = noise * (image.max() - image.min())
        noisy = [image + deviation * draw for draw in noise_draws(seen, draws)]
        return torch.stack([slow_gradient(model, copy, number) for copy in noisy])  # (d, C, H, W)

    seen = seen_by(model, seed=4)
    every = each(seen, copies)  # (N, E, d, C, H, W)
    asked = {"draws": draws, "noise": noise}
    torch.testing.assert_close(gradient.smooth_grad(seen, **asked), every.mean(2).abs().sum(2))
    torch.testing.assert_close(gradient.smooth_grad_squared(seen, **asked), (every**2).mean(2).sum(2))
    torch.testing.assert_close(gradient.var_grad(seen, **asked), every.var(2, correction=0).sum(2))


def test_without_noise_smooth_grads_are_the_gradient_its_square_and_nothing() -> None:
    seen = seen_by(bent())
    torch.testing.assert_close(gradient.smooth_grad(seen, noise=0.0), gradient.gradient(seen))
    torch.testing.assert_close(gradient.smooth_grad_squared(seen, noise=0.0), (seen.gradient**2).sum(2))
    assert float(gradient.var_grad(seen, noise=0.0).max()) < 1e-12


@pytest.mark.parametrize(("rectifier", "high"), [(nn.ReLU, float("inf")), (nn.ReLU6, 6.0)])
def test_guided_backpropagation_lets_only_positive_gradients_back(rectifier: type[nn.Module], high: float) -> None:
    model = classifier(nn.Conv2d(3, 4, 3), rectifier(), nn.Flatten(), nn.Linear(4 * 36, 3))
    convolution, linear = model.network[0], model.network[3]

    def one(image: Tensor, number: int) -> Tensor:
        normal = (image - model.normalize.mean) / model.normalize.std
        before = convolution(normal)
        passed = linear.weight[number].view_as(before).clamp(min=0) * ((before > 0) & (before < high))
        return nn.functional.conv_transpose2d(passed, convolution.weight)[0].abs().sum(0)

    seen = seen_by(model, images=10 * images())
    torch.testing.assert_close(gradient.guided_backprop(seen), each(seen, one))
    assert not torch.allclose(gradient.guided_backprop(seen), gradient.gradient(seen))


def test_occlusion_averages_the_falls_of_the_logit() -> None:
    model, window = bent(), 0.4  # squares of 3 pixels
    seen = seen_by(model)
    squares = squares_on((SIDE, SIDE), window)
    assert {square[0].stop - square[0].start for square in squares} == {3}
    assert len(squares) == positions(window) ** 2 == 16

    def one(image: Tensor, number: int) -> Tensor:
        total, count = torch.zeros(SIDE, SIDE).double(), torch.zeros(SIDE, SIDE).double()
        for rows, across in squares:
            hidden = image.clone()
            hidden[0, :, rows, across] = model.normalize.mean[0]
            total[rows, across] += float(model(image)[0, number] - model(hidden)[0, number])
            count[rows, across] += 1
        return total / count

    found = gradient.occlusion(seen, window=window)
    torch.testing.assert_close(found, each(seen, one))
    assert found.isfinite().all()  # every pixel is hidden by some square


@pytest.mark.parametrize(("side", "window"), [(28, 0.2), (7, 0.2), (9, 1.0), (224, 0.15), (8, 0.01)])
def test_the_squares_cover_the_image_from_edge_to_edge(side: int, window: float) -> None:
    covered = torch.zeros(side, side)
    for square in squares_on((side, side), window):
        covered[square] += 1
    assert covered.min() >= 1 or window < 1 / side  # below a pixel there are gaps, as one asked for


# Against captum, on the normalised image and the bare network


def normal(model: Classifier) -> Tensor:
    return model.normalize(images())


def of_captum(made: Any, model: Classifier, **asked: Any) -> Tensor:
    return torch.stack([made.attribute(normal(model), target=column, **asked) for column in columns().unbind(1)], 1)


@pytest.mark.filterwarnings("ignore::UserWarning:captum")
def test_captum_says_the_same() -> None:
    model = bent()
    seen, network = seen_by(model), model.network
    both = of_captum(attr.Saliency(network), model)  # (N, E, C, H, W), |.|
    torch.testing.assert_close(gradient.gradient(seen), both.sum(2))
    both = of_captum(attr.InputXGradient(network), model)
    torch.testing.assert_close(gradient.gradient_x_input(seen), both.sum(2))
    both = of_captum(attr.IntegratedGradients(network), model, n_steps=20)
    torch.testing.assert_close(gradient.integrated_gradients(seen, steps=20), both.sum(2), rtol=1e-5, atol=1e-7)
    both = of_captum(attr.GuidedBackprop(network), model)
    torch.testing.assert_close(gradient.guided_backprop(seen, channels="signed"), both.sum(2))
    both = of_captum(attr.Occlusion(network), model, sliding_window_shapes=(3, 4, 4), strides=(3, 2, 2))
    torch.testing.assert_close(gradient.occlusion(seen, window=0.5).float(), both.mean(2), rtol=1e-4, atol=1e-6)


# Completeness (pitfalls 4.12)


def test_enough_steps_add_up_to_the_difference_of_logits_and_too_few_are_flagged() -> None:
    model, few = bent(), {"steps": 1}
    found = explain(model, images(), columns(), layer=INPUT, techniques={"integrated-gradients": {"steps": 300}})
    sums = found.completeness["integrated-gradients"]  # (N, E, 2)
    torch.testing.assert_close(sums[..., 0], found.maps["integrated-gradients"].sum((2, 3)))
    mean = model.normalize.mean.expand(1, 3, SIDE, SIDE)
    torch.testing.assert_close(sums[..., 1], (model(images()) - model(mean)).gather(1, columns()))
    assert not flagged(sums.numpy()).any()
    worse = explain(model, images(), columns(), layer=INPUT, techniques={"integrated-gradients": few}).completeness
    assert flagged(worse["integrated-gradients"].numpy()).any()


def test_pixels_of_the_baselines_colour_get_exactly_nothing() -> None:
    shown = images()
    shown[:, :, 2:4] = bent().normalize.mean
    found = gradient.integrated_gradients(seen_by(bent(), images=shown))
    assert not found[:, :, 2:4].any() and found[:, :, 4:].any()


def test_the_gap_is_relative_and_flagged_from_one_percent() -> None:
    assert gap(torch.tensor([[2.0, 2.0], [1.98, 2.0], [-1.0, 2.0]]).numpy()).tolist() == pytest.approx([0, 0.01, 1.5])
    assert gap([[1.0, 0.0], [0.0, 0.0]]).tolist() == [float("inf"), 0.0]
    near, far = 2 * (1 + 0.9 * FLAGGED), 2 * (1 + 1.1 * FLAGGED)
    assert flagged([[near, 2.0], [far, 2.0], [float("nan")] * 2]).tolist() == [False, True, False]


# What `explain` makes of them


def test_techniques_of_the_input_are_computed_there_whatever_the_layer() -> None:
    model = bent()
    asked = {"integrated-gradients": {"steps": 5}, "grad-cam": {}}
    mixed = explain(model, images(), columns(), layer="3", techniques=asked)
    alone = explain(model, images(), columns(), layer=INPUT, techniques={"integrated-gradients": {"steps": 5}})
    torch.testing.assert_close(mixed.maps["integrated-gradients"], alone.maps["integrated-gradients"], rtol=0, atol=0)
    assert mixed.maps["grad-cam"].shape == (3, 2, 4, 4) and set(mixed.completeness) == {"integrated-gradients"}
    torch.testing.assert_close(mixed.logits, alone.logits)
    with pytest.raises(BadInput, match="Grad-CAM explains a layer of the network; expected its name, got 'input'"):
        explain(model, images(), columns(), layer=INPUT, techniques={"grad-cam": {}})


@pytest.mark.parametrize("name", AT_INPUT)
def test_every_technique_gives_finite_maps_of_the_images_size_signed_as_it_says(name: str) -> None:
    model = bent().float()
    options = FEW.get(name, {})
    found = explain(model, images().float(), columns(), layer="3", techniques={name: options}, precision="bfloat16")
    maps = found.maps[name]
    assert maps.shape == (3, 2, SIDE, SIDE) and maps.dtype == torch.float32 and maps.isfinite().all()
    assert bool((maps < 0).any()) == signed(name, TECHNIQUES[name].options(**options).model_dump())
    torch.testing.assert_close(maps[1, 0], maps[1, 1], rtol=0, atol=0)  # the same class twice
    exact = explain(model, images().float(), columns(), layer=INPUT, techniques={name: options})
    torch.testing.assert_close(maps, exact.maps[name], rtol=0, atol=0)  # float32 whatever was asked for


def test_signs_follow_the_option() -> None:
    assert signed("gradient", {"channels": "signed"}) and not signed("gradient", {"channels": "magnitude"})
    assert signed("cam", {}) and not signed("grad-cam", {}) and signed("occlusion", {"window": 0.2, "baseline": "mean"})


def test_gradient_techniques_share_a_pass_and_smooth_ones_their_draws() -> None:
    model, calls = bent(), []
    model.network[0].register_forward_hook(lambda *_: calls.append(1))
    explain(model, images(), columns(), layer=INPUT, techniques={"gradient": {}, "gradient-x-input": {}})
    assert len(calls) == 1
    calls.clear()
    explain(model, images(), columns(), layer=INPUT, techniques=FEW)
    assert len(calls) == 2  # the clean images, and both copies of all of them at once


def test_a_repeated_class_is_integrated_once() -> None:
    model, sizes = bent(), []
    model.network[0].register_forward_hook(lambda _module, inputs, _output: sizes.append(len(inputs[0])))
    explain(model, images(), columns(), layer=INPUT, techniques={"integrated-gradients": {"steps": 1}})
    assert sizes == [5, 3, 1]  # five different pairs; the logits of the images, and of the baseline


@pytest.mark.parametrize("name", AT_INPUT)
def test_the_model_is_left_as_it_was(name: str) -> None:
    model = bent()
    model.train()
    model.network[1].eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    explain(model, images(), columns(), layer=INPUT, techniques={name: FEW.get(name, {})})
    assert model.training
    assert [module.training for module in model.network] == [True, False, True, True, True, True]
    assert all(not module._forward_hooks and not module._backward_hooks for module in model.modules())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(weight.grad is None and not weight.requires_grad for weight in model.parameters())


def test_a_grey_image_repeated_for_a_colour_network_is_explained_as_one_channel() -> None:
    model = classifier(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, 3), channels=1)
    assert model.channels == 3
    found = explain(
        model, images(channels=1), columns(), layer=INPUT, techniques={"integrated-gradients": {"steps": 50}}
    )
    sums = found.completeness["integrated-gradients"]
    torch.testing.assert_close(sums[..., 0], sums[..., 1], rtol=1e-5, atol=1e-6)


# What applies


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.act, self.last = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(4 * 36, 3)

    def forward(self, values: Tensor) -> Tensor:
        hidden = torch.relu(self.act(self.first(values)) - 0.1)
        return self.last(nn.functional.relu(hidden - 0.1).flatten(1))


def test_guided_backpropagation_needs_rectifiers_that_are_modules() -> None:
    def why(*modules: nn.Module) -> str | None:
        model = classifier(*modules)
        return obstacle("guided-backprop", model, layer_at(model, images(), INPUT), images())

    assert why(Functional()) == (
        "Guided backpropagation needs every ReLU to be a module; of the 3 here, 2 come from functions."
    )
    assert why(nn.Conv2d(3, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(144, 3)) == (
        "Guided backpropagation needs a network with ReLUs; this one has none."
    )
    assert why(nn.Conv2d(3, 4, 3), nn.ReLU6(), nn.Flatten(), nn.Linear(144, 3)) is None


def test_the_input_is_a_place_for_techniques_of_the_input_alone() -> None:
    model = bent()
    place = layer_at(model, images(), INPUT)
    assert place == Layer(INPUT, 3, SIDE, SIDE, nonnegative=False, whole=True)
    assert "CAM needs a layer of the network" in str(obstacle("cam", model, place, images()))
    assert all(obstacle(name, model, place, images()) is None for name in AT_INPUT)
    assert {layer_of(name, "3") for name in AT_INPUT} == {INPUT} and layer_of("cam", "3") == "3"


def test_a_model_without_a_normalisation_has_no_input_to_explain() -> None:
    bare = nn.Module()
    bare.network = nn.Linear(2, 2)
    with pytest.raises(BadInput, match="module `normalize`"):
        explain(bare, images(), columns(), layer=INPUT, techniques={"gradient": {}})


def test_costs_are_counted_in_passes() -> None:
    assert passes("gradient", {"channels": "signed"}) == 0
    assert passes("integrated-gradients", {"steps": 20}) == 20
    assert passes("smooth-grad", {"draws": 7}) == 7
    assert passes("guided-backprop", {"channels": "magnitude"}) == 1
    assert passes("occlusion", {"window": 0.5}) == pytest.approx(9 / 3)
