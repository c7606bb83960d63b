"""Starts the app and what computes beside it, stops all together: `python -m app.launch --run recipes/demo.toml` makes a
run and then takes requests, `--serve` is for hosting. A worker that dies is started again.

Standard library only, so that the address is on the screen before anything heavy is imported.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from app.access.hosting import ROOT, SECRETS, exposed, signs_in

FIRST_PORT = 8501  # Streamlit's usual one
PORTS = 100
BEHIND = 10  # niceness of what computes: where both want the processor, pages come first
START_SECONDS = 90.0  # for the app to answer, on a busy machine
STOP_SECONDS = 15.0  # for a child to end by itself before it is killed
POLL_SECONDS = 0.2
LONGEST_PAUSE = 60.0  # before a worker that dies again and again is started anew
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # addresses to listen on -> where to ask whether somebody does


class Stopped(Exception):
    """Somebody asked us to end."""


@dataclass
class Worker:
    """One place for a worker process, and how often in a row it died young."""

    child: subprocess.Popen[bytes]
    started: float = field(default_factory=time.monotonic)
    deaths: int = 0

    def pause(self) -> float:
        """Seconds from one start to the next: ever more for a worker that cannot live."""
        return min(2.0**self.deaths, LONGEST_PAUSE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs until it is stopped; returns the exit status."""
    options = parsed(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, stop)
    children: list[subprocess.Popen[bytes]] = []
    try:
        return launch(options, children)
    except Stopped:
        print("\nStopping. What was finished is kept; the same command goes on from there.", flush=True)
        return 130 if options.until_finished else 0
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave a child behind
        end(children)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m app.launch", description=__doc__)
    parser.add_argument("--run", metavar="RECIPE", help="recipe to make while the app is open")
    parser.add_argument(
        "--beside", metavar="RECIPE", help="with --run: a second one, made when the first epoch is there"
    )
    parser.add_argument("--serve", action="store_true", help="for hosting: the app and workers, no browser window")
    parser.add_argument("--workers", type=int, help="worker processes on this machine; 1 unless you say otherwise")
    parser.add_argument("--address", default="127.0.0.1", help="where to listen; 127.0.0.1 is this machine alone")
    parser.add_argument("--port", type=int, help=f"port of the app; else {FIRST_PORT} or the next free one")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument(
        "--until-finished", action="store_true", help="end when the recipe is finished, with its exit status"
    )
    options = parser.parse_args(arguments)
    for recipe in filter(None, (options.run, options.beside)):
        if not (ROOT / recipe).is_file():
            parser.error(f"there is no recipe '{recipe}'; those that come with Loupe are in recipes/")
    if options.beside and not options.run:
        parser.error("--beside needs --run")
    if options.until_finished and not options.run:
        parser.error("--until-finished needs --run")
    if options.serve and options.run:
        parser.error("--serve and --run exclude each other; `python -m precompute enqueue` asks for a run")
    if options.workers is None:
        options.workers = 1 if options.serve or options.run else 0
    if reason := exposed(options.address):
        parser.error(reason)
    return options


def launch(options: argparse.Namespace, children: list[subprocess.Popen[bytes]]) -> int:
    port = options.port or free_port()
    address = opened_at(options.address, port)
    where = ("--server.address", options.address, "--server.port", str(port), "--logger.level", "warning")
    # or Streamlit asks a server on the internet for the address of this machine, to print it
    named = ("--browser.serverAddress", "localhost") if options.address in EVERYWHERE else ()
    app = start(children, "-m", "streamlit", "run", "streamlit_app.py", *where, *named, quiet=True)
    beside = ("--beside", options.beside) if options.beside else ()
    os.environ["LOUPE_OPEN_AT"] = address  # for the lines that a run ends with
    maker = start(children, "-m", "precompute", "run", options.run, *beside, nice=BEHIND) if options.run else None
    wait_until_ready(app, health(options.address, port))
    print(f"\nLoupe is open at {address}   (Ctrl-C stops it)\n", flush=True)
    if not (options.no_browser or options.serve) and has_display():
        webbrowser.open(address)
    if maker:
        status = wait(maker, app)
        if options.until_finished:
            return status
        outcome = "The run is finished" if status == 0 else "The run ended with the error above"
        print(f"\n{outcome}. Loupe stays open at {address}   (Ctrl-C stops it)", flush=True)
    # not before: two processes that import torch at once would keep the first epoch waiting
    tend(app, [Worker(start_worker(children)) for _ in range(options.workers)], children)
    return wait(app, app)


