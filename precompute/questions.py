"""What the probe may be asked, checked field by field: a request has come through a pipe or a queue. No torch here."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from precompute import catalogue
from precompute.decoding import MOST_PIXELS
from precompute.recipe import problems, storable
from store.errors import BadInput

MOST = 10_000  # classes, filters or images in one request
MOST_WORDS = 20  # techniques, transforms or wants in one request

Text = Annotated[str, Field(max_length=1000)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Edited(Strict):
    """Of edits.Edits, which checks their ranges."""

    settings: list[Annotated[list[Text | Number], Field(min_length=2, max_length=2)]] = Field(max_length=MOST_WORDS)
    region: Annotated[list[Number], Field(min_length=4, max_length=4)] | None = None
    fill: Text = "mean"
    corners: Text = "reflect"
    seed: int = 0
    attacked: Annotated[int, Field(ge=-(2**31), lt=2**31)] = -1


class Shifted(Strict):
    """Of sanity.asked.Asked, which checks its ranges."""

    mode: Text
    strength: Number
    seed: Seed
    chosen: Annotated[int, Field(ge=-1, lt=2**31)]
    techniques: Annotated[dict[Text, dict[Text, dict[str, Any]]], Field(max_length=MOST_WORDS)]


class Question(Strict):
    """A request's header, as app.probe.Request writes it."""

    store: Text
    run: Text
    uuid: Text
    epoch: int = Field(ge=0, lt=2**31)
    classes: list[Annotated[int, Field(ge=-(2**31), lt=2**31)]] = Field(max_length=MOST)
    layer: Text = ""  # where nothing is explained
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: Seed = 0
    along: list[Text] = Field([], max_length=MOST_WORDS)
    wants: list[Text] = Field([], max_length=MOST_WORDS)
    perplexity: int = Field(0, ge=0, le=1000)
    without: list[Annotated[list[Annotated[int, Field(lt=2**31)]], Field(min_length=2, max_length=2)]] = Field(
        [], max_length=MOST
    )
    numbers: list[Annotated[int, Field(lt=2**31)]] = Field([], max_length=MOST)
    shift: str = Field("", max_length=100_000)
    techniques: dict[Text, dict[str, Any]] = Field({}, max_length=MOST_WORDS)
    edits: Edited | None = None
    seconds: Annotated[float, Field(gt=0, le=600)] | None = None
    id: int = 0


def checked(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The request with what it leaves out; raises BadInput that names each wrong field, or what is wrong with its image."""
    asked = of(Question, header)
    shift = of(Shifted, parsed(asked.shift), "shift.") if asked.shift else None
    if "shift" in asked.wants and shift is None:
        raise refused("shift is missing")
    if (asked.along or asked.wants) and asked.edits is None:
        raise refused("edits are missing")
    for name in (*asked.along, *(str(pair[0]) for pair in (asked.edits.settings if asked.edits else ()))):
        catalogue.entry(catalogue.CHANGES, name, "transform")
    for techniques in (asked.techniques, *(shift.techniques.values() if shift else ())):
        for name, options in techniques.items():
            of(catalogue.entry(catalogue.TECHNIQUES, name, "saliency technique").options, options, f"{name}.")
    image = arrays.get("image")
    if image is None or image.dtype != np.uint8 or image.ndim != 3:
        raise refused("an image (height, width, channels) of uint8 was expected with it")
    if image.shape[0] * image.shape[1] > MOST_PIXELS or (not asked.without and not image.size):
        raise refused(f"an image of 1 to {MOST_PIXELS:,} pixels was expected, not {image.shape}")
    return asked.model_dump()


def of(kind: type[BaseModel], said: Any, where: str = "") -> Any:
    storable(said, "The probe's request")
    try:
        return kind.model_validate(said)
    except ValidationError as error:
        raise refused("; ".join(where + problem for problem in problems(error, kind)[:5])) from error


def parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise refused("shift is no JSON") from error


def refused(what: str) -> BadInput:
    return BadInput(f"The probe cannot be asked this: {what}.")
