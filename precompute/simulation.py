"""How each class fares along each change of its images: VATUN's simulation view.

The images are changed by the very functions of the Testing view, one change at a time with all others left out, and looked
at in the batches of the evaluation, so that the point that changes nothing gives the stored logits again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from precompute import evaluation
from precompute.bench import Bench, Shard, to_float
from precompute.cases import probabilities
from precompute.catalogue import CHANGES, COLOURFUL
from precompute.datasets import Images
from precompute.edits import Edits
from precompute.factors import BINS, FACTORS, Factor
from precompute.material import select
from precompute.recipe import digest
from precompute.saliency.passes import arithmetic
from precompute.transforms import gradients, stepped, transformed
from store.schema import QUANTILES, UNLABELLED
from store.shards import Artifact

HOW = Edits()  # corners, and the seed of the noise, as the Testing view has them unless told otherwise
MEASURED = 20_000  # training images at most, spread evenly, whose factors are measured


@dataclass(frozen=True)
class Looks:
    """What a network said of images at each point: chance of the true class, predicted class, rank of the true one (n, P).

    total: probabilities (K, P) summed over the images. factor: (n, P) of each changed image, None where none is asked for.
    """

    chance: np.ndarray
    predicted: np.ndarray
    rank: np.ndarray
    total: np.ndarray
    factor: np.ndarray | None


def plan(bench: Bench) -> list[Artifact]:
    """One artifact a change; of one that does nothing to grey images it has no arrays, but the reason."""
    options = bench.recipe.artifacts.simulation
    return [] if options is None else [artifact_of(bench, name) for name in dict.fromkeys(options.changes)]


def artifact_of(bench: Bench, name: str) -> Artifact:
    item, images = CHANGES[name], bench.recipe.artifacts.simulation.images  # type: ignore[union-attr]  # see plan
    outputs = evaluation.plan(bench)[0]
    facts: dict[str, object] = {
        "change": name,
        "points": list(item.points()),
        "images": images,
        "corners": HOW.corners,
        "seed": HOW.seed,
        "measured": MEASURED,
        "evaluation": outputs.name,
        "version": 1,
    }
    key = f"simulation-{name}-{digest(facts)}"
    if key in bench.run.opened:
        return bench.run.opened[key]
    facts |= {
        "title": item.title,
        "unit": item.unit,
        "identity": item.identity,
        "dataset": outputs.attributes["dataset"],
    }
    if reason := obstacle(bench, name):
        return bench.run.add(key, "simulation", {}, (), facts | {"obstacle": reason})
    used = chosen(bench)
    sizes = {
        "epoch": bench.run.epochs + 1,
        "image": len(used),
        "point": len(item.points()),
        "class": len(bench.run.classes),
        "quantile": len(QUANTILES),
    }
    facts["counts"] = np.bincount(bench.labels[used], minlength=len(bench.run.classes)).tolist()
    if name in FACTORS:
        sizes["bin"] = BINS + 1
        facts |= described(FACTORS[name]) | {"trained": len(sample(bench.data.train))}
    return bench.run.add(key, "simulation", sizes, epochs(bench), facts)


def obstacle(bench: Bench, name: str) -> str:
    """Why there can be no curves along a change; "" where there can."""
    if (bench.labels == UNLABELLED).all():
        return "No evaluated image has a label, so there is no class whose images could be followed."
    if name in FACTORS and bench.run_channels not in (1, 3):
        return f"{CHANGES[name].title} is of grey images and of RGB; these have {bench.run_channels} channels."
    return f"{CHANGES[name].title}: grey images have none." if name in COLOURFUL and bench.run_channels == 1 else ""


def described(factor: Factor) -> dict[str, object]:
    return {"factor": factor.title, "factor_unit": factor.unit, "edges": factor.edges.tolist(), "circle": factor.circle}


def chosen(bench: Bench) -> np.ndarray:
    """Which of the evaluated images are changed: their places among these. Those without a label are in no class."""
    options, known = bench.recipe.artifacts.simulation, np.flatnonzero(bench.labels != UNLABELLED)
    return known[select(bench.labels[known], "all" if options is None else options.images)]


def epochs(bench: Bench) -> tuple[int, ...]:
    options = bench.recipe.artifacts.simulation
    return () if options is None else bench.epochs_asked(options.epochs)


def steps(bench: Bench) -> int:
    """How many tasks an epoch has: one a change that does something."""
    return sum("obstacle" not in artifact.attributes for artifact in plan(bench))


def compute(bench: Bench, artifacts: Sequence[Artifact], epoch: int) -> Mapping[str, Shard]:
    return {artifact.path: curves(bench, artifact, epoch) for artifact in artifacts}


def curves(bench: Bench, artifact: Artifact, epoch: int) -> Shard:
    """One change at one epoch: every image at every point, and what each class makes of it."""
    name, used = artifact.attributes["change"], chosen(bench)
    labels, classes = bench.labels[used], len(bench.run.classes)
    seen = looks(bench, epoch, name, used)
    mean, quantiles = by_class(seen.chance, labels, classes)
    arrays = {
        "number": used.astype(np.int32),
        "chance": seen.chance,
        "predicted": seen.predicted,
        "rank": seen.rank,
        "mean": mean,
        "quantiles": quantiles,
        "mean_of_all": seen.total / max(len(used), 1),
        "level": np.full_like(mean, np.nan),
    }
    if seen.factor is not None:
        factor = FACTORS[name]
        level = [factor.mean(seen.factor[labels == number]) for number in range(classes)]
        arrays |= {"level": np.stack(level), "training": training(bench, artifact)}
    return {key: narrowed(values)[None] for key, values in arrays.items()}


def narrowed(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32) if values.dtype.kind == "f" else values


def looks(bench: Bench, epoch: int, name: str, used: np.ndarray) -> Looks:
    """Looks at the evaluated images `used` at each point of a change, with the weights of `epoch`."""
    network, points, labels = bench.classifier(epoch), CHANGES[name].points(), bench.labels[used]
    found = empty(name, len(used), len(bench.run.classes), len(points))
    for part, images in bench.batches(bench.data.test, bench.evaluated[used]):
        look(network, images, labels[part], name, points, found, part, tick=bench.progress.tick)
    return found


def empty(name: str, images: int, classes: int, points: int) -> Looks:
    shape = (images, points)
    return Looks(
        np.empty(shape, np.float32),
        np.empty(shape, np.int32),
        np.empty(shape, np.int32),
        np.zeros((classes, points)),
        np.empty(shape) if name in FACTORS else None,
    )


def look(
    network: nn.Module,
    images: Tensor,
    labels: np.ndarray,
    name: str,
    points: Sequence[float],
    found: Looks,
    part: slice,
    *,
    tick: Callable[[], None] = lambda: None,
) -> None:
    """Looks at one batch (n, C, H, W) at each point, and writes it into `found` at `part`.

    The whole batch is changed by the same number, so that a rotation's grid or a blur's weights are computed once for it.
    """
    gradient = steepest(network, images, labels) if name == "fgsm" else None
    for place, value in enumerate(points):
        with torch.inference_mode():
            changed = at(images, name, value, gradient)
            if found.factor is not None:
                found.factor[part, place] = FACTORS[name].measure(changed).cpu().numpy()
            note(found, part, place, logits_of(network, changed), labels)
        tick()


def at(images: Tensor, name: str, value: float, gradient: Tensor | None = None) -> Tensor:
    """Images (n, C, H, W) under one change alone; the attack needs their `gradient`. The identity gives the very same."""
    amount = torch.full((len(images),), value)
    if gradient is None:
        return transformed(images, {name: amount}, HOW)
    return images if value == CHANGES[name].identity else stepped(images, gradient, amount)


def steepest(network: nn.Module, images: Tensor, labels: np.ndarray) -> Tensor:
    """The gradient of the loss of the true class by every value: one for all points of the attack."""
    with arithmetic(images.device, "float32"):
        return gradients(network, images, torch.from_numpy(labels).to(images.device))


def logits_of(network: nn.Module, images: Tensor) -> np.ndarray:
    """(n, K) float32, as the evaluation computes them."""
    with arithmetic(images.device, "float32"):
        return network(images.contiguous(memory_format=torch.channels_last)).cpu().numpy()


def note(found: Looks, part: slice, place: int, logits: np.ndarray, labels: np.ndarray) -> None:
    """Writes down what logits (n, K) of images `part` say at a point."""
    shares, rows = probabilities(logits), np.arange(len(labels))
    found.chance[part, place] = shares[rows, labels]
    found.predicted[part, place] = logits.argmax(1)
    found.rank[part, place] = ranks(logits, labels)
    found.total[:, place] += shares.sum(0)


def ranks(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Rank (n,) of the true class among logits (n, K), 1: first. Of ties the worse; the last where they are no numbers."""
    own = logits[np.arange(len(labels)), labels][:, None]
    return (~(logits < own)).sum(1)


