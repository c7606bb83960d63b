"""The probe's answer about one image under an input shift: its maps before and after, and how far the two networks differ."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from precompute import ablation
from store.errors import BadInput
from store.runs import Run

if TYPE_CHECKING:
    from torch import Tensor, nn

STRONGEST = 2.0  # shift, in ranges of the pixels' values


@dataclass(frozen=True)
class Asked:
    """Which shift, and which techniques with their options are looked at, by layer, as the request's "shift" says in JSON."""

    mode: str
    strength: float
    seed: int
    chosen: int  # class that is explained; -1: the predicted one
    techniques: Mapping[str, Mapping[str, Mapping[str, Any]]]


def read(text: str) -> Asked:
    """Raises BadInput where it is none."""
    try:
        asked = Asked(**json.loads(text))
    except (TypeError, ValueError) as error:
        raise BadInput(
            f"A shift is asked for as JSON with mode, strength, seed, chosen and techniques: {error}."
        ) from error
    if not -STRONGEST <= asked.strength <= STRONGEST:
        raise BadInput(
            f"An input is shifted by {-STRONGEST:g} to {STRONGEST:g} ranges of its values, not {asked.strength}."
        )
    return asked


def answer(run: Run, model: "nn.Module", images: "Tensor", request: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Of the first of the images (n, C, H, W): "before/…" and "after/…" (h, w) by "<layer>/<technique>", raw.

    Also "logits" (2, K), "explained" (the class), "input" (H, W, C) as the shifted network gets it, and, of the evaluated
    images `numbers`, "logit" (n,) largest change of a logit and "changed" (n,) whether the prediction changes.
    """
    import torch

    from precompute.bench import to_float
    from precompute.saliency import explain
    from precompute.saliency.passes import span_of
    from precompute.sanity.shift import Shift, certificate, corrected, outputs

    asked, image = read(request["shift"]), images[:1]
    shift = Shift(asked.mode, asked.strength, asked.seed)
    signal = shift.signal(image)
    before = outputs(model, image)
    classes = before.argmax(1, keepdim=True) if asked.chosen < 0 else torch.tensor([[asked.chosen]])
    if int(classes) >= before.shape[1]:
        raise BadInput(f"Classes from 0 to {before.shape[1] - 1} can be explained, not {asked.chosen}.")

    def maps(shown: "Tensor", when: str) -> dict[str, np.ndarray]:
        return {
            f"{when}/{layer}/{name}": found[0, 0].numpy()
            for layer, techniques in asked.techniques.items()
            for name, found in explain(
                model, shown, classes, layer=layer, techniques=techniques, seed=request["seed"], span=span_of(image)
            ).maps.items()
        }

    found = maps(image, "before")
    with corrected(model, signal, shift):
        found |= maps(image + signal, "after")
        after = outputs(model, image + signal)
    pixels = to_float(ablation.pixels(run, request["numbers"]), torch.device("cpu"))
    logit, changed = certificate(model, pixels, shift)
    return found | {
        "logits": torch.cat([before, after]).numpy(),
        "explained": classes[0].numpy(),
        "input": (image + signal)[0].permute(1, 2, 0).numpy(),
        "logit": logit.numpy(),
        "changed": changed.numpy(),
    }
