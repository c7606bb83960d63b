"""What people say about a run: observations on its maps, and verdicts. Each is one JSON object, written once, for good.

Nothing is edited and nothing taken back: who thinks otherwise says so, and the latest verdict holds.
"""

import json
import math
import secrets
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

from store.errors import BadInput, LoupeError, Missing
from store.objects import Objects
from store.runs import Run
from store.seals import broken, sealed

VERDICTS = ("keep", "reject", "undecided")
TEXT_LENGTH = 4000
TAG_LENGTH = 40
MOST_TAGS = 12
NAME_LENGTH = 200  # of a technique, layer, class, evaluation or person
LARGEST_NUMBER = 10**9  # of an image

Region = tuple[float, float, float, float]
Kind = TypeVar("Kind", "Observation", "Verdict")


@dataclass(frozen=True)
class Observation:
    """What somebody saw, and on what. A field about the map is None or "" where the observation is about more than one.

    epoch, image: numbers as everywhere in the run; `image` counts the images of `evaluation`, the artifact's name.
    explained: name of the class that the map explains. region: x0, y0, x1, y1 in shares of the image, 0 to 1.
    """

    text: str = ""
    tags: tuple[str, ...] = ()
    epoch: int | None = None
    image: int | None = None
    technique: str = ""
    layer: str = ""
    explained: str = ""
    evaluation: str = ""
    region: Region | None = None
    id: str = ""
    run: str = ""
    by: str = ""
    at: float = 0.0  # Unix time


@dataclass(frozen=True)
class Verdict:
    """What somebody decided about the whole run."""

    verdict: str  # one of VERDICTS
    reason: str = ""
    id: str = ""
    run: str = ""
    by: str = ""
    at: float = 0.0  # Unix time


# Writing


def observe(run: Run, observation: Observation, *, by: str = "") -> Observation:
    """Stores an observation as one of now; returns it as it was stored. Raises BadInput where it says nothing."""
    said = replace(
        checked(observation),
        run=run.id,
        by=line(by, NAME_LENGTH, "name"),
    )
    if not (said.text or said.tags):
        raise BadInput("An observation needs a text or a tag; both are empty. Write what you see.")
    if said.epoch is not None and said.epoch > run.epochs:
        raise BadInput(f"Run {run.id} has epochs 0 to {run.epochs}, not {said.epoch}. Choose one of them.")
    return written(run, "observations", said)


def decide(run: Run, verdict: str, reason: str = "", *, by: str = "") -> Verdict:
    """Stores a verdict as one of now; returns it as it was stored."""
    if verdict not in VERDICTS:
        raise BadInput(f"A verdict is one of {', '.join(VERDICTS)}; '{str(verdict)[:60]}' came. Choose one of them.")
    said = Verdict(verdict, paragraph(reason, "reason"), run=run.id, by=line(by, NAME_LENGTH, "name"))
    return written(run, "verdicts", said)


def written(run: Run, kind: str, said: Kind) -> Kind:
    if not run.objects.stat(f"{run.path}/zarr.json"):
        raise Missing(f"Run {run.id} is not in {run.objects.address} any more: nothing was stored. Choose another run.")
    while True:
        at = time.time()
        millis, rest = divmod(int(at * 1_000_000), 1000)
        dated = replace(said, at=at, id=f"{millis:013d}-{rest:03d}{secrets.token_hex(4)}")
        body = json.dumps(sealed(asdict(dated)), allow_nan=False).encode()
        if run.objects.create(f"{run.path}/{kind}/{dated.id}.json", body):
            return dated


# Reading


def observations(run: Run) -> list[Observation]:
    """All that can be read, oldest first."""
    return readable(run, paths(run, "observations"), observation_at)


def verdicts(run: Run) -> list[Verdict]:
    """All that can be read, oldest first."""
    return readable(run, paths(run, "verdicts"), verdict_at)


def verdict(run: Run) -> Verdict | None:
    """The latest that can be read, None where nobody has decided."""
    for path in reversed(paths(run, "verdicts")):
        if found := readable(run, [path], verdict_at):
            return found[0]
    return None


def damaged(run: Run) -> list[str]:
    """A sentence about each observation or verdict that cannot be read; the others are not the worse for it."""
    found = []
    for kind, reader in (("observations", observation_at), ("verdicts", verdict_at)):
        for path in paths(run, kind):
            try:
                reader(run.objects, path)
            except LoupeError as error:
                found.append(str(error))
    return found


def paths(run: Run, kind: str) -> list[str]:
    """Where the run's "observations" or "verdicts" are, oldest first: their names begin with the time."""
    return sorted(stat.path for stat in run.objects.under(f"{run.path}/{kind}") if stat.path.endswith(".json"))


