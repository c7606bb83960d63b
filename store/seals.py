"""Whether small objects are what was written. Facts carry a checksum of themselves; what bears none is looked at closely."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from store.encoding import checksum

SEAL = "seal"


def sealed(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of JSON with their own checksum among them, so that a changed one is not taken for what was written."""
    own = {name: value for name, value in facts.items() if name != SEAL}
    return own | {SEAL: checksum_of(own)}


def broken(facts: Mapping[str, Any]) -> bool:
    """Whether facts are not those that were sealed. Of what bears no seal, of an earlier Loupe, that cannot be said."""
    return SEAL in facts and facts[SEAL] != checksum_of({name: value for name, value in facts.items() if name != SEAL})


def checksum_of(facts: Mapping[str, Any]) -> str:
    """The same before facts are written as JSON and after they are read."""
    return checksum(json.dumps(json.loads(json.dumps(facts)), sort_keys=True).encode())


def facts_of(group: Any) -> dict[str, Any] | None:
    """The attributes in the zarr.json of a group; None where it is none."""
    if not isinstance(group, dict) or (group.get("zarr_format"), group.get("node_type")) != (3, "group"):
        return None
    known = set(group) <= {"zarr_format", "node_type", "attributes", "consolidated_metadata"}
    return group["attributes"] if known and isinstance(group.get("attributes"), dict) else None


def whole(mark: Any, arrays: Iterable[str]) -> bool:
    """Whether a mark says of each array what a mark must."""
    return isinstance(mark, dict) and all(
        isinstance(mark.get(name), dict) and set(mark[name]) >= {"size", "blake2b", "e_tag"} for name in arrays
    )


# Without a seal: what every reader relies on has the right type


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def text(value: Any) -> bool:
    return isinstance(value, str)


def count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53


def few(value: Any) -> bool:
    return count(value) and value < 10**6


def all_of(of: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A test of lists of what the other tests, and of the values of a mapping."""
    return lambda value: (
        isinstance(value, list | dict) and all(map(of, value.values() if isinstance(value, dict) else value))
    )


def mapping(value: Any) -> bool:
    return isinstance(value, dict)


ARTIFACT = {"kind": text, "arrays": all_of(count), "promised": all_of(count), "dataset": text, "created": number,
            "metadata": all_of(text), "thinned": all_of(count), "obstacle": text, "layer": text, "technique": text,
            "name": text, "owner": text}  # fmt: skip
RUN = {"schema": few, "id": text, "uuid": text, "created": number, "recipe": mapping, "classes": all_of(text), "epochs": few,
       "kept": all_of(count), "dataset": text, "training_images": text, "network": text, "layers": all_of(mapping),
       "default_layer": text, "parameters": count, "provenance": mapping, "fingerprints": mapping, "origin": text}  # fmt: skip
STATUS = {"state": text, "doing": text, "done": count, "of": count, "seconds_left": number, "reason": text, "at": number,
          "rates": all_of(number)}  # fmt: skip


def unsound_artifact(facts: Mapping[str, Any]) -> bool:
    """Whether an artifact's facts were changed since they were written, or are none."""
    return broken(facts) or odd(facts, ARTIFACT) or not isinstance(facts["arrays"], dict)


def unsound_run(facts: Mapping[str, Any]) -> bool:
    """Whether a run's facts were changed since they were written, or are none."""
    return broken(facts) or odd(facts, RUN)


def unsound_status(facts: Mapping[str, Any]) -> bool:
    """Whether what is said of a run's progress is nothing that can be shown."""
    return odd(facts, STATUS)


def odd(facts: Mapping[str, Any], of: Mapping[str, Callable[[Any], bool]]) -> bool:
    """Whether a fact that is there is not what it must be; one may be None where there is none of it."""
    return any(not test(facts[name]) for name, test in of.items() if facts.get(name) is not None)
