"""Training: epoch by epoch, each stored whole before the next begins, and resumed from the last one after a kill.

Order, augmentation and dropout of an epoch are drawn from (seed, epoch) alone, so a resumed run ends with the same bits
as one that was never stopped.
"""

import io
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, OneCycleLR, StepLR

from precompute.bench import Bench, initial
from precompute.saliency.passes import arithmetic
from precompute.training_images import TrainingImages
from store.errors import Busy, LoupeError
from store.runs import Run
from store.schema import TRAINING_MEASURES
from store.shards import Artifact, checksum


@dataclass
class Learner:
    """The live training: network, optimizer and schedule after `epoch`."""

    network: nn.Module  # a Classifier
    optimizer: torch.optim.Optimizer
    schedule: LRScheduler
    epoch: int = 0
    measures: tuple[float, ...] = (math.nan, math.nan, math.nan)


class Diverged(LoupeError):
    """The loss is no longer a number."""


def untrained(bench: Bench) -> bool:
    """Whether there is something left to train; never where the training happened elsewhere."""
    return bench.run.origin == "trained" and bool(
        bench.run.artifact("weights").missing() or bench.run.artifact("training").missing()
    )


def train(bench: Bench) -> Iterator[int]:
    """Trains what is not trained yet, and yields each epoch once it is stored, beginning with epoch 0.

    Raises Busy where another process trains this run to other weights, Diverged where the loss becomes NaN or infinite.
    """
    if bench.run.origin != "trained":
        return
    weights, history = allocate(bench)
    if not weights.missing() and not history.missing():
        return
    learner = restore(bench, weights, history)
    commit(bench, learner, weights, history)
    yield learner.epoch
    pixels = TrainingImages(bench) if bench.recipe.training.epochs else None
    while pixels and learner.epoch < bench.recipe.training.epochs:
        began = time.monotonic()
        with bench.progress.step("training", f"training epoch {learner.epoch + 1} of {bench.recipe.training.epochs}"):
            loss = one_epoch(bench, learner, pixels)
            learner.epoch += 1
            learner.measures = (loss, learner.schedule.get_last_lr()[0], time.monotonic() - began)
            commit(bench, learner, weights, history)
        yield learner.epoch
    bench.run.objects.delete(f"{bench.run.path}/resume")


def one_epoch(bench: Bench, learner: Learner, pixels: TrainingImages) -> float:
    """One pass over the training images in the order (seed, epoch) determines; returns the mean loss of its steps."""
    options = bench.recipe.training
    generator = torch.Generator().manual_seed(options.seed * 100_003 + learner.epoch + 1)
    order = torch.randperm(len(pixels), generator=generator)
    device, half = bench.device, bench.precision(options.precision) == "bfloat16"
    total = torch.zeros((), dtype=torch.float64, device=device)
    learner.network.train()
    with torch.random.fork_rng(), arithmetic(device, "bfloat16" if half else "float32"):
        torch.manual_seed(options.seed * 100_003 + learner.epoch + 1)  # dropout
        for number, numbers in enumerate(batches := order.split(options.batch_size), start=1):
            images, labels = pixels.batch(numbers, generator)  # (n, C, H, W), (n,)
            logits = learner.network(images).float()  # (n, K)
            loss = mean_loss(logits, labels, pixels.class_weights, options.label_smoothing)
            if device.type == "cpu" and not math.isfinite(loss.item()):
                raise diverged(learner, learner.epoch + 1)
            learner.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            learner.optimizer.step()
            learner.schedule.step()
            total += loss.detach() * len(numbers)
            bench.progress.tick(number / len(batches))
    if not math.isfinite(mean := total.item() / len(pixels)):
        raise diverged(learner, learner.epoch + 1)
    return mean


def mean_loss(logits: Tensor, labels: Tensor, class_weights: Tensor | None, smoothing: float) -> Tensor:
    """Cross entropy over the images of a step; with class weights w, Σ w[y] · loss(x, y) / Σ w[y]."""
    if class_weights is None:
        return F.cross_entropy(logits, labels, label_smoothing=smoothing)
    each = F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)  # (n,)
    weights = class_weights[labels]  # torch's own would weigh the smoothed part by all classes, not by the image's
    return (weights * each).sum() / weights.sum()


def diverged(learner: Learner, epoch: int) -> Diverged:
    rate = learner.schedule.get_last_lr()[0]
    return Diverged(
        f"Loss or weights are not finite any more in epoch {epoch}, at a learning rate of {rate:.3g}. "
        "Epochs before it can still be looked at; try a smaller learning rate."
    )


def start(bench: Bench) -> Learner:
    """The learner before its first step."""
    options = bench.recipe.training
    network = initial(bench.recipe, bench.data).to(bench.device, memory_format=torch.channels_last)
    optimizer = OPTIMIZERS[options.optimizer](network, options)
    steps = max(1, options.epochs * math.ceil(len(bench.data.train.labels) / options.batch_size))
    return Learner(network, optimizer, SCHEDULES[options.schedule](optimizer, options, steps))


OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda net, o: torch.optim.SGD(  # foreach: the same bits with less Python
        net.parameters(),
        o.learning_rate,
        momentum=o.momentum,
        weight_decay=o.weight_decay,
        nesterov=o.momentum > 0,
        foreach=True,
    ),
    "adam": lambda net, o: torch.optim.Adam(net.parameters(), o.learning_rate, weight_decay=o.weight_decay),
    "adamw": lambda net, o: torch.optim.AdamW(net.parameters(), o.learning_rate, weight_decay=o.weight_decay),
    "rmsprop": lambda net, o: torch.optim.RMSprop(
        net.parameters(), o.learning_rate, momentum=o.momentum, weight_decay=o.weight_decay
    ),
}

