"""The input is shifted and the first layer takes the shift back: the network says the same, do its maps?

f2(x + n) = f1(x), where the first layer of f2 subtracts what n adds to its output. Exactly, that is one value for each
position, because zero padding makes the border differ; the bias of each filter, as in the literature, is right only
where no padding is seen. Kindermans, Hooker, Adebayo et al., The (Un)reliability of Saliency Methods, 2017,
https://arxiv.org/abs/1711.00867, section 2. SalienCNN calls it input variance.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from precompute.saliency.passes import arithmetic, device_of, evaluating, hooked, submodules
from store.errors import BadInput
from store.schema import SHIFTS

AFFINE = (nn.Conv2d, nn.Linear)


@dataclass(frozen=True)
class Shift:
    """mode: one of SHIFTS; "noise" is a noise image, corrected exactly, the others add one value to every pixel.

    strength: that value, or the noise's standard deviation, in ranges of the pixels' values: -1 turns [0, 1] into [-1, 0].
    """

    mode: str
    strength: float
    seed: int = 0

    def signal(self, images: Tensor) -> Tensor:
        """What is added to images (N, C, H, W) in [0, 1]: (1, C, H, W), the same for all."""
        if self.mode not in SHIFTS:
            raise BadInput(f"An input is shifted in one of the modes {', '.join(SHIFTS)}; {self.mode!r} came.")
        if self.mode != "noise":
            return torch.full_like(images[:1], self.strength)
        noise = torch.randn(1, *images.shape[1:], generator=torch.Generator().manual_seed(self.seed))
        return (self.strength * noise).to(images)


@contextmanager
def corrected(model: nn.Module, signal: Tensor, shift: Shift) -> Iterator[None]:
    """Inside, the model is f2: its first layer takes back what `signal` (1, C, H, W) adds. Its weights stay as they are."""
    layer, added = correction(model, signal, scalar=shift.mode == "scalar")
    with hooked([(layer, lambda _module, _inputs, output: output - added.to(output))]):
        yield


def correction(model: nn.Module, signal: Tensor, *, scalar: bool) -> tuple[nn.Module, Tensor]:
    """The first layer, and what the signal adds to its output: (1, k, h, w), or (1, k, 1, 1) if only its bias is to change."""
    signal = signal.to(device_of(model))
    layer, plain, before = first_layer(model, torch.zeros_like(signal))
    _, shifted, after = first_layer(model, signal)
    if not scalar or not isinstance(layer, nn.Conv2d):  # a linear layer knows no border
        return layer, after - before
    step = (shifted - plain).mean((2, 3))  # (1, C): the same everywhere
    reach = [d * (k - 1) + 1 for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
    window = step[:, :, None, None].expand(-1, -1, *reach)  # what a filter sees where it sees no padding
    return layer, F.conv2d(window, layer.weight, dilation=layer.dilation, groups=layer.groups)


def first_layer(model: nn.Module, images: Tensor) -> tuple[nn.Module, Tensor, Tensor]:
    """The convolution or linear layer that is called first, with its input and output. Raises BadInput where there is none."""
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []

    def note(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        calls.append((module, inputs[0].detach().clone(), output.detach().clone()))

    layers = [module for module in submodules(model).values() if isinstance(module, AFFINE)]
    hooks = hooked([(module, note) for module in layers])
    with evaluating(model), hooks, arithmetic(images.device, "float32"), torch.no_grad():
        model(images)
    if not calls:
        raise BadInput("The network calls no convolution or linear layer, so no layer could take a shift back.")
    return calls[0]


def certificate(model: nn.Module, images: Tensor, shift: Shift) -> tuple[Tensor, Tensor]:
    """How far f2 differs from f1 on images (N, C, H, W): largest change of a logit (N,), and whether the prediction changes."""
    signal = shift.signal(images)
    before = outputs(model, images)  # (N, K)
    with corrected(model, signal, shift):
        after = outputs(model, images + signal)
    return differences(before, after)


def differences(before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """Of logits (N, K): the largest change of each image's (N,), and whether another class is predicted (N,)."""
    return (after - before).abs().amax(1), after.argmax(1) != before.argmax(1)


def outputs(model: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """(N, K) logits, float32 or wider, without autocast."""
    with torch.inference_mode(), arithmetic(images.device, "float32"):
        found = model(images)
    return found.to(torch.promote_types(found.dtype, torch.float32))
