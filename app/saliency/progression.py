"""Progressions: the raw maps and logits of one image over the epochs, from the store where it holds them, else the probe."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from app import memory, probe, reading
from app.memory import Memory
from app.probe import Answer, Request
from app.saliency import stored
from app.saliency.stored import ABSENT, DIVERGED, MAP, MISSING, WAITING, Cells, Technique
from app.selection import Selection
from store.errors import Corrupt, LoupeError
from store.schema import UNLABELLED

Explained = Literal["chosen", "true", "predicted"]
PREDICTED = -1  # in a request: the class predicted at the epoch
MOST_COLUMNS = 30
OF_STORE = Memory(1000, 256 * 1024**2)  # progressions of test images; maps as fine as the image weigh 20 MB and more
OF_PROBE = Memory(300, 128 * 1024**2)  # what is made of the probe's answers; a large picture weighs 3 MB


@dataclass(frozen=True)
class Question:
    """What is asked about an image: the common selection, the epochs, the class explained, a layer and its techniques.

    live: somebody still computes the run, so that a map not held may be there soon.
    """

    selection: Selection
    epochs: tuple[int, ...]
    explain: Explained
    layer: str
    shown: tuple[Technique, ...] = ()
    live: bool = False

    @property
    def able(self) -> tuple[Technique, ...]:
        """The techniques that apply."""
        return tuple(technique for technique in self.shown if not technique.obstacle)


@dataclass(frozen=True, eq=False)
class Progression:
    """One image over `epochs`. maps: raw (E, h, w) float32 by technique, NaN where there is none; states: E words each.

    pixels: (H, W, C) uint8; logits: (E, K), NaN where not known yet; explained: E classes, -1 likewise. image and label
    are None for an uploaded picture. waiting and failed are the probe's requests.
    """

    pixels: np.ndarray
    epochs: tuple[int, ...]
    logits: np.ndarray
    explained: tuple[int, ...]
    maps: Mapping[str, np.ndarray]
    states: Mapping[str, tuple[str, ...]]
    image: int | None = None
    label: int | None = None
    problems: tuple[str, ...] = ()
    waiting: tuple[Request, ...] = field(default=(), repr=False)
    failed: tuple[Request, ...] = field(default=(), repr=False)

    @cached_property
    def data(self) -> bytes:
        """The pixels as one object that all requests share: a hundred requests of a picture hold it once."""
        return self.pixels.tobytes()

    @cached_property
    def nbytes(self) -> int:
        return 2 * self.pixels.nbytes + self.logits.nbytes + sum(item.nbytes for item in self.maps.values())

    @property
    def lagging(self) -> bool:
        """Whether somebody else than the probe is still to finish a map."""
        return not self.waiting and any(WAITING in states for states in self.states.values())


def renewed(question: Question) -> Question:
    """The question with what the store holds by now.

    The status is read first: what is not there when nobody computes any more will not come.
    """
    run, evaluation = question.selection.run, question.selection.evaluation
    live = reading.status(run).state == "running"
    return replace(question, live=live, shown=stored.techniques(run, evaluation, question.layer, live=live))


def thinned(epochs: Sequence[int], selected: int, most: int = MOST_COLUMNS) -> tuple[int, ...]:
    """At most `most` epochs, evenly chosen with the first and the last, and the selected one in any case."""
    if len(epochs) <= most:
        return tuple(epochs)
    places = np.linspace(0, len(epochs) - 1, most).round().astype(int)
    return tuple(sorted({*(epochs[place] for place in places), selected}))


def of_image(question: Question, image: int, visitor: str) -> Progression:
    """The progression of a test image: what the store does not hold for the class is asked of the probe."""
    wanted = Wanted((*known_by(question), image), question, image)
    try:
        begun = held(wanted)
    except Corrupt:
        begun = read(wanted, stored.sound)
    if begun.lagging and not question.live:
        begun = given_up(begun)
    lacking = {
        epoch: chosen
        for epoch, chosen, *states in zip(begun.epochs, begun.explained, *begun.states.values(), strict=True)
        if ABSENT in states
    }
    return asked(begun, requests(question, begun, lacking), visitor) if lacking else begun


def of_upload(question: Question, pixels: np.ndarray, visitor: str) -> Progression:
    """The progression of a picture (H, W, C) that is in no data set, as far as the probe has come."""
    chosen = PREDICTED if question.explain == "predicted" else question.selection.chosen
    begun = blank(Wanted((*known_by(question), pixels.shape, pixels.tobytes()), question), chosen)
    return asked(begun, requests(question, begun, dict.fromkeys(begun.epochs, chosen)), visitor)


@dataclass(frozen=True)
class Wanted:
    """A question about one image, equal to another where all that determines the answer is: so answers can be kept."""

    key: tuple[Any, ...]
    question: Question = field(compare=False)
    image: int = -1


def known_by(question: Question) -> tuple[Any, ...]:
    """Everything that determines an answer but the image."""
    selected, shown = question.selection, tuple(technique.key for technique in question.shown)
    run, evaluation = selected.run.uuid, selected.evaluation.path
    return run, evaluation, question.epochs, question.explain, selected.chosen, question.layer, shown


@memory.remembered(OF_STORE)
def held(wanted: Wanted) -> Progression:
    """What the store holds; raises Corrupt where some of it is damaged, which is not kept: it may be mended."""
    return read(wanted, stored.held)


def read(wanted: Wanted, reader: Callable[..., tuple[Cells, list[str]]]) -> Progression:
    question, image = wanted.question, wanted.image
    selected, epochs = question.selection, question.epochs
    known = int(reading.labels(selected.data)[image])
    label = None if known == UNLABELLED else known
    logits = reading.image_logits(selected.evaluation, epochs, image)  # (E, K)
    if question.explain == "predicted":
        classes = tuple(logits.argmax(1).tolist())
    else:
        explained = label if question.explain == "true" and label is not None else selected.chosen
        classes = (explained,) * len(epochs)
    rows = {technique.name: reader(technique, image, epochs, classes) for technique in question.able}
    problems = tuple(dict.fromkeys(text for _, said in rows.values() for text in said))
    cells = {name: row for name, (row, _) in rows.items()}
    pixels = reading.frozen(reading.pixels(selected.data, (image,))[0])
    return made_of(cells, Progression(pixels, epochs, logits, classes, {}, {}, image, label, problems))


@memory.remembered(OF_STORE)
def given_up(begun: Progression) -> Progression:
    """What the store holds of a run that nobody computes: the maps it lacks are not on their way."""
    lost = {WAITING: MISSING}
    states = {name: tuple(lost.get(state, state) for state in row) for name, row in begun.states.items()}
    return replace(begun, states=states)


@memory.remembered(OF_PROBE)
def blank(wanted: Wanted, chosen: int) -> Progression:
    """What is known of an uploaded picture before the probe says anything."""
    question, (shape, pixels) = wanted.question, wanted.key[-2:]
    logits = np.full((len(question.epochs), len(question.selection.classes)), np.nan, np.float32)
    rows = {technique.name: Cells.empty(technique, question.epochs) for technique in question.able}
    image = np.frombuffer(pixels, np.uint8).reshape(shape)
    return made_of(rows, Progression(image, question.epochs, logits, (chosen,) * len(question.epochs), {}, {}))


def made_of(rows: Mapping[str, Cells], begun: Progression) -> Progression:
    for cells in rows.values():
        mark_diverged(cells)
    maps = {name: cells.maps for name, cells in rows.items()}
    return replace(begun, maps=maps, states={name: tuple(cells.states) for name, cells in rows.items()})


def mark_diverged(cells: Cells) -> None:
    """Takes out maps that are not numbers, as those of a network that diverged: they would spoil the scale of the others."""
    for place in np.flatnonzero(~np.isfinite(cells.maps).all((1, 2))):
        if cells.states[place] == MAP:
            cells.states[place], cells.maps[place] = DIVERGED, np.nan


def requests(question: Question, begun: Progression, classes: Mapping[int, int]) -> list[Request]:
    """What to ask the probe: all techniques at once, epoch by epoch, for the class each epoch is to explain."""
    run, facts = question.selection.run, question.shown[0].artifact.attributes
    options = {item.name: json.dumps(item.artifact.attributes["options"], sort_keys=True) for item in question.able}
    return [
        Request(
            **probe.of_epoch(run, epoch),
            pixels=begun.data,
            shape=begun.pixels.shape,
            classes=(chosen,),
            techniques=tuple(options.items()),
            layer=question.layer,
            precision=facts["precision"],
        )
        for epoch, chosen in classes.items()
    ]


def asked(begun: Progression, requests: Sequence[Request], visitor: str) -> Progression:
    """The progression with what the probe has answered so far."""
    answers = probe.shared().progress(visitor, requests)
    return completed(begun, tuple(requests), tuple(map(answers.get, requests)))


@memory.remembered(OF_PROBE)
def completed(
    begun: Progression, requests: tuple[Request, ...], answers: tuple[Answer | LoupeError | None, ...]
) -> Progression:
    """The progression with answers put where the store holds nothing. Kept by the very objects, which never change."""
    rows = {name: Cells(maps.copy(), list(begun.states[name])) for name, maps in begun.maps.items()}
    logits, explained = begun.logits.copy(), list(begun.explained)
    for request, answer in zip(requests, answers, strict=True):
        place = begun.epochs.index(request.epoch)
        for name, cells in rows.items():
            fill(cells, name, place, answer)
        if isinstance(answer, Answer) and begun.image is None:
            logits[place] = answer.logits
            explained[place] = answer.classes[0] if answer.classes else explained[place]
    both = list(zip(requests, answers, strict=True))
    errors = {request: answer for request, answer in both if isinstance(answer, LoupeError)}
    return made_of(
        rows,
        replace(
            begun,
            logits=logits,
            explained=tuple(explained),
            problems=tuple(dict.fromkeys([*begun.problems, *map(str, errors.values())])),
            waiting=tuple(request for request, answer in both if answer is None),
            failed=tuple(errors),
        ),
    )


def fill(cells: Cells, name: str, place: int, answer: Answer | LoupeError | None) -> None:
    if cells.states[place] not in (ABSENT, WAITING, MISSING):
        return
    cells.states[place] = WAITING if answer is None else MAP if isinstance(answer, Answer) else ABSENT
    if isinstance(answer, Answer):
        cells.maps[place] = answer.maps[name][0]
