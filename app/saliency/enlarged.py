"""One map enlarged: the image, the map over it and alone, its numbers, and both as files."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from app import memory, pictures, reading
from app.edge import plain
from app.judgement import judging
from app.methods import link
from app.reliability import badges
from app.saliency import completeness
from app.saliency.progression import Progression
from app.saliency.stored import MAP, Technique
from app.saliency.strips import SAID, Scene, explained_words, percent
from precompute.cases import probabilities
from precompute.regions import boxes, shares, weights
from store.judgements import Observation
from store.shards import Artifact

SIDE = 448  # of each picture, about; small images keep whole pixels
PANELS = ("Image", "Map over the image", "Map alone")


@dataclass(frozen=True)
class Enlarged:
    """The map of a technique at one place of a progression."""

    scene: Scene
    progression: Progression
    technique: Technique
    place: int

    @property
    def raw(self) -> np.ndarray:
        """(h, w) float32."""
        return self.progression.maps[self.technique.name][self.place]

    @property
    def top(self) -> float:
        """End of the colour scale."""
        maps = self.progression.maps[self.technique.name]
        return float(pictures.tops(maps, shared=self.scene.look.shared)[self.place])

    @property
    def colours(self) -> str:
        return pictures.scale_of(self.technique.signed, self.scene.look.colours)

    @property
    def chances(self) -> np.ndarray:
        """Probabilities at the epoch, (K,)."""
        return probabilities(self.progression.logits[self.place])

    @property
    def explained(self) -> int:
        return self.progression.explained[self.place]


def show(scene: Scene, progression: Progression, technique: Technique, key: str) -> None:
    """Draws the map of `technique` at the selected epoch, below its strip."""
    epoch = scene.question.selection.epoch
    place = progression.epochs.index(epoch)
    state = progression.states[technique.name][place]
    with st.container(border=True, key=f"enlarged.{key}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{link(technique.name, technique.title)}, epoch {epoch}**", width="content")
            checked(scene, technique)
            st.button("Close", icon=":material/close:", type="tertiary", key=f"close.{key}", on_click=close)
        if state != MAP:
            st.caption(f"There is nothing to enlarge ({SAID[state]}).")
            return
        view = Enlarged(scene, progression, technique, place)
        words = caption(view)
        each = panels(view)
        for column, name, picture in zip(st.columns(3), PANELS, each, strict=True):
            column.image(picture, width="stretch", caption=name, output_format="PNG", alt=f"{name}: {words}")
        lines = numbers(view)
        rows = [map(plain, lines), ["---:"] * len(lines), map(plain, lines.values())]
        st.markdown("\n".join(f"| {' | '.join(row)} |" for row in rows), width="content")
        st.caption(plain(words))
        downloads(view, words, key)
        if progression.image is not None:
            judging.observe_form(scene.question.selection.run, about(view), each[1], words)


def checked(scene: Scene, technique: Technique) -> None:
    """What the checks say of the technique, beside its name."""
    of = scene.question.selection
    found = badges.badge(of.run, of.evaluation, of.epoch, technique.artifact)
    st.caption(found.markdown, help=badges.help_words(found), width="stretch")


def about(view: Enlarged) -> Observation:
    """What an observation on this map is about."""
    question, progression = view.scene.question, view.progression
    return Observation(
        epoch=progression.epochs[view.place],
        image=progression.image,
        technique=view.technique.name,
        layer=view.technique.layer,
        explained=view.scene.names[view.explained],
        evaluation=question.selection.evaluation.name,
    )


def close() -> None:
    st.session_state.pop("enlarged", None)


def panels(view: Enlarged) -> tuple[bytes, bytes, bytes]:
    """The three pictures as PNG, kept."""
    look = view.scene.look
    key = (view.progression.pixels.tobytes(), view.raw.tobytes(), view.top, view.colours, look.opacity, look.dark)
    return remembered(key, view)


@st.cache_data(max_entries=200, show_spinner=False)
def remembered(key: tuple[Any, ...], _view: Enlarged) -> tuple[bytes, bytes, bytes]:
    image, over, alone = map(pictures.png, drawn(_view, dark=_view.scene.look.dark))
    return image, over, alone


def drawn(view: Enlarged, *, dark: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, overlay and map alone, each (S, S, 3) uint8, for a dark page or a light one."""
    side = pictures.whole(view.progression.pixels.shape[0], SIDE)
    image = pictures.rgb(view.progression.pixels, side)
    place = pictures.enlarge(pictures.positions(view.raw, view.top, view.technique.signed), side)  # (S, S)
    over = pictures.overlay(image, place, view.colours, view.scene.look.opacity)
    return image, over, pictures.coloured(place, pictures.on_ground(view.colours, dark=dark))


