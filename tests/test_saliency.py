"""The CAM family: against the formulas in plain loops and float64, closed forms, and what it must leave alone."""

import ctypes
import os
import platform
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from precompute import saliency
from precompute.saliency import class_activation, explain
from precompute.saliency.class_activation import cam, grad_cam, grad_cam_pp, noise_draws, smooth_grad_cam_pp
from precompute.saliency.passes import Pass, precision_for
from store.errors import BadInput

FAMILY = {"cam": {}, "grad-cam": {}, "grad-cam++": {}, "smooth-grad-cam++": {"draws": 3, "noise": 0.15}}
GRADIENT_ONLY = {name: options for name, options in FAMILY.items() if name != "cam"}
GAP_LAYER, FLAT_LAYER = "5", "1"


class Wrapped(nn.Module):
    """A network behind its normalisation, as precompute.models has it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network((images - 0.5) / 0.25)


def frozen(*modules: nn.Module, seed: int = 0) -> Wrapped:
    """An evaluating model whose weights and batch statistics are random."""
    model = Wrapped(nn.Sequential(*modules)).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.randn(value.shape, generator=generator).mul(0.3))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.abs_().add_(0.5)
    return model


def gap_net() -> Wrapped:
    """Convolutions with batch norm, then average pooling, dropout, and one linear layer; layer 5 is the last map."""
    body = (nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    return frozen(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(8, 4))


def flat_net() -> Wrapped:
    """A head whose gradients vary over the 4 x 4 positions of layer 1's 3 channels."""
    head = (nn.Flatten(), nn.Linear(48, 12), nn.Tanh(), nn.Linear(12, 4))
    return frozen(nn.Conv2d(2, 3, 3), nn.ReLU(), *head)


def batch(count: int = 5, channels: int = 3, side: int = 12) -> Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(1))


def columns(count: int = 5) -> Tensor:
    """Two explained classes per image, equal for some."""
    return torch.tensor([[1, 1], [0, 2], [3, 3], [2, 1], [0, 0]])[:count]


def flat_pass(*, count: int = 3, seed: int = 0) -> Pass:
    """The 3-channel 4 x 4 example, in float64."""
    return Pass(flat_net().double(), batch(count, 2, 6).double(), columns(count), FLAT_LAYER, seed=seed)


# The oracles: one image, one class; A and the derivatives are nested lists [k][y][x] of Python floats.


def body_and_gradient(model: Wrapped, image: Tensor, number: int) -> tuple[list, list]:
    """A by running the body alone and g by the Jacobian of the head alone: no hooks."""
    body, head = model.network[:2], model.network[2:]
    activation = body((image[None] - 0.5) / 0.25)
    gradient = torch.autograd.functional.jacobian(lambda maps: head(maps)[0, number], activation)
    return activation[0].tolist(), gradient[0].tolist()


def summed(weights: list[float], activation: list) -> list:
    side = range(len(activation[0]))
    return [[sum(w * a[y][x] for w, a in zip(weights, activation, strict=True)) for x in side] for y in side]


def positive_part(maps: list) -> list:
    return [[max(value, 0.0) for value in row] for row in maps]


def positions(activation: list) -> list[tuple[int, int]]:
    return list(product(range(len(activation[0])), repeat=2))


def slow_grad_cam(activation: list, gradient: list) -> list:
    places = positions(activation)
    return positive_part(summed([sum(g[y][x] for y, x in places) / len(places) for g in gradient], activation))


def slow_plus_plus(activation: list, draws: list[list], *, mixed: bool = False, paper: bool = False) -> list:
    """Grad-CAM++ (one draw) and SmoothGradCAM++ as printed; `mixed` plants the index error sum(A g^3)."""
    weights = []
    for k, a in enumerate(activation):
        places = positions(activation)
        d1, d2, d3 = ({p: sum(g[k][p[0]][p[1]] ** n for g in draws) / len(draws) for p in places} for n in (1, 2, 3))
        total, mixture = sum(a[y][x] for y, x in places), sum(a[y][x] * d3[y, x] for y, x in places)
        denominators = {p: 2 * d2[p] + (mixture if mixed else total * d3[p]) for p in places}
        tops = d1 if paper else d2
        weights.append(sum(tops[p] / denominators[p] * max(d1[p], 0.0) for p in places if denominators[p]))
    return positive_part(summed(weights, activation))


