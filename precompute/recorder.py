"""Records a training that goes on elsewhere: three lines in any PyTorch loop.

    with Recorder(model, "recipe.toml", optimizer=optimizer) as recorder:
        for epoch in range(epochs):
            loss = ...  # the loop as it was
            recorder.epoch(loss=loss)

The recipe names the data set, the network's factory and the number of epochs. The training is never changed: what is
recorded is a copy, and random numbers, modes and settings are put back.
"""

import atexit
import math
import os
import threading
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from precompute import elsewhere, making, recipe, thumbnails
from precompute.artifacts import planned
from precompute.bench import Bench
from precompute.checkpoints import fit
from precompute.material import gather
from precompute.recipe import Recipe
from precompute.saliency.passes import device_of
from precompute.train import flat, mark_of
from precompute.undisturbed import undisturbed
from store.claims import Claims
from store.errors import BadInput, LoupeError
from store.objects import Objects, connect

BEATS_EVERY = 30.0  # seconds between two signs of life: an epoch may take hours


class Recorder:
    """Writes the epochs of a training as they happen, into a run of their own; `run_id` names it.

    model: the network that is trained, also inside DistributedDataParallel or torch.compile. given: a recipe, or the path of
    its file. optimizer: to note its learning rate. store: an address, else LOUPE_STORE. artifacts=False: only weights and
    history, so that the training is not held up; `python -m precompute run recipe.toml --on RUN` computes the rest.

    In a distributed training every process may make one: that of rank 0 records, the others do nothing. A problem here
    raises LoupeError when the recorder is made, and after that is warned of once: the training goes on.
    """

    def __init__(
        self,
        model: nn.Module,
        given: Recipe | Path | str,
        *,
        optimizer: torch.optim.Optimizer | None = None,
        store: str | None = None,
        artifacts: bool = True,
    ) -> None:
        self.model, self.optimizer, self.artifacts = model, optimizer, artifacts
        self.number, self.run_id, self.warned, self.process = 0, "", False, os.getpid()
        self.bench: Bench | None = None
        self.ended = threading.Event()
        self.latest: dict[str, np.ndarray] = {}  # weights of the last epoch, where they are not to be kept
        refuse_sharded(model)
        if rank() == 0:
            with undisturbed():
                self.begin(given if isinstance(given, Recipe) else recipe.read(given), connect(store))
        self.began = time.monotonic()

    def begin(self, asked: Recipe, objects: Objects) -> None:
        """Checks that recipe and model agree, and records the model as it is now, as epoch 0."""
        material = gather(objects, asked)
        self.network = elsewhere.empty_network(asked, material)
        values = self.weights()
        last, kept = asked.training.epochs, list(asked.kept_epochs())
        facts = {"origin": "recorded", "epochs": last, "kept": kept}
        device = device_of(self.model)
        place = device if device.type == "cuda" else torch.device("cpu")
        bench = elsewhere.begin(objects, asked, material, self.network, facts, uuid.uuid4().hex, place)
        self.claims = Claims(objects, f"{bench.run.path}/claims")
        self.claims.take("lead")
        self.bench, self.run_id = bench, bench.run.id
        self.store(bench, values, (math.nan, math.nan, math.nan))
        bench.progress.planned.update(planned(bench) if self.artifacts else {"training": last})
        atexit.register(self.abandon, "The process ended before the recorder was closed.")
        self.compute(bench)
        self.heart = threading.Thread(target=self.beat, daemon=True, name="recorder")
        self.heart.start()

    def beat(self) -> None:
        """Says that the training lives where nothing else was said for a while."""
        while not self.ended.wait(BEATS_EVERY):
            if (bench := self.bench) is not None:
                with suppress(Exception):
                    status = bench.run.status()
                    if status.state == "running" and time.time() - status.at > BEATS_EVERY / 2:
                        bench.run.say(vars(status))

    def epoch(self, loss: float | Tensor = math.nan, learning_rate: float | None = None, **others: object) -> None:
        """Records the epoch that has just ended. loss: its mean training loss. Of `others` a warning says that they are not."""
        seconds = time.monotonic() - self.began
        self.number += 1
        if self.bench is not None:
            with self.forgiving(), undisturbed():
                self.record(self.bench, loss, learning_rate, seconds)
                if others:
                    self.warn(f"Loupe records loss and learning_rate, not {', '.join(others)}.", frames=3)
        self.began = time.monotonic()

    def record(self, bench: Bench, loss: float | Tensor, learning_rate: float | None, seconds: float) -> None:
        if self.number > bench.run.epochs:
            raise BadInput(f"The recipe says {bench.run.epochs} epochs; what comes after them is not recorded.")
        bench.progress.seconds["training"] += seconds
        bench.progress.timed["training"] += 1
        bench.progress.finished["training"] += 1
        bench.progress.doing = f"training, epoch {self.number} of {bench.run.epochs} is recorded"
        values = self.weights()
        if learning_rate is None:
            learning_rate = float(self.optimizer.param_groups[0]["lr"]) if self.optimizer else math.nan
        value = float(loss.detach()) if isinstance(loss, Tensor) else float(loss)
        self.store(bench, values, (value, learning_rate, seconds))
        self.compute(bench)

    def weights(self) -> dict[str, np.ndarray]:
        """A copy of the weights, as they are stored, in the recipe's network. Raises BadInput where the two do not agree."""
        fit(self.network.network, own_names(self.model), "the recorded model")
        values = flat(self.network.network.state_dict())
        if not np.isfinite(values["float32"]).all():
            raise LoupeError(f"The weights after epoch {self.number} are not finite; they are not recorded.")
        return values

    def store(self, bench: Bench, values: dict[str, np.ndarray], measures: tuple[float, ...]) -> None:
        history, weights = bench.run.artifact("training"), bench.run.artifact("weights")
        marks = {"measures": np.array([[*measures]]), "weights_digest": np.array([mark_of(values)])}
        history.write(self.number, marks)
        self.latest = {} if self.number in weights.promised else values
        if not self.latest:
            weights.write(self.number, values)
        bench.progress.say()

    def compute(self, bench: Bench) -> None:
        """Fills the artifacts of all epochs whose weights are there."""
        if self.artifacts:
            for _ in making.fill(bench, self.claims):
                pass
            bench.loaded.clear()  # frees the device's memory for the training

    def close(self) -> None:
        """Ends the recording: what was recorded until now is all there will be."""
        if self.bench is not None:
            self.still()
            with self.forgiving(), undisturbed():
                self.finish(self.bench)
            self.let_go()

    def finish(self, bench: Bench) -> None:
        if self.latest:  # the last epoch's weights are always kept
            bench.run.artifact("weights").write(self.number, self.latest)
        bench = replace(bench, run=elsewhere.settle(bench.run))
        bench.progress.run = bench.run
        for block in thumbnails.pending(bench):
            thumbnails.store(bench, block)
        if not self.artifacts:
            bench.run.summarise()
            rest = f"`python -m precompute run RECIPE --on {self.run_id}` computes all else."
            bench.progress.say("stopped", f"Weights and history were recorded. {rest}")
            return
        self.compute(bench)
        making.end(bench)

    def abandon(self, reason: str) -> None:
        """Says that the training ended before its end; nothing more is computed."""
        if self.bench is not None and os.getpid() == self.process:  # not in a forked worker
            rest = f"`python -m precompute run RECIPE --on {self.run_id}` finishes what was recorded."
            self.still()
            with suppress(Exception):
                self.bench.progress.say("stopped", f"{reason} {rest}")
            self.let_go()

    def still(self) -> None:
        """Ends the signs of life, so that none comes after the last word."""
        self.ended.set()
        with suppress(RuntimeError, AttributeError):  # it never began
            self.heart.join(10)

    def let_go(self) -> None:
        self.bench = None
        self.claims.close()
        atexit.unregister(self.abandon)

    @contextmanager
    def forgiving(self) -> Iterator[None]:
        """Nothing that goes wrong here may stop the training; the first problem is warned of."""
        try:
            yield
        except Exception as error:
            reason = str(error) if isinstance(error, LoupeError) else f"{type(error).__name__}: {error}"
            with suppress(Exception):
                self.say(reason)

    def say(self, reason: str) -> None:
        """Warns once; the run's status says every time what went wrong."""
        self.warn(f"Loupe could not record epoch {self.number}: {reason}", frames=6)
        if self.bench is not None:
            self.bench.progress.say("failed", reason)

    def warn(self, text: str, frames: int) -> None:
        """`frames` up is the line of the user's loop."""
        if not self.warned:
            self.warned = True
            with suppress(Warning):  # where warnings are made errors
                warnings.warn(text, RuntimeWarning, stacklevel=frames)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon(f"The training ended with {kind.__name__}.")


def rank() -> int:
    """The number of this process in a distributed training, 0 where there is none."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank()
    return int(os.environ.get("RANK", "0") or 0)


def refuse_sharded(model: nn.Module) -> None:
    """Raises BadInput where no single process holds all weights: to gather them, all would have to wait for each other."""
    names = {type(module).__name__ for module in model.modules()} | {type(item).__name__ for item in model.parameters()}
    if found := names & {"FullyShardedDataParallel", "DTensor"}:
        raise BadInput(
            f"The model's weights are spread over several processes ({', '.join(found)}); the recorder needs them in one. "
            "Save checkpoints with their whole state dict instead, and import those."
        )


def own_names(model: nn.Module) -> Mapping[str, Tensor]:
    """The state dict of the network inside DistributedDataParallel and torch.compile, also where only a part is compiled."""
    while (inner := getattr(model, "_orig_mod", None)) or isinstance(model, DataParallel | DistributedDataParallel):
        model = inner or model.module
    return {name.replace("_orig_mod.", ""): value for name, value in model.state_dict().items()}
