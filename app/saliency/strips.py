"""A progression as a strip: which words, numbers and levels its cells show."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import streamlit as st

from app import memory, methods, pictures
from app.memory import Memory
from app.pictures import percent as percent
from app.reliability import badges
from app.reliability.badges import Badge
from app.saliency import completeness
from app.saliency.progression import Progression, Question
from app.saliency.stored import ABSENT, DAMAGED, DIVERGED, MAP, MISSING, WAITING, Technique
from app.widgets import strip
from app.widgets.strip import Cell, Column, Row, Strip
from precompute.cases import probabilities
from precompute.techniques import INPUT

WORDS = {
    WAITING: "…",
    MISSING: "not computed",
    ABSENT: "not stored",
    DAMAGED: "damaged",
    DIVERGED: "not a number",
}
SCALE_WORDS = {True: "one scale for the epochs shown", False: "each map has its own scale"}
SAID = {
    WAITING: "still being computed",
    MISSING: "not computed",
    ABSENT: "not stored for this class",
    DAMAGED: "the stored map is damaged",
    DIVERGED: "not a number: the network had diverged",
}
LIKELIEST = 5  # classes named of an image whose true one is not known
DRAWN = Memory(400, 64 * 1024**2)  # strips, with the progressions they were made of


@dataclass(frozen=True)
class Look:
    """How maps are drawn: colours of unsigned ones, opacity, one scale for all epochs or one a map, over the image or alone,
    and whether on a dark page.
    """

    colours: str = "inferno"
    opacity: float = 0.7
    shared: bool = True
    over: bool = True
    dark: bool = False


@dataclass(frozen=True)
class Scene:
    """What the page was asked for, and how it is to be drawn."""

    question: Question
    look: Look

    @property
    def names(self) -> tuple[str, ...]:
        return self.question.selection.classes


@dataclass(frozen=True)
class Drawn:
    """A progression and a look, equal to another where the strip is the same: so strips can be kept."""

    progression: Progression  # by identity: one made of finished epochs stays the same object
    look: Look
    key: tuple[Any, ...]
    badges: tuple[Badge, ...]
    scene: Scene = field(compare=False)

    @property
    def nbytes(self) -> int:
        return self.progression.nbytes


def packed(scene: Scene, progression: Progression) -> bytes:
    """The strip's message."""
    question = scene.question
    key = (question.explain, question.selection.chosen, question.layer, len(question.selection.epochs))
    return message(Drawn(progression, scene.look, key, badges_of(question), scene))


def badges_of(question: Question) -> tuple[Badge, ...]:
    """What the checks say of each technique, at the last epoch: one for the whole strip, so that another epoch changes nothing."""
    of = question.selection
    return badges.of_each(of.run, of.evaluation, of.epochs[-1], [item.artifact for item in question.shown])


@memory.remembered(DRAWN)
def message(drawn: Drawn) -> bytes:
    return strip.pack(strip_of(drawn.scene, drawn.progression, drawn.badges))


def strip_of(scene: Scene, progression: Progression, said: Sequence[Badge]) -> Strip:
    chances = probabilities(progression.logits)  # (E, K), NaN where not known yet
    columns = tuple(column(scene, progression, place, chances[place]) for place in range(len(progression.epochs)))
    what = "Your picture" if progression.image is None else f"Image {progression.image}"
    return Strip(
        progression.pixels,
        columns,
        tuple(
            replace(row(progression, item, scene.look, columns), **trust(item, badge))
            for item, badge in zip(scene.question.shown, said, strict=True)
        ),
        caption=what,
        alt=f"{what}, {progression.pixels.shape[1]} × {progression.pixels.shape[0]} pixels",
        label=f"{what}: maps by technique and epoch",
        note=note(scene, progression),
        score=score_name(scene, progression),
        colours=scene.look.colours,
        signed_colours=pictures.on_ground("diverging", dark=scene.look.dark and not scene.look.over),
        opacity=scene.look.opacity,
        over=scene.look.over,
    )


def column(scene: Scene, progression: Progression, place: int, chances: np.ndarray) -> Column:
    epoch, explained = progression.epochs[place], progression.explained[place]
    if np.isnan(chances).any():
        return Column(epoch)
    predicted, label = int(chances.argmax()), progression.label
    share = float(chances[explained]) if explained >= 0 else 0.0
    name = scene.names[predicted]
    taken = f"taken for {name}" if label is None else f"true {scene.names[label]} → predicted {name}"
    then = f"\n{runners_up(scene.names, chances)}" if label is None and len(chances) > LIKELIEST else ""
    caption = f"{taken}\n({percent(chances[predicted])} after epoch {epoch}){then}"
    return Column(epoch, share, percent(share), name, predicted == label, caption)


