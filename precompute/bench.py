"""The workbench of one run: its recipe, data and device, and the network as it was after any epoch."""

import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from precompute import datasets, models
from precompute.datasets import DataSet, Images
from precompute.material import Material, fingerprints, gather, thumbnails_id
from precompute.progress import Progress
from precompute.recipe import Recipe
from precompute.saliency.layers import default_layer, trace
from precompute.saliency.passes import precision_for
from store import runs
from store.errors import BadInput
from store.objects import Objects
from store.runs import Run
from store.shards import Artifact
from store.weights import tensors

Shard = Mapping[str, np.ndarray]  # values of all arrays of an artifact at one index

LIBRARIES = ("torch", "torchvision", "numpy", "zarr")


@dataclass(frozen=True)
class Bench:
    """What every computation of a run needs. `evaluated` are the numbers of the test images looked at."""

    run: Run
    recipe: Recipe
    data: DataSet
    images: Artifact
    evaluated: np.ndarray
    device: torch.device
    progress: Progress
    all_training: Images  # with those the recipe leaves out
    beside: dict[str, Artifact] = field(
        default_factory=dict, compare=False, repr=False
    )  # opened, not of this run alone
    loaded: dict[int, models.Classifier] = field(default_factory=dict, compare=False, repr=False)
    measured: dict[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)  # of the training images

    def classifier(self, epoch: int) -> models.Classifier:
        """The frozen network after `epoch`; the last one used is kept."""
        if epoch not in self.loaded:
            self.loaded.clear()
            self.loaded[epoch] = classifier(self.run, epoch, self.device)
        return self.loaded[epoch]

    def kept_epochs(self) -> tuple[int, ...]:
        """Epochs whose weights are kept: those the run was begun with, without those that were thinned out since."""
        thinned = self.run.artifact("weights").attributes.get("thinned", ())
        return tuple(epoch for epoch in self.run.attributes["kept"] if epoch not in thinned)

    def epochs_asked(self, which: str) -> tuple[int, ...]:
        """The kept epochs a costly artifact is made of: "last" or "kept"."""
        return self.kept_epochs()[-1:] if which == "last" else self.kept_epochs()

    def first_classifier(self) -> models.Classifier:
        """The network at the first epoch whose weights are there, which is enough to know its layers."""
        return self.classifier(self.run.artifact("weights").marked()[0])

    def precision(self, asked: str) -> str:
        return precision_for(self.device) if asked == "auto" else asked

    @property
    def batch(self) -> int:
        """Images per forward pass: about 16 million input values' worth of activations on a CPU's caches."""
        return batch_of(self.data.size)

    @property
    def run_channels(self) -> int:
        return network_facts(self.run)["channels"]

    @cached_property
    def labels(self) -> np.ndarray:
        return self.data.test.labels[self.evaluated]

    def batches(self, images: Images, numbers: np.ndarray) -> Iterator[tuple[slice, torch.Tensor]]:
        """Float images (n, C, H, W) in [0, 1], batch by batch, with their places in `numbers`."""
        for start in range(0, len(numbers), self.batch):
            part = slice(start, min(start + self.batch, len(numbers)))
            yield part, to_float(images.read(numbers[part]), self.device)
            self.progress.tick()


