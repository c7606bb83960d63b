"""What a run is made from: a TOML recipe, checked field by field. No torch here, so the app may read and write recipes."""

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from precompute import catalogue
from precompute.wanted import Artifacts, Section
from store.errors import BadInput, Missing

LONGEST_SHOWN, MOST_SHOWN = 200, 10  # characters of a value, and wrong fields, that a message holds
DEEPEST = 20  # lists and tables inside each other


class Data(Section):
    """The images and their labels."""

    set: str = Field(description="name of a data set (or module:function of your own)")
    options: dict[str, Any] = Field(default_factory=dict, description="what that data set lets one choose")


class Model(Section):
    """The network and the weights it starts from."""

    network: str = Field(description="name of a network, torchvision/<name>, or module:factory of your own")
    weights: str | None = Field(
        None, description="initial weights: a name the network knows, or a checkpoint file; none: drawn by the seed"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="what that network lets one choose")


class Augmentation(Section):
    """Random changes of each training image; everything 0 means none."""

    shift: float = Field(0, ge=0, le=0.5, description="largest shift, as a share of the side")
    flip: bool = Field(False, description="mirror left and right at random")
    flip_vertical: bool = Field(False, description="mirror top and bottom at random")
    rotate: float = Field(0, ge=0, le=180, description="largest rotation, in degrees")
    scale: float = Field(1, ge=0.05, le=1, description="smallest share of the area a random crop keeps")
    brightness: float = Field(0, ge=0, le=1, description="largest relative change")
    contrast: float = Field(0, ge=0, le=1, description="largest relative change")
    saturation: float = Field(0, ge=0, le=1, description="largest relative change")
    hue: float = Field(0, ge=0, le=0.5, description="largest turn, as a share of the colour circle")
    erase: float = Field(0, ge=0, le=1, description="probability of hiding one rectangle")


class Training(Section):
    """Hyperparameters: together with data, network and initial weights they determine the run."""

    optimizer: Literal["sgd", "adam", "adamw", "rmsprop"] = Field(
        "sgd", description="rule that turns gradients into steps"
    )
    learning_rate: float = Field(
        0.01, gt=0, le=10, description="largest step size of the schedule", json_schema_extra={"scale": "log"}
    )
    schedule: Literal["constant", "cosine", "step", "one-cycle"] = Field(
        "constant", description="how the learning rate changes over the run"
    )
    step_epochs: int = Field(
        10, ge=1, le=10_000, description="with schedule = step: epochs between two drops to a tenth",
        json_schema_extra={"with": {"training.schedule": "step"}},
    )  # fmt: skip
    momentum: float = Field(0.9, ge=0, lt=1, description="of SGD (Nesterov's form) and RMSprop")
    weight_decay: float = Field(
        0, ge=0, le=1, description="shrinks the weights at each step", json_schema_extra={"scale": "log"}
    )
    batch_size: int = Field(64, ge=1, le=65_536, description="images per step")
    epochs: int = Field(
        10,
        ge=0,
        le=10_000,
        description="passes over the training images; 0: the initial weights are looked at as they are",
    )
    label_smoothing: float = Field(0, ge=0, lt=1, description="share of the target spread over all classes")
    class_weights: dict[str, float] = Field(
        default_factory=dict, description="how much the loss of a class's images counts, by class name; else 1"
    )
    leave_out: tuple[int, ...] = Field((), description="numbers of the training images that are not trained on")
    shuffled_labels: bool = Field(
        False, description="train on labels dealt out at random by the seed: what maps show then was not learned"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="of initial weights, order and augmentation")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="arithmetic of the training; auto: bfloat16 where the machine is faster with it"
    )
    augmentation: Augmentation = Field(
        default_factory=Augmentation, description="random changes of each training image"
    )

    @field_validator("class_weights")
    @classmethod
    def weights(cls, weights: dict[str, float]) -> dict[str, float]:
        if wrong := [f"{name} = {weight}" for name, weight in weights.items() if not 0 < weight <= 1000]:
            raise ValueError(f"weights must be above 0 and at most 1000; these are not: {', '.join(wrong)}")
        return {name: weight for name, weight in sorted(weights.items()) if weight != 1}

    @field_validator("leave_out")
    @classmethod
    def numbers(cls, numbers: tuple[int, ...]) -> tuple[int, ...]:
        if numbers and min(numbers) < 0:
            raise ValueError("must be numbers of training images, 0 or more")
        return tuple(sorted(set(numbers)))

    def identity(self) -> dict[str, Any]:
        """What of it determines the weights. A field that came later counts only where it is used: older runs keep their ids."""
        later = {name for name in LATER if not getattr(self, name)}
        return self.model_dump(mode="json", exclude=later)


