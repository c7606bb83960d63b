"""Loupe's training loop against a bare loop on tensors already in memory: same network, batches, optimizer and precision.

Both train the demo's network on its 4,000 digits, in turn, epoch by epoch; Loupe's loop stores nothing here but does all
else: order, augmentation off, progress, checks for a loss that is no number. Ratio: bare seconds / Loupe's seconds.

    python -m benchmarks.training [--epochs 5]
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from precompute import train
from precompute.bench import open_bench
from precompute.recipe import parse, read
from store.objects import connect


def bare_epoch(
    network: torch.nn.Module, optimizer: torch.optim.Optimizer, images: torch.Tensor, labels: torch.Tensor
) -> None:
    """What one writes by hand: float images in memory, a random order, no checks."""
    network.train()
    for numbers in torch.randperm(len(images)).split(64):
        loss = F.cross_entropy(network(images[numbers]), labels[numbers])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--epochs", type=int, default=5)
    options.add_argument("--quick", action="store_true", help="2 epochs")
    asked = options.parse_args()
    epochs = 2 if asked.quick else asked.epochs
    fields = read(Path("recipes/demo.toml")).model_dump()
    fields["training"] |= {"augmentation": {}, "precision": "float32", "schedule": "constant", "learning_rate": 0.01}
    with tempfile.TemporaryDirectory() as folder:
        bench = open_bench(connect(folder), parse(fields))
        bench.progress.say = lambda *_: None  # type: ignore[method-assign]
        learner, pixels = train.start(bench), train.TrainingImages(bench)
        raw = pixels.to_tensor(bench.data.train.read(np.arange(len(pixels))))  # uint8 (N, C, H, W)
        images = raw.float().div(255).contiguous(memory_format=torch.channels_last)
        other = train.start(bench)
        seconds: dict[str, list[float]] = {"bare": [], "loupe": []}
        for epoch in range(epochs + 1):
            began = time.perf_counter()
            bare_epoch(other.network, other.optimizer, images, pixels.labels)
            middle = time.perf_counter()
            train.one_epoch(bench, learner, pixels)
            if epoch:  # the first warms up
                seconds["bare"].append(middle - began)
                seconds["loupe"].append(time.perf_counter() - middle)
    for name, values in seconds.items():
        print(f"{name:6} {statistics.median(values):6.2f} s per epoch of {len(images):,} images (median of {epochs})")
    ratios = [bare / ours for bare, ours in zip(seconds["bare"], seconds["loupe"], strict=True)]
    print(json.dumps({"training: bare loop / Loupe's loop": round(statistics.median(ratios), 3)}))


if __name__ == "__main__":
    main()
