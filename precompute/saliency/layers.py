"""At which layers a network can be explained, and by which techniques: found by running it, not by its name."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from precompute.catalogue import TECHNIQUES, entry
from precompute.saliency.flow import bottlenecks, downwards, never_negative
from precompute.saliency.passes import Pass, device_of, evaluating, hooked, submodule, submodules
from precompute.techniques import INPUT
from store.errors import BadInput

# A default layer's map has at least this many positions on a side: below it a map says little about where.
SMALLEST_SIDE = 7
POOLED_HEAD = "global average pooling followed by one linear layer"
# Allowed difference between the logits and those made of channel means, relative to the largest logit.
TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}
RECTIFIED = ("Relu", "Hardtanh")  # ReLU and ReLU6 in the graph
# Results of these are seldom meant: what follows them is the layer people name.
SKIPPED = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm, nn.Linear, nn.Flatten)


@dataclass(frozen=True)
class Layer:
    """A layer one can explain at: its path in the network, and its output (channels, height, width) for one image.

    nonnegative: its output has no negative value. whole: everything the logits know of the image went through it,
    which is not so inside a residual block or in one of several branches.
    """

    name: str
    channels: int
    height: int
    width: int
    nonnegative: bool
    whole: bool = True


@dataclass(frozen=True, eq=False)
class Call:
    """The last call of a module in a forward pass. written: how often its output had been changed in place by then."""

    module: nn.Module
    output: Tensor
    written: int
    node: Node | None
    negative: bool
    idle: bool
    repeated: bool


def trace(model: nn.Module, images: Tensor) -> tuple[Layer, ...]:
    """The layers of `model.network` whose output is a map larger than 1 x 1, in the order they are called.

    images: (N, C, H, W) in [0, 1]; two real ones will do. Left out are modules that give back their input (dropout) or
    what another listed one gave (a container and its last child). One called several times stands at its last call.
    """
    calls, facts = observe(model, images)
    kept: dict[tuple[int, int], str] = {}
    for name, call in calls.items():
        if call.idle or isinstance(call.module, SKIPPED) or not is_map(call.output, images):
            continue
        result = (id(call.output), call.written)
        # A module called several times is a poorer name for what a block gives than the block.
        if result not in kept or (calls[kept[result]].repeated and not call.repeated):
            kept[result] = name
    return tuple(facts[name] for name in calls if name in kept.values())


def layer_at(model: nn.Module, images: Tensor, name: str) -> Layer:
    """The layer of that name, also one that `trace` leaves out, or INPUT. Raises BadInput if there is none."""
    submodule(model, name)
    if name == INPUT:
        _, channels, height, width = images.shape
        return Layer(INPUT, channels, height, width, nonnegative=False)
    _, facts = observe(model, images)
    if name not in facts:
        raise BadInput(f"Layer {name!r} gives no maps; choose a convolution, pooling or block.")
    return facts[name]


def default_layer(layers: tuple[Layer, ...]) -> Layer:
    """The deepest layer with a map of 7 x 7 or more, or else the deepest with the largest map.

    Only layers that see everything count, and at that layer's size one without negative values is preferred, since
    every technique applies there.
    """
    candidates = [layer for layer in layers if layer.whole] or list(layers)
    if not candidates:
        raise BadInput("No layer of this network gives a map larger than 1 x 1; class activation needs a convolution.")
    largest = max(layer.height * layer.width for layer in candidates)
    wide = [layer for layer in candidates if min(layer.height, layer.width) >= SMALLEST_SIDE]
    deepest = (wide or [layer for layer in candidates if layer.height * layer.width == largest])[-1]
    same = [layer for layer in candidates if (layer.height, layer.width) == (deepest.height, deepest.width)]
    return next((layer for layer in reversed(same) if layer.nonnegative), deepest)


def obstacle(technique: str, model: nn.Module, layer: Layer, images: Tensor) -> str | None:
    """Why a technique of the catalogue does not apply at a layer, as a sentence for the person; None if it does.

    images: (N, C, H, W), for their size: the network is tried on random ones. One that explains the image itself does so
    whatever the layer.
    """
    for condition in CONDITIONS.get(technique, ()):
        if reason := condition(model, layer, images):
            return f"{entry(TECHNIQUES, technique, 'technique').title} needs {reason}."
    return None


def single_position(_model: nn.Module, layer: Layer, _images: Tensor) -> str | None:
    """Reason against a map that cannot show where, or that is the image."""
    if layer.name == INPUT:
        return "a layer of the network; the input is the image itself"
    return None if layer.height * layer.width > 1 else f"a map larger than one position; {layer.name} gives just one"


def negative_values(_model: nn.Module, layer: Layer, _images: Tensor) -> str | None:
    """Reason against a layer at which the denominator of Grad-CAM++ can vanish."""
    return None if layer.nonnegative else f"a layer without negative values, such as a ReLU; {layer.name} can have some"


def other_head(model: nn.Module, layer: Layer, images: Tensor) -> str | None:
    """Reason against a head at which CAM is not defined, found by running the network on random images."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(2, *images.shape[1:], generator=generator).to(device_of(model))
    seen = Pass(model, noise, torch.zeros(2, 1, dtype=torch.int64, device=noise.device), layer.name)
    if reason := no_pooled_head(seen):
        return reason
    # Logits of a fresh network may be little more than the bias, but of a mean every position has the same share.
    weight = seen.forward.linears[0].weight.detach()[seen.classes]  # (2, 1, k)
    shares = seen.gradient * (layer.height * layer.width)  # (2, 1, k, h, w)
    slack = TOLERANCE[seen.precision] * weight.abs().max()
    return not_only_means(layer.name) if ((shares - weight[..., None, None]).abs() > slack).any() else None