def slowly(seen: Pass, oracle: Callable[[Tensor, int], list]) -> Tensor:
    """An oracle of (image, class) for all images and classes: (N, E, h, w)."""
    pairs = zip(seen.images, seen.classes.tolist(), strict=True)
    return torch.tensor([[oracle(image, number) for number in row] for image, row in pairs], dtype=torch.float64)


def slow_smooth(seen: Pass, *, draws: int, noise: float, **variant: bool) -> Tensor:
    normal = noise_draws(seen, draws)

    def one(image: Tensor, number: int) -> list:
        deviation = noise * (image.max() - image.min())
        gradients = [body_and_gradient(seen.model, image + deviation * draw, number)[1] for draw in normal]
        return slow_plus_plus(body_and_gradient(seen.model, image, number)[0], gradients, **variant)

    return slowly(seen, one)


def slow_single(seen: Pass, **variant: bool) -> Tensor:
    def one(image: Tensor, number: int) -> list:
        activation, gradient = body_and_gradient(seen.model, image, number)
        return slow_plus_plus(activation, [gradient], **variant)

    return slowly(seen, one)


def test_cam_is_the_loop_over_channels_of_the_linear_layers_row():
    model = gap_net().double()
    seen = Pass(model, batch().double(), columns(), GAP_LAYER)
    activation = model.network[:6]((seen.images - 0.5) / 0.25)
    weight = model.network[9].weight
    pairs = zip(activation.tolist(), columns(), strict=True)
    expected = [[summed(weight[c].tolist(), a) for c in row] for a, row in pairs]
    torch.testing.assert_close(cam(seen), torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12)


def test_grad_cam_is_the_papers_formula():
    seen = flat_pass()
    expected = slowly(seen, lambda image, number: slow_grad_cam(*body_and_gradient(seen.model, image, number)))
    assert expected.max() > 0.01
    torch.testing.assert_close(grad_cam(seen), expected, rtol=1e-10, atol=1e-12)


