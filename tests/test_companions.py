"""The companions of Remove and Retrain on networks of which it is known what comes out."""

from collections import OrderedDict

import numpy as np
import torch
from torch import nn

from precompute.roar import companions, removal
from store.shards import Artifact


def random_numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape)


class Linear(nn.Module):
    """Two logits, each a weighted sum of the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nchw,kchw->nk", images, self.weight)


def test_a_linear_networks_own_contributions_explain_all_its_falls() -> None:
    network = Linear().requires_grad_(False)
    images = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    classes, mean = torch.tensor([0, 1, 0, 1]), torch.tensor([0.5])
    exact = network.weight[classes].sum(1, keepdim=True) * (images - 0.5)  # (n, 1, H, W)
    assert companions.unexplained(network, images, 3 * exact, classes, mean, seed=0).max() < 1e-6
    noise = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(2))
    assert companions.unexplained(network, images, noise, classes, mean, seed=0).min() > 0.1
    assert (companions.unexplained(network, images, 0 * exact, classes, mean, seed=0) == 1).all()


def test_curves_begin_with_the_whole_image_or_with_none() -> None:
    network = Linear().requires_grad_(False)
    images, mean = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(1)), torch.tensor([0.5])
    classes = network(images).argmax(1)
    places = torch.from_numpy(removal.ranks(random_numbers(3, 16, 16), random_numbers(3, 16, 16)).astype(np.int32))
    gone, there = (companions.curve(network, images, places, classes, mean, gone=gone) for gone in (True, False))
    whole = network(images).softmax(1).gather(1, classes[:, None])[:, 0].numpy()
    empty = network(torch.full_like(images, 0.5)).softmax(1).gather(1, classes[:, None])[:, 0].numpy()
    np.testing.assert_allclose([gone[:, 0], there[:, -1]], [whole, whole], rtol=1e-5)
    np.testing.assert_allclose([gone[:, -1], there[:, 0]], [empty, empty], rtol=1e-5)


def test_pixels_of_colour_images_go_in_the_order_of_the_grid() -> None:
    layers = {"normalize": nn.Identity(), "flat": nn.Flatten(), "head": nn.Linear(3 * 64, 2)}
    network = nn.Sequential(OrderedDict(layers)).requires_grad_(False)
    images, classes = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1])
    facts = {"technique": "gradient-x-input", "layer": "input"}
    facts |= {"options": {"channels": "signed"}, "ranking": {"channels": "magnitude"}}
    artifact = Artifact(None, "", facts)  # type: ignore[arg-type]
    shares = layers["head"].weight[classes].view(2, 3, 8, 8) * images
    signed = companions.explained(network, images, classes, artifact, "options")
    torch.testing.assert_close(signed, shares.sum(1, keepdim=True))
    found = companions.importance(network, images, classes, signed, artifact)
    torch.testing.assert_close(found, shares.abs().sum(1, keepdim=True))
    assert (found > signed.abs() + 1e-4).any()