LATER = ("class_weights", "leave_out", "shuffled_labels")  # fields of Training that did not exist from the start


class Evaluation(Section):
    """Which images are looked at, and after which epochs."""

    images: Literal["all"] | int = Field("all", description="test images looked at: all, or this many per class")
    train_images: int = Field(
        5_000, ge=1, description="training images (at most) on which training accuracy is measured"
    )
    keep: int = Field(1, ge=1, title="Keep every n-th epoch", description="weights of every n-th epoch and of the last")

    @field_validator("images", mode="before")
    @classmethod
    def positive(cls, images: object) -> object:
        if images != "all" and not (isinstance(images, int) and images >= 1):
            raise ValueError('must be "all" or a number of images per class, 1 or more')
        return images


class Recipe(Section):
    """One run: what it is trained on, how, and what is computed from it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="short name: small letters, digits and hyphens")
    note: str = Field("", max_length=2000, description="why this run is made, in a sentence")
    data: Data
    model: Model
    training: Training = Field(default_factory=lambda: Training())
    evaluation: Evaluation = Field(default_factory=lambda: Evaluation())
    artifacts: Artifacts = Field(default_factory=lambda: Artifacts())

    @model_validator(mode="after")
    def options_filled_in(self) -> Self:
        """Options are checked against the catalogue and their defaults written out, so that a default changed later changes
        no run; a user's own module:function takes whatever it takes.
        """
        changes: dict[str, Any] = {}
        if ":" not in self.data.set:
            entry = catalogue.entry(catalogue.DATASETS, self.data.set, "data set")
            changes["data"] = self.data.model_copy(update={"options": filled(entry, self.data.options, "data.options")})
        if ":" not in self.model.network and not self.model.network.startswith("torchvision/"):
            entry = catalogue.entry(catalogue.MODELS, self.model.network, "network")
            changes["model"] = self.model.model_copy(
                update={"options": filled(entry, self.model.options, "model.options")}
            )
        for title, section in (("saliency", self.artifacts.saliency), ("roar", self.artifacts.roar)):
            for name, options in section.options.items() if section else ():
                filled(catalogue.TECHNIQUES[name], options, f"artifacts.{title}.options.{name}")
        return self.model_copy(update=changes)

    def kept_epochs(self) -> tuple[int, ...]:
        """Epochs whose weights are kept: 0 (the initial model), every n-th, and the last."""
        last, every = self.training.epochs, self.evaluation.keep
        return tuple(sorted({0, *range(every, last + 1, every), last}))

    def run_id(self, fingerprints: dict[str, str], precision: str) -> str:
        """Name plus digest of all that determines the weights; `fingerprints` are those of the data and of the initial weights.

        Content counts, not place: the same images in another folder are the same run.
        """
        what = {
            "model": self.model.model_dump(include={"network", "options"}),
            "training": self.training.identity(),
            "keep": self.evaluation.keep,
            "precision": precision,
            "content": fingerprints,
        }
        return f"{self.name}-{digest(what)}"


def digest(what: Any) -> str:
    """Ten hexadecimal digits that stand for a JSON value."""
    return hashlib.blake2b(json.dumps(what, sort_keys=True).encode(), digest_size=5).hexdigest()


def filled(entry: catalogue.Entry, options: dict[str, Any], where: str) -> dict[str, Any]:
    """The options with the entry's defaults; raises ValueError that names each wrong one."""
    try:
        return entry.options(**options).model_dump()
    except ValidationError as error:
        raise ValueError("; ".join(problems(error, entry.options, where))) from error


# What pydantic calls a kind of error -> what a person who writes TOML calls it.
EXPECTED = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("tuple_type", "list_type"), "must be a list, in square brackets"),
    **dict.fromkeys(("dict_type", "model_type"), "must be a section with fields of its own"),
    "string_type": "must be a text",
    "string_pattern_mismatch": "must be 1 to 40 small letters, digits and hyphens, and begin with no hyphen",
}