def test_grad_cam_pp_is_the_papers_formula():
    seen = flat_pass()
    torch.testing.assert_close(grad_cam_pp(seen), slow_single(seen), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("numerator", ["corrected", "paper"])
def test_smooth_grad_cam_pp_is_the_papers_formula(numerator):
    seen = flat_pass()
    maps = smooth_grad_cam_pp(seen, draws=5, noise=0.15, numerator=numerator)
    expected = slow_smooth(seen, draws=5, noise=0.15, paper=numerator == "paper")
    assert not seen.poles.any()
    assert expected.amax((2, 3)).min() > 0.01
    torch.testing.assert_close(maps, expected, rtol=1e-9, atol=1e-12)


def test_the_oracles_catch_the_index_error_sum_of_products(monkeypatch):
    def mixed(seen: Pass, ratio: Tensor) -> Tensor:
        # alpha with sum(A g^3) for (sum A) g^3; for one draw g = ratio wherever g > 0, elsewhere alpha meets a zero.
        g = seen.gradient
        sums = (seen.activation[:, None] * g.pow(3)).sum((3, 4), keepdim=True)
        return torch.where(g > 0, g.square() / (2 * g.square() + sums), 0.0)

    seen = flat_pass()
    correct = grad_cam_pp(seen)
    monkeypatch.setattr(class_activation, "coefficients", mixed)
    planted = grad_cam_pp(seen)
    torch.testing.assert_close(planted, slow_single(seen, mixed=True), rtol=1e-9, atol=1e-12)
    assert ((planted - correct).abs().amax((2, 3)) > 0.05 * correct.amax((2, 3))).all()
    with pytest.raises(AssertionError):
        torch.testing.assert_close(planted, slow_single(seen), rtol=0.01, atol=0)


def test_the_smooth_oracle_catches_the_index_error():
    seen = flat_pass()
    maps = smooth_grad_cam_pp(seen, draws=5, noise=0.15)
    planted = slow_smooth(seen, draws=5, noise=0.15, mixed=True)
    assert ((planted - maps).abs().amax((2, 3)) > 0.05 * maps.amax((2, 3))).all()


def test_a_head_that_averages_would_not_show_the_index_error():
    activation, flat = torch.rand(3, 4, 4).tolist(), torch.ones(3, 4, 4).mul(0.3).tolist()
    right, wrong = (torch.tensor(slow_plus_plus(activation, [flat], mixed=mixed)) for mixed in (False, True))
    torch.testing.assert_close(wrong, right)


def test_cam_mean_plus_bias_is_the_logit():
    model, every = gap_net(), torch.arange(4).repeat(5, 1)
    seen = Pass(model, batch(), every, GAP_LAYER)
    maps = cam(seen)
    assert (maps < 0).any()
    torch.testing.assert_close(maps.mean((2, 3)) + model.network[9].bias, model(batch()), rtol=1e-5, atol=1e-5)


def test_positive_part_of_cam_is_grad_cam_times_positions_on_a_gap_head():
    seen = Pass(gap_net(), batch(), columns(), GAP_LAYER)
    torch.testing.assert_close(cam(seen).relu(), grad_cam(seen) * 64, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("title", ["CAM", "GradCAM"])
def test_maps_agree_with_torchcam(title):
    methods = pytest.importorskip("torchcam.methods")
    model = gap_net()
    numbers, images = columns()[:, 1].tolist(), batch()
    layers = {"CAM": {"fc_layer": "network.9"}}.get(title, {})
    with getattr(methods, title)(model, f"network.{GAP_LAYER}", **layers) as extractor, torch.enable_grad():
        scores = model(images.clone().requires_grad_())
        (theirs,) = extractor(numbers, scores, normalized=False)
    ours = {"CAM": cam, "GradCAM": grad_cam}[title](Pass(model, images, columns()[:, 1:], GAP_LAYER))
    torch.testing.assert_close(ours[:, 0], theirs.detach(), rtol=1e-4, atol=1e-6)


def stub(activation: Tensor, gradient: Tensor) -> Pass:
    """A pass whose activation (N, k, h, w) and gradient (N, E, k, h, w) are given."""
    seen = Pass(nn.Identity(), activation, torch.zeros(gradient.shape[:2], dtype=torch.int64), "none")
    seen.__dict__.update(activation=activation, gradient=gradient)
    return seen


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.floats(-20, 4), st.floats(-6, 4))
def test_alpha_lies_between_zero_and_one_half_where_the_gradient_is_positive(seed, gradient_size, activation_size):
    generator = torch.Generator().manual_seed(seed)
    activation = torch.randn(2, 3, 4, 4, generator=generator).relu() * 10**activation_size
    gradient = torch.randn(2, 2, 3, 4, 4, generator=generator) * 10**gradient_size
    seen = stub(activation, gradient)
    alpha = class_activation.coefficients(seen, gradient.relu())[gradient > 0]
    assert (alpha > 0).all()
    assert (alpha <= 0.5).all()
    assert not seen.poles.any()


@pytest.mark.parametrize("size", [1e-3, 1e-8, 1e-14])
def test_alpha_of_small_gradients_is_one_half_and_not_bound_to_an_epsilon(size):
    activation, gradient = torch.rand(1, 2, 3, 3) * 1e-3, torch.ones(1, 1, 2, 3, 3) * size
    weight = 9 * size / 2
    expected = weight * activation.sum(1, keepdim=True)
    torch.testing.assert_close(grad_cam_pp(stub(activation, gradient)), expected, rtol=1e-5, atol=0)


def test_smooth_maps_follow_the_scale_of_late_gradients():
    model, maps = gap_net(), []
    weight = model.network[9].weight.clone()
    for size in (1e-4, 1e-14):
        model.network[9].weight.copy_(weight * size)
        maps.append(smooth_grad_cam_pp(Pass(model, batch(), columns(), GAP_LAYER)) / size)
    assert maps[0].amax((2, 3)).max() > 0.01
    torch.testing.assert_close(maps[1], maps[0], rtol=1e-3, atol=1e-6)


def test_poles_are_zeroed_and_counted():
    activation = -torch.ones(1, 2, 2, 2)  # sums to -4: g = 1/2 is a pole
    gradient = torch.tensor([[0.5, 0.1], [-0.5, 0.5]]).expand(1, 3, 2, 2, 2)
    seen = stub(activation, gradient)
    assert torch.isfinite(grad_cam_pp(seen)).all()
    assert seen.poles.tolist() == [[4, 4, 4]]


def test_poles_come_back_by_technique():
    model = frozen(nn.Conv2d(1, 2, 1, bias=False), nn.Flatten(), nn.Linear(8, 2))
    model.network[0].weight.fill_(-1)
    model.network[2].weight.fill_(0.5)
    images = torch.full((3, 1, 2, 2), 0.75)  # normalised 1, so A = -1
    classes = torch.tensor([[0, 1], [0, 0], [1, 1]])
    found = explain(model, images, classes, layer="0", techniques={"grad-cam": {}, "grad-cam++": {}})
    assert found.poles == {"grad-cam": 0, "grad-cam++": 6 * 8}
    assert all(torch.isfinite(maps).all() for maps in found.maps.values())


def test_a_smooth_denominator_that_vanishes_is_counted():
    # Draws of 1, 1 and -2 times a base: D1 = 0; with -1.9 D1 > 0 while D3 < 0, and some sum of A cancels 2 D2.
    draws = torch.tensor([1.0, 1.0, -1.9])
    ratio = draws.pow(3).mean() / draws.square().mean()
    seen = stub((-2 / ratio).expand(1, 1, 1, 1), draws.mean().expand(1, 1, 1, 1, 1))
    assert class_activation.coefficients(seen, ratio.expand(1, 1, 1, 1, 1)).item() == 0
    assert seen.poles.item() == 1


def test_one_draw_without_noise_is_grad_cam_pp():
    seen = Pass(flat_net(), batch(4, 2, 6), columns(4), FLAT_LAYER)
    torch.testing.assert_close(smooth_grad_cam_pp(seen, draws=1, noise=0), grad_cam_pp(seen), rtol=1e-5, atol=1e-7)


def test_little_noise_comes_close_to_grad_cam_pp():
    seen = flat_pass()
    torch.testing.assert_close(smooth_grad_cam_pp(seen, draws=2, noise=1e-7), grad_cam_pp(seen), rtol=1e-4, atol=1e-6)


def test_a_rerun_is_bit_identical_and_another_seed_is_not():
    model, images = flat_net(), batch(5, 2, 6)
    first, again, other = (
        explain(model, images, columns(), layer=FLAT_LAYER, techniques=GRADIENT_ONLY, seed=seed).maps
        for seed in (3, 3, 4)
    )
    assert all(torch.equal(first[name], again[name]) for name in GRADIENT_ONLY)
    assert torch.equal(first["grad-cam"], other["grad-cam"])
    assert not torch.allclose(first["smooth-grad-cam++"], other["smooth-grad-cam++"], rtol=1e-3)


def test_the_global_generator_is_neither_used_nor_moved():
    model, before = gap_net(), torch.get_rng_state()
    explain(model, batch(), columns(), layer=GAP_LAYER, techniques=FAMILY)
    assert torch.equal(torch.get_rng_state(), before)


def test_maps_do_not_depend_on_the_other_images_of_a_batch():
    model, images = gap_net(), batch()
    together = explain(model, images, columns(), layer=GAP_LAYER, techniques=FAMILY)
    for n in range(5):
        alone = explain(model, images[n : n + 1], columns()[n : n + 1], layer=GAP_LAYER, techniques=FAMILY)
        for name in FAMILY:
            torch.testing.assert_close(alone.maps[name][0], together.maps[name][n], rtol=1e-4, atol=1e-6)


def test_draws_in_one_go_and_one_by_one_are_the_same(monkeypatch):
    seen = Pass(flat_net(), batch(2, 2, 6), columns(2), FLAT_LAYER)
    together = smooth_grad_cam_pp(seen, draws=7)
    monkeypatch.setattr(class_activation, "IMAGES_AT_ONCE", 1)
    torch.testing.assert_close(smooth_grad_cam_pp(seen, draws=7), together, rtol=1e-4, atol=1e-6)


def test_every_column_holds_the_map_of_its_class():
    model, images = flat_net(), batch(5, 2, 6)
    classes = torch.tensor([[0, 1, 0], [2, 2, 2], [3, 0, 0], [1, 2, 3], [0, 0, 3]])
    found = explain(model, images, classes, layer=FLAT_LAYER, techniques=GRADIENT_ONLY)
    for column in range(3):
        alone = explain(model, images, classes[:, column : column + 1], layer=FLAT_LAYER, techniques=GRADIENT_ONLY)
        for name in GRADIENT_ONLY:
            torch.testing.assert_close(found.maps[name][:, column], alone.maps[name][:, 0], rtol=1e-4, atol=1e-6)


@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=6))
def test_distinct_classes_lead_back_to_all_classes(rows):
    classes = torch.tensor(rows)
    packed, place = saliency.distinct(classes)
    assert torch.equal(packed.gather(1, place), classes)
    assert packed.shape[1] == max(len(set(row)) for row in rows)


