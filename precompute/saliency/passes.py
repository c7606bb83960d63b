"""One look at a batch: a forward pass that leaves the output of one layer, and its gradient, behind.

The body runs without a graph and only the head above the layer is differentiated, so a look costs one forward pass.
What is made of activation and gradient is left to the techniques.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

import torch
from torch import Tensor, nn

from precompute.techniques import INPUT
from store.errors import BadInput

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True, eq=False)
class Forward:
    """What one forward pass left behind: `leaf` is the layer's output, from which the graph to `logits` begins."""

    leaf: Tensor
    logits: Tensor
    linears: tuple[nn.Linear, ...]


@dataclass(frozen=True, eq=False)
class Pass:
    """A batch seen by a model at one layer; everything is computed when first asked for, and then once.

    images: (N, C, H, W) in [0, 1]; classes: (N, E) int64, the E classes explained for each image, by their logits;
    layer: a module's path inside `model.network`, whose last call counts when it is called several times, or INPUT, whose
    output is the normalised image; span: (N, 1, 1, 1), of which a technique's noise is a share, where it is not to be that
    of the images. The model is in evaluation mode while it runs, and left as it was.
    """

    model: nn.Module
    images: Tensor
    classes: Tensor
    layer: str
    precision: str = "float32"
    seed: int = 0
    span: Tensor | None = None

    @cached_property
    def forward(self) -> Forward:
        """The one forward pass behind everything else."""
        return forward_to_head(self.model, self.images, layer=self.layer, precision=self.precision)

    @cached_property
    def activation(self) -> Tensor:
        """A, the layer's output: (N, k, h, w) float32."""
        return self.forward.leaf.detach()

    @cached_property
    def logits(self) -> Tensor:
        """(N, K) float32."""
        return self.forward.logits.detach()

    @cached_property
    def gradient(self) -> Tensor:
        """The derivative of each explained class's logit by A: (N, E, k, h, w) float32."""
        columns = self.classes.unbind(1)
        with arithmetic(self.images.device, self.precision):
            return torch.stack([self._gradient(column, keep=column is not columns[-1]) for column in columns], 1)

    def _gradient(self, column: Tensor, *, keep: bool) -> Tensor:
        leaf, logits = self.forward.leaf, self.forward.logits
        found = None
        if logits.requires_grad:
            scores = logits.gather(1, column[:, None])  # (N, 1)
            (found,) = torch.autograd.grad(scores.sum(), leaf, retain_graph=keep, allow_unused=True)
        if found is None:
            raise BadInput(f"The logits do not depend on layer {self.layer!r}; choose a layer on the way to them.")
        return found  # (N, k, h, w)

    @cached_property
    def poles(self) -> Tensor:
        """(N, E) int64: how many values a technique had to set to zero in each map's weights. Techniques add to it."""
        return torch.zeros_like(self.classes)

    @cached_property
    def completeness(self) -> Tensor:
        """(N, E, 2): the sum of a map's attributions, and the difference of logits they promise to be. A technique fills it."""
        return self.logits.new_full((*self.classes.shape, 2), torch.nan)

    @cached_property
    def kept(self) -> dict[tuple, tuple[Tensor, ...]]:
        """What one technique computed that another may need as well."""
        return {}


def span_of(images: Tensor) -> Tensor:
    """The range of each image's values, max - min: (N, 1, 1, 1)."""
    return images.amax((1, 2, 3), keepdim=True) - images.amin((1, 2, 3), keepdim=True)


def precision_for(device: torch.device | str) -> str:
    """The precision "auto" stands for: bfloat16 where the device computes it in hardware, float32 elsewhere.

    A CPU without AMX emulates bfloat16, several times slower than float32.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if kind == "cpu" and torch.cpu._is_amx_tile_supported() else "float32"


def device_of(model: nn.Module) -> torch.device:
    """Where the model's weights are; a model without weights runs on the CPU."""
    return next((weight.device for weight in model.parameters()), torch.device("cpu"))


def forward_to_head(model: nn.Module, images: Tensor, *, layer: str, precision: str) -> Forward:
    """Run the model once and make the layer's output the leaf of a graph that ends in the logits.

    Nothing is differentiated yet and no `.grad` is ever touched. leaf: (N, k, h, w), logits: (N, K), both float32
    (float64 for a float64 model). linears: the linear layers called above the layer, in order.
    """
    above: list[nn.Linear] = []
    leaves: list[Tensor] = []

    def cut(_module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
        above.clear()
        leaves[:] = [leaf_of(output, layer)]
        # The body ran with gradients off; from here on a graph is recorded, until the `no_grad` around the call ends.
        torch.set_grad_enabled(True)
        # A copy goes on: an in-place ReLU behind the layer must neither overwrite the leaf nor be refused on it.
        return leaves[0].to(output.dtype, copy=True)

    hooks: list[tuple[nn.Module, Callable]] = [(submodule(model, layer), cut)]
    linears = (module for module in model.modules() if type(module) is nn.Linear)
    hooks += [(linear, lambda linear, *_: above.append(linear)) for linear in linears]
    if precision == "bfloat16":
        images = images.contiguous(memory_format=torch.channels_last)
    with evaluating(model), hooked(hooks), arithmetic(images.device, precision), torch.no_grad():
        logits = widened(model(images))
    if not leaves:
        raise BadInput(f"Layer {layer!r} was not called in the forward pass; choose a layer the network uses.")
    return Forward(leaves[0], logits, tuple(above))


def leaf_of(output: Tensor, layer: str) -> Tensor:
    """A copy of a layer's output that no later in-place operation reaches and that asks for a gradient."""
    if not isinstance(output, Tensor) or output.dim() != 4:
        came = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise BadInput(f"Layer {layer!r} gives {came}, not maps (N, k, h, w); choose a convolution, pooling or block.")
    return widened(output.detach()).clone().requires_grad_()


def widened(values: Tensor) -> Tensor:
    """At least float32; float64 stays."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def submodules(model: nn.Module) -> dict[str, nn.Module]:
    """The modules inside `model.network` by their paths."""
    return {name: module for name, module in model.get_submodule("network").named_modules() if name}


def submodule(model: nn.Module, layer: str) -> nn.Module:
    """The module at a path inside `model.network`; at INPUT the one that normalises."""
    if layer == INPUT:
        if isinstance(found := getattr(model, "normalize", None), nn.Module):
            return found
        raise BadInput("The image itself can be explained where the model has a module `normalize`; this one has none.")
    names = submodules(model)
    if layer not in names:
        near = get_close_matches(layer, names, n=3, cutoff=0.3) or list(names)[-3:]
        raise BadInput(f"The network has no layer {layer!r}; it has, for example, {', '.join(near)}.")
    return names[layer]


@contextmanager
def hooked(hooks: list[tuple[nn.Module, Callable]]) -> Iterator[None]:
    """Forward hooks that are gone again afterwards, whatever happens."""
    with ExitStack() as stack:
        for module, hook in hooks:
            stack.callback(module.register_forward_hook(hook).remove)
        yield


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode: no dropout, no batch statistics. Each module gets back the mode it had."""
    training = [module for module in model.modules() if module.training]
    try:
        model.eval()
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def arithmetic(device: torch.device, precision: str) -> Iterator[None]:
    """Compute in `precision`, one of PRECISIONS. On CUDA, float32 then really is float32 (no TF32) and repeatable."""
    with ExitStack() as stack:
        stack.enter_context(torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"))
        if device.type == "cuda" and precision == "float32":
            stack.enter_context(torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False))
        yield
