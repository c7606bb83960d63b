"""Cached reads of the store, shared by all pages and sessions. What a shard holds never changes, so nothing here expires
but listings of what is still being computed. Arrays are handed out read-only and must not be written to."""

import io
import os
import time
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from app import epochwise
from app.memory import OF_ALL_IMAGES, remembered
from app.outputs import taken
from precompute import cases
from store import judgements, runs
from store.ids import safe
from store.judgements import Observation, Verdict
from store.objects import DEFAULT_ADDRESS, Objects, connect
from store.runs import Run, Status
from store.schema import UNLABELLED
from store.shards import Artifact

LISTING_SECONDS = 2  # how long a new run or artifact may stay unseen
MARKS_SECONDS = 1  # how long a newly finished epoch may stay unseen
HELD_BYTES = 64 * 1024**2  # of all images of a data set, which are then kept in memory
SILENT_SECONDS = 120  # a writer that says nothing for so long is not there any more


# Runs and what they hold


def store() -> Objects:
    """The store the environment names."""
    return connected(os.environ.get("LOUPE_STORE") or DEFAULT_ADDRESS)


@remembered(20)
def connected(address: str) -> Objects:
    return connect(address)


def all_runs() -> tuple[tuple[Run, ...], tuple[str, ...]]:
    """Every run that can be opened, latest first, and a sentence about each that cannot."""
    return listed(store())


def run_named(run_id: str) -> Run | None:
    """The run of this id, None where there is none that can be opened."""
    return next((run for run in all_runs()[0] if run.id == run_id), None)


@remembered(20, seconds=LISTING_SECONDS)
def listed(objects: Objects) -> tuple[tuple[Run, ...], tuple[str, ...]]:
    found, problems = runs.all_runs(objects, opened)
    return tuple(shared(run) for run in found), tuple(problems)


def opened(objects: Objects, run_id: str) -> Run:
    """The run of this id; its facts are read again only where they were written again."""
    stat = objects.stat(f"runs/{safe(run_id)}/zarr.json")
    return opened_at(objects, run_id, stat.e_tag if stat else "")


@remembered(5000)
def opened_at(objects: Objects, run_id: str, e_tag: str) -> Run:
    return runs.open_run(objects, run_id)


@remembered(5000)
def shared(run: Run) -> Run:
    """One object for every session, because marks and arrays found once are kept in it."""
    return run


@remembered(200, seconds=LISTING_SECONDS)
def by_kind(run: Run) -> dict[str, tuple[Artifact, ...]]:
    """All the run's artifacts by kind, latest first: one look at the store, however many kinds a page asks for."""
    found: dict[str, list[Artifact]] = {}
    for item in sorted(run.artifacts().values(), key=lambda item: item.attributes.get("created", 0), reverse=True):
        found.setdefault(item.kind, []).append(item)
    return {kind: tuple(items) for kind, items in found.items()}


def artifacts(run: Run, kind: str) -> tuple[Artifact, ...]:
    """The run's artifacts of one kind, latest first."""
    return by_kind(run).get(kind, ())


def unread(run: Run) -> tuple[str, ...]:
    """A sentence about each of the run's artifacts that is too damaged to be opened."""
    artifacts(run, "evaluation")
    return tuple(run.unread.values())


def artifact(run: Run, kind: str) -> Artifact | None:
    """The run's latest artifact of one kind, None as long as there is none."""
    return next(iter(artifacts(run, kind)), None)


def evaluation(run: Run) -> Artifact | None:
    """Where the logits and measures of the run's epochs are."""
    return artifact(run, "evaluation")


@remembered(50)
def dataset(evaluation: Artifact) -> Artifact:
    """The images that were evaluated. (A run has another evaluation where its recipe asked for other images later.)"""
    return runs.dataset(evaluation.objects, evaluation.attributes["dataset"])


@remembered(50, seconds=LISTING_SECONDS)
def training_images(run: Run) -> Artifact | None:
    """Small pictures of what the run's data set has to train on; None as long as they are not all there."""
    name = run.attributes.get("training_images")
    if not name or not run.objects.stat(f"datasets/{name}/zarr.json"):
        return None
    found = runs.dataset(run.objects, name, run.id)
    return None if found.missing() else found


def epochs(artifact: Artifact) -> tuple[int, ...]:
    """The finished epochs, in order."""
    return artifact.marked() if len(artifact.known) == len(artifact.promised) else marks(artifact)


def epochs_now(artifact: Artifact) -> tuple[int, ...]:
    """The same, looked at this very moment."""
    marks.clear(artifact)
    return epochs(artifact)


@remembered(500, seconds=MARKS_SECONDS)
def marks(artifact: Artifact) -> tuple[int, ...]:
    return artifact.marked()


@remembered(200, seconds=MARKS_SECONDS)
def status(run: Run) -> Status:
    """How the run is getting on; "stopped" where its writer has been silent for two minutes."""
    return present(run.status())