@pytest.mark.parametrize(("classes", "backwards"), [([[1, 1], [2, 2]], 1), ([[1, 1], [2, 0]], 2)])
def test_equal_columns_are_differentiated_once(monkeypatch, classes, backwards):
    calls, grad = [], torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", lambda *args, **options: calls.append(1) or grad(*args, **options))
    explain(gap_net(), batch(2), torch.tensor(classes), layer=GAP_LAYER, techniques={"grad-cam": {}, "grad-cam++": {}})
    assert len(calls) == backwards


def test_techniques_share_one_forward_pass_and_smooth_adds_its_draws():
    model, images, seen = gap_net(), batch(), []
    model.network.register_forward_hook(lambda _module, inputs, _output: seen.append(len(inputs[0])))
    explain(model, images, columns(), layer=GAP_LAYER, techniques=FAMILY)
    assert sum(seen) == (1 + 3) * len(images)
    assert max(seen) <= 16


@pytest.mark.parametrize("frozen_weights", [True, False])
def test_only_the_head_is_recorded(frozen_weights):
    model = gap_net().requires_grad_(not frozen_weights)
    recorded = []
    model.network[3].register_forward_hook(lambda _module, _inputs, output: recorded.append(output.requires_grad))
    seen = Pass(model, batch(), columns(), GAP_LAYER)
    assert seen.forward.leaf.is_leaf
    assert seen.logits.shape == (5, 4)
    assert recorded == [False]
    assert torch.is_grad_enabled()


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


