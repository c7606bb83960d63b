"""One image in several runs: each run's prediction, and its maps with one scale a row, in one strip whose columns are runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import streamlit as st

from app import memory, methods, pictures, reading, selection
from app.edge import plain
from app.reliability import badges
from app.reliability.badges import Badge
from app.runs.comparison import Side
from app.saliency import progression, stored
from app.saliency.stored import MAP, MISSING, WAITING, Cells, Technique
from app.saliency.strips import SAID, WORDS, percent
from app.selection import Selection
from app.widgets import strip
from app.widgets.strip import Cell, Column, Row, Strip
from store.errors import Corrupt
from store.schema import UNLABELLED

SCALES = {
    True: "one scale for the runs shown: raw values, up to the largest of them",
    False: "each map has its own scale",
}
Reader = Callable[..., tuple[Cells, list[str]]]


@dataclass(frozen=True)
class Asked:
    """What a person chose for all pictures."""

    layer: str
    techniques: tuple[str, ...]
    explained: str
    shared: bool  # one scale a row


@dataclass(frozen=True)
class Panel:
    """One image in all runs; equal to another where all that determines the picture is equal, so that it can be kept."""

    key: tuple[Any, ...]
    shown: Sequence[Side] = field(compare=False)
    held: Sequence[dict[str, Technique]] = field(compare=False)
    numbers: tuple[int, ...]  # of the image in each run's selection
    label: int
    predicted: tuple[int, ...]
    chances: tuple[float, ...]
    apart: float
    asked: Asked | None
    badges: tuple[tuple[str, tuple[Badge, ...]], ...] = ()  # of each technique, in each run

    @property
    def of_true(self) -> bool:
        """Whether its maps explain the true class, which an image without a label has not."""
        return self.asked is not None and self.asked.explained == "true" and self.label != UNLABELLED


def draw(panel: Panel, now: Selection | None, number: int) -> None:
    """Mounts the strip of one image; a click puts the image into the tray of the run in the bar, where that has it."""
    message, problems = packed(panel)
    rows = len(panel.asked.techniques) if panel.asked else 0
    numbers = dict(zip([item.data.path for item in panel.shown], panel.numbers, strict=True))

    def clicked(*_: int) -> None:
        if now and now.data.path in numbers:
            selection.focus(numbers[now.data.path])
            st.session_state["compare.clicked"] = True
        else:
            st.toast("The run in the bar does not show these images: choose one of the compared runs there first.")

    strip.show(
        strip.addressed(message, -1, -1), range(len(panel.shown)), rows, key=f"compare.strip.{number}", on_cell=clicked
    )
    for problem in problems:
        st.error(plain(problem), icon=":material/error:")


def packed(panel: Panel) -> tuple[bytes, list[str]]:
    """The strip's message, and what is damaged; only a sound one is kept, because damage may be mended."""
    try:
        return sound(panel), []
    except Corrupt:
        problems: list[str] = []
        return strip.pack(strip_of(panel, stored.sound, problems)), list(dict.fromkeys(problems))


@memory.remembered(200)
def sound(panel: Panel) -> bytes:
    return strip.pack(strip_of(panel, stored.held, []))


def strip_of(panel: Panel, reader: Reader, problems: list[str]) -> Strip:
    """problems: where the reader's complaints are added."""
    first, image = panel.shown[0], panel.numbers[0]
    names, what = reading.class_names(first.run), f"Image {image}"
    pixels = reading.pixels(first.data, (image,))[0]
    rows = tuple(row(panel, name, reader, problems) for name in panel.asked.techniques) if panel.asked else ()
    return Strip(
        pixels,
        tuple(column(panel, place, names) for place in range(len(panel.shown))),
        rows,
        caption=f"{what}\n{of_class(panel, names)}\ndisagreement {panel.apart:.2f}",
        alt=f"{what}, {of_class(panel, names)}, {pixels.shape[1]} × {pixels.shape[0]} pixels",
        label=f"{what}: maps by technique and run",
        note=note(panel, names),
        score="p(predicted)",
        across="run",
    )


def of_class(panel: Panel, names: Sequence[str]) -> str:
    return names[panel.label] if panel.label == UNLABELLED else f"true {names[panel.label]}"


