"""Recipes: fields at and past every bound of the schema, of wrong types, unknown, nested, huge; grids; and broken TOML.

What reads a recipe is what the app, the command line and the worker read it with. Nothing may be computed or written.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.jobs import uploads
from app.retrain.fields import section
from app.retrain.form import dug, put
from precompute import allowed, batches
from precompute import recipe as recipes
from precompute.recipe import Recipe
from store.errors import BadInput, LoupeError
from store.objects import connect
from store.runs import open_run
from tests.fuzz.damage import damaged
from tests.fuzz.forms import of_form
from tests.fuzz.running import Check
from tests.fuzz.toml import written
from tests.fuzz.values import TEXTS, value
from tests.worlds import make_world

Draws = np.random.Generator
FORMS = ("value", "value", "value", "several", "unknown", "missing", "nested", "grid", "bytes")
DEEP = (10, 90, 500, 3000)
LAST = (b"note", b"training", b"x")


def base() -> dict[str, Any]:
    """A whole recipe that says every field."""
    wanted = {name: {} for name in ("embedding", "network", "simulation", "sanity", "roar")}
    plain = {"name": "tiny", "data": {"set": "mnist5000"}, "model": {"network": "gap"}, "artifacts": wanted}
    return recipes.parse(plain).model_dump(mode="json")


def fields(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Every field of the schema with the way to it, the sections themselves too."""
    for name, info in model.model_fields.items():
        yield (*path, name), info
        for inner in filter(section, (info.annotation, *get_args(info.annotation))):
            yield from fields(inner, (*path, name))


FIELDS = tuple(fields(Recipe))


def changed(draws: Draws) -> tuple[dict[str, Any], str]:
    """The fields of a recipe that somebody tampered with, and how."""
    found, how = json.loads(json.dumps(BASE)), FORMS[int(draws.integers(0, len(FORMS) - 1))]
    for _ in range(int(draws.integers(2, 5)) if how == "several" else 1):
        path, info = FIELDS[int(draws.integers(0, len(FIELDS)))]
        if how == "unknown":
            put(found, [*path[:-1], TEXTS[int(draws.integers(0, len(TEXTS)))]], value(draws))
        elif how == "missing":
            held = dug(found, path[:-1], {})
            held.pop(path[-1], None) if isinstance(held, dict) else None
        elif how == "nested":
            deep: Any = 0
            for _ in range(int(draws.choice(DEEP))):
                deep = [deep] if draws.random() < 0.5 else {"a": deep}
            put(found, path, deep)
        elif how == "grid":
            found["grid"] = grid(draws)
        else:
            put(found, path, value(draws, info))
    return found, how


def grid(draws: Draws) -> Any:
    """Values by field: few, a hundred thousand times a hundred thousand, or none at all."""
    if draws.random() < 0.2:
        return value(draws)
    found = {}
    for _ in range(int(draws.choice([1, 2, 3, 12]))):
        path, info = FIELDS[int(draws.integers(0, len(FIELDS)))]
        name = ".".join(path) if draws.random() < 0.8 else TEXTS[int(draws.integers(0, len(TEXTS)))]
        count = int(draws.choice([0, 1, 2, 3, 10, 10_000]))
        found[name] = list(range(count)) if count > 10 else [value(draws, info) for _ in range(count)]
    return found


BASE = base()


def tampered(folder: Path) -> Check:
    """Checks one recipe, as fields or as a file."""

    run = open_run(connect(str(folder)), make_world(folder, epochs=1))

    def check(draws: Draws) -> str:
        if draws.random() < 0.2:
            made, problem = of_form(draws, run, BASE)
            return problem or (unstable(made) if made else "")
        found, how = changed(draws)
        if draws.random() < 0.3:
            return of_bytes(damaged(draws, written(found)))
        text = written(found)
        if draws.random() < 0.02:
            text += b'"%s" = %s' % (draws.choice(LAST), b"9" * 5000)
        return of_fields(found, how) or (of_bytes(text) if len(text) < uploads.LARGEST else "")

    return check


def of_fields(found: dict[str, Any], how: str) -> str:
    """What is wrong with what comes of a recipe's fields."""
    try:
        made = batches.expanded(found, "mine.toml") if "grid" in found else [recipes.parse(found, "mine.toml")]
    except BadInput as error:
        return sentence(str(error))
    return next(filter(None, map(unstable, made[:3])), "")


def sentence(text: str) -> str:
    """What keeps a message from being one that says which file and which field."""
    if len(text) > 5000:
        return f"says {len(text)} characters: {text[:200]!r}"
    return "" if text.startswith("mine.toml") and text.endswith(".") else f"says {text[:300]!r}"


def of_bytes(body: bytes) -> str:
    """What is wrong with what comes of an uploaded file."""
    try:
        made = uploads.parsed("mine.toml", body)
    except BadInput as error:
        return sentence(str(error))
    return next(filter(None, map(unstable, made[:3])), "")


def unstable(recipe: Recipe) -> str:
    """What a valid recipe loses on its way through the queue, a file and the store; or who may name code."""
    said = recipe.model_dump(mode="json")
    kept = json.dumps(said, allow_nan=False)  # as the queue's database keeps it
    again = recipes.parse(json.loads(kept), "mine.toml")
    ids = {recipes.digest(item.model_dump(mode="json")) for item in (recipe, again)}
    code = [name for name in (recipe.data.set, recipe.model.network) if ":" in name]
    wanted = said["artifacts"]
    if not code and wanted["saliency"] and wanted["attention"]:  # TOML cannot say None, which options and these may be
        ids |= {recipes.digest(recipes.parse(recipes.toml(written(said), "mine.toml")).model_dump(mode="json"))}
    if len(ids) > 1 or recipe.run_id({}, "float32") != again.run_id({}, "float32"):
        return "is another recipe after a round trip"
    recipe.kept_epochs()
    try:
        allowed.check(recipe)
    except LoupeError:
        return ""
    return f"lets {code[0]!r} be run for others" if code else ""