def problems(error: ValidationError, model: type[BaseModel], where: str = "") -> list[str]:
    """One sentence per wrong field: its name, what came, what is allowed."""
    sentences = []
    for item in error.errors(include_url=False):
        path = ".".join([*([where] if where else []), *(brief(str(part)) for part in item["loc"])])
        if item["type"] == "extra_forbidden":
            fields = allowed(model, item["loc"][:-1])
            meant = "".join(f" (is {name} meant?)" for name in get_close_matches(str(item["loc"][-1]), fields, 1))
            sentences.append(f"{path} is not a field{meant}; allowed here: {', '.join(fields)}")
        elif item["type"] == "missing":
            sentences.append(f"{path} is missing")
        else:
            said = EXPECTED.get(item["type"]) or re.sub("^Value error, ", "", item["msg"])
            message = re.sub("^Input should be", "must be", said).rstrip(".")
            got = "" if isinstance(item["input"], dict | BaseModel) else f", not {brief(repr(item['input']))}"
            sentences.append(f"{path}: {message}{got}".removeprefix(": "))
    return sentences


def brief(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"


def allowed(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The field names of the section that `path` leads to."""
    for part in path:
        annotation = model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        options = [annotation, *getattr(annotation, "__args__", ())]
        model = next((kind for kind in options if isinstance(kind, type) and issubclass(kind, BaseModel)), model)
    return list(model.model_fields)


def parse(fields: dict[str, Any], origin: str = "recipe") -> Recipe:
    """A checked recipe; raises BadInput that names each wrong field, its value and what is allowed."""
    storable(fields, origin)
    try:
        return Recipe.model_validate(fields)
    except ValidationError as error:
        found = problems(error, Recipe)
        more = f"; and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
        raise BadInput(f"{origin}: " + "; ".join(found[:MOST_SHOWN]) + more + ".") from error


def storable(fields: Mapping[str, Any], origin: str) -> None:
    """Raises BadInput that names the first field which JSON, or a database, could not keep: options may be anything."""
    waiting: list[tuple[Any, str, int]] = [(fields, "", 0)]
    while waiting:
        value, name, depth = waiting.pop()
        problem = ""
        if isinstance(value, Mapping | list | tuple):
            each = value.items() if isinstance(value, Mapping) else ((name, item) for item in value)
            inside = f"{name}." if isinstance(value, Mapping) and name else ""
            named = isinstance(value, Mapping)
            waiting += [(item, inside + brief(str(key)) if named else name, depth + 1) for key, item in each]
            problem = f"nested more than {DEEPEST} times" if depth > DEEPEST else ""
        elif isinstance(value, int) and abs(value) >= 2**63:
            problem = "a number of too many digits"
        elif (
            isinstance(value, float) and not math.isfinite(value) and "options" in name
        ):  # other fields say so themselves
            problem = f"{value}, not a finite number"
        if problem:
            raise BadInput(f"{origin}: {brief(name)} is {problem}.")


def read(path: Path | str) -> Recipe:
    """The recipe in a TOML file."""
    file = Path(path)
    if not file.is_file():
        raise Missing(f"There is no recipe file '{file}'. Those that come with Loupe are in the folder recipes/.")
    return parse(toml(file.read_bytes(), str(file)), str(file))


def toml(data: bytes, origin: str) -> dict[str, Any]:
    """The fields in a TOML file; raises BadInput that names it."""
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # what is no UTF-8, or a number of 5,000 digits, is a ValueError too
        raise BadInput(f"{origin} is not valid TOML: {brief(str(error))}{_line(data, str(error))}.") from error


def _line(data: bytes, problem: str) -> str:
    """The line that a problem of tomllib points at, and what is usually wrong with it."""
    place = re.search(r"at line (\d+)", problem)
    lines = data.decode("utf-8", "replace").splitlines()[int(place[1]) - 1 :][:1] if place else []
    advice = "" if "overwrite" in problem else "; texts stand in quotes, and decimals have a point"
    return "".join(f": {line.strip()[:80]}{advice}" for line in lines)
