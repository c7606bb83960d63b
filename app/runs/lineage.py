"""Which run was re-trained from which, and what was changed: from what `run.kept("lineage")` says. Reads nothing itself."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app import memory
from app.overview.facts import flattened
from precompute.recipe import parse
from store.errors import BadInput
from store.runs import Run

APART = ("name", "note")  # fields that change nothing about the run


@dataclass(frozen=True)
class Asked:
    """One time a run was asked for: from which run, with what expectation, by whom and when."""

    parent: str = ""
    hypothesis: str = ""
    by: str = ""
    at: float = 0.0


def asked(kept: Iterable[Mapping[str, Any]]) -> tuple[Asked, ...]:
    """What was kept as a run's lineage, earliest first; what is no such record is left out."""
    found = [one(item) for item in kept if isinstance(item, Mapping)]
    return tuple(sorted(found, key=lambda item: (item.at, item.parent)))


def one(item: Mapping[str, Any]) -> Asked:
    parent, hypothesis, by = (str(item.get(name) or "") for name in ("parent", "hypothesis", "by"))
    at = item.get("at")
    return Asked(parent, hypothesis, by, float(at) if isinstance(at, int | float) else 0.0)


def parents(asked: Sequence[Asked]) -> list[str]:
    """The runs it was re-trained from, each once, earliest first."""
    return list(dict.fromkeys(item.parent for item in asked if item.parent))


def tree(runs: Sequence[Run], history: Mapping[str, Sequence[Asked]]) -> dict[str, str]:
    """The parent of each run that has one among these runs: the first older run that it was asked for from.

    Who asks for a recipe that was trained before gets the run that is there, which may be older than where they looked
    from: such a run does not descend from theirs. So there are no circles.
    """
    age = {run.id: (run.attributes.get("created", 0), run.id) for run in runs}
    found = {}
    for run in runs:
        older = [name for name in parents(history.get(run.id, ())) if name in age and age[name] < age[run.id]]
        if older:
            found[run.id] = older[0]
    return found


def ordered(names: Sequence[str], parent: Mapping[str, str]) -> list[tuple[str, int]]:
    """The names with their depth, each followed by its descendants; what has the same parent keeps its order."""
    there: set[str] = set(names)
    children: dict[str | None, list[str]] = {}
    for name in names:
        children.setdefault(parent.get(name) if parent.get(name) in there else None, []).append(name)
    found, waiting = [], [(name, 0) for name in reversed(children.get(None, []))]
    while waiting:
        name, depth = waiting.pop()
        found.append((name, depth))
        waiting += [(child, depth + 1) for child in reversed(children.get(name, []))]
    return found


def family(name: str, parent: Mapping[str, str]) -> dict[str, int]:
    """The first ancestor of a run and all its descendants, with their generation from 0."""
    while name in parent:
        name = parent[name]
    names = [name, *(child for child in parent if child != name)]
    found = {name: 0}
    for child, depth in ordered(names, parent):
        if parent.get(child) in found:
            found[child] = depth
    return found


# What differs


@memory.remembered(2000)
def fields(run: Run) -> dict[str, str]:
    """The recipe as dotted names with their values, with today's defaults where an older recipe says nothing."""
    try:
        recipe = parse(dict(run.recipe)).model_dump(mode="json")
    except BadInput:  # written by another Loupe, or for a data set that is not here
        recipe = dict(run.recipe)
    return {name: value for name, value in flattened(recipe) if name not in APART}


def changed(before: Run, after: Run) -> dict[str, tuple[str, ...]]:
    """The fields of the recipe that differ, with both values; "" where one is not set."""
    return differing([fields(before), fields(after)])


def differing(each: Sequence[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """The names whose values are not the same in all, with one value each ("" where not set), in the order of appearance."""
    names = dict.fromkeys(name for item in each for name in item)
    values = {name: tuple(item.get(name, "") for item in each) for name in names}
    return {name: value for name, value in values.items() if len(set(value)) > 1}


def short(changes: Mapping[str, Sequence[str]]) -> str:
    """Changes in a line: "optimizer: sgd → adam, epochs: 10 → 20"."""
    said = [
        f"{name.removeprefix('training.')}: {old or 'not set'} → {new or 'not set'}"
        for name, (old, new) in changes.items()
    ]
    return ", ".join(said)