def test_hooks_are_gone_after_success_and_after_failure():
    model = gap_net()
    explain(model, batch(), columns(), layer=GAP_LAYER, techniques=FAMILY)
    assert hooks(model) == 0
    with pytest.raises(RuntimeError):
        explain(model, batch(channels=7), columns(), layer=GAP_LAYER, techniques=FAMILY)
    assert hooks(model) == 0
    assert torch.is_grad_enabled()


class Failing(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        raise ArithmeticError("in the middle of a pass")


def test_each_module_gets_its_mode_back_also_after_a_failure():
    model = Wrapped(nn.Sequential(nn.Conv2d(3, 2, 1), nn.Dropout(), Failing()))
    model.train().network[1].eval()
    with pytest.raises(ArithmeticError):
        explain(model, batch(), columns(), layer="0", techniques={"grad-cam": {}})
    assert [module.training for module in model.network] == [True, False, True]
    assert hooks(model) == 0


def test_batch_statistics_and_weights_stay_as_they_were():
    model = gap_net().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    explain(model, batch(), columns(), layer=GAP_LAYER, techniques=FAMILY)
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert after["network.1.num_batches_tracked"] == 0
    assert model.training


def losses(*, explained: bool) -> list[float]:
    """A few training steps with dropout and batch norm, explaining between backward and step if asked."""
    torch.manual_seed(0)
    model = gap_net().train().requires_grad_(True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    curve = []
    for _ in range(6):
        loss = nn.functional.cross_entropy(model(batch()), columns()[:, 0])
        loss.backward()
        if explained:
            explain(model, batch(), columns(), layer=GAP_LAYER, techniques=FAMILY)
        optimizer.step()
        optimizer.zero_grad()
        curve.append(loss.item())
    return curve


def test_the_training_loss_is_the_same_with_and_without_saliency():
    plain = losses(explained=False)
    assert plain[-1] < plain[0]
    assert losses(explained=True) == plain


def resident_megabytes() -> float:
    """Resident memory, after glibc has given back what is free: it keeps tens of megabytes, now more, now fewer."""
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="measures resident memory as Linux with glibc tells it")
def test_memory_stays_flat_over_a_thousand_images():
    body = (nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4))
    model, images = frozen(*body), batch(20, side=24)
    classes = torch.arange(40).reshape(20, 2) % 4
    for step in range(50):
        explain(model, images, classes, layer="1", techniques=GRADIENT_ONLY | {"smooth-grad-cam++": {"draws": 1}})
        if step == 9:
            settled = resident_megabytes()
    # A batch leaves 1.5 MB at the layer: to keep it, even from every tenth batch, would show.
    assert resident_megabytes() - settled < 3


