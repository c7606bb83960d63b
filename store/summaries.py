"""The summary of a finished run: what lets a reader open it with one read, in Loupe's words and in zarr's."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from store.encoding import checksum
from store.errors import Corrupt
from store.objects import Objects
from store.seals import unsound_artifact, whole
from store.shards import Artifact


def artifacts(
    objects: Objects, run: str, summary: Mapping[str, Any], opened: Mapping[str, Artifact]
) -> dict[str, Artifact]:
    """The artifacts of the run at `run` by name, those already opened as they are; {} where not all are sound."""
    items = summary.get("artifacts")
    if not isinstance(items, dict) or not all(map(formed, items.values())):
        return {}
    if items.keys() <= opened.keys():
        return {name: opened[name] for name in items}
    if "seal" in summary and summary["seal"] != seal(items):
        return {}
    found = {}
    for name, item in items.items():
        if name in opened:
            found[name] = opened[name]
        elif (marks := sound_marks(item)) is not None:
            found[name] = Artifact(objects, f"{run}/{name}", item["attributes"], marks)
        else:
            return {}
    return found


def formed(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("marks"), dict)


def seal(items: Mapping[str, Mapping[str, Any]]) -> str:
    """A checksum of the artifacts' names and marks; their facts bear seals of their own."""
    marks = {name: {str(index): mark for index, mark in item["marks"].items()} for name, item in items.items()}
    return checksum(json.dumps(marks, sort_keys=True).encode())


def sound_marks(item: Any) -> dict[int, Any] | None:
    """The marks of one artifact by index; None where it is not what was written."""
    facts, marks = (item.get("attributes"), item.get("marks")) if isinstance(item, dict) else (None, None)
    if not (isinstance(facts, dict) and isinstance(marks, dict) and {"arrays", "promised"} <= set(facts)):
        return None
    if unsound_artifact(facts) or not all(whole(mark, facts["arrays"]) for mark in marks.values()):
        return None
    own = (*facts["promised"], *facts.get("thinned", ()))  # a thinning that was interrupted leaves marks
    found = {index: marks[str(index)] for index in own if str(index) in marks}
    return found if len(found) == len(marks) else None


def problems(objects: Objects, run: str, artifacts: Mapping[str, Artifact]) -> list[str]:
    """A sentence where the zarr.json of a finished run does not say of its members what they say of themselves."""
    with suppress(Corrupt, KeyError, TypeError):
        held = objects.get_json(f"{run}/zarr.json")
        if not artifacts or held == consolidated(objects, run, held["attributes"], artifacts):
            return []
    return [f"{run}/zarr.json does not list the run's artifacts as they are."]


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