def tend(app: subprocess.Popen[bytes], workers: Sequence[Worker], children: list[subprocess.Popen[bytes]]) -> None:
    """As long as the app is there, starts every worker again that has died."""
    while app.poll() is None:
        for worker in workers:
            revive(worker, children)
        time.sleep(POLL_SECONDS)


def revive(worker: Worker, children: list[subprocess.Popen[bytes]]) -> None:
    if worker.child.poll() is None:
        return
    if worker.child in children:
        children.remove(worker.child)
        lived = time.monotonic() - worker.started
        worker.deaths = 0 if lived > LONGEST_PAUSE else worker.deaths + 1
        print(f"A worker ended (exit status {worker.child.returncode}); it is started again.", flush=True)
    if time.monotonic() - worker.started >= worker.pause():
        worker.child, worker.started = start_worker(children), time.monotonic()


def start_worker(children: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    hosted = ("--hosted",) if any(map(signs_in, SECRETS)) else ()
    return start(children, "-m", "precompute", "worker", *hosted, nice=BEHIND)


def start(
    children: list[subprocess.Popen[bytes]], *arguments: str, quiet: bool = False, nice: int = 0
) -> subprocess.Popen[bytes]:
    """A child in a process group of its own: Ctrl-C reaches us alone, and all that it started ends with it."""
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_WAIT_POLICY": "PASSIVE"}
    out = subprocess.DEVNULL if quiet else None
    child = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out, process_group=0
    )
    children.append(child)
    if nice:
        os.setpriority(os.PRIO_PGRP, child.pid, min(19, os.getpriority(os.PRIO_PROCESS, 0) + nice))
    return child


def free_port() -> int:
    """The usual port, or the next that nobody listens on."""
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise SystemExit(f"All ports from {FIRST_PORT} to {FIRST_PORT + PORTS - 1} are taken. Name a free one: --port 9000")


def in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def opened_at(address: str, port: int) -> str:
    """What to type into a browser on this machine."""
    name = "localhost" if address in ("127.0.0.1", *EVERYWHERE) else in_url(address)
    return f"http://{name}:{port}{sub_path()}"


def health(address: str, port: int) -> str:
    """Where the app says that it is there."""
    return f"http://{in_url(EVERYWHERE.get(address, address))}:{port}{sub_path()}/_stcore/health"


def sub_path() -> str:
    """The path below which the app lies, "" where it has a host of its own."""
    below = os.environ.get("STREAMLIT_SERVER_BASE_URL_PATH", "").strip("/")
    return f"/{below}" if below else ""


def wait_until_ready(app: subprocess.Popen[bytes], asked: str) -> None:
    """Returns when the app answers; exits with a sentence where it ends instead."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if app.poll() is not None:
            raise SystemExit(f"The app could not start (exit status {app.returncode}; its message is above).")
        try:
            with urllib.request.urlopen(asked, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(POLL_SECONDS)
    raise SystemExit(
        f"The app did not answer at {asked} within {START_SECONDS:.0f} s. Is the machine very busy? Try again."
    )


def wait(child: subprocess.Popen[bytes], app: subprocess.Popen[bytes]) -> int:
    """The child's exit status; exits with a sentence if the app ends before it."""
    while child.poll() is None:
        if app.poll() is not None:
            break
        time.sleep(POLL_SECONDS)
    if app.poll() is not None:
        raise SystemExit(
            f"The app ended by itself (exit status {app.returncode}). What was finished is kept; start it again."
        )
    return child.returncode


def has_display() -> bool:
    """Whether a browser window could be seen."""
    if os.environ.get("CI") or os.environ.get("SSH_CONNECTION"):
        return False
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def stop(number: int, frame: object) -> None:
    raise Stopped


def end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Asks every child and all it started to end, as Ctrl-C does, waits, and kills what is left."""
    running = [child for child in children if child.poll() is None]
    tell(running, signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline and any(child.poll() is None for child in running):
        time.sleep(POLL_SECONDS / 4)
    tell(children, signal.SIGKILL)
    for child in running:
        child.wait()


def tell(children: Sequence[subprocess.Popen[bytes]], number: signal.Signals) -> None:
    """Sends a signal to every child and all it started."""
    for child in children:
        with suppress(ProcessLookupError, PermissionError):  # the whole group has ended already
            os.killpg(child.pid, number)


if __name__ == "__main__":
    sys.exit(main())
