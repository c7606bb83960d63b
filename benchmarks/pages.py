"""Reruns of the pages at the server, for 1 and 20 websocket sessions that move the epoch slider.

Starts the app on the runs in LOUPE_STORE (make demo fills artifacts/), speaks Streamlit's own protobuf over its
websocket as a browser does, and takes the time from sending a new slider value to the end of the script. Every session
first visits all epochs of its page, so that encoded pictures are cached; those visits are not counted.

    python -m benchmarks.pages [--rounds 11] [--think 1.0]
"""

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field

import psutil
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

PAGES = {"overview": "", "saliency": "saliency"}
EPOCH_KEY = "epoch"  # the slider's name in the address
FLAGS = ["--server.headless=true", "--server.address=127.0.0.1", "--browser.gatherUsageStats=false"]


@dataclass
class Rerun:
    """What came back from one run of the script."""

    seconds: float
    sliders: dict[str, tuple[str, list[str]]] = field(default_factory=dict)  # name in the address -> id, options
    errors: list[str] = field(default_factory=list)
    received: int = 0


async def rerun(socket_: websockets.ClientConnection, message: bytes) -> Rerun:
    began, found = time.perf_counter(), Rerun(0)
    await socket_.send(message)
    while True:
        raw = await asyncio.wait_for(socket_.recv(), 120)
        found.received += len(raw)
        answer = ForwardMsg()
        answer.ParseFromString(raw)
        kind = answer.WhichOneof("type")
        if kind == "delta" and answer.delta.WhichOneof("type") == "new_element":
            element = answer.delta.new_element
            if element.WhichOneof("type") == "slider":
                slider = element.slider
                found.sliders[slider.query_param_key or slider.label] = (slider.id, list(slider.options))
            elif element.WhichOneof("type") == "exception":
                found.errors.append(element.exception.message)
        if kind == "script_finished" and answer.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            found.seconds = time.perf_counter() - began
            return found


def request(page: str, widgets: dict[str, str] | None = None) -> bytes:
    message = BackMsg()
    message.rerun_script.page_name = page
    for widget, value in (widgets or {}).items():
        state = message.rerun_script.widget_states.widgets.add()
        state.id = widget
        state.string_array_value.data.append(value)
    return message.SerializeToString()


async def session(
    number: int, port: int, page: str, rounds: int, think: float, warm: asyncio.Barrier
) -> tuple[list[float], list[str]]:
    """One visitor: opens a page, walks through all epochs once, waits for the others, then goes on at his own pace."""
    address = f"ws://127.0.0.1:{port}/_stcore/stream"
    async with websockets.connect(
        address, subprotocols=["streamlit"], max_size=None, open_timeout=60, ping_interval=None
    ) as connection:
        first = await rerun(connection, request(page))
        if EPOCH_KEY not in first.sliders:
            return [], first.errors or [f"the page '{page or 'overview'}' has no epoch slider: {sorted(first.sliders)}"]
        widget, epochs = first.sliders[EPOCH_KEY]
        span, errors, seconds = len(epochs), list(first.errors), []
        for step in range(span + rounds):
            if step == span:
                await warm.wait()
            if step >= span:
                await asyncio.sleep(think * (0.5 + (number * 7 + step * 13) % 10 / 10))
            found = await rerun(connection, request(page, {widget: epochs[(step + number) % span]}))
            errors += found.errors
            if step >= span:
                seconds.append(found.seconds)
        return seconds, errors


def serve() -> tuple[subprocess.Popen, int]:
    """The app on a free port; returns when it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", f"--server.port={port}", *FLAGS]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(300):
        time.sleep(0.1)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1):
                return process, port
        except (urllib.error.URLError, OSError):
            continue
    process.kill()
    sys.exit("The app did not start within 30 s; try it by hand: streamlit run streamlit_app.py")


async def measure(port: int, visitors: int, page: str, rounds: int, think: float) -> tuple[float, float]:
    warm = asyncio.Barrier(visitors)
    found = await asyncio.gather(*[session(n, port, PAGES[page], rounds, think, warm) for n in range(visitors)])
    errors = [error for _, items in found for error in items]
    if errors:
        place = os.environ.get("LOUPE_STORE", "artifacts")
        sys.exit(f"{len(errors)} errors on {page}, the first: {errors[0]}. Is there a run in LOUPE_STORE ({place})?")
    seconds = sorted(value for items, _ in found for value in items)
    return statistics.median(seconds) * 1e3, seconds[int(0.95 * (len(seconds) - 1))] * 1e3


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=11)
    options.add_argument("--think", type=float, default=1.0)
    options.add_argument("--quick", action="store_true", help="3 rounds")
    asked = options.parse_args()
    rounds = 3 if asked.quick else asked.rounds
    process, port = serve()
    try:
        memory, found = psutil.Process(process.pid), {}
        for page in PAGES:
            for visitors in (1, 20):
                p50, p95 = asyncio.run(measure(port, visitors, page, rounds, asked.think))
                found |= {
                    f"pages: {page}, {visitors} sessions, p{q} ms": round(ms, 1) for q, ms in ((50, p50), (95, p95))
                }
                used = memory.memory_info().rss / 1e6
                print(f"{page:10} {visitors:3} sessions: rerun p50 {p50:6.1f} ms, p95 {p95:6.1f} ms, {used:,.0f} MB")
    finally:
        process.kill()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
