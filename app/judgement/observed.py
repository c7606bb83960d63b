"""What an observation points to: the map, as the store holds it, with the region that was drawn on it; in one run and, for
the same image, epoch and technique, in another."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app import pictures, reading
from app.saliency import stored
from app.saliency.strips import SAID, percent
from precompute import catalogue
from precompute.cases import probabilities
from store.errors import LoupeError
from store.judgements import Observation, Region
from store.runs import Run
from store.shards import Artifact

TITLES = {name: entry.title for name, entry in catalogue.TECHNIQUES.items()}
SIDE = 224  # pixels of a picture, about; small images keep whole pixels


@dataclass(frozen=True)
class Seen:
    """A map and its image; `why` says in a sentence why there is none. raw: (h, w) float32; pixels: (H, W, C) uint8."""

    run: str
    epoch: int
    words: str = ""  # what it is: classes, probability
    why: str = ""
    pixels: np.ndarray | None = None
    raw: np.ndarray | None = None
    signed: bool = False

    @property
    def top(self) -> float:
        """End of the map's own scale."""
        return float(np.abs(self.raw).max()) if self.raw is not None else 0.0


def seen(run: Run, said: Observation) -> Seen:
    """The map an observation on this run is about, or the image alone where it is about no map."""
    epoch = said.epoch if said.epoch is not None else run.epochs
    try:
        evaluation = run.artifact(said.evaluation) if said.evaluation else reading.evaluation(run)
        return found(run, evaluation, said, epoch)
    except (LoupeError, KeyError, IndexError, ValueError) as error:
        why = str(error) if isinstance(error, LoupeError) else "what it was about is not in this store any more"
        return Seen(run.id, epoch, why=why)


def found(run: Run, evaluation: Artifact | None, said: Observation, epoch: int) -> Seen:
    if evaluation is None or said.image is None:
        return Seen(run.id, epoch, why="it is about no single image")
    data = reading.dataset(evaluation)
    labels, names = reading.labels(data), reading.class_names(run)
    if said.image >= len(labels):
        return Seen(run.id, epoch, why=f"there is no image {said.image} any more: {len(labels)} are evaluated")
    begun = Seen(run.id, epoch, pixels=reading.pixels(data, (said.image,))[0])
    if epoch not in reading.epochs(evaluation):
        return replace(begun, why=f"epoch {epoch} is not evaluated")
    chances = probabilities(reading.image_logits(evaluation, (epoch,), said.image)[0])  # (K,)
    predicted = int(chances.argmax())
    words = f"{names[labels[said.image]]} → {names[predicted]} ({percent(chances[predicted])})"
    return of_map(run, evaluation, said, replace(begun, words=words))


def of_map(run: Run, evaluation: Artifact, said: Observation, begun: Seen) -> Seen:
    """With the map, where the store holds it for the class explained."""
    if not said.technique:
        return begun
    live = reading.status(run).state == "running"
    held = {item.name: item for item in stored.techniques(run, evaluation, said.layer, live=live)}
    technique, names = held.get(said.technique), reading.class_names(run)
    if technique is None:
        return replace(begun, why=f"this run holds no maps of {said.technique} at {said.layer or 'any layer'}")
    if technique.obstacle:
        return replace(begun, why=technique.obstacle)
    if said.explained not in names:
        return replace(begun, why=f"this run has no class {said.explained}")
    classes = (names.index(said.explained),)
    cells, _ = stored.held(technique, said.image or 0, (begun.epoch,), classes)
    if cells.states[0] != stored.MAP or not np.isfinite(cells.maps[0]).all():
        return replace(begun, why=f"the map is {SAID.get(cells.states[0], SAID[stored.DIVERGED])}")
    return replace(begun, raw=cells.maps[0], signed=technique.signed)


# The same in another run


def counterpart(parent: Run, child: Run, said: Observation) -> Observation | None:
    """What an observation on `parent` points to in `child`; None where the child evaluates other images.

    The epoch is the same one or, where the child did not keep it, the nearest it did.
    """
    theirs, ours = reading.evaluation(child), evaluation_of(parent, said)
    if theirs is None or ours is None or said.image is None or not (epochs := reading.epochs(theirs)):
        return None
    image = same_image(reading.dataset(ours), reading.dataset(theirs), said.image)
    if image is None:
        return None
    wanted = said.epoch if said.epoch is not None else parent.epochs
    nearest = min(epochs, key=lambda epoch: (abs(epoch - wanted), epoch))
    layers = stored.layers(child, theirs)
    layer = said.layer if said.layer in layers else next(iter(layers), "")
    return replace(said, run=child.id, evaluation=theirs.name, image=image, epoch=nearest, layer=layer)


def evaluation_of(run: Run, said: Observation) -> Artifact | None:
    try:
        return run.artifact(said.evaluation) if said.evaluation else reading.evaluation(run)
    except LoupeError:
        return None


def same_image(ours: Artifact, theirs: Artifact, image: int) -> int | None:
    """The number that `theirs` gives an image of `ours`: data sets of one content may show other choices of its images."""
    if ours.path == theirs.path:
        return image
    same = all(ours.attributes.get(key) == theirs.attributes.get(key) for key in ("fingerprint", "size", "channels"))
    if not same or not ours.attributes.get("fingerprint"):
        return None
    places = np.flatnonzero(np.isin(reading.sources(theirs), reading.sources(ours)[image : image + 1]))
    return int(places[0]) if len(places) else None


# Pictures


def pictured(views: Sequence[Seen], region: Region | None = None) -> list[np.ndarray | None]:
    """Each map over its image, all on one scale, with the region framed: (S, S, 3) uint8, None where there is no image."""
    top = max((view.top for view in views), default=0.0)
    return [None if view.pixels is None else framed(over(view, top), region) for view in views]


def over(view: Seen, top: float) -> np.ndarray:
    assert view.pixels is not None
    image = pictures.rgb(view.pixels, pictures.whole(view.pixels.shape[0], SIDE))
    return image if view.raw is None else pictures.over(image, view.raw, top, view.signed)


def framed(picture: np.ndarray, region: Region | None) -> np.ndarray:
    """A picture with a white frame, edged black, around a region."""
    if region is None:
        return picture
    drawn, side = picture.copy(), picture.shape[0]
    x0, y0, x1, y1 = (min(round(share * side), side - 1) for share in region)
    for inset, shade in ((0, 0), (1, 255), (2, 255), (3, 0)):
        left, top = min(x0 + inset, side - 1), min(y0 + inset, side - 1)
        right, bottom = max(x1 - inset, left), max(y1 - inset, top)
        drawn[[top, bottom], left : right + 1] = shade
        drawn[top : bottom + 1, [left, right]] = shade
    return drawn


def about(said: Observation) -> str:
    """What an observation is about, in words: "Grad-CAM for 3 at features.4, image 17, epoch 4"."""
    technique = TITLES.get(said.technique, said.technique)
    parts = [
        f"{technique} for {said.explained} at {said.layer}" if technique else "",
        f"image {said.image}" if said.image is not None else "",
        f"epoch {said.epoch}" if said.epoch is not None else "",
    ]
    return ", ".join(filter(None, parts)) or "the run as a whole"


def region_words(corners: Sequence[float]) -> str:
    x0, y0, x1, y1 = (f"{share:.0%}" for share in corners)
    return f"Region: {x0} to {x1} from the left, {y0} to {y1} from the top."
