"""What the network makes of each image just before its last layer, whose neighbours are then alike to it, and maps of that."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from precompute import evaluation, tsne
from precompute.bench import Bench, Shard
from precompute.recipe import digest
from precompute.saliency.passes import arithmetic, hooked
from store.errors import BadInput
from store.runs import Run
from store.shards import Artifact

NEIGHBOURS = 10
VERSION = 3  # of the maps: others than this one makes


# Features


def plan_features(bench: Bench) -> list[Artifact]:
    """One artifact; of a network without a linear layer it has no arrays, but the reason."""
    if bench.recipe.artifacts.embedding is None:
        return []
    outputs = evaluation.plan(bench)[0]
    facts: dict[str, object] = {"evaluation": outputs.name, "version": 1}
    name = f"features-{digest(facts)}"
    if name in bench.run.opened:
        return [bench.run.opened[name]]
    facts["dataset"] = outputs.attributes["dataset"]
    try:
        width = hidden(bench, bench.run.artifact("weights").marked()[0], bench.evaluated[:1]).shape[1]
    except BadInput as error:
        return [bench.run.add(name, "features", {}, (), facts | {"obstacle": str(error)})]
    count = len(bench.evaluated)
    sizes = {
        "epoch": bench.run.epochs + 1,
        "image": count,
        "feature": width,
        "neighbour": max(1, min(NEIGHBOURS, count - 1)),  # zarr stores no empty array
    }
    return [bench.run.add(name, "features", sizes, bench.kept_epochs(), facts | {"width": width})]


def compute_features(bench: Bench, artifacts: Sequence[Artifact], epoch: int) -> Mapping[str, Shard]:
    """Features of every evaluated image, and its nearest neighbours by what is stored of them."""
    values, scale = packed(hidden(bench, epoch, bench.evaluated))  # (N, d), (N,)
    found, distances = neighbours(unpacked(values, scale))  # (N, k) twice
    shard = {
        "features": values[None],
        "scale": scale[None],
        "neighbours": found[None].astype(np.int32),
        "distances": distances[None].astype(np.float32),
    }
    return {artifact.path: shard for artifact in artifacts}


def hidden(bench: Bench, epoch: int, numbers: np.ndarray) -> np.ndarray:
    """(n, d) float32: what the last linear layer reads for test images `numbers`, with the weights of `epoch`."""
    network, parts = bench.classifier(epoch), []
    for _, batch in bench.batches(bench.data.test, numbers):
        parts.append(last_read(network, batch).cpu().numpy())
        bench.progress.tick()
    return np.concatenate(parts)


def last_read(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """(n, d) float32: what the last linear layer reads for images (n, C, H, W); raises BadInput where there is none."""
    read: list[tuple[torch.Tensor, torch.Tensor]] = []  # by the linear layers, and what they made of it
    linears = [module for module in network.modules() if isinstance(module, nn.Linear)]
    hooks = [(linear, lambda _, inputs, output: read.append((inputs[0], output))) for linear in linears]
    with torch.inference_mode(), arithmetic(images.device, "float32"), hooked(hooks):
        logits = network(images.contiguous(memory_format=torch.channels_last))
    return before_last(read, logits)


def before_last(read: list[tuple[torch.Tensor, torch.Tensor]], logits: torch.Tensor) -> torch.Tensor:
    """The input (n, d) of the linear layer called last; raises BadInput where the logits are not its output."""
    if not read or read[-1][1].shape != logits.shape or not torch.equal(read[-1][1], logits):
        raise BadInput("An embedding needs a linear layer that ends in the logits; this network has none.")
    return read[-1][0].flatten(1)


def packed(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float16 in [-1, 1] and a float32 scale for each row of (n, d)."""
    scale = np.abs(features).max(-1).astype(np.float32)  # (n,)
    return (features / np.where(scale > 0, scale, 1)[:, None]).astype(np.float16), scale


