"""What every filter of every convolution layer answers to each evaluated image, which images it answers to most, and where.

One pass over the images reduces each map to a number (answers.py); a second one, over the images found at the top of some
filter, keeps small maps. Between them nothing is held but the numbers, as float32, which become the stored float16 in place;
where they are many, in a file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from precompute import evaluation
from precompute.answers import following, layers_of, reduced
from precompute.bench import Bench, Shard
from precompute.paths import strongest
from precompute.recipe import digest
from precompute.saliency.passes import arithmetic
from store import spool
from store.schema import UNLABELLED
from store.shards import Artifact

TOP = 9  # images kept of each filter
MAP_SIDE = 14
ROWS_AT_ONCE = 512


def plan(bench: Bench) -> list[Artifact]:
    """One artifact; of a network without convolutions it has no arrays, but the reason."""
    options = bench.recipe.artifacts.network
    if options is None:
        return []
    outputs = evaluation.plan(bench)[0]
    facts: dict[str, object] = {
        "evaluation": outputs.name,
        "reduction": options.reduction,
        "z_scored": options.z_scored,
        "epochs": options.epochs,
        "version": 1,
    }
    name = f"activations-{digest(facts)}"
    if name in bench.run.opened:
        return [bench.run.opened[name]]
    facts["dataset"] = outputs.attributes["dataset"]
    layers = layers_of(bench.first_classifier(), torch.zeros(1, bench.run_channels, bench.data.size, bench.data.size))
    if not layers:
        reason = "Filters and their patterns need convolution layers; this network has none."
        return [bench.run.add(name, "activations", {}, (), facts | {"obstacle": reason})]
    sizes = {
        "epoch": bench.run.epochs + 1,
        "image": len(bench.evaluated),
        "filter": count_of(layers),
        "class": len(bench.run.classes),
        "rank": min(TOP, len(bench.evaluated)),
        "y": MAP_SIDE,
        "x": MAP_SIDE,
        "layer": len(layers),
        "place": 2,
    }
    return [bench.run.add(name, "activations", sizes, epochs(bench), facts | {"layers": layers})]


def epochs(bench: Bench) -> tuple[int, ...]:
    """Those the recipe wants looked at."""
    options = bench.recipe.artifacts.network
    return bench.epochs_asked(options.epochs) if options else ()


def steps(bench: Bench) -> int:
    """How many tasks an epoch has, here and of patterns."""
    return int(bench.recipe.artifacts.network is not None)


def count_of(layers: Sequence[Mapping[str, Any]]) -> int:
    return layers[-1]["offset"] + layers[-1]["filters"]


def compute(bench: Bench, artifacts: Sequence[Artifact], epoch: int) -> Mapping[str, Shard]:
    """One pass over the evaluated images, and one over those at the top of a filter, for each artifact."""
    return {artifact.path: looked_at(bench, artifact.attributes, epoch) for artifact in artifacts}


def looked_at(bench: Bench, facts: Mapping[str, Any], epoch: int) -> Shard:
    model, layers, labels = bench.classifier(epoch), facts["layers"], bench.labels
    values = spool.room((len(bench.evaluated), count_of(layers)), np.float32)  # (N, F)
    seen = Seen.nothing(values.shape[1], len(bench.run.classes), min(TOP, len(values)))
    for part, batch in bench.batches(bench.data.test, bench.evaluated):
        images = batch.contiguous(memory_format=torch.channels_last)
        values[part] = reduced(model, images, layers, facts["reduction"]).cpu().numpy()
        seen.add(values[part], labels[part], part.start)
    statistics = seen.statistics()
    found, lead = strongest(values, layers, statistics, z_scored=facts["z_scored"], rows=ROWS_AT_ONCE)
    return {
        "activation": packed(values, statistics["scale"])[None],
        **{name: value[None] for name, value in statistics.items()},
        "top_map": top_maps(bench, layers, epoch, seen.top_image)[None],
        "strongest": found[None],
        "lead": lead[None],
    }


@dataclass
class Seen:
    """What is known of each filter after some of the images; sums in float64. rank: best first, of equals the earlier image."""

    count: int
    mean: np.ndarray  # (F,)
    squares: np.ndarray  # (F,) of the distances to the mean, summed
    scale: np.ndarray  # (F,) largest magnitude
    class_sum: np.ndarray  # (K, F)
    class_count: np.ndarray  # (K,)
    top_value: np.ndarray  # (rank, F)
    top_image: np.ndarray  # (rank, F)

    @classmethod
    def nothing(cls, filters: int, classes: int, ranks: int) -> "Seen":
        top = np.full((ranks, filters), -np.inf, np.float32), np.full((ranks, filters), -1, np.int32)
        mean, squares, scale = np.zeros((3, filters))
        return cls(0, mean, squares, scale, np.zeros((classes, filters)), np.zeros(classes), *top)

    def add(self, values: np.ndarray, labels: np.ndarray, start: int) -> None:
        """More images: (n, F) float32, the first of which is number `start`."""
        exact = values.astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):  # of a network that diverged
            self.join(len(values), exact.mean(0), exact)
            self.scale = np.maximum(self.scale, np.abs(exact).max(0))
            for label in np.unique(labels[labels != UNLABELLED]):
                self.class_sum[label] += exact[labels == label].sum(0)
        self.class_count += np.bincount(labels[labels != UNLABELLED], minlength=len(self.class_count))
        self.rank(values, start)

    def join(self, count: int, mean: np.ndarray, exact: np.ndarray) -> None:
        """Mean and squares of both lots. Chan, Golub and LeVeque, Algorithms for Computing the Sample Variance, 1983, eq. 2.1."""
        total, away = self.count + count, mean - self.mean
        self.squares += ((exact - mean) ** 2).sum(0) + away**2 * (self.count * count / total)
        self.mean = self.mean + away * (count / total)
        self.count = total

    def rank(self, values: np.ndarray, start: int) -> None:
        """Lets those in that beat the last at the top; after some batches these are few filters."""
        with np.errstate(invalid="ignore"):
            rising = np.flatnonzero((values > self.top_value[-1]).any(0))
        numbers = np.broadcast_to(np.arange(start, start + len(values), dtype=np.int32)[:, None], values.shape)
        both = np.concatenate([self.top_value[:, rising], values[:, rising]])  # (rank + n, f)
        images = np.concatenate([self.top_image[:, rising], numbers[:, rising]])
        order = np.argsort(-both, 0, kind="stable")[: len(self.top_value)]
        self.top_value[:, rising] = np.take_along_axis(both, order, 0)
        self.top_image[:, rising] = np.take_along_axis(images, order, 0)

    def statistics(self) -> dict[str, np.ndarray]:
        """As they are stored, by filter."""
        shown = np.where(self.class_count > 0, self.class_count, np.nan)[:, None]  # a class without images has no mean
        return {
            "scale": self.scale.astype(np.float32),
            "mean": self.mean.astype(np.float32),
            "deviation": np.sqrt(self.squares / self.count).astype(np.float32),
            "class_mean": (self.class_sum / shown).T.astype(np.float32),
            "top_image": self.top_image.T.copy(),
            "top_value": np.where(self.top_image >= 0, self.top_value, np.nan).T.copy(),
        }


def packed(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(N, F) float16, each filter's answers over its scale, in the memory of `values`, (N, F) float32, which are gone then.

    50,000 images of 10,000 filters would otherwise take 2 GB and 1 GB at once.
    """
    small = values.reshape(-1).view(np.float16)[: values.size].reshape(values.shape)
    divisor = np.where(scale > 0, scale, 1)
    for start in range(0, len(values), ROWS_AT_ONCE):  # a row is written where one before it was read, or itself
        part = slice(start, start + ROWS_AT_ONCE)
        with np.errstate(invalid="ignore", over="ignore"):  # of a network that diverged
            small[part] = (values[part] / divisor).astype(np.float16)
    return small