def batch_of(side: int) -> int:
    """Images of that side in a forward pass."""
    return max(8, min(250, 1_600_000 // (side**2 * 3)))


def to_float(pixels: np.ndarray, device: torch.device) -> torch.Tensor:
    """uint8 (n, H, W, C) to float32 (n, C, H, W) in [0, 1]."""
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().div_(255).contiguous()


def network_facts(run: Run) -> dict[str, Any]:
    """What models.build needs to make this run's architecture again, without initial weights."""
    recipe, images = run.recipe, runs.dataset(run.objects, run.attributes["dataset"]).attributes
    return {
        "network": recipe["model"]["network"],
        "options": recipe["model"]["options"],
        "classes": len(run.classes),
        "channels": images["channels"],
        "size": images["size"],
        "mean": tuple(images["mean"]),
        "std": tuple(images["std"]),
    }


def classifier(run: Run, epoch: int, device: torch.device | str = "cpu") -> models.Classifier:
    """The network with the weights stored for `epoch`: evaluation mode, frozen. Raises Missing where they were not kept."""
    state = tensors(run.artifact("weights"), epoch)
    return models.frozen(
        models.build(**network_facts(run), weights=run.recipe["model"]["weights"], read_weights=False), state
    ).to(device)


def open_bench(objects: Objects, recipe: Recipe, device: str | None = None) -> Bench:
    """Loads the data and finds or creates the run a recipe asks for."""
    place = placed(device)
    precision = precision_for(place) if recipe.training.precision == "auto" else recipe.training.precision
    material = gather(objects, recipe)
    if recipe.training.epochs and not len(material.data.train.labels):
        raise BadInput(
            f"{material.data.name} has no training images. With epochs = 0, weights are looked at as they come."
        )
    run_id = recipe.run_id(material.fingerprints, precision)
    if not objects.stat(f"runs/{run_id}/zarr.json"):
        facts = describe(recipe, material, initial(recipe, material.data), place)
        facts["provenance"]["precision"] = precision
        runs.create_run(objects, run_id, facts)
    return bench_of(runs.open_run(objects, run_id), recipe, material, place)


def determined(recipe: Recipe) -> str:
    """The id of the run that a recipe makes on this machine; reads the data, and stores nothing."""
    precision = precision_for(placed()) if recipe.training.precision == "auto" else recipe.training.precision
    return recipe.run_id(fingerprints(recipe, datasets.load(recipe.data.set, recipe.data.options)), precision)


def placed(device: str | None = None) -> torch.device:
    return torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))


def bench_of(run: Run, recipe: Recipe, material: Material, place: torch.device) -> Bench:
    """The bench for a run that exists; notes what is asked of it, and with what it is computed."""
    run.keep("asked", recipe.model_dump(mode="json"))
    run.keep("configurations", provenance(place))
    of = material
    return Bench(run, recipe, of.data, of.images, of.evaluated, place, Progress(run), of.all_training)


def describe(recipe: Recipe, material: Material, network: models.Classifier, device: torch.device) -> dict[str, Any]:
    """The facts of a new run: what it is made from, the layers of its network, and with which versions on what machine."""
    data = material.data
    channels = data.test.read(np.arange(1)).shape[-1]
    layers = trace(network, torch.rand(2, channels, data.size, data.size, generator=torch.Generator().manual_seed(0)))
    pictured = {"training_images": thumbnails_id(recipe, material.fingerprints["data"])}
    return {
        "recipe": recipe.model_dump(mode="json"),
        "name": recipe.name,
        "network": recipe.model.network,
        "classes": list(data.classes),
        "epochs": recipe.training.epochs,
        "kept": list(recipe.kept_epochs()),
        "layers": [vars(layer) for layer in layers],
        "default_layer": default_layer(layers).name,
        "parameters": sum(item.numel() for item in network.network.parameters()),
        "provenance": provenance(device),
        "fingerprints": material.fingerprints,
        "dataset": material.images.name,
    } | (pictured if len(material.all_training.labels) else {})


def initial(recipe: Recipe, data: DataSet, *, read_weights: bool = True) -> models.Classifier:
    """The network before training, as recipe and seed determine it; read_weights=False: for weights that follow."""
    channels = data.test.read(np.arange(1)).shape[-1]
    return models.build(
        recipe.model.network,
        classes=len(data.classes),
        channels=channels,
        size=data.size,
        mean=data.mean,
        std=data.std,
        options=recipe.model.options,
        weights=recipe.model.weights,
        read_weights=read_weights,
        seed=recipe.training.seed,
    )


def provenance(device: torch.device) -> dict[str, Any]:
    """What one must know to get the same bits again."""
    return {
        "commit": os.environ.get("LOUPE_COMMIT") or commit(),
        "versions": {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()},
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }


def commit() -> str:
    """The commit of Loupe's folder, "unknown" where git or its history is not there, as in a container."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return found.stdout.strip() or "unknown"
