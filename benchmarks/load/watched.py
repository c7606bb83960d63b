"""Streamlit, as `python -m streamlit`, in a process that can be asked to collect its garbage and to say what it holds.

A line "collect PATH" on its standard input is answered with a JSON object at PATH: sessions, threads, what the memory is
taken up by, and how many objects of each type there are. PYTHONTRACEMALLOC=10 adds the places that hold most memory.
"""

import ctypes
import gc
import json
import sys
import threading
import tracemalloc
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

TYPES = 400  # the most frequent ones; those of one class a session are not among the first hundred


def collect() -> dict[str, Any]:
    """Collects twice, since what the first collection finalises may let go of more, and gives memory back."""
    gc.collect()
    gc.collect()
    with suppress(OSError, AttributeError):  # glibc keeps what is free otherwise, and that looks like a leak
        ctypes.CDLL(None).malloc_trim(0)
    counted = Counter(f"{type(item).__module__}.{type(item).__qualname__}" for item in gc.get_objects())
    answer = {"sessions": sessions(), "threads": threading.active_count(), "memory": memory()}
    answer["objects"] = dict(counted.most_common(TYPES))
    return answer | ({"places": places()} if tracemalloc.is_tracing() else {})


def memory() -> dict[str, float]:
    """MB by who has them: what `app.memory` remembers; the C library's heap, by what is held and what is free in it; arrow's
    pool. And how many blocks Python's own allocator has given out."""
    import pyarrow

    answer = {
        "remembered": sum(one.weight for one in remembered()) / 1e6,
        "arrow": pyarrow.total_allocated_bytes() / 1e6,
        "thousand blocks": sys.getallocatedblocks() / 1e3,
    }
    with suppress(OSError, AttributeError):  # glibc 2.33
        ask = ctypes.CDLL(None).mallinfo2
        ask.restype = Heap
        heap = ask()
        answer |= {"heap held": (heap.uordblks + heap.hblkhd) / 1e6, "heap free": heap.fordblks / 1e6}
    return answer


class Heap(ctypes.Structure):
    """mallinfo2(3), of all arenas."""

    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]


def remembered() -> list[Any]:
    """The memories of the app's functions. The collector does not see them: the app takes them out of its sight."""
    from app.memory import Memory, Recall

    found = [vars(module) for name, module in list(sys.modules.items()) if name.startswith("app.")]
    values = [value for names in found for value in list(names.values())]
    memories = [value.memory if isinstance(value, Recall) else value for value in values]
    return list({id(one): one for one in memories if isinstance(one, Memory)}.values())


def sessions() -> dict[str, int]:
    """How many are connected, and how many are kept for those who may come back."""
    from streamlit.runtime import get_instance

    manager = get_instance()._session_mgr
    active = manager.num_active_sessions()
    return {"active": active, "kept": manager.num_sessions() - active}


def places() -> list[str]:
    """Lines that hold most memory, each with the way there."""
    held = tracemalloc.take_snapshot().statistics("traceback")
    return [f"{one.size / 1e6:.2f} MB in {one.count}: " + " | ".join(map(str, one.traceback[-6:])) for one in held[:60]]


def listen() -> None:
    for line in sys.stdin:
        word, _, path = line.strip().partition(" ")
        if word == "collect":
            part = Path(f"{path}.part")
            part.write_text(json.dumps(collect()))
            part.rename(path)


if __name__ == "__main__":
    threading.Thread(target=listen, daemon=True, name="watched").start()
    from streamlit.web.cli import main

    sys.argv[0] = "streamlit"
    main()
