"""Changes of images, each by one number: pure functions on float images (n, C, H, W) in [0, 1], numbers (n,) -> images.

The table is `catalogue.TRANSFORMS`; brightness, contrast and saturation are those of the training's augmentation. All
work before the normalisation, which is part of the network.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from precompute import augmentation
from precompute.catalogue import TRANSFORMS, resolve
from precompute.edits import Edits
from precompute.saliency.passes import evaluating
from store.judgements import Region

CONCEALING = 12.0  # per cent of the side: the blur of a region that is to be concealed


def transformed(images: Tensor, amounts: Mapping[str, Tensor], how: Edits) -> Tensor:
    """Images with a number of each transform, in the order of the table, after the region of `how` was removed.

    amounts: (n,) by name. A row at a transform's identity gets back the very same values.
    """
    options: dict[str, dict[str, Any]] = {"rotation": {"corners": how.corners}, "noise": {"seed": how.seed}}
    if how.region:
        images = removed(images, how.region, how.fill)
    for name, item in TRANSFORMS.items():
        amount = amounts.get(name)
        if amount is None or not (used := amount != item.identity).any():
            continue
        changed = resolve(item.function)(images, amount.to(images), **options.get(name, {}))
        images = torch.where(used.to(images.device)[:, None, None, None], changed, images)
    return images


def removed(images: Tensor, region: Region, fill: str) -> Tensor:
    """A rectangle (x0, y0, x1, y1 in shares of the sides) filled with the image's mean colour, its own blur, or black."""
    corners = torch.tensor(region)
    hidden = augmentation.rectangles(corners[None, [1, 0]], corners[None, [3, 2]], *images.shape[2:]).to(images.device)
    if fill == "blur":
        return torch.where(hidden, blur(images, images.new_full((len(images),), CONCEALING)), images)
    return torch.where(hidden, images.mean((2, 3), keepdim=True) if fill == "mean" else images.new_zeros(()), images)


def rotation(images: Tensor, degrees: Tensor, corners: str = "reflect") -> Tensor:
    """Square images turned counter-clockwise around their centre: by quarters exactly, the rest bilinearly.

    corners: "reflect" shows the mirrored image where there was none, "black" nothing.
    """
    quarters = (degrees / 90).round()
    rest = torch.deg2rad(degrees - 90 * quarters)
    if alike(quarters):
        turned = torch.rot90(images, int(quarters[0]) % 4, (2, 3))  # (n, C, H, W)
    else:
        turns = [images, *(torch.rot90(images, turn, (2, 3)) for turn in (1, 2, 3))]
        turned = torch.stack(turns)[quarters.long() % 4, torch.arange(len(images))]
    if not rest.any():
        return turned
    zero = torch.zeros_like(rest)
    # Where a pixel of the result was before: the y axis points down, so this is the turn back
    matrix = torch.stack([rest.cos(), -rest.sin(), zero, rest.sin(), rest.cos(), zero], 1).view(-1, 2, 3)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    padding = "reflection" if corners == "reflect" else "zeros"
    sampled = F.grid_sample(turned, grid, padding_mode=padding, align_corners=False).clamp(0, 1)
    return torch.where((rest != 0)[:, None, None, None], sampled, turned)


def flip_horizontal(images: Tensor, yes: Tensor) -> Tensor:
    return torch.where((yes > 0.5)[:, None, None, None], images.flip(3), images)


def flip_vertical(images: Tensor, yes: Tensor) -> Tensor:
    return torch.where((yes > 0.5)[:, None, None, None], images.flip(2), images)


def hue(images: Tensor, degrees: Tensor) -> Tensor:
    """Colours moved along the HSV circle; grey images stay."""
    return augmentation.hue(images, degrees / 360)


def blur(images: Tensor, percent: Tensor) -> Tensor:
    """A Gaussian whose standard deviation is `percent` of the side; at the border only what is inside counts."""
    percent = percent[:1] if alike(percent) else percent
    rows, columns = (smoothing(side, percent / 100 * side) for side in images.shape[2:])  # (n, H, H), (n, W, W)
    return (rows[:, None] @ images @ columns[:, None].mT).clamp(0, 1)


def alike(amounts: Tensor) -> bool:
    """Whether all images are changed by the same number, as along a curve: then much is computed once for all of them."""
    return bool((amounts == amounts[:1]).all())


def smoothing(side: int, deviation: Tensor) -> Tensor:
    """Gaussian weights (n, side, side) of every pixel in a row for every pixel, each summing to 1; deviations (n,) in pixels."""
    place = torch.arange(side, dtype=deviation.dtype, device=deviation.device)
    away = (place[:, None] - place) / deviation.clamp(min=0.01)[:, None, None]
    return torch.softmax(-(away**2) / 2, 2)


def noise(images: Tensor, percent: Tensor, seed: int = 0) -> Tensor:
    """Gaussian noise of that standard deviation; the seed's one pattern for every image, whatever the strength."""
    pattern = torch.randn(images.shape[1:], generator=torch.Generator().manual_seed(seed)).to(images)  # (C, H, W)
    return (images + percent[:, None, None, None] / 100 * pattern).clamp(0, 1)


def fgsm(model: nn.Module, images: Tensor, reach: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Fast gradient sign method: every value moved by `reach` (n,), in k/255, so that the loss of `classes` (n,) rises.

    x' = clip(x + eps sign(dL/dx)), L the cross entropy, in pixel space [0, 1]: the normalisation is the model's. Also
    the share (n,) of values whose gradient is exactly zero, which no reach moves. Equal rows are differentiated once.

    Goodfellow et al., Explaining and Harnessing Adversarial Examples, 2015, https://arxiv.org/abs/1412.6572, sec. 4.
    """
    rows = torch.cat([images.flatten(1), classes[:, None].to(images)], 1)
    _, which = torch.unique(rows, dim=0, return_inverse=True)
    first = torch.stack([(which == number).nonzero()[0, 0] for number in range(int(which.max()) + 1)])
    gradient = gradients(model, images[first], classes[first])[which]
    return stepped(images, gradient, reach), (gradient == 0).flatten(1).double().mean(1)


def stepped(images: Tensor, gradient: Tensor, reach: Tensor) -> Tensor:
    """Images (n, C, H, W) moved by `reach` (n,), in k/255, along the sign of the gradient by every value, then clipped."""
    return (images + reach.to(images)[:, None, None, None] / 255 * gradient.sign()).clamp(0, 1)


def gradients(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """The cross entropy's gradient by every value, up to a positive factor an image; in evaluation mode.

    With z the logits and m = log(sum of exp(z) over the other classes) - z_y the cross entropy is log(1 + exp(m)), whose
    gradient is that of m times sigmoid(m). That factor is 0 in floating point where the network is sure; m's never is.
    """
    with evaluating(model), torch.enable_grad():
        leaf = images.detach().clone().requires_grad_()
        logits = model(leaf)  # (n, K)
        own = F.one_hot(classes, logits.shape[1]).bool()
        margin = logits.masked_fill(own, -torch.inf).logsumexp(1) - logits[own]  # (n,)
        (found,) = torch.autograd.grad(margin.sum(), leaf)
    return found
