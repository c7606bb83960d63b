"""The curve of one image along one change, as the probe answered it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from app.memory import Memory, remembered
from app.probe import Answer, Request
from precompute.cases import probabilities
from precompute.catalogue import CHANGES
from store.errors import LoupeError

OF_ANSWERS = Memory(2000, 32 * 1024**2)  # curves, with the answers they are made of


@dataclass(frozen=True, eq=False)
class Curve:
    """values (P,) of one change, probabilities (P, K) along it; flips (2, 2): value and new class below and above."""

    name: str
    values: np.ndarray
    chances: np.ndarray
    flips: np.ndarray

    @property
    def nbytes(self) -> int:
        return self.values.nbytes + self.chances.nbytes

    @cached_property
    def start(self) -> int:
        """The class predicted at the identity."""
        return int(self.chances[list(self.values).index(CHANGES[self.name].identity)].argmax())

    @cached_property
    def rival(self) -> int:
        """The class the prediction flips to first, else the one that comes nearest."""
        identity = CHANGES[self.name].identity
        if self.flipped:
            return min(self.flipped, key=lambda flip: abs(flip[0] - identity))[1]
        others = self.chances.max(0)
        others[self.start] = -1
        return int(others.argmax())

    @property
    def flipped(self) -> tuple[tuple[float, int], ...]:
        """Where the prediction changes, and to which class: the nearest value on either side, if there is one."""
        return tuple((float(value), int(new)) for value, new in self.flips if not np.isnan(value))


@remembered(OF_ANSWERS)
def curve(name: str, answer: Answer) -> Curve:
    values, logits, flips = (answer.more[f"along/{name}/{what}"] for what in ("values", "logits", "flips"))
    return Curve(name, values, probabilities(logits), flips)


def known_curves(found: Mapping[Request, Answer | LoupeError], asked: Mapping[str, Request]) -> dict[str, Curve]:
    """The curves that are there, by the name of their change."""
    answers = {name: found.get(request) for name, request in asked.items()}
    return {name: curve(name, answer) for name, answer in answers.items() if isinstance(answer, Answer)}
