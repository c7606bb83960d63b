"""Which pixels are removed, exactly as many as asked for, and what stands in their place.

Images are float32 (n, C, H, W) in [0, 1]; a pixel is removed from all channels at once.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from precompute import transforms
from precompute.catalogue import resolve
from precompute.roar.cells import REPLACEMENTS, removed_count

Replacing = Callable[[Tensor, Tensor, Tensor, Generator], Tensor]

BLUR = 10.0  # per cent of the side: standard deviation of the Gaussian
DIRECT, DIAGONAL = 1 / 6, 1 / 12  # weights of a pixel's neighbours
IMPUTED_NOISE = 0.01  # standard deviation of the noise on imputed pixels
TOLERANCE, MOST_STEPS = 1e-5, 2_000  # where conjugate gradients end


def ranks(importance: np.ndarray, ties: np.ndarray) -> np.ndarray:
    """The place (n, H, W) uint16 of each pixel in the order of removal, 0: the most important one.

    importance: (n, H, W). Equal values, of which a rectified map has many zeros, are put in the order of `ties`, which is
    random numbers of the same shape: so every fraction removes exactly its share. NaN counts as least important.
    """
    if importance.shape[1] * importance.shape[2] > 65_536:
        raise ValueError(f"maps of {importance.shape[1:]} have more than 65,536 pixels to rank")
    value = np.nan_to_num(importance.reshape(len(importance), -1), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    shuffled = np.argsort(ties.reshape(len(ties), -1), axis=1)  # (n, HW)
    order = np.argsort(-np.take_along_axis(value, shuffled, 1), axis=1, kind="stable")
    order = np.take_along_axis(shuffled, order, 1)  # pixels, most important first
    places = np.empty(order.shape, np.uint16)
    np.put_along_axis(places, order, np.arange(order.shape[1], dtype=np.uint16)[None], 1)
    return places.reshape(importance.shape)


def removed(places: Tensor, fraction: float) -> Tensor:
    """The mask (n, 1, H, W) of the first `fraction` of ranked pixels (n, H, W)."""
    return (places.int() < removed_count(fraction, places.shape[1] * places.shape[2]))[:, None]


def replaced(images: Tensor, mask: Tensor, by: str, mean: Tensor, seed: int) -> Tensor:
    """Images whose masked pixels are replaced, by a name in REPLACEMENTS; mean: colour (C,) in [0, 1]."""
    function: Replacing = resolve(REPLACEMENTS[by].function)
    return function(images, mask, mean.to(images), Generator().manual_seed(seed))


def mean(images: Tensor, mask: Tensor, mean: Tensor, generator: Generator) -> Tensor:
    """The mean colour of the training images, 0 after normalisation: so also black and white pixels lose something.

    Hooker et al. 2019, section 3.1.
    """
    return torch.where(mask, mean[:, None, None], images)


def blurred(images: Tensor, mask: Tensor, mean: Tensor, generator: Generator) -> Tensor:
    """The blurred image: the colours around stay, the detail goes."""
    return torch.where(mask, transforms.blur(images, images.new_full((len(images),), BLUR)), images)


def mask_alone(images: Tensor, mask: Tensor, mean: Tensor, generator: Generator) -> Tensor:
    """No image, but the mask: what a network learns from it, the shape of what was removed has told it."""
    return mask.to(images).expand_as(images)


def noisy_linear(images: Tensor, mask: Tensor, mean: Tensor, generator: Generator) -> Tensor:
    """Each removed pixel the weighted mean of its neighbours, removed ones among them, and Gaussian noise of 0.01.

    With weights 1/6 beside and 1/12 across, less at the border, this is one linear system an image and channel,
    symmetric and positive definite, which conjugate gradients solve for all at once. So the mask's shape shows less.

    Rong et al., A Consistent and Efficient Evaluation Strategy for Attribution Methods, 2022,
    https://arxiv.org/abs/2202.00449, section 5.
    """
    hidden = mask.to(images)  # (n, 1, H, W)
    filled = images * (1 - hidden) + hidden * solved(images, hidden)
    noise = torch.randn(images.shape, generator=generator).to(images) * IMPUTED_NOISE
    return (filled + noise * hidden).clamp(0, 1)


def solved(images: Tensor, hidden: Tensor) -> Tensor:
    """Values (n, C, H, W) of the hidden pixels by conjugate gradients; 0 elsewhere."""
    degree = neighbours(torch.ones_like(hidden[:1]))  # (1, 1, H, W), less than 1 at the border
    residual = hidden * neighbours(images * (1 - hidden))
    found, direction = torch.zeros_like(residual), residual.clone()
    size = dot(residual, residual)
    for _ in range(MOST_STEPS):
        if residual.abs().max() <= TOLERANCE * DIAGONAL:
            break
        image = hidden * (degree * direction - neighbours(direction))
        step = ratio(size, dot(direction, image))
        found += step * direction
        residual -= step * image
        after = dot(residual, residual)
        direction = residual + ratio(after, size) * direction
        size = after
    return found


def neighbours(values: Tensor) -> Tensor:
    """The weighted sum over the eight pixels around each; what is outside counts nothing."""
    channels = values.shape[1]
    edge = [DIAGONAL, DIRECT, DIAGONAL]
    kernel = values.new_tensor([edge, [DIRECT, 0.0, DIRECT], edge]).expand(channels, 1, 3, 3)
    return F.conv2d(values, kernel, padding=1, groups=channels)


def dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum((2, 3), keepdim=True)  # (n, C, 1, 1)


def ratio(above: Tensor, below: Tensor) -> Tensor:
    return torch.where(below > 0, above / below, torch.zeros_like(above))
