"""Streamlit, as `python -m streamlit`, in a process that can be asked to collect its garbage and to say what it holds.

A line "collect PATH" on its standard input is answered with a JSON object at PATH: sessions, threads, and how many objects
of each type there are. PYTHONTRACEMALLOC=10 adds the places that hold most memory.
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
    answer = {"sessions": sessions(), "threads": threading.active_count(), "objects": dict(counted.most_common(TYPES))}
    return answer | ({"places": places()} if tracemalloc.is_tracing() else {})


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