def no_pooled_head(seen: Pass) -> str | None:
    """Reason why the logits are not one linear layer of the means of the layer's channels; None if they are."""
    linears = seen.forward.linears
    if len(linears) != 1:
        return f"{POOLED_HEAD}; this network ends in {len(linears) or 'no'} linear layer{'s' if linears else ''}"
    weight, means = linears[0].weight.detach(), seen.activation.mean((2, 3))  # (K, k), (N, k)
    if weight.shape != (seen.logits.shape[1], means.shape[1]):
        given = f"{weight.shape[1]:,} values, not the {means.shape[1]:,} channel means of {seen.layer}"
        return f"{POOLED_HEAD}; this network's linear layer reads {given}"
    found = nn.functional.linear(means.to(weight.dtype), weight, linears[0].bias)  # (N, K)
    slack = TOLERANCE[seen.precision] * seen.logits.abs().max()
    return not_only_means(seen.layer) if ((found - seen.logits).abs() > slack).any() else None


def not_only_means(layer: str) -> str:
    """The reason against a head that has the right parts and yet is not what CAM needs."""
    return f"{POOLED_HEAD}; between {layer} and its linear layer this network does more than averaging"


def unguided(model: nn.Module, _layer: Layer, images: Tensor) -> str | None:
    """Reason against a network without ReLUs, or with some that are functions, which no hook can reach."""
    called: list[nn.Module] = []
    hooks = [(module, lambda module, *_: called.append(module)) for module in rectifiers(model)]
    images = images[:1].detach().to(device_of(model), copy=True).requires_grad_()
    with evaluating(model), torch.enable_grad(), hooked(hooks):
        nodes = downwards(model(images))
    count = sum(node.name().startswith(RECTIFIED) for node in nodes)
    if not count:
        return "a network with ReLUs; this one has none"
    functions = count - len(called)
    return f"every ReLU to be a module; of the {count} here, {functions} come from functions" if functions > 0 else None


def rectifiers(model: nn.Module) -> list[nn.Module]:
    """The modules that are ReLUs, ReLU6 among them."""
    return [module for module in model.modules() if isinstance(module, nn.ReLU | nn.ReLU6)]


CONDITIONS: dict[str, tuple[Callable[[nn.Module, Layer, Tensor], str | None], ...]] = {
    "cam": (single_position, other_head),
    "grad-cam": (single_position,),
    "grad-cam++": (single_position, negative_values),
    "smooth-grad-cam++": (single_position, negative_values),
    "guided-backprop": (unguided,),
}


def observe(model: nn.Module, images: Tensor) -> tuple[dict[str, Call], dict[str, Layer]]:
    """Run the model once: the last call of each module that gave a (N, k, h, w) tensor, in order, and what it is."""
    images = images.detach().to(device_of(model), copy=True).requires_grad_()
    calls: dict[str, Call] = {}
    recorders = [(module, recorder(calls, name)) for name, module in submodules(model).items()]
    with evaluating(model), torch.enable_grad(), hooked(recorders):
        nodes = downwards(model(images))
    whole, proven = bottlenecks(nodes, images), never_negative(nodes)
    facts = {}
    for name, call in calls.items():
        _, channels, height, width = call.output.shape
        nonnegative = not call.negative and call.node in proven
        facts[name] = Layer(name, channels, height, width, nonnegative, call.node in whole)
    return calls, facts


def recorder(calls: dict[str, Call], name: str) -> Callable[[nn.Module, tuple, Tensor], None]:
    """A forward hook that enters a module's call into `calls`."""

    def record(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        if not isinstance(output, Tensor) or output.dim() != 4:
            return
        repeated = calls.pop(name, None) is not None
        # In place, input and output are one tensor whatever was done to it; `written` tells those apart.
        given = inputs[0] if inputs and isinstance(inputs[0], Tensor) else None
        idle = given is not None and output is not given and torch.equal(output, given)
        negative = not bool((output >= 0).all())
        calls[name] = Call(module, output, output._version, output.grad_fn, negative, idle, repeated)

    return record


def is_map(output: Tensor, images: Tensor) -> bool:
    """Whether (N, k, h, w) lies over the image: larger than 1 x 1, no larger than it, and roughly of its proportions.

    Between linear layers some networks keep (N, h, w, k), which is none.
    """
    (high, wide), (height, width) = output.shape[2:], images.shape[2:]
    stretch = (high / height) / (wide / width)
    return high * wide > 1 and high <= height and wide <= width and 1 / 2 <= stretch <= 2
