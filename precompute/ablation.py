"""What a network says without some of its filters: their answers are set to zero wherever they are read.

Beside it, what it says without as many others of the same layers, drawn at random: to leave out anything does some harm.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from store import runs
from store.errors import BadInput
from store.runs import Run

if TYPE_CHECKING:
    from torch import Tensor, nn

DRAWS = 10
IMAGES_AT_ONCE = 64
MOST_IMAGES = 200  # more take too long for somebody who waits

Filters = Iterable[tuple[int, int]]  # (layer, filter), numbered as the activations of the run number them


def answer(run: Run, model: "nn.Module", _images: "Tensor", request: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The probe's answer about evaluated images `numbers`, as "without" says which filters are left out.

    "plain" (n, K) logits with all filters, "logits" (n, K) without these, and "random" (DRAWS, n, K) without as many others.
    Raises BadInput where a layer, filter or image is not there.
    """
    import torch

    from precompute.answers import layers_of
    from precompute.bench import to_float

    images = to_float(pixels(run, request["numbers"]), torch.device("cpu"))
    layers = layers_of(model, images[:1])
    widths, names = [layer["filters"] for layer in layers], [layer["name"] for layer in layers]
    chosen = checked(request["without"], widths)
    draws = [others(chosen, widths, [request["seed"], number]) for number in range(DRAWS)]
    return {
        "plain": logits(model, images, (), names),
        "logits": logits(model, images, chosen, names),
        "random": np.stack([logits(model, images, draw, names) for draw in draws]),
    }


def pixels(run: Run, numbers: Sequence[int]) -> np.ndarray:
    """The images (n, H, W, C) uint8 of these numbers among those evaluated last, which the page shows."""
    stored = runs.dataset(run.objects, run.of_kind("evaluation")[0].attributes["dataset"])
    count = stored.array("pixels").shape[0]
    if outside := [number for number in numbers if not 0 <= number < count]:
        raise BadInput(f"There are {count} evaluated images, numbered from 0; {outside[:3]} are none of them.")
    if not 0 < len(numbers) <= MOST_IMAGES:
        raise BadInput(f"From 1 to {MOST_IMAGES} images can be looked at without some filters, not {len(numbers)}.")
    return stored.read_blocks("pixels", np.array(numbers))


def checked(filters: Filters, widths: Sequence[int]) -> list[tuple[int, int]]:
    """Each filter once; raises BadInput where the network has none of that number. widths: filters of each layer."""
    for layer, number in filters:
        if not 0 <= layer < len(widths) or not 0 <= number < widths[layer]:
            have = (
                f"filters up to {widths[layer] - 1}" if 0 <= layer < len(widths) else f"layers up to {len(widths) - 1}"
            )
            raise BadInput(f"There is no filter {number} in layer {layer} to leave out: there are {have}.")
    return sorted({(layer, number) for layer, number in filters})


def others(filters: Filters, widths: Sequence[int], seed: Sequence[int]) -> list[tuple[int, int]]:
    """As many filters of the same layers, drawn among all others; all others where there are too few."""
    random, drawn = np.random.default_rng(seed), []
    for layer, own in by_layer(filters).items():
        rest = np.setdiff1d(np.arange(widths[layer]), own)
        drawn += [(layer, int(number)) for number in random.permutation(rest)[: len(own)]]
    return drawn


def by_layer(filters: Filters) -> dict[int, list[int]]:
    found: defaultdict[int, list[int]] = defaultdict(list)
    for layer, number in filters:
        found[layer].append(number)
    return dict(found)


def logits(model: "nn.Module", images: "Tensor", without: Filters, names: Sequence[str]) -> np.ndarray:
    """(n, K) float32 of images (n, C, H, W) in [0, 1], the answers of these filters set to zero after their non-linearity.

    names: of the layers, as `without` numbers them. Raises BadInput where that would change nothing but unseen.
    """
    import torch

    from precompute.answers import following

    left_out = {names[layer]: own for layer, own in by_layer(without).items()}

    def silence(name: str, maps: "Tensor") -> None:
        if own := left_out.get(name):
            maps[:, own] = 0

    def refuse(name: str, _maps: "Tensor") -> None:
        if name in left_out:
            raise BadInput(
                f"What reads the answers of layer {name} cannot be watched, as TorchScript cannot, so none can be left out."
            )

    parts = []
    for batch in images.split(IMAGES_AT_ONCE):
        with torch.inference_mode(), following(model, silence, refuse):
            parts.append(model(batch).float())
    return torch.cat(parts).numpy()
