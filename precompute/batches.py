"""Batches of recipes: a folder of them, or a grid in one. No torch here.

A file with a table `grid` stands for every combination of the values it lists, by the dotted name of a field:

    [grid]
    "training.optimizer" = ["sgd", "adam"]
    "training.seed" = [0, 1, 2]
"""

import copy
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from precompute import recipe as recipes
from precompute.recipe import Recipe
from store.errors import BadInput, Missing

LARGEST_GRID = 1000
LARGEST_BATCH = 20_000_000  # points times characters: each point is a recipe of its own


def read(paths: Sequence[Path]) -> list[Recipe]:
    """Every recipe in these files and folders, in the order of their names. Raises BadInput that names each wrong file."""
    found, problems = [], []
    for path in paths:
        for file in files(path):
            try:
                found += expanded(fields_in(file), str(file))
            except BadInput as error:
                problems.append(str(error))
    if problems:
        raise BadInput(" ".join(problems) + " Nothing was enqueued.")
    return found


def files(path: Path) -> list[Path]:
    if path.is_dir():
        if found := sorted(path.glob("*.toml")):
            return found
        raise Missing(f"The folder '{path}' holds no recipe: files whose names end in .toml were expected.")
    if not path.is_file():
        raise Missing(f"There is no recipe file or folder '{path}'.")
    return [path]


def fields_in(file: Path) -> dict[str, Any]:
    try:
        return recipes.toml(file.read_bytes(), str(file))
    except OSError as error:  # a folder of that name, or a file of somebody else's
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from error


def expanded(fields: dict[str, Any], origin: str) -> list[Recipe]:
    """The recipe, or one for each point of its grid, with the point in its name."""
    recipes.storable(fields, origin)
    fields = copy.deepcopy(fields)
    grid = fields.pop("grid", None)
    if grid is None:
        return [recipes.parse(fields, origin)]
    if (
        not isinstance(grid, dict)
        or not grid
        or not all(isinstance(values, list) and values for values in grid.values())
    ):
        raise BadInput(f'{origin}: grid must list values by field, for example "training.seed" = [0, 1, 2].')
    return [recipes.parse(point, f"{origin}, grid") for point in points(fields, grid, origin)]


def points(fields: dict[str, Any], grid: dict[str, list[Any]], origin: str) -> Iterator[dict[str, Any]]:
    combinations = list(itertools.islice(itertools.product(*grid.values()), LARGEST_GRID + 1))
    if len(combinations) > LARGEST_GRID:
        raise BadInput(f"{origin}: the grid has more than {LARGEST_GRID} points. Split it.")
    if len(combinations) * (length := len(json.dumps([fields, grid], default=str))) > LARGEST_BATCH:
        said = f"{len(combinations):,} points of a recipe of {length:,} characters"
        raise BadInput(f"{origin}: the grid has {said}; at most {LARGEST_BATCH:,} in all can be asked for. Split it.")
    for values in combinations:
        point = copy.deepcopy(fields)
        for name, value in zip(grid, values, strict=True):
            assign(point, name, value, origin)
        words = [re.sub(r"[^a-z0-9]+", "-", str(value).lower()).strip("-") for value in values]
        point["name"] = "-".join([str(fields.get("name", "")), *filter(None, words)])[:40].rstrip("-")
        yield point


def assign(fields: dict[str, Any], name: str, value: Any, origin: str) -> None:
    """Sets the field a dotted name leads to."""
    *path, last = name.split(".")
    section: Any = fields
    for part in path:
        section = section.setdefault(part, {}) if isinstance(section, dict) else None
    if not isinstance(section, dict):
        raise BadInput(f"{origin}: grid names '{recipes.brief(name)}', which leads to no section.")
    section[last] = value


def next_time(clock: str, now: datetime | None = None) -> float:
    """Unix time of the next "22:00" on this machine's clock; raises BadInput for what is no time of day."""
    now = now or datetime.now().astimezone()
    if not (found := re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", clock.strip())):
        raise BadInput(f"--at takes a time of day such as 22:00, not '{clock}'.")
    then = now.replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
    return (then if then > now else then + timedelta(days=1)).timestamp()
