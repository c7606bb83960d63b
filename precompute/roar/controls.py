"""Rankings that ask no network: what a saliency technique has to beat.

Each gives the importance (n, H, W) of the pixels of float images (n, C, H, W) in [0, 1]. `draws`: random numbers
(n, H, W) in [0, 1), each image's own.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Look:
    """What a control may look at. mean, std: colour (C,) of the training images; coarse: (h, w) of the default layer."""

    images: Tensor
    draws: np.ndarray
    mean: Tensor
    std: Tensor
    coarse: tuple[int, int]


def random(look: Look) -> np.ndarray:
    return look.draws


def sobel(look: Look) -> np.ndarray:
    """Length of the grey image's gradient by Sobel's two masks; at the border the edge pixels are repeated.

    Hooker et al. 2019 compare with it, too.
    """
    grey = F.pad(look.images.mean(1, keepdim=True), [1] * 4, mode="replicate")  # (n, 1, H + 2, W + 2)
    across = grey.new_tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]) / 8
    both = F.conv2d(grey, torch.stack([across, across.T])[:, None])  # (n, 2, H, W)
    return both.norm(dim=1).numpy()


def pixel(look: Look) -> np.ndarray:
    """|x - mean| / std, summed over the channels: the magnitude of what the network gets."""
    away = (look.images - look.mean[:, None, None]) / look.std[:, None, None]
    return away.abs().sum(1).numpy()


def centre(look: Look) -> np.ndarray:
    """Minus the distance from the middle of the image."""
    height, width = look.images.shape[2:]
    y, x = np.ogrid[:height, :width]
    away = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2)
    return np.broadcast_to(-away, look.draws.shape)


def random_blurred(look: Look) -> np.ndarray:
    """As blurry as a class activation map, and about nothing: blurring alone can improve a ranking's result.

    Song et al., https://arxiv.org/abs/2304.13836.
    """
    height, width = look.coarse
    return enlarged(torch.from_numpy(look.draws[:, None, :height, :width]).float(), look.images.shape[2:])


def enlarged(maps: Tensor, size: tuple[int, ...]) -> np.ndarray:
    """Maps (n, 1, h, w) at the size (H, W) of the image, bilinear: (n, H, W)."""
    if tuple(maps.shape[2:]) == tuple(size):
        return maps[:, 0].numpy()
    return F.interpolate(maps, tuple(size), mode="bilinear", align_corners=False)[:, 0].numpy()