def unpacked(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The answers (..., F) float32 that were packed, to 5e-4 of each filter's scale."""
    return values.astype(np.float32) * scale


def top_maps(bench: Bench, layers: Sequence[Mapping[str, Any]], epoch: int, top_image: np.ndarray) -> np.ndarray:
    """(F, rank, MAP_SIDE, MAP_SIDE) uint8: where each filter answers on the images (rank, F) it answers to most."""
    small = np.zeros((*top_image.T.shape, MAP_SIDE, MAP_SIDE), np.uint8)
    wanted = np.unique(top_image[top_image >= 0])
    model, offsets = bench.classifier(epoch), {layer["name"]: layer["offset"] for layer in layers}
    for part, batch in bench.batches(bench.data.test, bench.evaluated[wanted]):
        place = np.full(len(bench.evaluated) + 1, -1)  # of an image in the batch; the last stands for none
        place[wanted[part]] = np.arange(len(batch))

        def see(name: str, answer: Tensor, place: np.ndarray = place) -> None:
            filters = slice(offsets[name], offsets[name] + answer.shape[1])
            row = place[top_image[:, filters]]  # (rank, k)
            rank, filter_ = np.nonzero(row >= 0)
            if len(rank):
                maps = answer[torch.from_numpy(row[rank, filter_]), torch.from_numpy(filter_)]  # (m, h, w)
                small[filters.start + filter_, rank] = shrunk(maps.float()).cpu().numpy()

        with torch.inference_mode(), arithmetic(bench.device, "float32"), following(model, see):
            model(batch.contiguous(memory_format=torch.channels_last))
    return small


def shrunk(maps: Tensor) -> Tensor:
    """Maps (m, h, w) at MAP_SIDE, bilinear, their positive part from 0 to 255 where each is largest."""
    sized = F.interpolate(maps[:, None], (MAP_SIDE, MAP_SIDE), mode="bilinear", antialias=True)[:, 0]
    sized = torch.nan_to_num(sized, 0.0, 0.0, 0.0).relu()  # (m, MAP_SIDE, MAP_SIDE)
    largest = sized.amax((1, 2), keepdim=True)
    return (255 * sized / torch.where(largest > 0, largest, 1)).round().to(torch.uint8)
