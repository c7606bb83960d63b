"""One training on images that lie in memory, as the run itself was trained; what counts is what it says in the end.

Order, augmentation and dropout are those of train.py for the same seed: with nothing removed and the run's own seed the
weights come out bit for bit as the run's.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from precompute.augmentation import augment
from precompute.bench import batch_of
from precompute.recipe import Training
from precompute.saliency.passes import arithmetic
from precompute.train import OPTIMIZERS, SCHEDULES, mean_loss


def retrain(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    options: Training,
    *,
    precision: str,
    class_weights: Tensor | None = None,
    tick: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Trains a fresh network on images (N, C, S, S) in [0, 1]; returns the mean loss (epochs,) of each epoch.

    One whose loss is no number any more stops there; the rest is NaN.
    """
    network.train()
    optimizer = OPTIMIZERS[options.optimizer](network, options)
    steps = max(1, options.epochs * math.ceil(len(labels) / options.batch_size))
    schedule = SCHEDULES[options.schedule](optimizer, options, steps)
    losses = np.full(options.epochs, np.nan)
    with torch.random.fork_rng(devices=[]), arithmetic(images.device, precision):
        for epoch in range(options.epochs):
            generator = torch.Generator().manual_seed(options.seed * 100_003 + epoch + 1)
            torch.manual_seed(options.seed * 100_003 + epoch + 1)  # dropout
            total = 0.0
            for numbers in torch.randperm(len(labels), generator=generator).split(options.batch_size):
                batch = augment(images[numbers], options.augmentation, generator, images.shape[-1])
                logits = network(batch.contiguous(memory_format=torch.channels_last)).float()  # (n, K)
                loss = mean_loss(logits, labels[numbers], class_weights, options.label_smoothing)
                if not math.isfinite(value := loss.item()):
                    return losses
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                schedule.step()
                total += value * len(numbers)
                tick()
            losses[epoch] = total / len(labels)
    return losses


def confusion(
    network: nn.Module, images: Tensor, labels: Tensor, classes: int, *, tick: Callable[[], None] = lambda: None
) -> np.ndarray:
    """Numbers (K, K) of images (N, C, H, W) by true and predicted class, float32, in evaluation mode."""
    network.eval()
    counts, size = torch.zeros(classes * classes, dtype=torch.int64), batch_of(images.shape[-1])
    with torch.inference_mode(), arithmetic(images.device, "float32"):
        for start in range(0, len(labels), size):
            part = slice(start, start + size)
            predicted = network(images[part].contiguous(memory_format=torch.channels_last)).argmax(1)
            counts += torch.bincount((labels[part] * classes + predicted).cpu(), minlength=classes * classes)
            tick()
    return counts.view(classes, classes).numpy().astype(np.int32)
