"""One image and its edits as a network sees them: logits and maps before and after, curves along each change, and flips.

The probe's part that knows edits. A single setting and a whole curve take the same path: `Subject.images`.
"""

import json
import math
import time
from collections import OrderedDict
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from precompute import catalogue
from precompute.catalogue import CHANGES, FGSM, TRANSFORMS
from precompute.edits import PREDICTED, PREDICTED_AFTER, Edits, unpacked
from precompute.saliency import Explained, explain
from precompute.saliency.layers import layer_at, obstacle
from precompute.transforms import gradients, stepped, transformed
from store.errors import BadInput

PIXELS_AT_ONCE = 64 * 64 * 64  # of a forward pass: caches of a small machine
PASS_SECONDS = 0.02  # that a curve's passes take, about: an edit waits for one
KEPT_LOOKS = 20  # at images, of each network; with a map of one technique some 700 kB at a side of 224
FINENESS = 10  # a flip is found to this part of a slider's step

Arrays = dict[str, np.ndarray]

# By network: why a technique is not defined at a layer. Finding out takes longer than the map
obstacles: WeakKeyDictionary[nn.Module, dict[tuple[str, str], str | None]] = WeakKeyDictionary()

# By network: what it makes of the images it saw last
looks: WeakKeyDictionary[nn.Module, OrderedDict[tuple, Arrays]] = WeakKeyDictionary()
Work = Generator[None, None, Arrays]  # stops between its steps, so that something more urgent can go first
Row = Mapping[str, float]  # settings by name


