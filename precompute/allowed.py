"""What code may be run and what files may be read for somebody else: what the environment's LOUPE_ALLOW names. No torch here.

On one's own machine a recipe may name anything. A host runs recipes of many people, and shows runs that others wrote:
there only modules and folders count that LOUPE_ALLOW lists, separated by commas.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from precompute.recipe import Recipe
from store.errors import Forbidden
from store.runs import Run

ALLOW = "LOUPE_ALLOW"
DOWNLOADS = "downloads"  # where data sets put what they fetch
NAMED_WEIGHTS = re.compile("[A-Z0-9_]+|package")  # DEFAULT, IMAGENET1K_V1; all else may be a file


def listed() -> list[str]:
    return [item.strip() for item in os.environ.get(ALLOW, "").split(",") if item.strip()]


def module(name: str) -> bool:
    """Whether a module, or a package it is in, is named."""
    return any(f"{name}.".startswith(f"{item}.") for item in listed())


def folder(path: str) -> bool:
    """Whether a file or folder lies in a folder that is named, or in the one for downloads."""
    try:
        asked = Path(path).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):  # no path at all
        return False
    homes = [Path(item).expanduser().resolve() for item in (*listed(), DOWNLOADS) if "/" in item or item == DOWNLOADS]
    return any(asked == home or home in asked.parents for home in homes)


def check(recipe: Recipe, runs: Iterable[Run] = ()) -> None:
    """Raises Forbidden where a recipe names code or files that are not allowed; data that a run here shows already are."""
    if function := unnamed(recipe):
        raise Forbidden(
            f"The recipe names the function '{function}', and a worker would run its code. Ask who hosts this Loupe to start "
            f"it with {ALLOW}={function.partition(':')[0]}."
        )
    if refused := [path for path in paths(recipe) if not folder(path)]:
        known = (tuple(paths_in(run.recipe)) for run in runs)
        if any(set(refused) <= set(used) for used in known):
            return
        raise Forbidden(
            f"The recipe names '{refused[0]}', and a worker would read it. Ask who hosts this Loupe to start it with "
            f"{ALLOW}='{Path(refused[0]).parent}/'."
        )


def unnamed(recipe: Recipe) -> str | None:
    """The first function a recipe names of a module that is not allowed."""
    functions = [name for name in (recipe.data.set, recipe.model.network) if ":" in name]
    return next((name for name in functions if not module(name.partition(":")[0])), None)


def trust(recipe: Recipe) -> None:
    """Raises Forbidden where a recipe that was found in a store, not given by whoever asks, names code that is not allowed."""
    if function := unnamed(recipe):
        raise Forbidden(
            f"The recipe kept with this run names the function '{function}', which is only called again if you allow it, because "
            f"a store that somebody else wrote could name any. If you trust it: {ALLOW}={function.partition(':')[0]}, and again."
        )


def paths(recipe: Recipe) -> list[str]:
    """Every file or folder that a recipe names."""
    return list(paths_in(recipe.model_dump(mode="json")))


def paths_in(recipe: Mapping[str, Any]) -> Iterator[str]:
    data, model = recipe.get("data", {}), recipe.get("model", {})
    yield from named(data.get("options", {}))
    yield from named(model.get("options", {}))
    weights = model.get("weights") or ""
    if weights and not NAMED_WEIGHTS.fullmatch(weights):
        yield weights


def named(value: Any, name: str = "") -> Iterator[str]:
    """The paths in an option's value, however deep."""
    if isinstance(value, str):
        if name in ("root", "path") or "/" in value:
            yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from named(item, str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from named(item, name)