def readable(run: Run, paths: Sequence[str], reader: Callable[[Objects, str], Kind]) -> list[Kind]:
    found = []
    for path in paths:
        try:
            found.append(reader(run.objects, path))
        except LoupeError:
            continue  # `damaged` says so
    return found


def observation_at(objects: Objects, path: str) -> Observation:
    """One observation; raises LoupeError where the object is not one. It never changes, so it can be kept."""
    known = facts_at(objects, path, Observation)
    try:
        return checked(Observation(**known))
    except (TypeError, ValueError) as error:
        raise LoupeError(unreadable(objects, path)) from error


def verdict_at(objects: Objects, path: str) -> Verdict:
    """One verdict; raises LoupeError where the object is not one."""
    known = facts_at(objects, path, Verdict)
    texts = all(isinstance(known.get(name), str) for name in ("verdict", "reason", "id", "run", "by"))
    if not texts or known["verdict"] not in VERDICTS or not finite(known.get("at")):
        raise LoupeError(unreadable(objects, path))
    return Verdict(**known)


def facts_at(objects: Objects, path: str, kind: type[Observation | Verdict]) -> dict[str, Any]:
    held = objects.get_json(path)
    if not isinstance(held, dict) or broken(held):
        raise LoupeError(unreadable(objects, path))
    return {field.name: held[field.name] for field in fields(kind) if field.name in held}


def unreadable(objects: Objects, path: str) -> str:
    return f"{objects.address}/{path} is damaged: it is no observation or verdict of Loupe's. Restore it or delete it."


# What may stand in one: it comes from a browser, and is shown to others


def checked(observation: Observation) -> Observation:
    """The observation cut to form; raises BadInput where a field is not what it must be."""
    texts = ("technique", "layer", "explained", "evaluation", "id", "run", "by")
    names: dict[str, Any] = {name: line(getattr(observation, name), NAME_LENGTH, name) for name in texts}
    if not finite(observation.at):
        raise BadInput(f"An observation's time is a number; {observation.at!r} came.")
    return replace(
        observation,
        text=paragraph(observation.text, "text"),
        tags=tags(observation.tags),
        epoch=number(observation.epoch, "epoch"),
        image=number(observation.image, "image"),
        region=None if observation.region is None else region(observation.region),
        **names,
    )


def tags(said: Sequence[str]) -> tuple[str, ...]:
    """Tags without empty ones and without one that differs only in case from another; the first spelling stays."""
    if isinstance(said, str) or not isinstance(said, Sequence):
        raise BadInput(f"Tags are a list of words; {said!r:.60} came.")
    found: dict[str, str] = {}
    for tag in [line(item, TAG_LENGTH, "tag") for item in said]:
        if tag:
            found.setdefault(tag.casefold(), tag)
    if len(found) > MOST_TAGS:
        raise BadInput(f"An observation takes {MOST_TAGS} tags; {len(found)} came. Leave out {len(found) - MOST_TAGS}.")
    return tuple(found.values())


def region(corners: Sequence[float]) -> Region:
    """A rectangle in shares of the image, as far as it lies inside; raises BadInput for what is none."""
    if not isinstance(corners, Sequence) or len(corners) != 4 or not all(map(finite, corners)):
        raise BadInput(
            f"A region is four numbers from 0 to 1: left, top, right, bottom; {corners!r:.80} came. Draw it again."
        )
    (x0, x1), (y0, y1) = (
        sorted(min(max(float(at), 0.0), 1.0) for at in pair) for pair in (corners[::2], corners[1::2])
    )
    if x1 - x0 <= 0 or y1 - y0 <= 0:
        raise BadInput("The region has no area inside the image. Draw a larger one, or leave it out.")
    return x0, y0, x1, y1


def finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def number(value: object, what: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < LARGEST_NUMBER:
        raise BadInput(f"An observation's {what} is a whole number from 0; {value!r:.60} came.")
    return value


def paragraph(text: object, what: str) -> str:
    """Text without characters that no person can see, but for line breaks."""
    kept = bounded(text, TEXT_LENGTH, what).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(sign if visible(sign) else " " if sign == "\t" else "" for sign in kept).strip()


def line(text: object, length: int, what: str) -> str:
    """Text in one line, with single spaces."""
    kept = bounded(text, length, what)
    return " ".join("".join(sign if visible(sign) else " " for sign in kept).split())


def bounded(text: object, length: int, what: str) -> str:
    if not isinstance(text, str):
        raise BadInput(f"A {what} is text; {text!r:.60} came.")
    if len(text) > length:
        raise BadInput(f"A {what} may have {length:,} characters; this one has {len(text):,}. Shorten it.")
    return text


def visible(sign: str) -> bool:
    """Not a control character, half a surrogate pair, or one that turns the direction of the text after it."""
    turns = sign in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    return sign == "\n" or not (unicodedata.category(sign) in ("Cc", "Cs") or turns)
