"""Class activation maps: a weighted sum of a layer's channels, un-normalised, at the layer's own resolution.

A is the layer's output (N, k, h, w), g the derivative of the explained class's logit by A (N, E, k, h, w). Every
function takes a `Pass` and gives (N, E, h, w) float32. No map is scaled, so values of different epochs can be compared.
"""

from dataclasses import replace

import torch
from torch import Tensor

from precompute.saliency.layers import no_pooled_head
from precompute.saliency.passes import Pass, span_of
from store.errors import BadInput

# Where the two terms of a denominator, one of them 2, leave less than this, they have cancelled.
POLE = 4e-3
# Noisy copies of few images go through the network together; beyond this number a forward pass gains nothing.
IMAGES_AT_ONCE = 16


def cam(seen: Pass) -> Tensor:
    """CAM: the channels weighted by the class's row of the linear head.

    Signed: there is no ReLU. The mean of a map plus the class's bias is the class's logit. Raises BadInput where the
    head is not global average pooling and one linear layer.

    Zhou et al., Learning Deep Features for Discriminative Localization, 2016, https://arxiv.org/abs/1512.04150, eq. 2.
    """
    if reason := no_pooled_head(seen):
        raise BadInput(f"CAM needs {reason}; choose another technique or layer.")
    weight = seen.forward.linears[-1].weight.detach().to(seen.activation.dtype)  # (K, k)
    return weighted(weight[seen.classes], seen.activation)


def grad_cam(seen: Pass) -> Tensor:
    """Grad-CAM: the channels weighted by their mean gradient; what speaks against the class is cut off by a ReLU.

    On a head of global average pooling and one linear layer it is relu(CAM) / (h w).

    Selvaraju et al., Grad-CAM, 2017, https://arxiv.org/abs/1610.02391, eqs. 1 and 2.
    """
    return weighted(seen.gradient.mean((3, 4)), seen.activation).relu()


def grad_cam_pp(seen: Pass) -> Tensor:
    """Grad-CAM++: the channels weighted by their positive gradients, each with its own coefficient alpha.

    alpha = g^2 / (2 g^2 + (sum_ab A_ab) g^3), in (0, 1/2] wherever g > 0 if A has no negative value. The derivatives
    are those of the logit S; the paper's Y = exp(S) multiplies a whole map by exp(S), which does not show within one
    map but would drown every comparison between epochs, so the factor is left out.

    Chattopadhay et al., Grad-CAM++, 2018, https://arxiv.org/abs/1710.11063, eq. 19 for alpha.
    """
    positive = seen.gradient.relu()  # (N, E, k, h, w)
    weights = (coefficients(seen, positive) * positive).sum((3, 4))  # g^3 / g^2 = g
    return weighted(weights, seen.activation).relu()


def smooth_grad_cam_pp(seen: Pass, *, draws: int = 4, noise: float = 0.15, numerator: str = "corrected") -> Tensor:
    """SmoothGradCAM++: Grad-CAM++ with the derivatives averaged over noisy copies of the image, the activation clean.

    D1, D2, D3: the means of g, g^2, g^3 over `draws` copies; noise: standard deviation of the Gaussian noise, as a
    fraction of each image's own (max - min). alpha = D2 / (2 D2 + (sum_ab A_ab) D3) with numerator "corrected", which
    one draw without noise turns into Grad-CAM++; "paper" has D1 on top, as printed. The weights are
    sum(alpha relu(D1)). Every image, epoch and batch meets the same draws, which `seen.seed` determines.

    Omeiza et al., Smooth Grad-CAM++, 2019, https://arxiv.org/abs/1908.01224.
    """
    scale = largest(seen.gradient)
    d1, d2, d3 = mean_powers(seen, scale, draws=draws, noise=noise)  # units: scale, its square, cube
    used = (d1 > 0) & (d2 > 0)
    alpha = coefficients(seen, torch.where(used, d3 / d2, 0.0) * scale)  # (N, E, k, h, w)
    if numerator == "paper":
        alpha = alpha * torch.where(used, d1 / d2, 0.0) / scale
    return weighted((alpha * d1.relu() * scale).sum((3, 4)), seen.activation).relu()


def weighted(weights: Tensor, activation: Tensor) -> Tensor:
    """Sum the channels (N, k, h, w) with weights (N, E, k) into maps (N, E, h, w)."""
    return torch.einsum("nek,nkhw->nehw", weights, activation)


def coefficients(seen: Pass, ratio: Tensor) -> Tensor:
    """alpha = 1 / (2 + (sum_ab A_ab) ratio), which is Grad-CAM++'s eq. 19 divided by D2; ratio: D3 / D2 of a position.

    Divided so, it needs no epsilon, which would tie the weights to the scale of the logits. The sum runs over A alone,
    and each position multiplies it by its own ratio. Where the two terms cancel, possible only if A or D3 is negative,
    alpha is zero and counted in `seen.poles`.
    """
    total = seen.activation.sum((2, 3))[:, None, :, None, None]  # (N, 1, k, 1, 1)
    denominator = (total * ratio).add_(2)  # (N, E, k, h, w)
    pole = denominator.abs() < POLE
    seen.poles.add_(pole.sum((2, 3, 4)))
    return denominator.reciprocal_().masked_fill_(pole, 0.0)


def largest(gradient: Tensor) -> Tensor:
    """The largest |g| of each map, (N, E, 1, 1, 1), or 1 where all are zero.

    In units of it, the cubes of gradients of 1e-14 are still numbers in float32.
    """
    peak = gradient.abs().amax((2, 3, 4), keepdim=True)
    return torch.where(peak > 0, peak, 1.0)


def mean_powers(seen: Pass, scale: Tensor, *, draws: int, noise: float) -> tuple[Tensor, Tensor, Tensor]:
    """The means of g, g^2 and g^3 over noisy copies, g in units of `scale`: three times (N, E, k, h, w)."""
    count = len(seen.images)
    means = (torch.zeros_like(seen.gradient), torch.zeros_like(seen.gradient), torch.zeros_like(seen.gradient))
    span = span_of(seen.images) if seen.span is None else seen.span  # (N, 1, 1, 1)
    for part in noise_draws(seen, draws).split(max(1, IMAGES_AT_ONCE // count)):
        noisy = seen.images + noise * span * part[:, None]  # (d, N, C, H, W)
        copies = replace(seen, images=noisy.flatten(0, 1), classes=seen.classes.repeat(len(part), 1))
        g = copies.gradient.unflatten(0, (len(part), count)) / scale  # (d, N, E, k, h, w)
        power = g
        for mean in means:
            mean += power.sum(0) / draws
            power = power * g
    return means


def noise_draws(seen: Pass, draws: int) -> Tensor:
    """Standard normal noise (draws, C, H, W), the same for every image and on every device."""
    generator = torch.Generator().manual_seed(seen.seed)
    return torch.randn(draws, *seen.images.shape[1:], generator=generator).to(seen.images)
