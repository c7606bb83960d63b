"""Random changes of training images, a batch at a time on the tensors' own device.

Every draw comes from the generator passed in, so the same generator gives the same images.
"""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from precompute.recipe import Augmentation

ASPECT = 4 / 3  # widest and narrowest random crop, as in Inception's training and torchvision
ERASED = (0.02, 0.33, 3.3)  # least and greatest share of the area, and aspect ratio, of Zhong et al.'s experiments


def augment(images: Tensor, options: Augmentation, generator: Generator, size: int) -> Tensor:
    """Randomly changed copies (N, C, size, size), float32 in [0, 1], of images (N, C, S, S), S >= size, float or uint8.

    Moves take their new border from the rest of a larger image, and beyond that from its mirror image. With everything at
    0 the result is the central square.
    """
    geometry = _warp if options.rotate or options.scale < 1 else _crop
    moved = geometry(images, options, generator, size)
    if options.flip:
        moved = _flip(moved, 3, generator)
    if options.flip_vertical:
        moved = _flip(moved, 2, generator)
    moved = moved.float().div(255) if moved.dtype == torch.uint8 else moved
    coloured = _colour(moved, options, generator)
    return _erase(coloured, options.erase, generator) if options.erase else coloured


def _crop(images: Tensor, options: Augmentation, generator: Generator, size: int) -> Tensor:
    """Whole-pixel shifts: slices, no interpolation."""
    reach, (rows, columns) = round(options.shift * size), ((side - size) // 2 for side in images.shape[2:])
    if not reach:
        return images[:, :, rows : rows + size, columns : columns + size]
    padding = max(reach - min(rows, columns), 0)
    larger = (
        F.pad(images.float() if images.is_floating_point() else images.float().div(255), [padding] * 4, mode="reflect")
        if padding
        else images
    )
    moves = (
        torch.randint(-reach, reach + 1, (len(images), 2), generator=generator)
        + torch.tensor([rows, columns])
        + padding
    )
    return torch.stack(
        [image[:, y : y + size, x : x + size] for image, (y, x) in zip(larger, moves.tolist(), strict=True)]
    )


def _warp(images: Tensor, options: Augmentation, generator: Generator, size: int) -> Tensor:
    """Rotation, random resized crop and shift, composed, in one bilinear sampling."""
    pixels = images.float() if images.is_floating_point() else images.float().div(255)
    matrix = _placements(len(images), options, generator, size, images.shape[2]).to(images.device)  # (N, 2, 3)
    grid = F.affine_grid(matrix, [len(images), images.shape[1], size, size], align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False).clamp(0, 1)


def _placements(count: int, options: Augmentation, generator: Generator, size: int, source: int) -> Tensor:
    """(N, 2, 3): where output coordinates in [-1, 1] lie in a source image, whose own are [-1, 1]."""
    if options.scale < 1:
        area, aspect = _uniform(count, options.scale, 1, generator), _uniform(count, -1, 1, generator)
        half = area.sqrt()[:, None] * ASPECT ** (torch.stack([aspect, -aspect], 1) / 2)  # (N, xy)
        half = half.clamp(max=1)
        centre = (1 - half) * _uniform(2 * count, -1, 1, generator).view(count, 2)
    else:
        half, centre = torch.full((count, 2), size / source), torch.zeros(count, 2)
    if options.shift:
        centre = centre + _uniform(2 * count, -2 * options.shift, 2 * options.shift, generator).view(count, 2) * half
    angle = _uniform(count, -1, 1, generator) * math.radians(options.rotate)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(count, 2, 2)
    return torch.cat([turn * half[:, None, :], centre[:, :, None]], 2)


def _uniform(count: int, low: float, high: float, generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=generator)


def _flip(images: Tensor, dimension: int, generator: Generator) -> Tensor:
    chosen = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(chosen.to(images.device)[:, None, None, None], images.flip(dimension), images)


def _colour(images: Tensor, options: Augmentation, generator: Generator) -> Tensor:
    """Brightness, contrast, saturation and hue, in this order; the last two leave grey images as they are."""
    for change, most in (
        (brightness, options.brightness),
        (contrast, options.contrast),
        (saturation, options.saturation),
        (hue, options.hue),
    ):
        if most:
            middle = 0.0 if change is hue else 1.0
            images = change(images, _uniform(len(images), middle - most, middle + most, generator).to(images.device))
    return images


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """images (N, C, H, W) in [0, 1] times factor (N,)."""
    return (images * factor[:, None, None, None]).clamp(0, 1)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Distance of every pixel from the image's mean grey, times factor (N,): 0 grey, 1 as it was."""
    return _blend(images, grey(images).mean((1, 2, 3), keepdim=True), factor)


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Distance of every pixel from its own grey, times factor (N,): 0 grey, 1 as it was."""
    return _blend(images, grey(images), factor)


def _blend(images: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    return (other + factor[:, None, None, None] * (images - other)).clamp(0, 1)


def grey(images: Tensor) -> Tensor:
    """Luma of ITU-R BT.601, (N, 1, H, W)."""
    if images.shape[1] == 1:
        return images
    return (images * images.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)


def hue(images: Tensor, turns: Tensor) -> Tensor:
    """Colours (N, 3, H, W) moved along the HSV colour circle by `turns` (N,) of it; lightness and saturation stay."""
    if images.shape[1] == 1:
        return images
    highest, lowest = images.amax(1, keepdim=True), images.amin(1, keepdim=True)  # (N, 1, H, W)
    chroma = highest - lowest
    red, green, blue = ((highest - images) / chroma.clamp(min=1e-12)).unbind(1)  # (N, H, W) each
    first, second = images[:, 0] == highest[:, 0], images[:, 1] == highest[:, 0]
    sextant = torch.where(first, blue - green, torch.where(second, 2 + red - blue, 4 + green - red))
    moved = sextant[:, None] + 6 * turns[:, None, None, None]  # (N, 1, H, W)
    # how far a channel lies below the highest: 0 to 1 of the chroma, a trapezium over the circle, for r, g, b in turn
    place = (moved + images.new_tensor([5.0, 3.0, 1.0])[:, None, None]) % 6  # (N, 3, H, W)
    return highest - chroma * torch.minimum(place, 4 - place).clamp(0, 1)


def _erase(images: Tensor, probability: float, generator: Generator) -> Tensor:
    """One rectangle filled with the image's mean colour.

    Zhong et al., Random Erasing Data Augmentation, 2017, https://arxiv.org/abs/1708.04896, algorithm 1, there with noise.
    """
    count, _, height, width = images.shape
    least, most, ratio = ERASED
    area, log_aspect = _uniform(count, least, most, generator), _uniform(count, -1, 1, generator) * math.log(ratio)
    sides = (area.sqrt()[:, None] * torch.stack([log_aspect, -log_aspect], 1).div(2).exp()).clamp(
        max=1
    )  # (N, yx), shares
    starts = (1 - sides) * torch.rand(count, 2, generator=generator)
    chosen = torch.rand(count, 1, generator=generator) < probability
    ends = torch.where(chosen, starts + sides, starts)
    hidden = rectangles(starts, ends, height, width).to(images.device)  # (N, 1, H, W)
    return torch.where(hidden, images.mean((2, 3), keepdim=True), images)


def rectangles(starts: Tensor, ends: Tensor, height: int, width: int) -> Tensor:
    """Which pixels have their centre in a rectangle: corners (N, yx) in shares of the sides -> (N, 1, H, W) bool."""
    rows, columns = ((torch.arange(side) + 0.5) / side for side in (height, width))
    in_rows = (rows >= starts[:, :1]) & (rows < ends[:, :1])  # (N, H)
    in_columns = (columns >= starts[:, 1:]) & (columns < ends[:, 1:])  # (N, W)
    return (in_rows[:, :, None] & in_columns[:, None, :])[:, None]
