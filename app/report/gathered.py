"""Everything that a report of a run says, gathered from the store: facts as JSON has them, and pictures of maps."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from app import outputs, pictures, reading
from app.judgement import observed
from app.judgement.observed import Seen
from app.report import checks
from app.saliency import stored
from app.saliency.progression import mark_diverged, thinned
from app.saliency.stored import MAP, Technique
from precompute.cases import probabilities
from store import trail
from store.errors import LoupeError
from store.judgements import Observation
from store.runs import Run
from store.schema import MEASURES
from store.shards import Artifact

EPOCHS = 8  # of a progression
CLASSES = 8  # whose recommended cases are shown
SIDE = 84  # pixels of a map in a progression, about
CASES = {"correct": "right", "taken_for_it": "taken for it", "missed": "missed"}
LIKELIEST = 5  # classes of an image without a label
CONFUSED = 20  # pairs of classes, most frequent first


@dataclass(frozen=True)
class Row:
    """One technique's maps of one image over some epochs. maps: PNG, or the word that stands in its place."""

    technique: str
    facts: dict[str, Any]
    maps: tuple[bytes | str, ...]


@dataclass(frozen=True)
class Case:
    """A recommended image of a class, and where the network looked. `rows` is empty where no image qualifies."""

    chosen: str
    case: str
    epochs: tuple[int, ...] = ()
    image: int | None = None
    words: str = ""
    picture: bytes = b""
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Report:
    """facts: what the JSON file holds; cases and seen (by an observation's id): what only the page shows."""

    run: Run
    facts: dict[str, Any]
    cases: tuple[Case, ...]
    seen: dict[str, tuple[Seen, bytes]]


def gather(run: Run, chosen: Sequence[int] = ()) -> Report:
    """A report of what is there now. chosen: classes whose cases are shown, beside those that observations are about."""
    evaluation, said = reading.evaluation(run), reading.observations(run)
    epochs = reading.epochs(evaluation) if evaluation else ()
    cases: tuple[Case, ...] = ()
    measured: dict[str, Any] = {"epochs": list(epochs)}
    if evaluation and epochs:
        classes = wanted(run, evaluation, epochs[-1], said, chosen)
        cases = tuple(case for one in classes for case in cases_of(run, evaluation, epochs, one))
        measured |= measures(run, evaluation, epochs)
    maps = [row.facts for case in cases for row in case.rows]
    facts = {
        "report": 1,
        "made": time.time(),
        "run": run.id,
        "facts": {
            name: run.attributes.get(name) for name in ("uuid", "created", "network", "parameters", "epochs", "kept")
        },
        "status": asdict(reading.status(run)),
        "recipe": run.recipe,
        "provenance": run.attributes.get("provenance", {}),
        "fingerprints": run.attributes.get("fingerprints", {}),
        "images": images(evaluation) if evaluation else {},
        "classes": list(reading.class_names(run)),
        "measures": measured,
        "maps": maps,
        "checks": checks.gathered(run, evaluation, maps, said) if evaluation else [],
        "observations": [asdict(item) for item in said],
        "verdicts": [asdict(item) for item in reading.verdicts(run)],
        "lineage": sorted(run.kept("lineage"), key=lambda item: str(item.get("at", ""))),
        "trail": acts(run),
    }
    return Report(run, finite(facts), cases, dict(seen(run, said)))


def images(evaluation: Artifact) -> dict[str, Any]:
    names = ("title", "size", "channels", "selection", "fingerprint", "train_images", "test_images", "notes")
    data = reading.dataset(evaluation)
    return {"dataset": data.path, "evaluated": len(reading.labels(data))} | {
        name: data.attributes[name] for name in names if name in data.attributes
    }


def measures(run: Run, evaluation: Artifact, epochs: tuple[int, ...]) -> dict[str, Any]:
    """Accuracy and loss per epoch; per class, and the confusion matrix, of the last one. Without labels, what was seen."""
    if not reading.labelled(reading.dataset(evaluation)):
        return {"likeliest": likeliest(run, evaluation, epochs[-1])} | {"training": training(run)}
    found: dict[str, Any] = {}
    for name in ("accuracy", "loss"):
        values = reading.measured(evaluation, name, epochs)  # (epoch, split)
        found[name] = {"training sample": values[:, 0].tolist(), "evaluated images": values[:, 1].tolist()}
    by_class = reading.measured(evaluation, "by_class", epochs[-1])  # (class, measure)
    counts = reading.of_class(reading.dataset(evaluation), len(by_class))
    found["by_class"] = {"epoch": epochs[-1], "n": counts.tolist()} | {
        name: by_class[:, number].tolist() for number, name in enumerate(MEASURES)
    }
    matrix = reading.measured(evaluation, "confusion", epochs[-1])  # (true, predicted)
    found["confusion"] = {"epoch": epochs[-1], "true_by_predicted": matrix.tolist()}
    return found | {"training": training(run)}


def likeliest(run: Run, evaluation: Artifact, epoch: int) -> list[dict[str, float]]:
    """The likeliest classes of each image, and their probabilities."""
    names, found = reading.class_names(run), outputs.likeliest(evaluation, epoch, LIKELIEST)
    return [
        {names[number]: float(chance) for number, chance in zip(*each, strict=True)}
        for each in zip(found.classes, found.chances, strict=True)
    ]


