"""Checkpoints of a training that happened elsewhere become a run with every artifact."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch import Tensor

from precompute import elsewhere
from precompute.bench import Bench, placed
from precompute.checkpoints import SAFE, fit, read_checkpoint
from precompute.making import steps
from precompute.material import Material, gather
from precompute.models import Classifier
from precompute.recipe import Recipe
from precompute.train import flat
from store.errors import BadInput, Missing
from store.objects import Objects
from store.runs import Run, Status
from store.shards import checksum

SUFFIXES = (".pt", ".pth", SAFE)
WHOLE_NUMBER = re.compile(r"(?<!\d)(?<!\d\.)(?<!\de[-+])\d+(?!\d|\.\d|e[-+]\d)")  # not the parts of 0.91 or 1e-05
LAST_EPOCH = 10_000


def import_run(
    objects: Objects, folder: Path, recipe: Recipe, show: Callable[[Status], None] = lambda status: None
) -> Run:
    """A run of the checkpoints in `folder`: each is the network after the epoch that its name ends in.

    recipe: names data and network, says what is known of the training, and what to compute. Every file is checked before
    anything is stored. Imported again, an interrupted import goes on. Raises Missing, or BadInput with the file's name.
    """
    files = checkpoints(folder)
    material = gather(objects, recipe)
    network = elsewhere.empty_network(recipe, material)
    bench = opened(objects, recipe, material, network, files)
    bench.progress.show = show
    weights = bench.run.artifact("weights")
    for epoch in weights.missing():
        bench.progress.doing = f"storing the weights of epoch {epoch}"
        bench.progress.say()
        weights.write(epoch, state_of(files[epoch], network))
    for _ in steps(bench):
        pass
    return bench.run


def checkpoints(folder: Path) -> dict[int, Path]:
    """The checkpoint files of a folder by epoch, the last whole number in their names."""
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise Missing(f"There is no folder '{place}'. A folder of checkpoints, one file an epoch, was expected.")
    found: dict[int, Path] = {}
    for file in sorted(item for item in place.iterdir() if item.suffix.lower() in SUFFIXES):
        epoch = epoch_of(file)
        if epoch in found:
            raise BadInput(
                f"Epoch {epoch} is in {found[epoch].name} and in {file.name}; one file an epoch was expected."
            )
        found[epoch] = file
    if not found:
        others = ", ".join(sorted({f"*{item.suffix}" for item in place.iterdir() if item.suffix})[:5])
        raise Missing(
            f"There are no checkpoints in '{place}': files named *.pt, *.pth or *{SAFE} were expected"
            f"{f', it holds {others}' if others else ''}. Write them with torch.save(model.state_dict(), file)."
        )
    return dict(sorted(found.items()))


def epoch_of(file: Path) -> int:
    numbers = WHOLE_NUMBER.findall(file.stem)
    if not numbers or int(numbers[-1]) > LAST_EPOCH:
        came = f"{numbers[-1]}, and {LAST_EPOCH:,} is the most" if numbers else "none"
        raise BadInput(
            f"The last whole number in a checkpoint's name is its epoch, for example net-epoch-12.pt; in {file.name} it is "
            f"{came}. Rename the file, or move it elsewhere."
        )
    return int(numbers[-1])


def opened(objects: Objects, recipe: Recipe, material: Material, network: Classifier, files: dict[int, Path]) -> Bench:
    """The bench of the run that these checkpoints make. Every one has been read and fits the network then."""
    content = {epoch: content_of(state_of(file, network)) for epoch, file in files.items()}
    first, last = min(files), max(files)
    state_of(files[first], network)  # whose weights its layers are found with, as a training here finds them at first
    notes = (
        [] if first == 0 else ["There is no checkpoint of epoch 0: what the network was before training is not known."]
    )
    facts = {"origin": "imported", "epochs": last, "kept": list(files), "notes": notes}
    return elsewhere.begin(objects, recipe, material, network, facts, content, placed())


def state_of(file: Path, network: Classifier) -> dict[str, np.ndarray]:
    """The weights in a file as they are stored, after they were put into the network."""
    weights: dict[str, Tensor] = read_checkpoint(file)
    fit(network.network, weights, file.name)
    values = flat(network.network.state_dict())
    if not np.isfinite(values["float32"]).all():
        raise BadInput(f"{file.name} holds weights that are not finite. Move it elsewhere, or save it again.")
    return values


def content_of(values: dict[str, np.ndarray]) -> str:
    return checksum(b"".join(array.tobytes() for array in values.values()))
