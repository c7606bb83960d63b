"""The images a network is trained on, batch by batch, augmented."""

import numpy as np
import torch
from torch import Generator, Tensor

from precompute.augmentation import augment
from precompute.bench import Bench

IN_MEMORY = 1_500_000_000  # bytes of training images held as one tensor; larger sets are read batch by batch
GATHERED = 256  # images read at a time to make it


class TrainingImages:
    """The training images: as one uint8 tensor on the device, or read batch by batch if they are at hand or do not fit."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.images = bench, bench.data.train
        weights = bench.recipe.training.class_weights
        each = [weights.get(name, 1.0) for name in bench.data.classes]
        self.class_weights = torch.tensor(each, device=bench.device) if weights else None
        self.labels = torch.from_numpy(self.images.labels.astype(np.int64)).to(bench.device)
        sample = self.images.read(np.arange(1))  # (1, S, S, C)
        beside = bench.device.type == "cpu" and self.images.at_hand
        self.held = self.gathered(sample) if sample.nbytes * len(self.labels) <= IN_MEMORY and not beside else None

    def __len__(self) -> int:
        return len(self.labels)

    def gathered(self, sample: np.ndarray) -> Tensor:
        """All of them, uint8 (N, C, S, S), some at a time: whole, what is read and turned would lie in memory beside it."""
        _, rows, columns, channels = sample.shape
        held = torch.empty(len(self), channels, rows, columns, dtype=torch.uint8, device=self.bench.device)
        for numbers in torch.arange(len(self)).split(GATHERED):
            held[numbers] = self.to_tensor(self.images.read(numbers.numpy()))
        return held

    def to_tensor(self, pixels: np.ndarray) -> Tensor:
        return torch.from_numpy(pixels).to(self.bench.device).permute(0, 3, 1, 2).contiguous()  # uint8 (n, C, S, S)

    def batch(self, numbers: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Augmented float images in [0, 1], channels last, and their labels."""
        raw = self.to_tensor(self.images.read(numbers.numpy())) if self.held is None else self.held[numbers]
        images = augment(
            raw.float().div_(255), self.bench.recipe.training.augmentation, generator, self.bench.data.size
        )
        return images.contiguous(memory_format=torch.channels_last), self.labels[numbers]