@dataclass(frozen=True, eq=False)
class Subject:
    """An image (1, C, H, W) in [0, 1], the network looking at it, and what was done to it."""

    model: nn.Module
    image: Tensor
    edits: Edits
    kept: dict[str, Tensor] = field(default_factory=dict, repr=False)

    @cached_property
    def original(self) -> Tensor:
        """Logits (1, K) of the image as it was."""
        return self.logits(self.image)

    @cached_property
    def attacked(self) -> int:
        """The class whose loss FGSM raises."""
        chosen, classes = self.edits.attacked, self.original.shape[1]
        if chosen != PREDICTED and not 0 <= chosen < classes:
            raise BadInput(f"Classes from 0 to {classes - 1} can be attacked, not {chosen}.")
        return int(self.original.argmax()) if chosen == PREDICTED else chosen

    def images(self, rows: Sequence[Row]) -> tuple[Tensor, Tensor]:
        """The image under each row of settings: (n, C, H, W), and the share (n,) of values FGSM's gradient leaves alone."""
        amounts = {name: numbers(rows, name) for name in TRANSFORMS}
        images = transformed(self.image.expand(len(rows), -1, -1, -1), amounts, self.edits)
        reach, still = numbers(rows, "fgsm"), torch.zeros(len(rows), dtype=torch.float64)
        used = (reach != FGSM.identity).nonzero()[:, 0]
        for part in used.split(self.batch) if len(used) else ():
            slopes = self.slopes(images[part])
            still[part] = (slopes == 0).flatten(1).double().mean(1)
            images = images.index_copy(0, part, stepped(images[part], slopes, reach[part]))
        return images, still

    def slopes(self, images: Tensor) -> Tensor:
        """The gradients (n, C, H, W) FGSM follows. That of one image is kept: a curve along its reach needs no other."""
        if "image" in self.kept and bool((images == self.kept["image"]).all()):
            return self.kept["slope"].expand_as(images)
        classes = torch.full((len(images),), self.attacked)
        if bool((images == images[:1]).all()):
            self.kept["image"], self.kept["slope"] = images[:1], gradients(self.model, images[:1], classes[:1])
            return self.kept["slope"].expand_as(images)
        return gradients(self.model, images, classes)

    def logits(self, images: Tensor) -> Tensor:
        """(n, K) float32."""
        with torch.inference_mode():
            return torch.cat([self.model(part).float() for part in images.split(self.batch)])

    @property
    def batch(self) -> int:
        return max(4, PIXELS_AT_ONCE // self.image[0, 0].numel())

    def curve(self, name: str) -> Work:
        """values (P,) of one setting, logits (P, K) with the others as they are, and flips (2, 2); stops after each pass.

        flips: below and above the identity, the value nearest to it on the curve at which another class is predicted, and
        that class; NaN where none of the points has one.
        """
        values = catalogue.entry(CHANGES, name, "transform").points()
        logits = yield from self.pieces(name, values)
        predicted = logits.argmax(1).tolist()
        flips = []
        for direction in (-1, 1):
            flips.append((yield from self.flip(name, values, predicted, direction)))
        return {"values": np.array(values), "logits": logits.numpy(), "flips": np.array(flips)}

    def pieces(self, name: str, values: Sequence[float]) -> Generator[None, None, Tensor]:
        """Logits (P, K) along one setting, as many values in a pass as take PASS_SECONDS or so."""
        done, most, found = 0, 1, []
        while done < len(values):
            started = time.perf_counter()
            found.append(self.along(name, values[done : done + most]))
            done, seconds = done + most, time.perf_counter() - started
            most = min(2 * most if 2 * seconds < PASS_SECONDS else most, self.batch)
            yield
        return torch.cat(found)

    def along(self, name: str, values: Sequence[float]) -> Tensor:
        """Logits (P, K) at values of one setting, the others as they are."""
        return self.logits(self.images([{**self.edits.values, name: value} for value in values])[0])

    def flip(
        self, name: str, values: Sequence[float], predicted: Sequence[int], direction: int
    ) -> Generator[None, None, tuple[float, float]]:
        """The first value in a direction from the identity at which the prediction differs, bisected, and the new class."""
        item = CHANGES[name]
        start = values.index(item.identity)
        way = range(start + direction, len(values) if direction > 0 else -1, direction)
        first = next((place for place in way if predicted[place] != predicted[start]), None)
        if first is None:
            return np.nan, np.nan
        held, lost, new = values[first - direction], values[first], predicted[first]
        while not item.binary and abs(lost - held) > item.step / FINENESS:
            middle = (held + lost) / 2
            found = int(self.along(name, [middle]).argmax())
            held, lost, new = (middle, lost, new) if found == predicted[start] else (held, middle, found)
            yield
        return lost, new


def finished(work: Work, seconds: float = math.inf) -> Arrays | None:
    """What a piece of work comes to; None where it has not got there after so many seconds, and is to be continued."""
    until = time.perf_counter() + seconds
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value
        if time.perf_counter() > until:
            return None


def numbers(rows: Sequence[Row], name: str) -> Tensor:
    """One setting of every row: (n,)."""
    return torch.tensor([row.get(name, CHANGES[name].identity) for row in rows], dtype=torch.float32)


def answer(model: nn.Module, image: Tensor, request: Mapping[str, Any]) -> tuple[dict[str, Any], Arrays]:
    """What a request with edits gets, of the image before and after them.

    Logits and maps as without edits, "completeness/…" (E, 2) of those that promise to add up, all of it again under "edited/",
    "edited/pixels" (H, W, C) float32, and "edited/still" (the share of values whose gradient is zero). A technique that is
    not defined at the layer is left out; the header's "obstacle" says why.
    """
    subject = Subject(model, image, unpacked(request["edits"]))
    edited, still = subject.images([subject.edits.values])
    techniques, why = applicable(model, image, request)
    wanted = {**request, "techniques": techniques}
    before = looked_at(model, image, (), {**wanted, "techniques": {}})["logits"]
    after = (
        looked_at(model, edited, (), {**wanted, "techniques": {}})["logits"]
        if PREDICTED_AFTER in request["classes"]
        else before
    )
    named = {PREDICTED: int(before.argmax()), PREDICTED_AFTER: int(after.argmax())}
    classes = explainable([named.get(number, number) for number in request["classes"]], len(before))
    found = {"": looked_at(model, image, classes, wanted), "edited/": looked_at(model, edited, classes, wanted)}
    arrays = {f"{place}{name}": value for place, part in found.items() for name, value in part.items()}
    arrays |= {"edited/pixels": edited[0].permute(1, 2, 0).numpy(), "edited/still": still.numpy()}
    return {"classes": classes, "obstacle": why}, arrays


def looked_at(model: nn.Module, image: Tensor, classes: Sequence[int], request: Mapping[str, Any]) -> Arrays:
    """Logits (K,), and by technique "map/..." (E, h, w) and, where it promises to add up, "completeness/..." (E, 2).

    Kept, because the original is the same at each edit.
    """
    of_model = looks.setdefault(model, OrderedDict())
    said = {name: request[name] for name in ("layer", "precision", "seed", "techniques")}
    key = (blake2b(image.numpy().tobytes()).digest(), tuple(classes), json.dumps(said, sort_keys=True))
    if key not in of_model:
        of_model[key] = look(model, image, classes, request)
    of_model.move_to_end(key)
    while len(of_model) > KEPT_LOOKS:
        of_model.popitem(last=False)
    return of_model[key]


def look(model: nn.Module, image: Tensor, classes: Sequence[int], request: Mapping[str, Any]) -> Arrays:
    """What `looked_at` keeps; in one pass where the maps' is of the logits' precision."""
    if not (request["techniques"] and classes):
        with torch.inference_mode():
            return {"logits": model(image).float()[0].numpy()}
    found = explanation(model, image, classes, request)
    logits = (
        found.logits[0].float().numpy()
        if request["precision"] == "float32"
        else look(model, image, (), request)["logits"]
    )
    parts = {"map": found.maps, "completeness": found.completeness}
    of_image = {f"{part}/{name}": values[0].numpy() for part, each in parts.items() for name, values in each.items()}
    return {"logits": logits} | of_image


def curves(model: nn.Module, image: Tensor, request: Mapping[str, Any]) -> Work:
    """What a request with `along` gets: of every transform named there "along/<name>/values", "/logits" and "/flips"."""
    subject = Subject(model, image, unpacked(request["edits"]))
    found: Arrays = {}
    for name in request["along"]:
        curve = yield from subject.curve(name)
        found |= {f"along/{name}/{what}": value for what, value in curve.items()}
    return found


def applicable(model: nn.Module, image: Tensor, request: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The techniques that are defined at the layer, and why the others are not."""
    wanted, known = request["techniques"], obstacles.setdefault(model, {})
    lacking = [name for name in wanted if (name, request["layer"]) not in known]
    layer = layer_at(model, image, request["layer"]) if lacking else None
    for name in lacking:
        known[name, request["layer"]] = obstacle(name, model, layer, image) if layer else None
    why = {name: known[name, request["layer"]] for name in wanted}
    return {name: wanted[name] for name in wanted if not why[name]}, " ".join(filter(None, why.values()))


def explainable(classes: list[int], count: int) -> list[int]:
    """The classes asked for; raises BadInput where the network knows one of them not."""
    if outside := [number for number in classes if not 0 <= number < count]:
        raise BadInput(f"Classes from 0 to {count - 1} can be explained, not {outside}.")
    return classes


def explained(model: nn.Module, images: Tensor, classes: Sequence[int], request: Mapping[str, Any]) -> Arrays:
    """Maps (n, E, h, w) of images (n, C, H, W), of the same classes for each, by the request's techniques."""
    return {name: maps.numpy() for name, maps in explanation(model, images, classes, request).maps.items()}


def explanation(model: nn.Module, images: Tensor, classes: Sequence[int], request: Mapping[str, Any]) -> Explained:
    return explain(
        model,
        images,
        torch.tensor([list(classes)] * len(images)),
        layer=request["layer"],
        techniques=request["techniques"],
        precision=request["precision"],
        seed=request["seed"],
    )
