"""Techniques that explain the image itself, pixel by pixel, at the pseudo layer INPUT: from gradients, and by hiding places.

n is the normalised image (N, C, H, W), which is what the network is given; g the derivative of the explained class's logit
by n, (N, E, C, H, W). Every function takes a `Pass` at INPUT and gives (N, E, H, W) float32, not scaled. Multiplying by the
input means by n, so a pixel of the data's mean colour counts nothing.

`channels` says how the colours become one number: "signed" sums them, "magnitude" sums their absolute values.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import torch
from torch import Tensor

from precompute.saliency.class_activation import IMAGES_AT_ONCE, largest, mean_powers
from precompute.saliency.layers import rectifiers
from precompute.saliency.passes import Pass, arithmetic, evaluating, hooked, widened
from precompute.techniques import positions

COLOURS: dict[str, Callable[[Tensor], Tensor]] = {  # (N, E, C, H, W) to (N, E, H, W)
    "signed": lambda values: values.sum(2),
    "magnitude": lambda values: values.abs().sum(2),
}
BASELINES = {"black": 0.0, "white": 1.0}  # the third, "mean", is the data's


def gradient(seen: Pass, *, channels: str = "magnitude") -> Tensor:
    """The gradient: how far the logit moves per unit of each normalised value, to first order.

    Simonyan et al., Deep Inside Convolutional Networks, 2014, https://arxiv.org/abs/1312.6034, section 3; there the largest
    of the channels is shown, here their sum.
    """
    return COLOURS[channels](seen.gradient)


def gradient_x_input(seen: Pass, *, channels: str = "signed") -> Tensor:
    """Gradient × input: n g. For a network that is linear in n without bias the map adds up to the logit.

    Shrikumar et al., Not Just a Black Box, 2016, https://arxiv.org/abs/1605.01713, section 3.
    """
    return COLOURS[channels](seen.gradient * seen.activation[:, None])


def integrated_gradients(seen: Pass, *, steps: int = 50, baseline: str = "mean", channels: str = "signed") -> Tensor:
    """Integrated gradients: (n - n0) times the mean of g on the straight way from the baseline n0 to n.

    A signed map adds up to F(n) - F(n0), the logit's difference, where `steps` suffice; both numbers are left in
    `seen.completeness`. Pixels of the baseline's colour get exactly 0. The integral is Gauss and Legendre's.

    Sundararajan et al., Axiomatic Attribution for Deep Networks, 2017, https://arxiv.org/abs/1703.01365, eqs. 1 and 3.
    """
    from captum.attr import IntegratedGradients

    start, fresh = reference(seen, baseline), different(seen)
    rows, _ = fresh.nonzero(as_tuple=True)  # (P,)
    with evaluating(seen.model), arithmetic(seen.images.device, seen.precision):
        found = IntegratedGradients(lambda images: widened(seen.model(images))).attribute(
            seen.images[rows],
            start.expand_as(seen.images[:1]),
            target=seen.classes[fresh],
            n_steps=steps,
            internal_batch_size=max(len(rows), IMAGES_AT_ONCE),
        )  # (P, C, H, W); of pixels or of n, the products are the same
    attributions = spread(found.detach(), fresh)  # (N, E, C, H, W)
    rise = seen.logits - logits(seen, start)  # (N, K)
    seen.completeness.copy_(torch.stack([attributions.sum((2, 3, 4)), rise.gather(1, seen.classes)], 2))
    return COLOURS[channels](attributions)


def smooth_grad(seen: Pass, *, draws: int = 15, noise: float = 0.15, channels: str = "magnitude") -> Tensor:
    """SmoothGrad: the mean of g over noisy copies of the image.

    noise: standard deviation, as a share of the image's own (max - min), in pixels in [0, 1]. Every image, epoch and batch
    meets the same draws, which `seen.seed` determines.

    Smilkov et al., SmoothGrad, 2017, https://arxiv.org/abs/1706.03825, section 3.
    """
    mean, _ = moments(seen, draws, noise)
    return COLOURS[channels](mean)


def smooth_grad_squared(seen: Pass, *, draws: int = 15, noise: float = 0.15) -> Tensor:
    """SmoothGrad squared: the mean of g^2 over noisy copies, summed over the channels. Never negative.

    Hooker et al., A Benchmark for Interpretability Methods in Deep Neural Networks, 2019,
    https://arxiv.org/abs/1806.10758, section 3.
    """
    _, square = moments(seen, draws, noise)
    return square.sum(2)


def var_grad(seen: Pass, *, draws: int = 15, noise: float = 0.15) -> Tensor:
    """VarGrad: the variance of g over noisy copies (divided by `draws`), summed over the channels. Never negative.

    Adebayo et al., Local Explanation Methods for Deep Neural Networks Lack Sensitivity to Parameter Values, 2018,
    https://arxiv.org/abs/1810.03307, section 2.
    """
    mean, square = moments(seen, draws, noise)
    return (square - mean**2).clamp_min(0).sum(2)


def guided_backprop(seen: Pass, *, channels: str = "magnitude") -> Tensor:
    """Guided backpropagation: g, but what goes back through a ReLU passes only where it is positive there.

    ReLUs that are functions cannot be reached; `layers.obstacle` finds them. captum's guides no ReLU6.

    Springenberg et al., Striving for Simplicity, 2015, https://arxiv.org/abs/1412.6806, section 3.4.
    """

    def guide(_module: object, _inputs: tuple, output: Tensor) -> None:
        if output.requires_grad:
            output.register_hook(torch.relu)

    guided = replace(seen)  # a pass of its own
    with hooked([(module, guide) for module in rectifiers(seen.model)]):
        _ = guided.forward
    return COLOURS[channels](guided.gradient)


def occlusion(seen: Pass, *, window: float = 0.2, baseline: str = "mean") -> Tensor:
    """Occlusion: how far the logit falls when a square of the baseline's colour hides a place, averaged over the squares.

    window: side of the square as a share of the image's, moved by half its side, so that four of them hide most places.
    Negative where hiding helps the class.

    Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, 2014, https://arxiv.org/abs/1311.2901,
    section 4.2, where the probability is shown.
    """
    start, count = reference(seen, baseline), len(seen.images)
    before = seen.logits.gather(1, seen.classes)  # (N, E)
    falls = before.new_zeros(*before.shape, *seen.images.shape[2:])  # (N, E, H, W)
    covered = torch.zeros_like(falls[0, 0])
    squares = squares_on(seen.images.shape[2:], window)
    at_once = max(1, IMAGES_AT_ONCE // count)
    for part in (squares[first : first + at_once] for first in range(0, len(squares), at_once)):
        hidden = seen.images.repeat(len(part), 1, 1, 1, 1)  # (p, N, C, H, W)
        for images, square in zip(hidden, part, strict=True):
            images[:, :, *square] = start
        after = logits(seen, hidden.flatten(0, 1)).unflatten(0, (len(part), count))  # (p, N, K)
        for found, square in zip(after, part, strict=True):
            falls[:, :, *square] += (before - found.gather(1, seen.classes))[..., None, None]
            covered[square] += 1
    return falls / covered


def moments(seen: Pass, draws: int, noise: float) -> tuple[Tensor, Tensor]:
    """The means of g and g^2 over noisy copies, twice (N, E, C, H, W); drawn once for all techniques that ask alike."""
    key = ("moments", draws, noise)
    if key not in seen.kept:
        scale = largest(seen.gradient)
        mean, square, _ = mean_powers(seen, scale, draws=draws, noise=noise)
        seen.kept[key] = mean * scale, square * scale**2
    mean, square = seen.kept[key]
    return mean, square


def reference(seen: Pass, baseline: str) -> Tensor:
    """The baseline as pixels (1, C, 1, 1): what the normalisation makes 0 of, or black or white."""
    mean: Tensor = seen.model.normalize.mean
    return torch.full_like(mean, BASELINES[baseline]) if baseline in BASELINES else mean


def different(seen: Pass) -> Tensor:
    """Which explained classes are not just a repetition of their row's first: (N, E) bool."""
    fresh = seen.classes != seen.classes[:, :1]
    fresh[:, 0] = True
    return fresh


def spread(found: Tensor, fresh: Tensor) -> Tensor:
    """Attributions (P, C, H, W) of the `different` classes put where they belong, repetitions filled up: (N, E, C, H, W)."""
    place = torch.zeros_like(fresh, dtype=torch.int64)
    place[fresh] = torch.arange(len(found), device=fresh.device)
    return found[torch.where(fresh, place, place[:, :1])]


def logits(seen: Pass, images: Tensor) -> Tensor:
    """What the model makes of other images (n, C, H, W), of pixels in [0, 1] that broadcast to its own: (n, K)."""
    images = images.expand(-1, *seen.images.shape[1:])
    with evaluating(seen.model), arithmetic(images.device, seen.precision), torch.no_grad():
        return widened(seen.model(images))


def squares_on(sides: Sequence[int], window: float) -> list[tuple[slice, ...]]:
    """Where the squares lie: rows of them from edge to edge, each half beside the one before, or a little less."""
    each = []
    for side in sides:
        width, count = max(1, round(side * window)), positions(window)
        starts = {round((side - width) * place / max(count - 1, 1)) for place in range(count)}
        each.append([slice(start, start + width) for start in sorted(starts)])
    return list(product(*each))