def runners_up(names: Sequence[str], chances: np.ndarray) -> str:
    """The classes that come next in probability, a line each."""
    order = np.argsort(-chances, kind="stable")[1:LIKELIEST]
    return "\n".join(f"{names[number]} {percent(float(chances[number]))}" for number in order)


def row(progression: Progression, technique: Technique, look: Look, columns: Sequence[Column]) -> Row:
    height, width = technique.size
    size = f"{height} × {width}, signed" if technique.signed else f"{height} × {width}"
    if technique.obstacle:
        return Row(technique.title, "", technique.help, why=technique.obstacle)
    maps, states = progression.maps[technique.name], progression.states[technique.name]
    tops = pictures.tops(maps, shared=look.shared)  # (E,)
    places = pictures.positions(maps, tops[:, None, None], technique.signed)  # (E, h, w)
    places = pictures.shrunk(places, strip.LARGEST_SIDE)
    low, high = ends(technique, maps, tops, look) if MAP in states else ("", "")
    sums = completeness.sums(technique, progression.image, progression.epochs, progression.explained)  # (E, 2)
    pairs = zip(columns, states, maps, map(completeness.cell_words, sums), strict=True)
    return Row(
        technique.title,
        ", ".join(filter(None, (size, completeness.row_words(sums)))),
        technique.help,
        signed=technique.signed,
        low=low,
        high=high,
        scale=SCALE_WORDS[look.shared],
        cells=tuple(cell(technique, *pair) for pair in pairs),
        levels=np.rint(places * 255).astype(np.uint8),
    )


def trust(technique: Technique, badge: Badge) -> dict[str, Any]:
    """Where a row's name leads, and its badge."""
    shown = () if technique.obstacle else (badges.facts(badge),)
    return {"about": methods.address(technique.name), "badges": shown}


def ends(technique: Technique, maps: np.ndarray, tops: np.ndarray, look: Look) -> tuple[str, str]:
    """What stands at the lower and upper end of the colour bar; maps with a scale each have no common number."""
    if look.shared:
        return pictures.ends(maps, float(np.nanmax(tops)), technique.signed)
    return "−max" if technique.signed else "0", "max"


def cell(technique: Technique, column: Column, state: str, raw: np.ndarray, sum_words: str) -> Cell:
    where = f"{technique.title}, epoch {column.epoch}"
    if state != MAP:
        return Cell(state, WORDS[state], f"{where}: {SAID[state]}")
    chance = f"; p = {column.percent}, taken for {column.predicted}" + (f"; {sum_words}" if sum_words else "")
    if words := pictures.no_evidence(raw):
        return Cell("flat", words, f"{where}: {words} (value {pictures.short(float(raw.max()))}){chance}")
    return Cell(MAP, "", f"{where}: {pictures.short(float(raw.min()))} to {pictures.short(float(raw.max()))}{chance}")


def note(scene: Scene, progression: Progression) -> str:
    """What one must know to read the maps: explained class, layer, resolution, scale."""
    total = len(scene.question.selection.epochs)
    fewer = f" {len(progression.epochs)} of {total} epochs are shown." if len(progression.epochs) < total else ""
    scale = "Each row has one scale for the epochs shown" if scene.look.shared else "Each map has its own scale"
    sizes = {technique.size for technique in scene.question.shown}
    size = f", maps of {' × '.join(map(str, sizes.pop()))} interpolated linearly" if len(sizes) == 1 else ""
    return f"Explains {explained_words(scene, progression)} at {place_words(scene.question)}{size}. {scale}.{fewer}"


def place_words(question: Question) -> str:
    """Where the techniques shown explain: "layer features.10", "the input", or both."""
    layers = {item.layer for item in question.shown}
    if layers == {INPUT}:
        return "the input"
    both = ", and at the input where the maps are as large as the image" if INPUT in layers else ""
    return f"layer {question.layer}{both}"


def explained_words(scene: Scene, progression: Progression) -> str:
    if scene.question.explain == "predicted":
        return "the class predicted at each epoch"
    if scene.question.explain == "true" and progression.label is not None:
        return f"{scene.names[progression.label]} (the true class)"
    return f"{scene.names[scene.question.selection.chosen]} (the chosen class)"


def score_name(scene: Scene, progression: Progression) -> str:
    """p(7); a long class name gives way to which class it is."""
    if scene.question.explain == "predicted":
        return "p(predicted)"
    true = scene.question.explain == "true"
    number = progression.label if true and progression.label is not None else scene.question.selection.chosen
    long = "p(true)" if true and progression.label is not None else "p(chosen)"
    return f"p({scene.names[number]})" if len(scene.names[number]) <= 9 else long


def visitor() -> str:
    """A name for this session, so that the probe can tell visitors apart."""
    return st.session_state.setdefault("visitor", secrets.token_hex(8))