def by_class(chance: np.ndarray, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (class, P) and quantiles (class, Q, P) of chances (n, P) over the images of each class; NaN where it has none."""
    mean = np.full((classes, chance.shape[1]), np.nan)
    quantiles = np.full((classes, len(QUANTILES), chance.shape[1]), np.nan)
    for number in np.unique(labels):
        own = chance[labels == number].astype(np.float64)  # (m, P)
        mean[number], quantiles[number] = own.mean(0), np.quantile(own, QUANTILES, axis=0)
    return mean, quantiles


# How the training images are spread


def training(bench: Bench, artifact: Artifact) -> np.ndarray:
    """Training images (class, bin) by the factor that a change changes; the last bin: grey ones, which have no hue."""
    if marked := artifact.marked():
        return artifact.read("training", marked[0])
    name, numbers = artifact.attributes["change"], sample(bench.data.train)
    labels, classes = bench.data.train.labels[numbers], len(bench.run.classes)
    if name not in bench.measured:
        bench.measured.update(measured(bench, numbers))
    return FACTORS[name].counts(bench.measured[name], labels, classes)


def measured(bench: Bench, numbers: np.ndarray) -> dict[str, np.ndarray]:
    """All factors (n,) of training images, at the middle of what is read of them, where the network looks."""
    side, values = bench.data.size, {name: np.empty(len(numbers)) for name in FACTORS}
    for start in range(0, len(numbers), bench.batch):
        part = slice(start, start + bench.batch)
        images = to_float(bench.data.train.read(numbers[part]), bench.device)
        margin = (images.shape[-1] - side) // 2
        images = images[..., margin : margin + side, margin : margin + side]  # (n, C, side, side)
        for name, factor in FACTORS.items():
            values[name][part] = factor.measure(images).cpu().numpy()
        bench.progress.tick()
    return values


def sample(images: Images) -> np.ndarray:
    count = len(images.labels)
    return np.arange(count) if count <= MEASURED else np.linspace(0, count - 1, MEASURED).round().astype(np.int64)
