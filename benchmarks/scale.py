"""The pages on a run of ImageNet's size: first visit, another epoch for the first time, and again; and what memory they take.

The run was never trained (tests/worlds_large.py): 50,000 images of 1,000 classes, 101 epochs, 5 techniques and a ResNet-50's
filters take 16 GB on disk and half an hour to write. With LOUPE_STORE set to a folder, it is written there once and stays.
Without sizes a small one is taken, which shows only that all still works. docs/scale.md has the figures.

    LOUPE_STORE=/somewhere python -m benchmarks.scale --images 50000 --classes 1000 --epochs 100
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import websockets

from benchmarks.pages import EPOCH_KEY, Rerun, request, rerun, serve
from store.objects import connect
from store.runs import open_run, run_ids
from tests.worlds_large import Size, make_large

PAGES = (
    *("", "saliency", "runs", "embedding", "testing", "network", "simulation", "workbench"),
    *("sanity", "roar", "reliability", "attention", "retrain"),
)


@dataclass
class Visit:
    """Seconds of one page in a process that showed nothing before, bytes sent, and the process's memory after each."""

    first: float
    busy: float  # of them, the processor's
    received: int
    epochs: list[tuple[float, float]] = field(default_factory=list)  # both, of epochs moved to for the first time
    again: list[tuple[float, float]] = field(default_factory=list)  # of the same epochs once more
    memory: float = 0.0  # MB
    errors: list[str] = field(default_factory=list)


async def timed(process: psutil.Process, answer: Awaitable[Rerun]) -> tuple[Rerun, float]:
    """An answer, and the processor's seconds it took the server, which other work on the machine hardly changes."""
    before = sum(process.cpu_times()[:2])
    return await answer, sum(process.cpu_times()[:2]) - before


async def visit(port: int, page: str, process: psutil.Process, moves: int) -> Visit:
    address = f"ws://127.0.0.1:{port}/_stcore/stream"
    async with websockets.connect(
        address, subprotocols=[websockets.Subprotocol("streamlit")], max_size=None, open_timeout=60, ping_interval=None
    ) as connection:
        seen, busy = await timed(process, rerun(connection, request(page)))
        found = Visit(seen.seconds, busy, seen.received, errors=list(seen.errors))
        if EPOCH_KEY in seen.sliders:
            widget, options = seen.sliders[EPOCH_KEY]
            wanted = options[-1 - moves : -1]
            for spent in (found.epochs, found.again):
                for epoch in wanted:
                    answer, busy = await timed(process, rerun(connection, request(page, {widget: epoch})))
                    spent.append((answer.seconds, busy))
                    found.errors += answer.errors
        found.memory = process.memory_info().rss / 1e6
        return found


def measure(page: str, moves: int) -> Visit:
    """In a server of its own, which has shown the page of methods, so that imports are not counted."""
    process, port = serve()
    try:
        asyncio.run(visit(port, "methods", psutil.Process(process.pid), 0))
        return asyncio.run(visit(port, page, psutil.Process(process.pid), moves))
    finally:
        process.kill()
        process.wait()


def table(size: Size, run_id: str) -> None:
    """Bytes of each kind of artifact, by finished epoch."""
    run = open_run(connect(), run_id)
    for name, item in run.artifacts().items():
        if marked := item.marked():
            held = sum(array["size"] for index in marked for array in item.known[index].values()) / len(marked)
            values = (
                sum(item.array(array).nbytes for array in item.attributes["arrays"])
                / item.array(next(iter(item.attributes["arrays"]))).shape[0]
            )
            print(
                f"{name:45} {values / 1e6:10.1f} MB of values an epoch, {held / 1e6:10.1f} MB stored, {len(marked)} epochs"
            )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    for name, default in (("images", 1000), ("classes", 100), ("epochs", 4), ("moves", 3)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--page", action="append", choices=[page or "overview" for page in PAGES], help="only these")
    options.add_argument("--quick", action="store_true", help="a store of 500 images and 10 classes")
    asked = options.parse_args()
    if asked.quick:
        asked.images, asked.classes, asked.moves = 500, 10, 1
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("LOUPE_STORE", folder)
        if not run_ids(connect()):
            last = asked.epochs
            filters = Size.filters if asked.images >= 20_000 else (64, 128, 256)
            dense = tuple(sorted({0, last // 2, last - 1, last}))
            size = Size(asked.images, asked.classes, last, 5, filters, dense, (0, last), min(10_000, asked.images))
            began = time.perf_counter()
            run_id = make_large(Path(os.environ["LOUPE_STORE"]), size)
            print(f"written in {time.perf_counter() - began:,.0f} s")
            table(size, run_id)
        found: dict[str, int] = {}
        for name in asked.page or [page or "overview" for page in PAGES]:
            seen = measure("" if name == "overview" else name, asked.moves)
            said = [
                tuple(round(1e3 * most) for most in np.max(spent or [(0, 0)], 0)) for spent in (seen.epochs, seen.again)
            ]
            found |= {f"scale: {name}, first visit ms": round(1e3 * seen.first)}
            found |= {f"scale: {name}, new epoch ms": said[0][0], f"scale: {name}, epoch again ms": said[1][0]}
            print(
                f"{name:12} first visit {seen.first * 1e3:7.0f} ms ({seen.busy * 1e3:6.0f} busy), {seen.received / 1e6:5.2f} MB; "
                f"new epoch {said[0][0]:6} ({said[0][1]}), again {said[1][0]:6} ({said[1][1]}); {seen.memory:5.0f} MB of memory"
                f" {seen.errors[:1] or ''}",
                flush=True,
            )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
