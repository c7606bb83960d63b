"""Layers are drawn anew, from the top down or one by one: a map that stays the same did not depend on what was learned.

A stage is a convolution or linear layer with what follows it up to the next one, or several of these in deep networks;
stages stand in the order of the forward pass, not of registration. New weights are those of a fresh network of the same
architecture, from a seed of its own for each stage and draw. Batch norms begin anew, too: weight 1, bias 0, and the
statistics that a batch of images gives at that place, since mean 0 and variance 1 could let all activations die.

Adebayo et al., Sanity Checks for Saliency Maps, 2018, https://arxiv.org/abs/1810.03292, section 4. It tells techniques that
cannot depend on the weights, it does not rank the others: Binder et al., Shortcomings of Top-Down Randomization-Based
Sanity Checks, 2023, https://arxiv.org/abs/2211.12486.
"""

import copy
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from precompute.saliency.passes import evaluating, hooked, submodules
from store.errors import BadInput

Stage = tuple[str, ...]  # paths of modules
Fresh = Callable[[int], Mapping[str, Tensor]]  # from a seed to the state of a network that was never trained

LAYERS = (nn.modules.conv._ConvNd, nn.Linear)


def stages_of(model: nn.Module, images: Tensor, most: int) -> tuple[Stage, ...]:
    """The modules that own weights, by stage, the topmost first; at most so many stages, of about as many layers each."""
    called: dict[str, nn.Module] = {}
    owning = {name: module for name, module in submodules(model).items() if list(module.parameters(recurse=False))}
    hooks = [(module, lambda *_, name=name: called.setdefault(name, owning[name])) for name, module in owning.items()]
    with evaluating(model), hooked([(module, silent(hook)) for module, hook in hooks]), torch.no_grad():
        model(images)
    layers: list[list[str]] = []
    for name, module in called.items():
        if isinstance(module, LAYERS) or not layers:
            layers.append([])
        layers[-1].append(name)
    if not layers:
        raise BadInput("The network has no weights, so none can be drawn anew.")
    parts = np.array_split(np.arange(len(layers)), min(most, len(layers)))
    return tuple(tuple(name for place in part for name in layers[place]) for part in reversed(parts))


def silent(hook: Callable) -> Callable:
    """A forward hook that returns nothing, so that the output stays."""

    def run(*args: object) -> None:
        hook(*args)

    return run


def seed_of(*numbers: int) -> int:
    """A seed for each draw and stage, say: layers of one shape must not get the same weights."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0] >> 1)


def drawn(stages: Sequence[Stage], fresh: Fresh, *, seed: int, draw: int) -> list[dict[str, Tensor]]:
    """New weights and buffers of each stage, by their names in the network's state."""
    found = []
    for number, stage in enumerate(stages):
        state = fresh(seed_of(seed, draw, number))
        found.append({key: value for key, value in state.items() if key.rpartition(".")[0] in stage})
    return found


def cascaded(new: Sequence[Mapping[str, Tensor]], stage: int) -> dict[str, Tensor]:
    """All stages from the top down to this one."""
    return {key: value for part in new[: stage + 1] for key, value in part.items()}


def randomised(model: nn.Module, new: Mapping[str, Tensor], images: Tensor) -> nn.Module:
    """A frozen copy of the model with these weights in its network; images (n, C, H, W) give new batch norms their statistics."""
    twin = copy.deepcopy(model)
    network = twin.get_submodule("network")
    missing = network.load_state_dict(dict(new), strict=False)
    if missing.unexpected_keys:
        raise BadInput(f"The fresh network has {missing.unexpected_keys[:3]}, which this one has not.")
    modules = {key.rpartition(".")[0] for key in new}
    settle([module for name, module in submodules(twin).items() if name in modules], twin.eval(), images)
    return twin.requires_grad_(False)


def settle(modules: Sequence[nn.Module], model: nn.Module, images: Tensor) -> None:
    """Gives batch norms among the modules the statistics of a batch; all others keep theirs."""
    norms = [item for item in modules if isinstance(item, nn.modules.batchnorm._BatchNorm) and item.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    if norms:
        with torch.no_grad():
            model(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
