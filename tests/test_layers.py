"""Target layers and applicability, on the networks people bring and on small ones made for one case each."""

import pytest
import torch
from torch import Tensor, nn

from precompute.saliency import explain
from precompute.saliency.layers import Layer, default_layer, layer_at, obstacle, trace
from precompute.techniques import TECHNIQUES
from store.errors import BadInput

GAP = "CAM needs global average pooling followed by one linear layer; "
PLUS_PLUS = "Grad-CAM++ needs a layer without negative values, such as a ReLU; "
POOL = nn.AdaptiveAvgPool2d(1)
OF_LAYERS = [name for name, entry in TECHNIQUES.items() if not entry.at_input]


class Wrapped(nn.Module):
    """A network behind its normalisation, as precompute.models has it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        return self.network((images - 0.5) / 0.25)


def stack(*modules: nn.Module) -> Wrapped:
    torch.manual_seed(0)
    for module in modules:
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    return Wrapped(nn.Sequential(*modules))


def photographs(side: int = 224, channels: int = 3) -> Tensor:
    return torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(0))


def names(model: Wrapped, images: Tensor) -> list[str]:
    return [layer.name for layer in trace(model, images)]


def refused(model: Wrapped, layer: Layer, images: Tensor) -> dict[str, str]:
    """The reasons by technique."""
    reasons = {technique: obstacle(technique, model, layer, images) for technique in OF_LAYERS}
    return {technique: reason for technique, reason in reasons.items() if reason}


TORCHVISION = {
    "resnet18": ("layer4.1", 512, 7, {}),
    "vgg16": ("features.30", 512, 7, {"cam": GAP + "this network ends in 3 linear layers."}),
    "mobilenet_v2": ("features.18.2", 1280, 7, {}),
    "densenet121": ("features", 1024, 7, {"cam": GAP + "between features and", "grad-cam++": PLUS_PLUS + "features"}),
    "efficientnet_b0": ("features.8.2", 1280, 7, {"grad-cam++": PLUS_PLUS + "features.8.2 can have some."}),
    "convnext_tiny": ("features.7.2", 768, 7, {"cam": GAP + "between feature", "grad-cam++": PLUS_PLUS + "features"}),
    "squeezenet1_1": ("classifier.2", 1000, 13, {"cam": GAP + "this network ends in no linear layer."}),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_networks_get_their_layer_and_their_reasons(name):
    from torchvision import models

    torch.manual_seed(0)
    model = Wrapped(models.get_model(name, weights=None, **({"init_weights": False} if name == "vgg16" else {})))
    layer, channels, side, reasons = TORCHVISION[name]
    images = photographs()[:1]
    found = default_layer(trace(model, images))
    given = refused(model, found, images)
    assert (found.name, found.channels, found.height, found.width) == (layer, channels, side, side)
    assert found.nonnegative == ("grad-cam++" not in reasons)
    assert given.pop("smooth-grad-cam++", "")[15:] == given.get("grad-cam++", "")[10:]
    assert given.keys() == reasons.keys()
    assert all(given[technique].startswith(reason) for technique, reason in reasons.items())


PROJECT = {
    "gap": ("features.", 1, 28, 7, {}),
    "roar-cnn": ("features.", 1, 28, 8, {"cam": GAP + "this network ends in 3 linear layers."}),
    "vgg16-small": ("features.", 3, 32, 8, {"cam": GAP + "this network's linear layer reads 512 values, not the 256 "}),
    "efficientnet-lite0": ("", 3, 224, 7, {}),
}


@pytest.mark.parametrize("name", PROJECT)
def test_the_projects_networks_get_their_layer_and_their_reasons(name):
    from precompute.models import build, frozen

    prefix, channels, size, side, reasons = PROJECT[name]
    statistics = {"mean": (0.5,) * channels, "std": (0.25,) * channels}
    model = frozen(build(name, classes=10, channels=channels, size=size, **statistics))
    images = photographs(size, channels)
    found = default_layer(trace(model, images))
    given = refused(model, found, images)
    assert found.name.startswith(prefix)
    assert (found.height, found.width, found.nonnegative, found.whole) == (side, side, True, True)
    assert given.keys() == reasons.keys()
    assert all(given[technique].startswith(reason) for technique, reason in reasons.items())


def test_layers_come_in_the_order_of_execution_not_of_registration():
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.first, self.fc = nn.Conv2d(4, 5, 3), nn.Conv2d(3, 4, 3), nn.Linear(5, 2)

        def forward(self, images: Tensor) -> Tensor:
            return self.fc(self.last(self.first(images)).mean((2, 3)))

    assert names(Wrapped(Backwards()), photographs(12)) == ["first", "last"]


def test_what_gives_anothers_result_or_its_own_input_is_left_out():
    block = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout2d())
    model = stack(block, nn.Identity(), nn.AdaptiveAvgPool2d(10), POOL, nn.Flatten(), nn.Linear(4, 2))
    assert names(model, photographs(12)) == ["0.0", "0.2"]


@pytest.mark.parametrize("inplace", [True, False])
def test_a_relu_is_listed_beside_its_convolution_also_in_place(inplace):
    model = stack(nn.Conv2d(3, 4, 3), nn.ReLU(inplace), nn.Flatten(), nn.Linear(400, 2))
    layers = trace(model, photographs(12))
    assert [(layer.name, layer.nonnegative) for layer in layers] == [("0", False), ("1", True)]


def test_maps_of_one_position_and_channels_last_tensors_are_no_layers():
    class Mixer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches, self.act = nn.Conv2d(3, 9, 4, 4), nn.GELU()
            self.mix, self.fc = nn.Linear(9, 40), nn.Linear(40, 2)

        def forward(self, images: Tensor) -> Tensor:
            return self.fc(self.act(self.mix(self.patches(images).permute(0, 2, 3, 1))).mean((1, 2)))

    assert names(Wrapped(Mixer()), photographs(32)) == ["patches"]


class Residual(nn.Module):
    """A block whose ReLU is a function; `inner` sees only a part of what flows."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.act = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        return torch.relu(images + self.act(self.inner(images)))