def present(said: Status) -> Status:
    """What a writer said, in the light of how long ago that was."""
    if said.state == "running" and time.time() - said.at > SILENT_SECONDS:
        return replace(said, state="stopped", seconds_left=None)
    return said


class Names(tuple[str, ...]):
    """Names of classes by their number; the label of an unlabelled image, -1, gets a word and not the last name."""

    __slots__ = ()

    def __getitem__(self, number: Any) -> Any:
        return NO_LABEL if number == UNLABELLED else super().__getitem__(number)


NO_LABEL = "unlabelled"


def class_names(run: Run) -> Names:
    """Names of the classes, with their number where two are equal."""
    names = run.classes
    equal = len(set(names)) < len(names)
    return Names(f"{name} ({index})" for index, name in enumerate(names)) if equal else Names(names)


# Judgements: each object never changes, only the list of them grows


@remembered(500, seconds=LISTING_SECONDS)
def judged(run: Run, kind: str) -> tuple[str, ...]:
    return tuple(judgements.paths(run, kind))


def observations(run: Run) -> list[Observation]:
    """All that can be read, oldest first."""
    return judgements.readable(run, judged(run, "observations"), observation_at)


def verdicts(run: Run) -> list[Verdict]:
    """All that can be read, oldest first; the last one holds."""
    return judgements.readable(run, judged(run, "verdicts"), verdict_at)


def verdict(run: Run) -> Verdict | None:
    """What holds now, None where nobody has decided."""
    return next(reversed(verdicts(run)), None)


observation_at = remembered(10_000)(judgements.observation_at)
verdict_at = remembered(2000)(judgements.verdict_at)


# Measures


@remembered(OF_ALL_IMAGES)
def measured(artifact: Artifact, name: str, epochs: tuple[int, ...] | int) -> np.ndarray:
    """Any array of an artifact at finished epochs, read-only."""
    return frozen(artifact.read(name, epochs))


@remembered(100)
def labels(data: Artifact) -> np.ndarray:
    """True class of each image, (image,); -1 where it is unlabelled."""
    return frozen(data.read_blocks("label"))


@remembered(100)
def sources(data: Artifact) -> np.ndarray:
    """Number of each image in its split, (image,)."""
    return frozen(data.read_blocks("source"))


@remembered(100)
def labelled(data: Artifact) -> bool:
    """Whether there is an image whose true class is known, so that something can be right or wrong."""
    return bool((labels(data) != UNLABELLED).any())


def of_class(data: Artifact, count: int) -> np.ndarray:
    """How many images each of `count` classes has, (class,)."""
    known = labels(data)
    return np.bincount(known[known != UNLABELLED], minlength=count)


def predicted(evaluation: Artifact, epoch: int) -> np.ndarray:
    """Class each image was taken for, (image,)."""
    return taken(evaluation, epoch).predicted


def image_logits(evaluation: Artifact, epochs: tuple[int, ...], image: int) -> np.ndarray:
    """Logits of one image over epochs, (epoch, class)."""
    return frozen(epochwise.of_image(evaluation, "logits", epochs, image))


@remembered(500)
def recommended(evaluation: Artifact, data: Artifact, epoch: int, chosen: int) -> cases.Cases:
    """The three recommended cases of a class at an epoch."""
    of = taken(evaluation, epoch)
    return cases.ranked(of.predicted, of.confidence, labels(data), chosen)


# Images


def pixels(data: Artifact, images: tuple[int, ...]) -> np.ndarray:
    """The images themselves, uint8 (n, y, x, channel)."""
    chosen = np.asarray(images, dtype=np.int64)
    side, channels = data.attributes["size"], data.attributes["channels"]
    if len(labels(data)) * side * side * channels <= HELD_BYTES:
        return all_pixels(data)[chosen]
    return data.read_blocks("pixels", chosen)


@remembered(OF_ALL_IMAGES)
def all_pixels(data: Artifact) -> np.ndarray:
    """Every image of a small set, (image, y, x, channel): to look for a few takes longer than for all, again and again."""
    return frozen(data.read_blocks("pixels"))


@remembered(500)
def sheet(data: Artifact, images: tuple[int, ...], side: int = 96) -> tuple[bytes, int]:
    """Images side by side in one PNG, and the side of each in pixels: small images keep theirs."""
    if not images:
        return b"", side
    each = [shrunk(image, side) for image in pixels(data, images)]
    return png(np.concatenate(each, axis=1)), each[0].shape[1]


def shrunk(image: np.ndarray, side: int) -> np.ndarray:
    """An image (y, x, channel) of at most `side` pixels a side; smaller ones stay as they are, for the browser to enlarge."""
    if max(image.shape[:2]) <= side:
        return image
    small = Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image)
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    values = np.asarray(small)
    return values if values.ndim == 3 else values[..., None]


def png(image: np.ndarray) -> bytes:
    """uint8 (y, x) or (y, x, channel) as PNG bytes."""
    buffer = io.BytesIO()
    Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def frozen(values: np.ndarray) -> np.ndarray:
    values.setflags(write=False)
    return values
