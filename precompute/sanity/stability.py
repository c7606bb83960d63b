"""Images with a little noise on them: the network hardly notices, do its maps?

The maps of earlier epochs are the other half of stability; grid.py compares them.
"""

import torch
from torch import Tensor

from precompute.saliency.passes import span_of
from precompute.sanity.randomisation import seed_of


def noisy(images: Tensor, *, noise: float, seed: int, draw: int) -> Tensor:
    """Images (N, C, H, W) plus Gaussian noise of `noise` times each image's own range; not clipped, another for each draw."""
    generator = torch.Generator().manual_seed(seed_of(seed, draw, 0))
    pattern = torch.randn(images.shape[1:], generator=generator)  # the same for all images, however they are batched
    return images + noise * span_of(images) * pattern.to(images)