@pytest.mark.parametrize("target", ["0", "1"])
def test_a_relu_that_works_in_place_changes_nothing(target):
    def maps(inplace: bool) -> dict[str, Tensor]:
        head = (nn.ReLU(inplace), nn.Conv2d(4, 5, 3), nn.ReLU(inplace), nn.Flatten(), nn.Linear(320, 4))
        model = frozen(nn.Conv2d(3, 4, 3), *head)
        return explain(model, batch(), columns(), layer=target, techniques=GRADIENT_ONLY).maps

    apart, in_place = maps(False), maps(True)
    assert all(torch.equal(apart[name], in_place[name]) for name in apart)
    assert apart["grad-cam"].max() > 0


class Recycling(nn.Module):
    """Passes a buffer on through `look`, which gives back its very input, and wipes the buffer in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.look, self.fc = nn.Conv2d(3, 4, 3), nn.Dropout(), nn.Linear(4, 4)

    def forward(self, images: Tensor) -> Tensor:
        buffer = self.conv(images)
        logits = self.fc(self.look(buffer).mean((2, 3)))
        buffer.zero_()
        return logits


def test_a_buffer_that_is_wiped_later_does_not_wipe_the_activation():
    torch.manual_seed(0)
    model = Wrapped(Recycling()).eval().requires_grad_(False)
    seen = Pass(model, batch(), columns(), "look")
    torch.testing.assert_close(seen.activation, model.network.conv((batch() - 0.5) / 0.25))


class Shared(nn.Module):
    """One ReLU, called after each of two convolutions; the second result is changed in place behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.relu, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3), nn.ReLU(), nn.Linear(5, 4)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.relu(self.second(self.relu(self.first(images))))
        maps *= 2
        return self.fc(maps.mean((2, 3)))