def test_only_layers_that_all_evidence_flows_through_are_whole():
    model = stack(nn.Conv2d(3, 3, 3), Residual(), nn.Conv2d(3, 3, 1), nn.Flatten(), nn.Linear(300, 2))
    whole = {layer.name: layer.whole for layer in trace(model, photographs(12))}
    assert whole == {"0": True, "1.inner": False, "1.act": False, "1": True, "2": True}


def test_a_relu_that_is_a_function_proves_a_block_nonnegative_and_chance_does_not():
    model = stack(nn.Conv2d(3, 3, 3), Residual(), nn.Conv2d(3, 3, 1), nn.Flatten(), nn.Linear(300, 2))
    last = model.network[2]
    last.weight.copy_(last.weight.abs())
    last.bias.zero_()
    found = {layer.name: layer.nonnegative for layer in trace(model, photographs(12))}
    assert found == {"0": False, "1.inner": False, "1.act": True, "1": True, "2": False}


@pytest.mark.parametrize(
    ("activation", "nonnegative"),
    [(nn.ReLU6(), True), (nn.Sigmoid(), True), (nn.Softplus(), True), (nn.Hardsigmoid(), True), (nn.Hardtanh(), False),
     (nn.SiLU(), False), (nn.GELU(), False), (nn.ELU(), False), (nn.LeakyReLU(), False), (nn.Hardswish(), False)],
)  # fmt: skip
def test_activations_are_told_apart_by_their_sign(activation, nonnegative):
    model = stack(nn.Conv2d(3, 4, 3), activation, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(100, 2))
    found = [layer.nonnegative for layer in trace(model, photographs(12) * 20 - 10)]
    assert found == [False, nonnegative, nonnegative]


def layers(*sizes: tuple[int, bool, bool]) -> tuple[Layer, ...]:
    """Layers "0", "1", … of (side, nonnegative, whole)."""
    return tuple(Layer(str(n), 8, side, side, *flags) for n, (side, *flags) in enumerate(sizes))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (layers((14, True, True), (7, True, True), (6, True, True)), "1"),  # deepest of 7 x 7 or more
        (layers((14, True, True), (7, True, True), (7, False, True)), "1"),  # at its size, nonnegative
        (layers((14, True, True), (7, False, True)), "1"),  # but never at another size
        (layers((7, True, True), (7, True, False)), "0"),  # which sees everything
        (layers((4, True, True), (6, True, True), (6, False, True), (2, True, True)), "1"),  # none is: the largest
        (layers((8, True, False), (7, False, False)), "1"),  # no layer sees everything
    ],
)
def test_the_default_layer_is_the_deepest_that_shows_where(found, expected):
    assert default_layer(found).name == expected


