"""The trail: who cancelled, deleted or thinned what, and when. One JSON object each, written once and never changed."""

import json
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from store.errors import LoupeError
from store.objects import Objects


@dataclass(frozen=True)
class Entry:
    """One act. `by` is "" where nobody said their name; `what` names what it was done to, and the numbers it came to."""

    action: str
    by: str
    at: float  # Unix time
    what: Mapping[str, Any] = field(default_factory=dict)


def note(objects: Objects, action: str, by: str, what: Mapping[str, Any]) -> Entry:
    """Writes down an act of now."""
    entry = Entry(action, by, time.time(), dict(what))
    path = f"trail/{int(entry.at * 1000):013d}-{secrets.token_hex(4)}.json"
    objects.create(path, json.dumps(asdict(entry)).encode())
    return entry


def trail(objects: Objects, limit: int = 200) -> list[Entry]:
    """The last acts that can be read, latest first."""
    names = sorted((stat.path for stat in objects.under("trail") if stat.path.endswith(".json")), reverse=True)
    return [entry for name in names[:limit] if (entry := read(objects, name))]


def read(objects: Objects, path: str) -> Entry | None:
    """None where the object is damaged: one must not hide the others."""
    with suppress(LoupeError, KeyError, TypeError, ValueError):
        item = objects.get_json(path)
        return Entry(str(item["action"]), str(item["by"]), float(item["at"]), dict(item["what"]))
    return None
