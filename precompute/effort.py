"""How much work the saliency maps of one image are, so that what was measured for some can be carried over to others. No torch.

Figures per image and technique are in docs/store.md: a pass forward and back is the unit here.
"""

from collections.abc import Mapping
from typing import Any

from precompute.catalogue import TECHNIQUES
from precompute.techniques import INPUT, passes
from precompute.wanted import Saliency


def places(saliency: Saliency) -> dict[str, tuple[str, ...]]:
    """The techniques by the layer that they share a pass at, the input among the layers."""
    of_layers = tuple(name for name in dict.fromkeys(saliency.techniques) if not TECHNIQUES[name].at_input)
    of_input = tuple(name for name in dict.fromkeys(saliency.techniques) if TECHNIQUES[name].at_input)
    found = dict.fromkeys(saliency.layers, of_layers) | {INPUT: of_input}
    return {layer: names for layer, names in found.items() if names}


def maps(saliency: Saliency) -> int:
    """How many maps of one image there are."""
    return sum(len(names) for names in places(saliency).values())


def of_one_place(saliency: Saliency) -> float:
    """What the maps of one image cost at one layer, the input being one of them, on the average, in passes."""
    each = [shared(saliency, names) for names in places(saliency).values()]
    return sum(each) / len(each) if each else 0.0


def shared(saliency: Saliency, names: tuple[str, ...]) -> float:
    """What techniques cost together: one pass, and the noisy copies that are drawn once for all that ask alike."""
    options = {name: saliency.of(name) for name in names}
    copies = {(said["draws"], said["noise"]): float(said["draws"]) for said in options.values() if "draws" in said}
    return 1.0 + sum(copies.values()) + sum(passes(name, said) for name, said in options.items() if "draws" not in said)


def values(saliency: Saliency, attributes: Mapping[str, Any], side: int) -> float:
    """How many values the maps of one image have, with the layers of a run's attributes, for images of that side."""
    sizes = {item["name"]: item["height"] * item["width"] for item in attributes.get("layers", ())}
    usual = sizes.get(attributes.get("default_layer", ""), 1)
    each = {INPUT: side**2} | {layer: sizes.get(layer, usual) for layer in saliency.layers}
    return float(sum(len(names) * each[layer] for layer, names in places(saliency).items()))
