"""What is measured: a store, an app over it as `app.launch --serve` starts it, and workers that train beside it."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from app.launch import BEHIND, ROOT, health, wait_until_ready
from precompute import queue
from precompute.recipe import Recipe
from store.objects import Objects, connect
from store.runs import all_runs, dataset
from tests.s3 import BUCKET, s3

MADE = Path(tempfile.gettempdir()) / "loupe-load-store"
DEMO = ROOT / "recipes" / "demo.toml"
BESIDE = {"name": "beside", "epochs": 12}  # runs trained while people look: the demo's, with other seeds
ANSWER_SECONDS = 60.0
END_SECONDS = 20.0
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
SAYS = re.compile(
    r"([\w.]+\.)?\w*(Error|Exception|Warning)\b|\d{4}-\d\d-\d\d [\d:.]+ +[\w.]*(WARN|ERROR)|Task exception"
)


def made() -> Path:
    """The demo's store: all artifacts of one small run. Made at the first call, which takes some minutes, and kept."""
    if not (MADE / "runs").exists():
        print(f"Making a store once, in {MADE} (a few minutes) …", file=sys.stderr, flush=True)
        part = MADE.with_name(f"{MADE.name}-part")
        command = [sys.executable, "-m", "precompute", "run", str(DEMO), "--store", str(part)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        part.rename(MADE)
    return MADE


@contextmanager
def place(source: str, kind: str, folder: Path) -> Iterator[dict[str, str]]:
    """The environment of the app and its workers over a copy of a store, in a folder or on an S3 server of our own."""
    settings = {"LOUPE_QUEUE": str(folder / "queue.sqlite"), "OMP_WAIT_POLICY": "PASSIVE"}
    if kind == "local":
        shutil.copytree(source, folder / "store", ignore=shutil.ignore_patterns("queue.sqlite*", "workers"))
        yield settings | {"LOUPE_STORE": str(folder / "store")}
        return
    with s3() as environment:
        os.environ.update(environment)
        address = f"s3://{BUCKET}/store"
        copy(connect(source), connect(address))
        yield settings | environment | {"LOUPE_STORE": address}


def copy(source: Objects, target: Objects) -> None:
    for part in ("datasets", "runs"):
        for stat in source.under(part):
            target.put(stat.path, source.get(stat.path) or b"")


def facts(objects: Objects) -> tuple[int, int]:
    """How many evaluated images the latest run that was trained has, and how many epochs."""
    found = [run for run in all_runs(objects)[0] if run.of_kind("evaluation")]
    if not found:
        raise SystemExit(f"{objects.address} holds no run that can be looked at. Name another store: --on STORE")
    run = next((run for run in found if run.epochs), found[0])
    data = dataset(objects, run.of_kind("evaluation")[0].attributes["dataset"])
    return len(data.read_blocks("label")), run.epochs


# Processes


@dataclass
class App:
    """The app's process, and where it listens."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    def collect(self, folder: Path) -> dict[str, Any]:
        """Has its garbage collected; returns what benchmarks.load.watched says it holds."""
        answer, until = folder / f"collected-{time.monotonic_ns()}.json", time.monotonic() + ANSWER_SECONDS
        assert self.process.stdin
        self.process.stdin.write(f"collect {answer}\n")
        self.process.stdin.flush()
        while not answer.exists() and time.monotonic() < until and self.process.poll() is None:
            time.sleep(0.1)
        return json.loads(answer.read_text()) if answer.exists() else {}

    def complaints(self) -> list[str]:
        """What its log says beside that it has started: one line for each error, and those without one."""
        lines = COLOURS.sub("", self.log.read_text(errors="replace")).splitlines()
        return [line[:300] for line in lines if SAYS.match(line)]


@contextmanager
def app(settings: Mapping[str, str], folder: Path, kept_seconds: int | None) -> Iterator[App]:
    """The app on a free port. `kept_seconds`: how long sessions whose visitors left are kept, if not Streamlit's 120 s."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--server.address", "127.0.0.1", "--server.port", str(port), "--logger.level", "warning"]
    options += ["--server.disconnectedSessionTTL", str(kept_seconds)] if kept_seconds is not None else []
    command = [sys.executable, "-m", "benchmarks.load.watched", "run", "streamlit_app.py", *options]
    log = folder / "app.log"
    with log.open("w") as out:
        child = subprocess.Popen(
            command, cwd=ROOT, env=environment(settings), stdin=subprocess.PIPE, stdout=out, stderr=out, text=True,
            process_group=0,
        )  # fmt: skip
    try:
        wait_until_ready(child, health("127.0.0.1", port))  # type: ignore[arg-type]
        yield App(child, port, log)
    finally:
        end(child)


@contextmanager
def workers(count: int, settings: Mapping[str, str], folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Worker processes, and so many runs asked for that they are busy until the end."""
    children = []
    try:
        with (folder / "workers.log").open("w") as out:
            for _ in range(count):
                command = [sys.executable, "-m", "precompute", "worker"]
                children.append(
                    subprocess.Popen(
                        command, cwd=ROOT, env=environment(settings), stdout=out, stderr=out, process_group=0
                    )
                )
                os.setpriority(os.PRIO_PGRP, children[-1].pid, BEHIND)
        if count:
            ask(settings["LOUPE_QUEUE"], count)
        yield children
    finally:
        for child in children:
            end(child)


def ask(address: str, count: int, runs: int = 20) -> None:
    """Asks for runs like the demo's, without what takes longest."""
    recipe = tomllib.loads(DEMO.read_text())
    recipe["artifacts"].pop("roar")
    recipe["training"]["epochs"] = BESIDE["epochs"]
    there = queue.connect(address)
    for seed in range(runs * count):
        recipe["name"], recipe["training"]["seed"] = f"{BESIDE['name']}-{seed}", seed + 1
        there.enqueue(Recipe.model_validate(recipe), by="load")


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)} | dict(settings)


def end(child: subprocess.Popen[Any]) -> None:
    """Ends a child and all that it started."""
    family = [*psutil.Process(child.pid).children(recursive=True)] if child.poll() is None else []
    child.terminate()
    try:
        child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    for one in family:
        if one.is_running():
            one.kill()