def column(panel: Panel, place: int, names: Sequence[str]) -> Column:
    chance, predicted, item = panel.chances[place], panel.predicted[place], panel.shown[place]
    title = f"{item.letter}, epoch {item.epoch}"
    if np.isnan(chance):  # the network had diverged
        return Column(place, title=title)
    return Column(
        place,
        chance,
        percent(chance),
        names[predicted],
        predicted == panel.label,
        title=title,
    )


def note(panel: Panel, names: Sequence[str]) -> str:
    if not panel.asked or not panel.asked.techniques:
        return ""
    explained = f"{names[panel.label]} (the true class)" if panel.of_true else "the class each run predicts"
    scale = "Each row has one scale for the runs shown" if panel.asked.shared else "Each map has its own scale"
    return f"Explains {explained} at layer {panel.asked.layer}. {scale}; maps are interpolated linearly."


def row(panel: Panel, name: str, reader: Reader, problems: list[str]) -> Row:
    """One technique in all runs, its raw maps on one scale."""
    asked, technique = panel.asked, panel.held[0][name]
    assert asked is not None
    cells = [cells_of(panel, place, name, reader, problems) for place in range(len(panel.shown))]
    maps = same_size([item.maps[0] for item in cells])  # (R, h, w)
    states = [item.states[0] for item in cells]
    tops = pictures.tops(maps, shared=asked.shared)  # (R,)
    places = pictures.positions(maps, tops[:, None, None], technique.signed)
    sizes = list(dict.fromkeys(f"{item.maps.shape[1]} × {item.maps.shape[2]}" for item in cells))
    low, high = "−max" if technique.signed else "0", "max"
    if asked.shared and MAP in states:
        low, high = pictures.ends(maps, float(np.nanmax(tops)), technique.signed)
    return Row(
        technique.title,
        ", ".join(sizes) + (", signed" if technique.signed else ""),
        technique.help,
        signed=technique.signed,
        low=low if MAP in states else "",
        high=high if MAP in states else "",
        scale=SCALES[asked.shared],
        cells=tuple(cell(panel, place, technique, state, maps[place]) for place, state in enumerate(states)),
        levels=np.rint(pictures.shrunk(places, strip.LARGEST_SIDE) * 255).astype(np.uint8),
        about=methods.address(name),
        badges=tuple(
            badges.facts(badge, item.letter)
            for item, badge in zip(panel.shown, dict(panel.badges).get(name, ()), strict=False)
        ),
    )


def cells_of(panel: Panel, place: int, name: str, reader: Reader, problems: list[str]) -> Cells:
    """The raw map of one run; what is not there is on its way only while somebody computes the run."""
    item, technique = panel.shown[place], panel.held[place][name]
    chosen = panel.label if panel.of_true else panel.predicted[place]
    cells, damage = reader(technique, panel.numbers[place], (item.epoch,), (chosen,))
    problems += damage
    progression.mark_diverged(cells)
    if cells.states[0] == WAITING and not item.live:
        cells.states[0] = MISSING
    return cells


def same_size(maps: Sequence[np.ndarray]) -> np.ndarray:
    """Maps at the largest height and width among them, (R, H, W); those of another size are interpolated linearly."""
    height, width = (max(item.shape[axis] for item in maps) for axis in (0, 1))
    if all(item.shape == (height, width) for item in maps):
        return np.stack(maps)
    rows, columns = (
        [pictures.between(item.shape[axis], size) for item in maps] for axis, size in ((0, height), (1, width))
    )
    return np.stack([down @ item @ along.T for down, item, along in zip(rows, maps, columns, strict=True)])


def cell(panel: Panel, place: int, technique: Technique, state: str, raw: np.ndarray) -> Cell:
    where = f"{technique.title}, {panel.shown[place].run.id}"
    if state != MAP:
        return Cell(state, WORDS[state], f"{where}: {SAID[state]}")
    if words := pictures.no_evidence(raw):
        return Cell("flat", words, f"{where}: {words} (value {pictures.short(float(raw.max()))})")
    return Cell(MAP, "", f"{where}: {pictures.short(float(raw.min()))} to {pictures.short(float(raw.max()))}")