SCHEDULES: dict[str, Any] = {
    "constant": lambda optimizer, o, steps: ConstantLR(optimizer, factor=1.0, total_iters=1),
    "cosine": lambda optimizer, o, steps: CosineAnnealingLR(optimizer, T_max=steps),
    "step": lambda optimizer, o, steps: StepLR(
        optimizer, step_size=max(1, o.step_epochs * steps // max(1, o.epochs)), gamma=0.1
    ),
    "one-cycle": lambda optimizer, o, steps: OneCycleLR(  # the momentum stays what the recipe says
        optimizer, max_lr=o.learning_rate, total_steps=max(steps, 2) + 1, cycle_momentum=False
    ),
}


def allocate(bench: Bench) -> tuple[Artifact, Artifact]:
    """The arrays of weights and training history, for all epochs."""
    state = initial(bench.recipe, bench.data).network.state_dict()
    return allocate_weights(bench.run, state), allocate_history(bench.run)


def allocate_weights(run: Run, state: dict[str, Tensor]) -> Artifact:
    tensors, lengths = table_of(state)
    sizes = {"epoch": run.epochs + 1} | {f"{name}.value": length for name, length in lengths.items() if length}
    return run.add("weights", "weights", sizes, run.attributes["kept"], {"tensors": tensors})


def allocate_history(run: Run) -> Artifact:
    sizes = {"epoch": run.epochs + 1, "measure": len(TRAINING_MEASURES)}
    return run.add("training", "training", sizes, range(run.epochs + 1), {"measures": list(TRAINING_MEASURES)})


def table_of(state: dict[str, Tensor]) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Where each tensor lies in the flat arrays, and how long those are."""
    lengths, rows = {"float32": 0, "int64": 0}, []
    for name, tensor in state.items():
        array = "float32" if tensor.is_floating_point() else "int64"
        if tensor.dtype not in (torch.float32, torch.int64):
            raise LoupeError(
                f"Tensor '{name}' has type {tensor.dtype}; float32 and int64 are stored. Convert it with .float() in its factory."
            )
        rows.append({"name": name, "array": array, "start": lengths[array], "shape": list(tensor.shape)})
        lengths[array] += tensor.numel()
    return rows, lengths


def flat(state: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """The state as one array per type, (1, value), in the order of its names."""
    parts: dict[str, list[np.ndarray]] = {"float32": [], "int64": []}
    for tensor in state.values():
        parts["float32" if tensor.is_floating_point() else "int64"].append(
            tensor.detach().cpu().contiguous().numpy().reshape(-1)
        )
    return {name: np.concatenate(items)[None] for name, items in parts.items() if items}


def commit(bench: Bench, learner: Learner, weights: Artifact, history: Artifact) -> None:
    """Stores an epoch: first what resuming needs, then the history that names these weights, then the weights.

    A kill between any two of them costs nothing: the state that the history names is the one gone on from.
    """
    values = flat(learner.network.network.state_dict())
    if not np.isfinite(values["float32"]).all():
        raise diverged(learner, learner.epoch)
    mark = mark_of(values)
    epoch, run = learner.epoch, bench.run
    run.objects.put(state_path(bench, epoch, mark), packed(learner))
    same = history.write(epoch, {"measures": np.array([[*learner.measures]]), "weights_digest": np.array([mark])})
    if not same and int(history.read("weights_digest", epoch)) != mark:
        raise Busy(
            f"Run {run.id} holds other weights at epoch {epoch} than this process trained, which stops here. Either another "
            "process is training it (follow it on the pages), or it was begun with another number of threads, precision or "
            "version: `show` lists those; train with the same, or delete the run and train it again."
        )
    if epoch in weights.promised and not weights.write(epoch, values):
        raise Busy(
            f"Run {run.id} holds weights at epoch {epoch} that its history does not name. Delete the run and train it again."
        )
    for stat in list(run.objects.under(f"{run.path}/resume")):
        if (
            not stat.path.startswith(state_path(bench, epoch, mark)[:-3])
            and int(stat.path.rsplit("/", 1)[-1].split("-")[0]) < epoch
        ):
            run.objects.delete_each([stat.path])


def mark_of(values: Mapping[str, np.ndarray]) -> int:
    """48 bits that stand for the weights of an epoch."""
    return int(checksum(b"".join(array.tobytes() for array in values.values()))[:12], 16)


def state_path(bench: Bench, epoch: int, mark: int) -> str:
    return f"{bench.run.path}/resume/{epoch}-{mark:012x}.pt"


def packed(learner: Learner) -> bytes:
    buffer = io.BytesIO()
    torch.save(
        {
            "network": learner.network.network.state_dict(),
            "optimizer": learner.optimizer.state_dict(),
            "schedule": learner.schedule.state_dict(),
            "epoch": learner.epoch,
            "measures": learner.measures,
        },
        buffer,
    )
    return buffer.getvalue()


def restore(bench: Bench, weights: Artifact, history: Artifact) -> Learner:
    """The learner after the last stored epoch from which training can go on; the start where there is none."""
    learner = start(bench)
    first_hole = min([*weights.missing(), *history.missing()])
    for epoch in sorted((epoch for epoch in history.marked() if epoch <= first_hole), reverse=True):
        mark = int(history.read("weights_digest", epoch))
        data = bench.run.objects.get(state_path(bench, epoch, mark))
        if data is None:
            continue
        state = torch.load(io.BytesIO(data), map_location=bench.device, weights_only=True)
        learner.network.network.load_state_dict(state["network"])
        learner.optimizer.load_state_dict(state["optimizer"])
        learner.schedule.load_state_dict(state["schedule"])
        learner.epoch, learner.measures = state["epoch"], tuple(state["measures"])
        break
    return learner
