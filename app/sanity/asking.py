"""What the Sanity page asks the probe: one image before and after an input shift, by every technique the run has."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app import probe, reading
from app.probe import Answer, Request
from app.saliency.stored import of_kind
from app.sanity import stored
from app.selection import Selection
from app.testing import picture
from precompute.techniques import passes

MOST = 100  # evaluated images behind a live certificate, and
PIXELS = 400_000  # of all of them together: one waits for them
PREDICTED = -1
QUICK = 4  # passes that a technique may take to be answered with the first


@dataclass(frozen=True)
class Held:
    """A technique that the run holds at a layer; `options` as JSON, those of its stored maps."""

    name: str
    title: str
    layer: str
    signed: bool
    options: str

    @property
    def key(self) -> str:
        return f"{self.layer}/{self.name}"


@dataclass(frozen=True, eq=False)
class Shown:
    """One technique's raw maps (h, w) of an image, before and after. Equal to another with the same values."""

    of: Held
    before: np.ndarray
    after: np.ndarray

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shown) and self.same == other.same

    def __hash__(self) -> int:
        return hash(self.same)

    @property
    def same(self) -> tuple[Held, tuple[int, ...], bytes, bytes]:
        return self.of, self.before.shape, self.before.tobytes(), self.after.tobytes()

    @property
    def nbytes(self) -> int:
        return self.before.nbytes + self.after.nbytes

    @property
    def top(self) -> float:
        """The end of the scale that both share."""
        return float(max(np.abs(self.before).max(), np.abs(self.after).max()))

    @property
    def difference(self) -> np.ndarray:
        return self.after - self.before

    @property
    def most(self) -> float:
        """The end of the difference's scale: stretched by itself, rounding would look like a difference."""
        return max(self.top, float(np.abs(self.difference).max()))


def techniques(now: Selection) -> tuple[tuple[Held, ...], tuple[str, ...]]:
    """What the run holds maps of, and why other techniques do not apply."""
    found: dict[tuple[str, str], Held] = {}
    reasons = []
    for item in reversed(of_kind(now.run, "saliency", now.evaluation)):  # the latest of two last
        of = item.attributes
        if "obstacle" in of:
            reasons.append(of["obstacle"])
            continue
        text = json.dumps(of["options"], sort_keys=True)
        found[of["technique"], of["layer"]] = Held(of["technique"], of["title"], of["layer"], bool(of["signed"]), text)
    order = list(stored_order(now))
    held = sorted(found.values(), key=lambda item: order.index(item.name) if item.name in order else len(order))
    return tuple(held), tuple(dict.fromkeys(reasons))


def stored_order(now: Selection) -> tuple[str, ...]:
    """The order of the recipe."""
    return tuple((now.run.recipe.get("artifacts", {}).get("saliency") or {}).get("techniques", ()))


def numbers(now: Selection) -> tuple[int, ...]:
    """The evaluated images behind the certificate: those of the stored check where there is one, else spread evenly."""
    artifact = stored.check(now.run, now.evaluation, stored.SHIFT)
    if artifact and now.epoch in reading.epochs(artifact):
        every = stored.values(artifact, now.epoch, "number")
    else:
        every = np.arange(len(reading.labels(now.data)))
    count = min(MOST, len(every), max(8, PIXELS // int(now.data.attributes["size"]) ** 2))
    places = np.unique(np.linspace(0, len(every) - 1, count).round().astype(int))
    return tuple(int(item) for item in every[places])


def requests(now: Selection, image: int, mode: str, strength: float, held: Sequence[Held]) -> list[Request]:
    """One image under one shift: the certificate with the techniques that are quick, then each of the others."""
    every = numbers(now)
    quick = [item for item in held if passes(item.name, json.loads(item.options)) <= QUICK]
    slow = [item for item in held if item not in quick]
    first = request(now, image, mode, strength, quick, every)
    return [first, *(request(now, image, mode, strength, [item], every[:1]) for item in slow)]


def request(
    now: Selection, image: int, mode: str, strength: float, held: Sequence[Held], numbers: tuple[int, ...]
) -> Request:
    """What the probe makes of an image under a shift, for the class predicted before it."""
    of, epoch = picture.of_data(now.data, image), probe.of_epoch(now.run, now.epoch)
    by_layer: dict[str, dict[str, object]] = {}
    for item in held:
        by_layer.setdefault(item.layer, {})[item.name] = json.loads(item.options)
    asked = {"mode": mode, "strength": strength, "seed": epoch["seed"], "chosen": PREDICTED, "techniques": by_layer}
    return Request(
        **epoch,
        pixels=of.data,
        shape=of.shape,
        classes=(),
        techniques=(),
        layer="",
        wants=("shift",),
        numbers=numbers,
        shift=json.dumps(asked, sort_keys=True),
    )


def shown(answers: Sequence[Answer], held: Sequence[Held]) -> list[Shown]:
    """The techniques that are answered, in their order."""
    found = {name: value for answer in answers for name, value in answer.more.items()}
    there = [item for item in held if f"shift/after/{item.key}" in found]
    return [Shown(item, *(found[f"shift/{when}/{item.key}"] for when in ("before", "after"))) for item in there]


def certificate(answer: Answer, mode: str, strength: float) -> stored.Certificate:
    logit, changed = answer.more["shift/logit"], answer.more["shift/changed"]
    return stored.Certificate(mode, strength, float(logit.max()), float(changed.mean()), len(logit))
