"""What has been read is kept in memory for all sessions, so much of it and no more."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from threading import Lock, RLock
from typing import Any, ParamSpec, TypeVar

from store.objects import Objects
from store.runs import Run
from store.shards import Artifact

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def same_run(run: Run) -> tuple[str, str, str, str]:
    """Of a recorded training the facts are written anew when it ends: its seal tells."""
    return run.objects.address, run.id, run.uuid, run.attributes.get("seal", "")


def same_artifact(artifact: Artifact) -> tuple[str, str, float]:
    return artifact.objects.address, artifact.path, artifact.attributes.get("created", 0)


LONGEST_WAIT = 20.0  # seconds

HASHES: dict[Any, Any] = {Run: same_run, Artifact: same_artifact, Objects: lambda objects: objects.address}


@dataclass
class Memory:
    """Results by key, the one used longest ago leaving first: so many entries, so many bytes, and always the last one."""

    entries: int
    bytes: int | None = None
    kept: OrderedDict[Any, tuple[Any, int]] = field(default_factory=OrderedDict)  # key -> result, weight
    weight: int = 0
    lock: Any = field(default_factory=Lock, repr=False)
    turns: dict[Any, tuple[Any, int]] = field(default_factory=dict, repr=False)  # key -> lock, how many want it

    @contextmanager
    def turn(self, key: Any) -> Iterator[None]:
        """One after the other for the same key: what many want at once is made once, and the others find it.

        Nobody waits longer than LONGEST_WAIT: of a store that does not answer each would wait for all before it.
        """
        with self.lock:
            own, wanted = self.turns.get(key, (RLock(), 0))
            self.turns[key] = own, wanted + 1
        mine = own.acquire(timeout=LONGEST_WAIT)
        try:
            yield
        finally:
            if mine:
                own.release()
            with self.lock:
                wanted = self.turns[key][1] - 1
                if wanted:
                    self.turns[key] = own, wanted
                else:
                    del self.turns[key]

    def get(self, key: Any) -> tuple[Any, int] | None:
        with self.lock:
            if key in self.kept:
                self.kept.move_to_end(key)
            return self.kept.get(key)

    def put(self, key: Any, value: Any, weight: int) -> None:
        with self.lock:
            self.weight += weight - self.kept.pop(key, (None, 0))[1]
            self.kept[key] = value, weight
            while len(self.kept) > 1 and (len(self.kept) > self.entries or self.weight > (self.bytes or self.weight)):
                self.weight -= self.kept.popitem(last=False)[1][1]


def heavy(value: object) -> int:
    """Bytes of an array, of bytes, of a chart's tables, or of what says how many it has; 0 for all else."""
    if isinstance(value, dict):
        return sum(map(len, value.get("datasets", {}).values()))
    return len(value) if isinstance(value, bytes) else getattr(value, "nbytes", 0)


def remembered(room: int | Memory) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Keeps the last results of a function of runs, artifacts and hashable values, for all sessions; errors are not kept.

    `room`: how many, or a memory that several functions may share; what a call was given weighs as much as what it gave.
    Streamlit's own caches hash every argument anew: 0.3 ms a call, a third of a page that asks them thirty times.
    """
    memory = room if isinstance(room, Memory) else Memory(room)

    def decorate(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        @wraps(function)
        def recall(*args: Arguments.args, **named: Arguments.kwargs) -> Result:
            given = (*args, *named.items())
            key = (function, *(HASHES[type(value)](value) if type(value) in HASHES else value for value in given))
            if found := memory.get(key):
                return found[0]
            with memory.turn(key):
                if found := memory.get(key):
                    return found[0]
                value = function(*args, **named)
                memory.put(key, value, sum(map(heavy, (*args, value))))
            return value

        return recall

    return decorate


OF_ALL_IMAGES = Memory(1000, 256 * 1024**2)  # arrays of all evaluated images: 200 MB each where these are ImageNet's
