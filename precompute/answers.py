"""What each filter of a network answers: the maps of every convolution layer after its non-linearity, as they are computed.

They are found by following the output of each convolution through the calls that read it, and not by names: through
normalisation to the ReLU (or its like) that comes next, be it a module or a function. Where something else reads it first,
as the sum of a residual block reads a linear one, the normalised output itself is the layer's answer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from precompute.saliency.passes import arithmetic, device_of, evaluating, hooked, submodules, widened

# Names of functions of torch. What these give is followed in place of what they read
CARRY = {
    "batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm",
    "dropout", "dropout2d", "feature_dropout", "alpha_dropout", "contiguous", "clone", "to", "float", "type",
}  # fmt: skip
# What these give is the answer
RECTIFY = {
    "relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "rrelu", "prelu", "elu", "elu_", "selu", "selu_", "celu", "gelu",
    "silu", "mish", "hardtanh", "hardtanh_", "hardswish", "hardsigmoid", "sigmoid", "sigmoid_", "tanh", "tanh_", "softplus",
    "softsign", "threshold", "threshold_", "clamp", "clamp_", "clamp_min", "clamp_min_",
}  # fmt: skip
# These look at a tensor without computing from it
LOOK = {"__get__", "size", "dim", "numel", "stride", "is_contiguous", "is_floating_point", "__len__", "data_ptr"}
REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {  # of maps (n, k, h, w) to (n, k)
    "mean": lambda maps: maps.mean((2, 3)),
    "max": lambda maps: maps.amax((2, 3)),
}

See = Callable[[str, Tensor], None]  # gets a layer's name and its answer (n, k, h, w), which it may change in place


class Following(TorchFunctionMode):
    """Watches every function of torch that is called, and shows `see` the answer of each layer before anything else reads it."""

    def __init__(self, see: See) -> None:
        super().__init__()
        self.see = see
        self.tips: dict[int, tuple[str, Tensor]] = {}  # how far each layer's output was followed; id -> layer, tensor

    def begin(self, name: str, _module: nn.Module, _inputs: tuple, output: Tensor) -> None:
        """A convolution's forward hook."""
        if isinstance(output, Tensor) and output.dim() == 4:
            self.tips[id(output)] = (name, output)

    def end(self, tip: int) -> None:
        layer, answer = self.tips.pop(tip)
        self.see(layer, answer)

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs, name = kwargs or {}, getattr(func, "__name__", "")
        held = (
            [] if not self.tips or name in LOOK else [id(item) for item in read(args, kwargs) if id(item) in self.tips]
        )
        if not held:
            return func(*args, **kwargs)
        if name not in CARRY | RECTIFY:  # before it is called: it may write into what it reads
            for tip in dict.fromkeys(held):
                self.end(tip)
            return func(*args, **kwargs)
        layer, _ = self.tips.pop(held[0])
        result = func(*args, **kwargs)
        self.tips[id(result)] = (layer, result)
        if name in RECTIFY:
            self.end(id(result))
        return result


def read(args: tuple, kwargs: Mapping[str, Any]) -> Iterator[Any]:
    """What a function was called with, the members of lists too (of what is to be concatenated)."""
    for item in (*args, *kwargs.values()):
        yield from item if isinstance(item, list | tuple) else (item,)


@contextmanager
def following(model: nn.Module, see: See, unread: See | None = None) -> Iterator[None]:
    """For one forward pass: `see` is shown the answer of each nn.Conv2d, in the order in which they are computed.

    `unread` is shown, afterwards, those that only something read which cannot be watched, as TorchScript; else `see` is.
    """
    follow = Following(see)
    layers = [(name, module) for name, module in submodules(model).items() if isinstance(module, nn.Conv2d)]
    with evaluating(model), hooked([(module, partial(follow.begin, name)) for name, module in layers]):
        with follow:
            yield
        for layer, answer in follow.tips.values():
            (unread or see)(layer, answer)


def layers_of(model: nn.Module, images: Tensor) -> list[dict[str, Any]]:
    """The convolution layers in the order of their (last) execution: name, filters, height, width, and offset, where its
    filters begin when those of all layers are laid one after the other.

    Every nn.Conv2d counts, depthwise ones and those of squeeze-and-excitation too: their filters were learned as well.
    """
    found: dict[str, tuple[int, ...]] = {}

    def see(name: str, answer: Tensor) -> None:
        found.pop(name, None)
        found[name] = tuple(answer.shape[1:])

    with torch.inference_mode(), following(model, see):
        model(images.to(device_of(model)))
    layers, offset = [], 0
    for name, (filters, height, width) in found.items():
        layers.append({"name": name, "filters": filters, "height": height, "width": width, "offset": offset})
        offset += filters
    return layers


def reduced(model: nn.Module, images: Tensor, layers: Sequence[Mapping[str, Any]], reduction: str) -> Tensor:
    """One number (n, F) of each filter of all `layers` for images (n, C, H, W): its map's mean or maximum, in float32."""
    parts: dict[str, Tensor] = {}

    def see(name: str, answer: Tensor) -> None:
        parts[name] = REDUCTIONS[reduction](widened(answer))

    with torch.inference_mode(), arithmetic(images.device, "float32"), following(model, see):
        model(images)
    return torch.cat([parts[layer["name"]] for layer in layers], 1)