def unpacked(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The features (n, d) float32 that were packed, to a relative error of 5e-4."""
    return values.astype(np.float32) * scale[:, None]


def neighbours(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and distances of each image's nearest others; -1 and NaN where there is no other, or the network diverged."""
    count = max(1, min(NEIGHBOURS, len(features) - 1))
    if len(features) < 2 or not np.isfinite(features).all():
        return np.full((len(features), count), -1), np.full((len(features), count), np.nan)
    return tsne.neighbours(features, count)


# Maps


def plan(bench: Bench) -> list[Artifact]:
    """One artifact a perplexity; of one too large for so few images it has no arrays, but the reason."""
    options = bench.recipe.artifacts.embedding
    return [map_artifact(bench, item, features) for features in plan_features(bench) for item in options.perplexities]  # type: ignore[union-attr]  # without options there are no features


def map_artifact(bench: Bench, perplexity: int, features: Artifact) -> Artifact:
    facts: dict[str, object] = {
        "features": features.name,
        "perplexity": perplexity,
        "components": tsne.COMPONENTS,
        "seed": bench.recipe.training.seed,
        "version": VERSION,
    }
    name = f"embedding-{perplexity}-{digest(facts)}"
    facts |= {key: features.attributes[key] for key in ("evaluation", "dataset")}
    count = len(bench.evaluated)
    reason = features.attributes.get("obstacle") or tsne.possible([perplexity], count)[perplexity]
    if reason:
        return bench.run.add(name, "embedding", {}, (), facts | {"obstacle": reason})
    sizes = {"epoch": bench.run.epochs + 1, "image": count, "axis": 2}
    return bench.run.add(name, "embedding", sizes, bench.kept_epochs(), facts)


def drop_outdated(run: Run) -> None:
    """Takes away maps that an earlier version began and did not finish: nothing makes those any more."""
    for item in run.of_kind("embedding"):
        if item.attributes.get("version", 0) < VERSION and item.missing():
            run.objects.delete(item.path)
            run.opened.pop(item.name, None)


def steps(bench: Bench) -> int:
    """How many tasks an epoch has of each kind here."""
    return int(bench.recipe.artifacts.embedding is not None)


def map_steps(bench: Bench) -> int:
    options = bench.recipe.artifacts.embedding
    return int(options is not None and "" in tsne.possible(options.perplexities, len(bench.evaluated)).values())


def compute(bench: Bench, artifacts: Sequence[Artifact], epoch: int) -> Mapping[str, Shard]:
    """The maps of one epoch, from its stored features; each goes on from that of the epoch before."""
    (source,) = plan_features(bench)
    features = unpacked(source.read("features", epoch), source.read("scale", epoch))  # (N, d)
    if not np.isfinite(features).all():
        return {item.path: nothing(len(features)) for item in artifacts}
    seed = bench.recipe.training.seed
    reduced, shards = tsne.reduced(features, seed), {}
    for artifact in artifacts:
        earlier, epochs = before(artifact, epoch)
        perplexity = artifact.attributes["perplexity"]
        found = tsne.lay_out(reduced, perplexity, seed=seed, before=earlier, epochs=epochs)
        points = found.points.astype(np.float32)
        trust = tsne.trustworthiness(features, points, seed=seed)
        shards[artifact.path] = shard(points, found.divergence, trust, found.move)
        bench.progress.tick()
    return shards


def before(artifact: Artifact, epoch: int) -> tuple[np.ndarray | None, int]:
    """The map of the latest earlier epoch that has one, (N, 2), and how many epochs ago that was."""
    for earlier in reversed([item for item in artifact.marked() if item < epoch]):
        points = artifact.read("points", earlier)
        if np.isfinite(points).all():
            return points, epoch - earlier
    return None, 1


def shard(points: np.ndarray, divergence: float, trust: float, move: float) -> Shard:
    numbers = {"divergence": divergence, "trustworthiness": trust, "move": move}
    return {"points": points[None]} | {name: np.array([value]) for name, value in numbers.items()}


def nothing(count: int) -> Shard:
    """Of a network that diverged."""
    return shard(np.full((count, 2), np.nan, np.float32), np.nan, np.nan, np.nan)
