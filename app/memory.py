"""What has been read is kept in memory for all sessions, so much of it and no more."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import update_wrapper
from threading import Lock, RLock
from typing import Any, Generic, ParamSpec, TypeVar

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
    """Results by key, the one used longest ago leaving first: so many entries, so many bytes, and always the last one.

    seconds: for which a result holds.
    """

    entries: int
    bytes: int | None = None
    seconds: float = math.inf
    kept: OrderedDict[Any, tuple[Any, int, float]] = field(default_factory=OrderedDict)  # key -> result, weight, until
    weight: int = 0
    drops: int = 0  # how often something was forgotten on purpose
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

    def get(self, key: Any) -> tuple[Any, int, float] | None:
        with self.lock:
            found = self.kept.get(key)
            if found is None or time.monotonic() >= found[2]:
                return None
            self.kept.move_to_end(key)
            return found

    def put(self, key: Any, value: Any, weight: int, drops: int | None = None) -> None:
        """Keeps a result. Given `drops` as it was when the result was begun, not one that was to be forgotten since."""
        with self.lock:
            if drops not in (None, self.drops):
                return
            self.weight += weight - self.kept.pop(key, (None, 0))[1]
            self.kept[key] = value, weight, time.monotonic() + self.seconds
            while len(self.kept) > 1 and (len(self.kept) > self.entries or self.weight > (self.bytes or self.weight)):
                self.weight -= self.kept.popitem(last=False)[1][1]

    def drop(self, doomed: Callable[[Any], bool]) -> None:
        """Forgets the results of the keys for which `doomed` is true."""
        with self.lock:
            self.drops += 1
            for key in [key for key in self.kept if doomed(key)]:
                self.weight -= self.kept.pop(key)[1]


def heavy(value: object) -> int:
    """Bytes of an array, of bytes, of a chart's tables, or of what says how many it has; 0 for all else."""
    if isinstance(value, dict):
        return sum(map(len, value.get("datasets", {}).values()))
    return len(value) if isinstance(value, bytes) else getattr(value, "nbytes", 0)


class Recall(Generic[Arguments, Result]):
    """A function that keeps its results in a memory."""

    def __init__(self, function: Callable[Arguments, Result], memory: Memory) -> None:
        self.function, self.memory = function, memory
        update_wrapper(self, function)

    def __call__(self, *args: Arguments.args, **named: Arguments.kwargs) -> Result:
        key = self.key(*args, *named.items())
        if found := self.memory.get(key):
            return found[0]
        with self.memory.turn(key):
            if found := self.memory.get(key):
                return found[0]
            drops = self.memory.drops
            value = self.function(*args, **named)
            self.memory.put(key, value, sum(map(heavy, (*args, value))), drops)
        return value

    def key(self, *given: Any) -> tuple[Any, ...]:
        return self.function, *(HASHES[type(value)](value) if type(value) in HASHES else value for value in given)

    def clear(self, *given: Any) -> None:
        """Forgets the result for these arguments, or all results."""
        key = self.key(*given)
        self.memory.drop(lambda held: held == key if given else held[0] is self.function)


def remembered(
    room: int | Memory, *, seconds: float = math.inf
) -> Callable[[Callable[Arguments, Result]], Recall[Arguments, Result]]:
    """Keeps the last results of a function of runs, artifacts and hashable values, for all sessions; errors are not kept.

    `room`: how many, each for `seconds`, or a memory that several functions may share; what a call was given weighs as much
    as what it gave. Streamlit's own caches hash every argument anew: 0.3 ms a call, a third of a page that asks them thirty
    times.
    """
    memory = room if isinstance(room, Memory) else Memory(room, seconds=seconds)
    return lambda function: Recall(function, memory)


OF_ALL_IMAGES = Memory(1000, 256 * 1024**2)  # arrays of all evaluated images: 200 MB each where these are ImageNet's
