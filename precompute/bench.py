"""The workbench of one run: its recipe, data and device, and the network as it was after any epoch."""

import inspect
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from precompute import datasets, models
from precompute.datasets import DataSet, Images
from precompute.progress import Progress
from precompute.recipe import Recipe, digest
from precompute.saliency.layers import default_layer, trace
from precompute.saliency.passes import precision_for
from store import encoding, runs, shards
from store.errors import BadInput
from store.objects import Objects
from store.runs import Run
from store.schema import KINDS, images_per_block, layout
from store.shards import Artifact

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
    loaded: dict[int, models.Classifier] = field(default_factory=dict, compare=False, repr=False)

    def classifier(self, epoch: int) -> models.Classifier:
        """The frozen network after `epoch`; the last one used is kept."""
        if epoch not in self.loaded:
            self.loaded.clear()
            self.loaded[epoch] = classifier(self.run, epoch, self.device)
        return self.loaded[epoch]

    def precision(self, asked: str) -> str:
        return precision_for(self.device) if asked == "auto" else asked

    @property
    def batch(self) -> int:
        """Images per forward pass: about 16 million input values' worth of activations on a CPU's caches."""
        return max(8, min(250, 1_600_000 // (self.data.size**2 * 3)))

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
    state = runs.tensors(run.artifact("weights"), epoch)
    return models.frozen(
        models.build(**network_facts(run), weights=run.recipe["model"]["weights"], read_weights=False), state
    ).to(device)


def open_bench(objects: Objects, recipe: Recipe, device: str | None = None) -> Bench:
    """Loads the data and finds or creates the run a recipe asks for."""
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    data = datasets.load(recipe.data.set, recipe.data.options)
    evaluated = select(data.test.labels, recipe.evaluation.images)
    prints = fingerprints(recipe, data)
    precision = precision_for(place) if recipe.training.precision == "auto" else recipe.training.precision
    run_id = recipe.run_id(prints, precision)
    images = store_images(objects, data, evaluated, recipe, prints["data"])
    if not objects.stat(f"runs/{run_id}/zarr.json"):
        facts = describe(recipe, data, place) | {"fingerprints": prints, "dataset": images.path.rsplit("/", 1)[-1]}
        facts["provenance"]["precision"] = precision
        runs.create_run(objects, run_id, facts)
    run = runs.open_run(objects, run_id)
    run.keep("asked", recipe.model_dump(mode="json"))
    run.keep("configurations", provenance(place))
    return Bench(run, recipe, data, images, evaluated, place, Progress(run))


def describe(recipe: Recipe, data: DataSet, device: torch.device) -> dict[str, Any]:
    """The facts of a new run: what it is made from, the layers of its network, and with which versions on what machine."""
    network = initial(recipe, data)
    channels = data.test.read(np.arange(1)).shape[-1]
    layers = trace(network, torch.rand(2, channels, data.size, data.size, generator=torch.Generator().manual_seed(0)))
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
    }


def initial(recipe: Recipe, data: DataSet) -> models.Classifier:
    """The network before training, as recipe and seed determine it."""
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
        seed=recipe.training.seed,
    )


def provenance(device: torch.device) -> dict[str, Any]:
    """What one must know to get the same bits again."""
    commit = os.environ.get("LOUPE_COMMIT", "")
    if not commit:
        here = Path(__file__).parent
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=here, capture_output=True, text=True, check=False
        )
        commit = found.stdout.strip() or "unknown"
    return {
        "commit": commit,
        "versions": {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()},
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }


def fingerprints(recipe: Recipe, data: DataSet) -> dict[str, str]:
    """Digests of all content a run depends on: images, a weights file or the weights' name, the user's own code."""
    weights = Path(recipe.model.weights or "").expanduser()
    own = [name.partition(":")[0] for name in (recipe.data.set, recipe.model.network) if ":" in name]
    return {
        "data": datasets.fingerprint(data),
        "weights": encoding.checksum(weights.read_bytes()) if weights.is_file() else recipe.model.weights or "",
        "code": encoding.checksum("".join(inspect.getsource(import_module(name)) for name in own).encode())
        if own
        else "",
    }


def select(labels: np.ndarray, images: str | int) -> np.ndarray:
    """Numbers of the evaluated test images: all, or the first n of each class, in their own order."""
    if images == "all":
        return np.arange(len(labels))
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], labels[order])
    return np.sort(order[np.arange(len(order)) - starts < int(images)])


def store_images(objects: Objects, data: DataSet, evaluated: np.ndarray, recipe: Recipe, fingerprint: str) -> Artifact:
    """Keeps the evaluated images, once, for all runs that look at the same ones."""
    first = data.test.read(evaluated[:1])  # (1, H, W, C)
    if first.dtype != np.uint8 or first.shape[1] != first.shape[2]:
        raise BadInput(
            f"Data set '{data.name}': square uint8 images were expected from test.read, not {first.dtype} {first.shape[1:]}."
        )
    side, channels = first.shape[1], first.shape[3]
    block = images_per_block(side, channels)
    parts = 0 if data.test.parts is None else data.test.parts.shape[1]
    sizes = {"image": len(evaluated), "y": side, "x": side, "channel": channels, "corner": 4, "axis": 2, "part": parts}
    names = ["pixels", "label", "source"] + ["box"] * (data.test.boxes is not None) + ["part"] * bool(parts)
    layouts = {name: layout(KINDS["images"][name], sizes, block=block) for name in names}
    identity = digest([fingerprint, side, channels, recipe.evaluation.images])
    artifact = shards.create(
        objects,
        f"datasets/{recipe.data.set.partition(':')[0].replace('.', '-')}-{identity}",
        layouts,
        {
            "kind": "images",
            "schema": 1,
            "title": data.name,
            "classes": list(data.classes),
            "mean": list(data.mean),
            "std": list(data.std),
            "size": side,
            "channels": channels,
            "part_names": list(data.part_names),
            "notes": list(data.notes),
            "fingerprint": fingerprint,
            "train_images": len(data.train.labels),
            "test_images": len(data.test.labels),
            "selection": recipe.evaluation.images,
            "promised": list(range(layouts["pixels"].shards)),
        },
    )
    for index in artifact.missing():
        numbers = evaluated[index * block : (index + 1) * block]
        values = {"pixels": data.test.read(numbers), "label": data.test.labels[numbers], "source": numbers}
        values |= {"box": data.test.boxes[numbers]} if data.test.boxes is not None else {}
        values |= {"part": data.test.parts[numbers]} if data.test.parts is not None and parts else {}
        artifact.write(index, values)
    return artifact
