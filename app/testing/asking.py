"""What the Testing page asks the probe: an image before and after its edits, and one curve along each change."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from app import probe
from app.address import word
from app.probe import Answer, Request
from app.saliency import stored
from app.saliency.strips import visitor
from app.selection import Selection
from app.testing.picture import Picture
from precompute.catalogue import TECHNIQUES
from precompute.edits import PREDICTED, PREDICTED_AFTER, Edits
from precompute.techniques import layer_of
from store.errors import LoupeError

ANSWER_SECONDS = 1.0  # that the page waits for an answer before it says that it waits
EXPLAINED = ("before", "after", "true", "chosen")  # words of the address and of the page alike
TECHNIQUE = "grad-cam"

Known = Mapping[Request, Answer | LoupeError]


@dataclass(frozen=True)
class Scene:
    """What is looked at, and how: `explain` is one of EXPLAINED."""

    selection: Selection
    picture: Picture
    technique: str
    layer: str
    explain: str

    @property
    def names(self) -> tuple[str, ...]:
        return self.selection.classes

    @property
    def explained(self) -> int:
        known = {"before": PREDICTED, "after": PREDICTED_AFTER, "chosen": self.selection.chosen}
        return known.get(self.explain, PREDICTED if self.picture.label is None else self.picture.label)


def scene_of(selected: Selection, picture: Picture) -> Scene:
    """How a picture is looked at: what the address names of it, as far as it is there; else the defaults."""
    layer = word("at", layer_words(selected), selected.run.attributes["default_layer"])
    explain = word("explains", EXPLAINED, EXPLAINED[0])
    explain = EXPLAINED[0] if explain == "true" and picture.label is None else explain
    technique = word("technique", TECHNIQUES, TECHNIQUE)
    return Scene(selected, picture, technique, layer_of(technique, layer), explain)


def layer_words(selected: Selection) -> dict[str, str]:
    """The layers one can choose, by name, with the size of their maps."""
    layers = selected.run.attributes["layers"]
    return {item["name"]: f"{item['name']}, {item['height']} × {item['width']}" for item in layers}


def both(scene: Scene, made: Edits) -> Request:
    """The image before and after its edits, with maps."""
    return Request(
        **probe.of_epoch(scene.selection.run, scene.selection.epoch),
        pixels=scene.picture.data,
        shape=scene.picture.shape,
        classes=(scene.explained,),
        techniques=((scene.technique, options(scene)),),
        layer=scene.layer,
        edits=made,
    )


def curves(asked: Request, names: Sequence[str]) -> dict[str, Request]:
    """A curve along each change, the others as they are: one request each, so that each is shown when it is known."""
    plain = replace(asked, classes=(), techniques=(), layer="")
    made = asked.edits or Edits()
    return {name: replace(plain, edits=made.without(name), along=(name,)) for name in names}


def options(scene: Scene) -> str:
    """The technique's options as JSON: those of the run's stored maps, so that they are the same on every page."""
    of_run = stored.of_kind(scene.selection.run, "saliency", scene.selection.evaluation)
    held = (item.attributes for item in of_run if item.attributes["technique"] == scene.technique)
    return json.dumps(next(held, {"options": {}})["options"], sort_keys=True)


def begin(edit: Request) -> None:
    """Has an edit answered; nobody waits yet."""
    probe.shared().progress(f"{visitor()}.testing", [edit])


def soon(edit: Request, along: Sequence[Request]) -> Known:
    """The answers that are there, as soon as the edit's is, at the latest after some seconds.

    The curves are begun once the edit has been seen: while a thumb moves they would only slow it down, and be out of date.
    """
    child, name = probe.shared(), f"{visitor()}.testing"
    seen = st.session_state.get("testing.seen") == edit
    known = child.soon(name, [edit, *along] if seen else [edit], ANSWER_SECONDS)
    if isinstance(known.get(edit), Answer):
        st.session_state["testing.seen"] = edit
    return child.known([edit, *along])
