"""An image before and after its edits, as the network answered, and what follows from it."""

import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import streamlit as st

from app import pictures
from app.probe import Answer
from app.testing.asking import Scene, options
from precompute.cases import probabilities
from precompute.edits import Edits
from precompute.techniques import signed
from store.errors import LoupeError

ROUNDING = 1e-5  # of the largest value of two maps: as far apart as float32 leaves equal ones


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the network made of a scene's picture and of its edited version."""

    scene: Scene
    edits: Edits
    answer: Answer

    @cached_property
    def chances(self) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (K,) before and after."""
        return probabilities(self.answer.logits), probabilities(self.answer.more["edited/logits"])

    @property
    def pixels(self) -> np.ndarray:
        """The edited image, (H, W, C) float32 in [0, 1]."""
        return self.answer.more["edited/pixels"]

    @cached_property
    def rounded(self) -> np.ndarray:
        """The edited image as a file holds it, uint8."""
        return np.rint(self.pixels * 255).astype(np.uint8)

    @cached_property
    def maps(self) -> np.ndarray:
        """Raw maps (2, h, w), before and after; (0,) where the technique is not defined at the layer."""
        found = self.answer.maps.get(self.scene.technique)
        edited = self.answer.more.get(f"edited/map/{self.scene.technique}")
        return np.zeros(0) if found is None or edited is None else np.stack([found[0], edited[0]])

    @property
    def sums(self) -> np.ndarray:
        """What both maps add up to, and are to add up to, (2, 2); (0,) where the technique promises nothing."""
        parts = (self.answer.more.get(f"{when}completeness/{self.scene.technique}") for when in ("", "edited/"))
        found = [part[0] for part in parts if part is not None]
        return np.stack(found) if found else np.zeros(0)

    @property
    def apart(self) -> np.ndarray:
        """The map after minus the map before, (h, w); 0 where only rounding tells them apart."""
        apart = self.maps[1] - self.maps[0]
        return np.where(np.abs(apart).max() > ROUNDING * np.abs(self.maps).max(), apart, 0)

    @property
    def top(self) -> float:
        """The end of the scale that both maps share."""
        return float(pictures.tops(self.maps, shared=True)[0])

    @property
    def signed(self) -> bool:
        return signed(self.scene.technique, json.loads(options(self.scene)))

    @property
    def explained(self) -> str:
        return self.scene.names[self.answer.classes[0]]

    @property
    def predicted(self) -> tuple[int, int]:
        """The classes predicted before and after."""
        before, after = self.chances
        return int(before.argmax()), int(after.argmax())


def outcome_of(scene: Scene, made: Edits, answer: Answer | LoupeError | None) -> Outcome | None:
    """What the network answered; while it has not, what it answered before about the same picture."""
    if isinstance(answer, Answer):
        st.session_state["testing.last"] = Outcome(scene, made, answer)
    last: Outcome | None = st.session_state.get("testing.last")
    return last if last and not isinstance(answer, LoupeError) and last.scene == scene else None
