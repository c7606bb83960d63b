"""Which maps a run holds, and the raw maps of one image over the epochs, read from the store."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app import epochwise, reading
from precompute import catalogue
from precompute.techniques import INPUT
from store.errors import Corrupt
from store.runs import Run
from store.shards import Artifact

KEPT_BYTES = 8 * 1024**2  # of values at all epochs, up to which those of all images are kept
# What there can be at an epoch
MAP, WAITING, MISSING, ABSENT, DAMAGED, DIVERGED = "map", "waiting", "missing", "absent", "damaged", "diverged"


@dataclass(frozen=True)
class Technique:
    """A technique that a run holds at a layer; `obstacle` says why it does not apply there, "" where it does."""

    name: str
    title: str
    help: str
    signed: bool
    obstacle: str
    artifact: Artifact
    finished: frozenset[int]  # epochs
    cases: tuple[tuple[Artifact, frozenset[int]], ...]  # maps of some images for a chosen class, and their epochs

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells apart two answers about this technique: its artifacts and how far they have come."""
        cases = tuple((case.path, finished) for case, finished in self.cases)
        return self.artifact.path, self.artifact.attributes.get("created"), self.finished, cases

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of its maps."""
        return self.artifact.attributes["height"], self.artifact.attributes["width"]

    @property
    def layer(self) -> str:
        """Where it is computed: a layer, or INPUT."""
        return self.artifact.attributes["layer"]


@dataclass(eq=False)
class Cells:
    """One technique's row in the making. maps: raw (E, h, w) float32, NaN where there is none; states: a word an epoch."""

    maps: np.ndarray
    states: list[str]

    @classmethod
    def empty(cls, technique: Technique, epochs: Sequence[int]) -> "Cells":
        return cls(np.full((len(epochs), *technique.size), np.nan, np.float32), [WAITING] * len(epochs))


def of_kind(run: Run, kind: str, evaluation: Artifact) -> list[Artifact]:
    """The run's maps of the images of one evaluation, latest first."""
    return [item for item in reading.artifacts(run, kind) if item.attributes.get("evaluation") == evaluation.name]


def layers(run: Run, evaluation: Artifact) -> dict[str, tuple[int, int]]:
    """The layers at which the run holds maps with the size of these: the default layer first, then deepest first.

    INPUT comes last; what explains it is shown whatever the layer.
    """
    held = {}
    for item in of_kind(run, "saliency", evaluation):
        held[item.attributes["layer"]] = (item.attributes["height"], item.attributes["width"])
    depth = {layer["name"]: place for place, layer in enumerate(run.attributes["layers"])}
    names = sorted(held, key=lambda name: (name == INPUT, name != run.attributes["default_layer"], -depth.get(name, 0)))
    return {name: held[name] for name in names}


def techniques(run: Run, evaluation: Artifact, layer: str, *, live: bool) -> tuple[Technique, ...]:
    """What the run holds at a layer and at INPUT for the images of an evaluation; the later of two of a kind.

    In the catalogue's order. live: somebody computes, and what is finished is looked up once a second; else it is as it is
    now.
    """
    found: dict[str, Technique] = {}
    cases = [case for case in of_kind(run, "cases", evaluation) if case.attributes["layer"] in (layer, INPUT)]
    for item in of_kind(run, "saliency", evaluation):
        if item.attributes["layer"] in (layer, INPUT) and item.attributes["technique"] not in found:
            of_item = [case for case in cases if belongs(case, item)]
            found[item.attributes["technique"]] = technique(item, of_item, live=live)
    order = list(catalogue.TECHNIQUES)
    return tuple(sorted(found.values(), key=lambda held: order.index(held.name) if held.name in order else len(order)))


def belongs(case: Artifact, item: Artifact) -> bool:
    """Whether an artifact of recommended cases goes with one of saliency."""
    return all(case.attributes[key] == item.attributes[key] for key in ("technique", "options"))


