"""Weights from files: read without running code, cleaned of the prefixes training tools add, and fitted to a network."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from store.errors import BadInput, Missing

SAFE = ".safetensors"  # a file of it holds tensors by name, and nothing else
WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "network",
    "net",
    "weights",
)  # where weights are kept
PREFIXES = ("module.", "_orig_mod.", "network.")  # of DataParallel, torch.compile, Classifier
AUXILIARY = re.compile(r"(AuxLogits|aux1|aux2)\.")  # heads of Inception and GoogLeNet, unused here
OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(?=[12]\.)")  # names in torchvision's DenseNet files


def read_checkpoint(path: Path | str) -> dict[str, Tensor]:
    """The weights in a file that torch.save or safetensors wrote, read without running any code in it.

    Takes a plain state dict or one under a usual key ("state_dict", "model", …), and drops the prefixes that DataParallel and
    torch.compile add. Raises Missing, or BadInput where the file holds anything else.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise Missing(
            f"There is no checkpoint file '{file}'. weights takes the path of a file that torch.save or safetensors wrote."
        )
    try:
        content = _content(file)
    except Exception as error:  # a damaged or hostile file raises whatever its bytes lead to
        raise BadInput(
            f"{file} is not a checkpoint that can be read safely: {_first_line(error)} "
            "Save the weights alone, with torch.save(model.state_dict(), file)."
        ) from error
    for key in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    tensors = isinstance(content, Mapping) and all(isinstance(value, Tensor) for value in content.values())
    if not tensors or not content:
        raise BadInput(
            f"{file} holds no state dict (a dictionary of tensors by parameter name), but {_kind(content)}. "
            "Save the weights alone, with torch.save(model.state_dict(), file)."
        )
    return clean(content)


def _content(file: Path) -> Any:
    if file.suffix.lower() == SAFE:
        return safetensors.torch.load_file(file)
    return torch.load(file, map_location="cpu", weights_only=True)


def _first_line(error: Exception) -> str:
    if "Weights only load failed" in str(error):  # torch's own first line advises to trust the file
        return "it is damaged, or holds objects besides tensors (a whole model, for example), which could run code."
    sentence = (str(error) or type(error).__name__).splitlines()[0].partition(". ")[0]
    return sentence[:200].rstrip(". ") + "."


def _kind(content: Any) -> str:
    if not isinstance(content, Mapping):
        return type(content).__name__
    return f"a dictionary of {', '.join(map(str, list(content)[:5])) or 'nothing'}"


def clean(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights under the names their network has now: without prefixes, auxiliary heads and old spellings."""
    named = {OLD_DENSENET.sub(r"\1", key): value for key, value in weights.items() if not AUXILIARY.match(key)}
    while prefix := next((start for start in PREFIXES if all(key.startswith(start) for key in named)), ""):
        named = {key.removeprefix(prefix): value for key, value in named.items()}
    return named


def fit(
    network: nn.Module, weights: Mapping[str, Tensor | np.ndarray], origin: str, *, initial: bool = False
) -> tuple[str, ...]:
    """Put `weights` into `network`: all of its parameters and buffers, in their shapes, and nothing else.

    As `initial` weights they may lack batch norm's counters, as old files do, and their head may be for another number of
    classes: then the network keeps its own, and a note says so. Raises BadInput that names the first keys that do not fit.
    """
    own = network.state_dict()
    state = {
        key: value if isinstance(value, Tensor) else torch.from_numpy(np.array(value)) for key, value in weights.items()
    }
    for prefix in PREFIXES:  # one that is part of the network's own names was taken off in `clean`
        if not own.keys() & state.keys() and all(prefix + key in own for key in state):
            state = {prefix + key: value for key, value in state.items()}
    notes: tuple[str, ...] = ()
    if initial:
        state |= {key: value for key, value in own.items() if key.endswith("num_batches_tracked") and key not in state}
    if initial and (head := _other_head(network, state)):
        old, new = len(state[f"{head}.weight"]), len(own[f"{head}.weight"])
        notes = (f"The head '{head}' of {origin} is for {old} classes; it was replaced by a new one for {new}.",)
        state |= {key: value for key, value in own.items() if key.startswith(f"{head}.")}
    problems = _problems(own, state)
    if problems:
        raise BadInput(
            f"The weights of {origin} do not fit the network: {'; '.join(problems)}. "
            "Name the network they were saved from, with the same options."
        )
    own.update(state)  # it knows the versions of its modules, which MNASNet insists on
    network.load_state_dict(own, strict=True)
    return notes


def _other_head(network: nn.Module, state: Mapping[str, Tensor]) -> str | None:
    """The one layer whose weights differ from those in `state` by their first dimension, the number of classes, only."""
    wrong = [key for key, value in network.state_dict().items() if key in state and state[key].shape != value.shape]
    layers = {key.rpartition(".")[0] for key in wrong}
    if len(layers) != 1 or not isinstance(network.get_submodule(head := layers.pop()), nn.Linear | nn.Conv2d):
        return None
    same_inputs = all(state[key].shape[1:] == network.state_dict()[key].shape[1:] for key in wrong)
    return head if same_inputs else None


def _problems(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """What does not fit, at most three keys of each kind."""
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(value.shape)}"
        for key, value in own.items()
        if key in state and state[key].shape != value.shape
    ]
    types = [  # quantised or complex ones, of which copying makes another network
        f"{key} {state[key].dtype} instead of {value.dtype}"
        for key, value in own.items()
        if key in state and value.is_floating_point() and not state[key].is_floating_point()
    ]
    kinds = {
        "missing": [key for key in own if key not in state],
        "unexpected": [key for key in state if key not in own],
        "of another shape": shapes,
        "of another type": types,
    }
    return [
        f"{len(keys)} {kind} ({', '.join(keys[:3])}{', …' * (len(keys) > 3)})" for kind, keys in kinds.items() if keys
    ]