def test_a_network_without_maps_has_no_default_layer():
    model = stack(nn.Flatten(), nn.Linear(27, 2))
    with pytest.raises(BadInput, match="No layer of this network gives a map"):
        default_layer(trace(model, photographs(3)))


def test_a_layer_left_out_of_the_list_can_still_be_named():
    model = stack(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), nn.Flatten(), nn.Linear(400, 2))
    assert layer_at(model, photographs(12), "0") == Layer("0", 4, 10, 10, nonnegative=True, whole=True)
    with pytest.raises(BadInput, match="Layer '1' gives no maps"):
        layer_at(model, photographs(12), "1")
    with pytest.raises(BadInput, match="has no layer 'features'"):
        layer_at(model, photographs(12), "features")


HEADS = {
    "average": ((POOL, nn.Flatten(), nn.Linear(4, 3)), None),
    "dropout": ((nn.AvgPool2d(10), nn.Dropout(), nn.Flatten(), nn.Linear(4, 3, bias=False)), None),
    "maximum": ((nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4, 3)), "between 1 and its linear layer this"),
    "squashed": ((POOL, nn.Flatten(), nn.Sigmoid(), nn.Linear(4, 3)), "between 1 and its linear layer"),
    "flattened": ((nn.Flatten(), nn.Linear(400, 3)), "this network's linear layer reads 400 values, not the 4 channel"),
    "two": ((POOL, nn.Flatten(), nn.Linear(4, 4), nn.Linear(4, 3)), "this network ends in 2 linear layers."),
    "none": ((POOL, nn.Flatten()), "this network ends in no linear layer."),
}  # fmt: skip


@pytest.mark.parametrize("head", HEADS)
def test_cam_applies_by_what_the_head_does(head):
    modules, reason = HEADS[head]
    model = stack(nn.Conv2d(3, 4, 3), nn.ReLU(), *modules)
    found = obstacle("cam", model, layer_at(model, photographs(12), "1"), photographs(12))
    assert found is None if reason is None else found.startswith(GAP + reason)


def test_cam_is_refused_at_a_layer_that_is_not_the_one_averaged():
    model = stack(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    reason = obstacle("cam", model, layer_at(model, photographs(12), "0"), photographs(12))
    assert reason == GAP + "between 0 and its linear layer this network does more than averaging."


def test_a_head_whose_activations_have_all_but_vanished_is_still_told_apart():
    model = stack(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    model.network[0].weight.mul_(1e-12)
    model.network[0].bias.fill_(1e-12)
    assert "does more than averaging" in obstacle("cam", model, layer_at(model, photographs(12), "1"), photographs(12))


def test_every_map_technique_refuses_a_map_of_one_position():
    model = stack(nn.Conv2d(3, 4, 12), nn.ReLU(), nn.Flatten(), nn.Linear(4, 3))
    layer = layer_at(model, photographs(12), "1")
    reasons = [obstacle(technique, model, layer, photographs(12)) for technique in OF_LAYERS]
    titles = ["CAM", "Grad-CAM", "Grad-CAM++", "SmoothGradCAM++"]
    assert reasons == [f"{title} needs a map larger than one position; 1 gives just one." for title in titles]


def test_a_technique_without_conditions_applies_everywhere():
    model = stack(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(400, 3))
    assert obstacle("occlusion", model, layer_at(model, photographs(12), "0"), photographs(12)) is None


def test_where_nothing_stands_against_it_every_technique_explains():
    model = stack(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    images = photographs(12)
    layer = default_layer(trace(model, images))
    assert refused(model, layer, images) == {}
    every = {technique: {} for technique in OF_LAYERS}
    found = explain(model, images, torch.tensor([[0], [1]]), layer=layer.name, techniques=every)
    assert {maps.shape for maps in found.maps.values()} == {(2, 1, layer.height, layer.width)}


def test_tracing_leaves_the_model_as_it_was():
    model = stack(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(400, 3)).train().requires_grad_(True)
    images = photographs(12)
    trace(model, images)
    assert not any(module._forward_hooks for module in model.modules())
    assert model.training
    assert model.network[1].num_batches_tracked == 0
    assert all(weight.grad is None for weight in model.parameters())
    assert not images.requires_grad
