"""Many requests at once: an object store answers each after tens of milliseconds, and a folder at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from store.objects import Objects

AT_ONCE = 32

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(objects: Objects, ask: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """What `ask` gives for each item, in order; of an object store many are asked for together. Raises what the first raises."""
    if objects.local or len(items) < 2:
        return [ask(item) for item in items]
    with ThreadPoolExecutor(min(AT_ONCE, len(items))) as pool:
        return list(pool.map(ask, items))


def spans(indices: Sequence[int]) -> list[slice]:
    """Runs of consecutive indices, in their order."""
    found: list[slice] = []
    for index in indices:
        if found and found[-1].stop == index:
            found[-1] = slice(found[-1].start, index + 1)
        else:
            found.append(slice(index, index + 1))
    return found
