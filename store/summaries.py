"""The summary of a finished run: what lets a reader open it with one read, in Loupe's words and in zarr's."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from store.encoding import checksum
from store.errors import Corrupt, Missing
from store.objects import Objects
from store.seals import unsound_artifact, whole
from store.shards import Artifact, Mark, find


def artifacts(
    objects: Objects, run: str, summary: Mapping[str, Any], opened: Mapping[str, Artifact]
) -> dict[str, Artifact]:
    """The artifacts of the run at `run` by name, those already opened as they are; {} where not all are sound."""
    items = summary.get("artifacts")
    if not isinstance(items, dict) or not set(summary) <= {"artifacts", "seal"} or not all(map(formed, items.values())):
        return {}
    if items.keys() <= opened.keys():
        return {name: opened[name] for name in items}
    if "seal" in summary and summary["seal"] != seal(items):
        return {}
    found = {}
    for name, item in items.items():
        if name in opened:
            found[name] = opened[name]
        elif (marks := sound_marks(name, item)) is not None:
            found[name] = Artifact(objects, f"{run}/{name}", item["attributes"], marks)
        else:
            return {}
    return found


def formed(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("marks"), dict)


def seal(items: Mapping[str, Mapping[str, Any]]) -> str:
    """A checksum of the artifacts' names and marks; their facts bear names and seals of their own."""
    marks = {name: {str(index): mark for index, mark in item["marks"].items()} for name, item in items.items()}
    return checksum(json.dumps(marks, sort_keys=True).encode())


def sound_marks(name: str, item: Any) -> dict[int, Any] | None:
    """The marks of the artifact of that name by index; None where it is not what was written."""
    facts, marks = (item.get("attributes"), item.get("marks")) if isinstance(item, dict) else (None, None)
    if not (isinstance(facts, dict) and isinstance(marks, dict) and {"arrays", "promised"} <= set(facts)):
        return None
    if (
        unsound_artifact(facts)
        or facts.get("name", name) != name
        or not all(whole(mark, facts["arrays"]) for mark in marks.values())
    ):
        return None
    own = (*facts["promised"], *facts.get("thinned", ()))  # a thinning that was interrupted leaves marks
    found = {index: marks[str(index)] for index in own if str(index) in marks}
    return found if len(found) == len(marks) else None


def problems(
    objects: Objects, run: str, summarised: Mapping[str, Artifact], present: Mapping[str, Artifact]
) -> list[str]:
    """What is wrong with the summary of the run at `run`, and with what its zarr.json says of its members.

    summarised: the artifacts as a sound summary has them, else {}. present: all there are, their marks just read.
    """
    summary = f"{run}/summary.json"
    if not objects.stat(summary):
        return [
            f"Run {run.rpartition('/')[2]} is not finished: its summary.json comes when all it was asked for is there."
        ]
    if not summarised:
        return [f"{summary} is not what was written."]
    outdated = [name for name, item in summarised.items() if name in present and old(item, present[name])]
    found = [f"{summary} does not describe {name} as it is." for name in outdated]
    with suppress(Corrupt, KeyError, TypeError):
        held = objects.get_json(f"{run}/zarr.json")
        if held == consolidated(objects, run, held["attributes"], summarised):
            return found
    return [*found, f"{run}/zarr.json does not list the run's artifacts as they are."]


def old(summarised: Artifact, present: Artifact) -> bool:
    """Whether an artifact has other facts or marks than its run's summary says; of those that are damaged its own verify tells."""
    marks = {index: written(mark) for index, mark in present.known.items()}
    with suppress(Corrupt, Missing):
        if find(present.objects, present.path).attributes != summarised.attributes:
            return True
    return any(marks.get(index, said) != said for index, mark in summarised.known.items() if (said := written(mark)))


def written(mark: Mark) -> dict[str, Any]:
    """What a mark says of the bytes; the store's own tag of them is its own affair."""
    said = ("size", "blake2b", "ends")
    return {name: [item.get(word) for word in said] for name, item in mark.items() if isinstance(item, dict)}


def consolidated(
    objects: Objects, run: str, attributes: Mapping[str, Any], artifacts: Mapping[str, Artifact]
) -> dict[str, Any]:
    """The run's zarr.json with those of all its members inside, as zarr 3 reads them; its own walk stops at status.json."""
    members = {}
    for name, item in artifacts.items():
        members[name] = objects.get_json(f"{run}/{name}/zarr.json")
        members |= {
            f"{name}/{array}": objects.get_json(f"{run}/{name}/{array}/zarr.json")
            for array in item.attributes["arrays"]
        }
    body = {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)}
    return body | {"consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": members}}