def training(run: Run) -> dict[str, Any]:
    """Loss, learning rate and seconds of each epoch trained."""
    held = reading.artifact(run, "training")
    if held is None or not (epochs := reading.epochs(held)):
        return {}
    values = held.read("measures", epochs)  # (epoch, measure)
    names = held.attributes.get("measures", [])
    return {"epochs": list(epochs)} | {name: values[:, number].tolist() for number, name in enumerate(names)}


def acts(run: Run) -> list[dict[str, Any]]:
    """What was done to this run, as the trail says, latest first."""
    return [asdict(entry) for entry in trail.trail(run.objects) if dict(entry.what).get("run") == run.id]


def finite(value: Any) -> Any:
    """The value as JSON can say it: what is not a number is null."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# Maps


def wanted(
    run: Run, evaluation: Artifact, epoch: int, said: Sequence[Observation], chosen: Sequence[int]
) -> tuple[int, ...]:
    """The classes chosen and those that observations are about; else the one recognised worst, or without labels, seen best."""
    names, labels = reading.class_names(run), reading.labels(reading.dataset(evaluation))
    about = [names.index(item.explained) for item in said if item.explained in names]
    about += [
        int(labels[item.image])
        for item in said
        if not item.explained and item.image is not None and item.image < len(labels) and labels[item.image] >= 0
    ]
    if (labels >= 0).any():
        one = np.nan_to_num(reading.measured(evaluation, "by_class", epoch)[:, 1], nan=2.0).argmin()  # recall
    else:
        seen = outputs.taken(evaluation, epoch)
        one = seen.predicted[np.nan_to_num(seen.confidence).argmax()]
    return tuple(dict.fromkeys([*chosen, *about] or [int(one)]))[:CLASSES]


def cases_of(run: Run, evaluation: Artifact, epochs: tuple[int, ...], chosen: int) -> Iterator[Case]:
    """The three recommended cases of a class by the last epoch, each with its first image."""
    data, name = reading.dataset(evaluation), reading.class_names(run)[chosen]
    found = reading.recommended(evaluation, data, epochs[-1], chosen)
    some = thinned(epochs, epochs[-1], EPOCHS)
    layer = next(iter(stored.layers(run, evaluation)), None)
    held = stored.techniques(run, evaluation, layer, live=False) if layer else ()
    for case, title in CASES.items():
        numbers = getattr(found, case)
        if not len(numbers):
            yield Case(name, title)
            continue
        image = int(numbers[0])
        pixels = reading.pixels(data, (image,))[0]
        rows = tuple(row(run, evaluation, item, image, pixels, some, chosen) for item in held)
        picture = pictures.png(pictures.rgb(pixels, side_of(pixels)))
        yield Case(name, title, some, image, words(run, evaluation, image, epochs[-1]), picture, rows)


def words(run: Run, evaluation: Artifact, image: int, epoch: int) -> str:
    """True class, predicted class and its probability."""
    names, labels = reading.class_names(run), reading.labels(reading.dataset(evaluation))
    chances = probabilities(reading.image_logits(evaluation, (epoch,), image)[0])
    taken = f"{names[int(chances.argmax())]} ({pictures.percent(float(chances.max()))})"
    return f"image {image}: {names[labels[image]]} → {taken} at epoch {epoch}"


def side_of(pixels: np.ndarray) -> int:
    """A side of about SIDE pixels; small images keep whole pixels, larger ones shrink."""
    return pictures.whole(pixels.shape[0], SIDE) if pixels.shape[0] <= SIDE else SIDE


def row(
    run: Run,
    evaluation: Artifact,
    technique: Technique,
    image: int,
    pixels: np.ndarray,
    epochs: tuple[int, ...],
    chosen: int,
) -> Row:
    """One technique's maps of an image for the class, all on one scale."""
    names, height_width = reading.class_names(run), technique.size
    chances = probabilities(reading.image_logits(evaluation, epochs, image))[:, chosen]  # (E,)
    facts: dict[str, Any] = {
        "technique": technique.name,
        "layer": technique.artifact.attributes["layer"],
        "size": list(height_width),
        "image": image,
        "explained": names[chosen],
        "epochs": list(epochs),
        "probability": chances.tolist(),
        "evaluation": evaluation.name,
    }
    if technique.obstacle:
        return Row(technique.title, facts | {"obstacle": technique.obstacle}, (technique.obstacle,))
    try:
        cells, _ = stored.held(technique, image, epochs, (chosen,) * len(epochs))
    except LoupeError:
        cells, _ = stored.sound(technique, image, epochs, (chosen,) * len(epochs))
    mark_diverged(cells)  # first, or they would spoil the scale of the others
    tops, base = pictures.tops(cells.maps, shared=True), pictures.rgb(pixels, side_of(pixels))
    top = float(np.nanmax(tops)) if not np.isnan(tops).all() else 0.0
    drawn = tuple(
        pictures.png(pictures.over(base, raw, top, technique.signed)) if state == MAP else state
        for raw, state in zip(cells.maps, cells.states, strict=True)
    )
    return Row(technique.title, facts | {"scale": top, "signed": technique.signed, "states": cells.states}, drawn)


def seen(run: Run, said: Sequence[Observation]) -> Iterator[tuple[str, tuple[Seen, bytes]]]:
    """Each observation's map with its region, by the observation's id."""
    for item in said:
        view = observed.seen(run, item)
        drawn = observed.pictured([view], item.region)[0]
        yield item.id, (view, b"" if drawn is None else pictures.png(drawn))