def test_of_a_module_called_twice_the_last_call_is_explained():
    torch.manual_seed(0)
    model = Wrapped(Shared()).eval().requires_grad_(False)
    seen = Pass(model, batch(), columns(), "relu")
    inner = model.network.relu(model.network.first((batch() - 0.5) / 0.25))
    torch.testing.assert_close(seen.activation, model.network.second(inner).relu())
    expected = 2 * model.network.fc.weight[columns()] / 64  # (N, E, k)
    torch.testing.assert_close(seen.gradient, expected[..., None, None].expand_as(seen.gradient))


def test_bfloat16_maps_are_float32_and_close():
    model, images = gap_net(), batch()
    exact, rough = (
        explain(model, images, columns(), layer=GAP_LAYER, techniques=FAMILY, precision=precision)
        for precision in ("float32", "bfloat16")
    )
    for name in FAMILY:
        assert rough.maps[name].dtype == torch.float32
        assert (rough.maps[name] - exact.maps[name]).abs().max() < 0.1 * exact.maps[name].abs().max()
    assert rough.logits.dtype == torch.float32


@pytest.mark.parametrize(("amx", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_the_cpu_computes_in_bfloat16_only_where_it_has_amx(monkeypatch, amx, expected):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert precision_for("cpu") == expected


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and this machine has none")
def test_cpu_and_gpu_give_the_same_maps_on_vgg16():
    from torchvision.models import vgg16

    torch.manual_seed(0)
    model = Wrapped(vgg16(weights=None)).eval().requires_grad_(False)
    images, classes = torch.rand(2, 3, 224, 224), torch.tensor([[1, 2], [3, 3]])
    asked = {"layer": "features.28", "techniques": GRADIENT_ONLY}  # a convolution before an in-place ReLU
    on_cpu, on_gpu = (explain(model.to(device), images, classes, **asked) for device in ("cpu", "cuda"))
    for name in GRADIENT_ONLY:
        size = on_cpu.maps[name].max()
        torch.testing.assert_close(on_gpu.maps[name] / size, on_cpu.maps[name] / size, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("features.9", "has no layer 'features.9'; it has, for example"),
        ("", r"The network has no layer ''; .*\.$"),
        ("9", r"Layer '9' gives \(5, 4\), not maps"),
    ],
)
def test_a_layer_that_cannot_be_explained_is_refused(layer, message):
    with pytest.raises(BadInput, match=message):
        explain(gap_net(), batch(), columns(), layer=layer, techniques={"grad-cam": {}})


class Branch(nn.Module):
    """`side` is called and its result thrown away; `idle` is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.side, self.idle, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), nn.Linear(3, 4)

    def forward(self, images: Tensor) -> Tensor:
        self.side(images)
        return self.fc(images.mean((2, 3)))


@pytest.mark.parametrize(("layer", "message"), [("side", "do not depend on layer 'side'"), ("idle", "was not called")])
def test_a_layer_beside_the_way_to_the_logits_is_refused(layer, message):
    with pytest.raises(BadInput, match=message):
        explain(Wrapped(Branch()), batch(), columns(), layer=layer, techniques={"grad-cam": {}})


def test_cam_is_refused_where_it_is_not_defined():
    with pytest.raises(BadInput, match=r"ends in 2 linear layers; choose another technique or layer\.$"):
        explain(flat_net(), batch(5, 2, 6), columns(), layer=FLAT_LAYER, techniques={"cam": {}})


def test_classes_of_another_shape_are_refused():
    with pytest.raises(BadInput, match=r"Expected classes \(N, E\) for 5 images, got \(5,\)"):
        explain(gap_net(), batch(), torch.zeros(5, dtype=torch.int64), layer=GAP_LAYER, techniques=FAMILY)


def test_an_unknown_technique_or_precision_is_refused():
    with pytest.raises(BadInput, match="score-cam"):
        explain(gap_net(), batch(), columns(), layer=GAP_LAYER, techniques={"score-cam": {}})
    with pytest.raises(BadInput, match="float32, bfloat16, got 'float16'"):
        explain(gap_net(), batch(), columns(), layer=GAP_LAYER, techniques=FAMILY, precision="float16")