def caption(view: Enlarged) -> str:
    """What it is: image, classes, probability, epoch, explained class, technique, layer and resolution, scale."""
    names, progression, technique = view.scene.names, view.progression, view.technique
    name = names[int(view.chances.argmax())]
    what = "Uploaded picture" if progression.image is None else f"Image {progression.image}"
    arrow = f"predicted {name}" if progression.label is None else f"{names[progression.label]} → {name}"
    predicted = view.scene.question.explain == "predicted"
    explained = (
        f"{names[view.explained]} (the predicted class)" if predicted else explained_words(view.scene, progression)
    )
    height, width = technique.size
    low, top = pictures.ends(view.raw, view.top, technique.signed)
    shared = "shared by the epochs shown" if view.scene.look.shared else "of this map"
    flat = f"; {words}" if (words := pictures.no_evidence(view.raw)) else ""
    return (
        f"{what}: {arrow} ({percent(view.chances.max())}) after epoch {progression.epochs[view.place]} "
        f"of run {view.scene.question.selection.run.id}. {technique.title} for {explained} "
        f"at {view.technique.layer} ({height} × {width}, interpolated linearly), scale {low} to {top}, {shared}{flat}."
    )


def numbers(view: Enlarged) -> dict[str, str]:
    """What there is to say in numbers, by its name."""
    raw = view.raw
    lines = {
        f"p({view.scene.names[view.explained]})": percent(float(view.chances[view.explained])),
        "Largest value": pictures.short(float(raw.max())),
        "Smallest value": pictures.short(float(raw.min())),
        "Half of the evidence lies in": f"{half_share(raw) * 100:.0f}% of the area" if raw.max() > 0 else "–",
    }
    if words := sum_words(view):
        lines["Sum of the map"] = words
    if (inside := evidence_in_box(view)) is not None:
        lines["Evidence in the box"] = f"{inside[0] * 100:.0f}% (box: {inside[1] * 100:.0f}% of the area)"
    return lines


def sum_words(view: Enlarged) -> str:
    """How nearly the map adds up, where it promises to."""
    of, epoch = view.progression, view.progression.epochs[view.place]
    return completeness.cell_words(completeness.sums(view.technique, of.image, [epoch], [view.explained])[0])


def half_share(raw: np.ndarray) -> float:
    """The smallest share of a map (h, w) that holds half of its positive evidence: 0.5 is everywhere alike."""
    values = np.sort(np.maximum(raw, 0).ravel().astype(float))[::-1]
    total = values.cumsum()
    return float((np.searchsorted(total, total[-1] / 2) + 1) / len(values))


def evidence_in_box(view: Enlarged) -> tuple[float, float] | None:
    """Share of the positive evidence inside the image's bounding box, and the box's share of the area, if there is one."""
    data, number = view.scene.question.selection.data, view.progression.image
    if number is None or "box" not in data.attributes["arrays"] or view.raw.max() <= 0:
        return None
    box = boxed(data, number)  # x0, y0, x1, y1
    if np.isnan(box).any():
        return None
    side = view.progression.pixels.shape[0]
    mask = boxes(np.clip(box, 0, side)[None], side)[:, None]  # (1, 1, side, side)
    inside = shares(view.raw[None], weights(mask, *view.raw.shape), side)
    return float(inside[0, 0]), float(mask.mean())


@memory.remembered(1000)
def boxed(data: Artifact, image: int) -> np.ndarray:
    return reading.frozen(data.read_blocks("box", [image])[0])


def downloads(view: Enlarged, words: str, key: str) -> None:
    """The pictures with their caption, and the raw values; made when asked for."""
    what = "picture" if view.progression.image is None else f"image{view.progression.image}"
    run, epoch = view.scene.question.selection.run.id, view.progression.epochs[view.place]
    name = f"{run}-{what}-{view.technique.name}-epoch{epoch}"

    def sheet() -> bytes:
        parts = drawn(view)
        return pictures.sheet([*parts, pictures.bar(view.colours, 16, parts[0].shape[0])], words)

    files = {
        "PNG with caption": (sheet, "png", "image/png"),
        "NPZ with raw values": (lambda: pictures.npz(facts(view, words)), "npz", "application/octet-stream"),
    }
    with st.container(horizontal=True):
        for label, (made, kind, mime) in files.items():
            icon = ":material/download:"
            st.download_button(label, made, f"{name}.{kind}", mime, key=f"{kind}.{key}", icon=icon, on_click="ignore")


def facts(view: Enlarged, words: str) -> dict[str, np.ndarray | str | float]:
    """What the NPZ file holds: the raw map of the epoch and of all epochs shown, and what they are."""
    progression, question = view.progression, view.scene.question
    return {
        "map": view.raw,
        "maps": progression.maps[view.technique.name],
        "epoch": progression.epochs[view.place],
        "epochs": np.array(progression.epochs),
        "logits": progression.logits,
        "explained_class": np.array(progression.explained),
        "pixels": progression.pixels,
        "class_names": np.array(view.scene.names),
        "technique": view.technique.name,
        "layer": view.technique.layer,
        "run": question.selection.run.id,
        "image": -1 if progression.image is None else progression.image,
        "true_class": -1 if progression.label is None else progression.label,
        "probability": float(view.chances[view.explained]),
        "caption": words,
    }
