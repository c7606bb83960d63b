"""First visit and reruns of every page at the server, on the runs in LOUPE_STORE, page by page, one visitor.

Of each page: the first visit of anybody, which reads and encodes; the next visitor's; an epoch that nobody has seen, and the
same again. Wall time, and the processor time of the web process in brackets, which a machine with other work changes less;
megabytes sent for the first visit. The app is served as in benchmarks/pages.py. The last line is one JSON object.

    python -m benchmarks.visits [--run RUN] [--pages overview embedding ...] [--made vatun|cub]

--made makes a store of a paper's size first, in a temporary folder: made-up numbers of the right shapes, and no network.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

import psutil
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg

from benchmarks.pages import EPOCH_KEY, Rerun, request, rerun, serve
from precompute.catalogue import CHANGES
from store.objects import connect
from store.runs import open_run
from tests.worlds_large import RESNET50, Size, make_large
from tests.worlds_simulation import add_change

VGG16 = (64, 64, 128, 128, 256, 256, 256, *[512] * 6)
SIZES = {
    "vatun": Size(10_000, 10, 10, 1, VGG16, tuple(range(11)), tuple(range(11))),
    "cub": Size(5_794, 200, 10, 4, RESNET50, tuple(range(11)), tuple(range(11))),
}
PAGES = (
    "overview", "saliency", "attention", "runs", "workbench", "embedding", "testing", "network", "simulation", "sanity",
    "roar", "reliability", "retrain", "queue", "methods",
)  # fmt: skip
STEPS = ("first", "next visitor", "new epoch", "again")


async def timed(web: psutil.Process, connection: websockets.ClientConnection, message: bytes) -> tuple[Rerun, float]:
    """A rerun, and the processor seconds that the web process took meanwhile."""
    before = sum(web.cpu_times()[:2])
    found = await rerun(connection, message)
    return found, sum(web.cpu_times()[:2]) - before


def asked(page: str, query: str, widgets: dict[str, str] | None = None) -> bytes:
    message = BackMsg()
    message.ParseFromString(request("" if page == "overview" else page, widgets))
    message.rerun_script.query_string = query
    return message.SerializeToString()


async def visit(web: psutil.Process, port: int, page: str, query: str) -> list[tuple[Rerun, float]]:
    """The page for the first time, by a second visitor, and, where it has an epoch slider, twice at an epoch not yet seen."""
    address, found = f"ws://127.0.0.1:{port}/_stcore/stream", []
    for _ in range(2):
        async with websockets.connect(
            address, subprotocols=["streamlit"], max_size=None, open_timeout=60, ping_interval=None
        ) as connection:
            found.append(await timed(web, connection, asked(page, query)))
            if len(found) == 2 and EPOCH_KEY in found[0][0].sliders:
                widget, epochs = found[0][0].sliders[EPOCH_KEY]
                for epoch in (epochs[len(epochs) // 2], epochs[-1], epochs[len(epochs) // 2])[: 3 * (len(epochs) > 1)]:
                    found.append(await timed(web, connection, asked(page, query, {widget: epoch})))
                del found[-2:-1]  # on the way back to the last epoch, which was seen before
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--run", default="", help="id of a run; else the one the app opens with")
    options.add_argument("--pages", nargs="+", choices=PAGES, default=PAGES)
    options.add_argument("--made", choices=SIZES, help="on a made store of this paper's size")
    options.add_argument("--quick", action="store_true", help="the first three pages")
    chosen = options.parse_args()
    pages = chosen.pages[:3] if chosen.quick else chosen.pages
    with tempfile.TemporaryDirectory() as folder:
        if chosen.made:
            make(Path(folder), SIZES[chosen.made])
            os.environ["LOUPE_STORE"] = folder
        process, port = serve()
        try:
            found = walk(psutil.Process(process.pid), port, pages, chosen.run)
        finally:
            process.kill()
    print(json.dumps(found))


def make(folder: Path, size: Size) -> None:
    """A run of that size with curves along every change, all images changed."""
    run = open_run(connect(str(folder)), make_large(folder, size))
    epochs = tuple(range(size.epochs + 1))
    for name in CHANGES:
        add_change(run, name, epochs, epochs, "all")


def walk(web: psutil.Process, port: int, pages: Sequence[str], run: str) -> dict[str, float]:
    """Prints a line a page; milliseconds by page and step."""
    query, found = urlencode({"run": run} if run else {}), {}
    asyncio.run(visit(web, port, "methods", query))  # the server's own first answer is none of a page's
    for page in pages:
        seen = asyncio.run(visit(web, port, page, query))
        if errors := [error for rerun_, _ in seen for error in rerun_.errors]:
            sys.exit(f"{len(errors)} errors on {page}, the first: {errors[0]}")
        words = [
            f"{name} {item.seconds * 1e3:6,.0f} ({cpu * 1e3:5,.0f})"
            for name, (item, cpu) in zip(STEPS, seen, strict=False)
        ]
        print(f"{page:12} {'  '.join(words)}  {seen[0][0].received / 1e6:5.2f} MB")
        found |= {
            f"visits: {page}, {name}, ms": round(item.seconds * 1e3, 1)
            for name, (item, _) in zip(STEPS, seen, strict=False)
        }
    print(f"{web.memory_info().rss / 1e6:,.0f} MB of memory")
    return found


if __name__ == "__main__":
    main()