def technique(item: Artifact, cases: Sequence[Artifact], *, live: bool) -> Technique:
    of, finished = item.attributes, reading.epochs if live else Artifact.marked
    entry = catalogue.TECHNIQUES.get(of["technique"])
    return Technique(
        of["technique"],
        of["title"],
        entry.help if entry else "",
        bool(of["signed"]),
        of.get("obstacle", ""),
        item,
        frozenset(finished(item)),
        tuple((case, frozenset(finished(case))) for case in cases),
    )


def held(shown: Technique, image: int, epochs: tuple[int, ...], classes: tuple[int, ...]) -> tuple[Cells, list[str]]:
    """What the store holds of an image for one class an epoch; raises Corrupt where some of it is damaged."""
    cells = Cells.empty(shown, epochs)
    there = {place: (epoch, classes[place]) for place, epoch in enumerate(epochs) if epoch in shown.finished}
    take(cells, shown, image, there)
    return cells, []


def sound(shown: Technique, image: int, epochs: tuple[int, ...], classes: tuple[int, ...]) -> tuple[Cells, list[str]]:
    """What the store holds that is not damaged, and what is, in sentences: slower, one epoch after the other."""
    cells, problems = Cells.empty(shown, epochs), []
    for place, epoch in enumerate(epochs):
        if epoch in shown.finished:
            try:
                take(cells, shown, image, {place: (epoch, classes[place])})
            except Corrupt as error:
                cells.states[place] = DAMAGED
                problems.append(str(error))
    return cells, problems


def take(cells: Cells, shown: Technique, image: int, wanted: dict[int, tuple[int, int]]) -> None:
    """Fills the cells of finished epochs; wanted: place -> (epoch, class). ABSENT is what is not held for that class."""
    if not wanted:
        return
    epochs, classes = zip(*wanted.values(), strict=True)
    cells.maps[list(wanted)], filled = stored(shown.artifact, image, epochs, classes)
    for place, full in zip(wanted, filled, strict=True):
        cells.states[place] = MAP if full else ABSENT
    for case, finished in shown.cases:
        pairs = list(zip(case.attributes["images"], case.attributes["classes"], strict=True))
        for place, (epoch, chosen) in wanted.items():
            if cells.states[place] == ABSENT and (image, chosen) in pairs and epoch in finished:
                cells.maps[place] = stored_case(case, pairs.index((image, chosen)), epoch)
                cells.states[place] = MAP


def of_image(artifact: Artifact, name: str, epochs: tuple[int, ...], image: int) -> np.ndarray:
    """Values (E, 2, ...) of one image. Those of all are kept, so that the next image is there at once, unless they are many."""
    array = artifact.array(name)
    if array.nbytes // array.shape[0] * len(epochs) > KEPT_BYTES:
        return epochwise.of_image(artifact, name, epochs, slice(None), image)
    return reading.measured(artifact, name, epochs)[:, :, image]


def stored(
    artifact: Artifact, image: int, epochs: tuple[int, ...], classes: tuple[int, ...]
) -> tuple[np.ndarray, list[bool]]:
    """Raw maps (E, h, w) of an image for one class an epoch, and which of them the artifact holds, at finished epochs."""
    explained = of_image(artifact, "explained_class", epochs, image)  # (E, 2)
    scale = of_image(artifact, "scale", epochs, image)  # (E, 2)
    size = artifact.attributes["height"], artifact.attributes["width"]
    maps = np.full((len(epochs), *size), np.nan, np.float32)
    filled = np.zeros(len(epochs), bool)
    for slot in range(explained.shape[1]):
        places = np.flatnonzero((explained[:, slot] == classes) & ~filled)
        if len(places):
            there = tuple(epochs[place] for place in places)
            raw = epochwise.of_image(artifact, "maps", there, slot, image)  # (n, h, w)
            maps[places] = raw.astype(np.float32) * scale[places, slot, None, None]
            filled[places] = True
    return maps, filled.tolist()


def stored_case(case: Artifact, number: int, epoch: int) -> np.ndarray:
    """The raw map (h, w) of one recommended case at a finished epoch."""
    return case.read("maps", epoch, number).astype(np.float32) * case.read("scale", epoch, number)
