"""Processes that find PyTorch and other libraries loaded: forked from one process that has done nothing but import them.

To import them takes a process seconds, a fork 20 ms. Modules of this project are imported by each process itself, with
its own environment, as `python -m MODULE` would. The processes of pytest-xdist are forked there, too, and so are the probes
that an app or a worker starts. Some tests start true processes all the same: what is imported when is theirs to check.
"""

import multiprocessing
import os
import random
import runpy
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np

ROOT = Path(__file__).parents[1]
LIBRARIES = (
    "torch",
    "torchvision",
    "sklearn.metrics",
    "sklearn.decomposition",
    "sklearn.neighbors",
    "scipy.stats",
    "zarr",
    "pydantic",
    "obstore.store",
    "dbos",
    "typer",
    "rich.progress",
    "rich.table",
    "streamlit.web.bootstrap",
    "streamlit.web.cli",
    "websockets",
    "uvicorn",
    "streamlit.web.server.starlette",
    "altair",
    "pandas",
    "captum.attr",
    "matplotlib.pyplot",
    "skimage.transform",
    "openTSNE",
    "hypothesis",
    "boto3",
    "playwright.sync_api",
    "tests.frozen",
)

Files = Mapping[int, Path | Connection]  # what a child finds open under a number

TRUE_PROBES = "TRUE_PROBES"  # set where probes are to be processes of their own, as a person's are
# What another process needs to know to have its children forked there, too
KNOWN = ("_forkserver_address", "_forkserver_authkey")


def shared() -> dict[str, Any]:
    """Begins to import, and says where: the processes of one test run need it once, not each."""
    context()
    return {name: getattr(forkserver._forkserver, name) for name in KNOWN if hasattr(forkserver._forkserver, name)}


def use(found: Mapping[str, Any]) -> None:
    """Has the children of this process forked where `shared` of another one said."""
    server = forkserver._forkserver
    vars(server).update(found, _forkserver_alive_fd=os.open(os.devnull, os.O_RDONLY), ensure_running=lambda: None)


@cache
def context() -> Any:
    """Where children are forked; PyTorch with one thread, as all tests want it."""
    found = multiprocessing.get_context("forkserver")
    if "ensure_running" in vars(forkserver._forkserver):
        return found
    found.set_forkserver_preload(list(LIBRARIES))
    with patch.dict(os.environ, {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}):
        forkserver.ensure_running()
    return found


class Process:
    """`python -m MODULE ARGUMENTS`, with as much of subprocess.Popen as its users need."""

    def __init__(
        self, arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path = ROOT, out: Path, err: Path | None = None
    ) -> None:
        self.start(arguments, env, cwd, {1: out, 2: err or out})

    def start(self, arguments: Sequence[str], env: Mapping[str, str], cwd: Path, files: Files) -> None:
        self.looked = threading.Lock()
        self.child = context().Process(target=run, args=(list(arguments), dict(env), cwd, files, shared()), daemon=True)
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")  # AppTest puts the app there, and the child would run it
        try:
            self.child.start()
        finally:
            sys.modules["__main__"] = main
        self.pid = self.child.pid

    def poll(self) -> int | None:
        with self.looked:  # two threads that look at once would both read how it ended, which is told once
            return self.child.exitcode

    returncode = property(poll)

    def wait(self, timeout: float | None = None) -> int:
        multiprocessing.connection.wait([self.child.sentinel], timeout)
        if (status := self.poll()) is None:
            raise subprocess.TimeoutExpired("a preloaded process", timeout or 0)
        return status

    def kill(self) -> None:
        self.child.kill()

    def terminate(self) -> None:
        self.child.terminate()


class Piped(Process):
    """`subprocess.Popen(command, stdin=PIPE, stdout=PIPE)` of a Python process: `python … -m MODULE` or `python … -c CODE`."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str] | None = None, **pipes: int) -> None:
        at = next(number for number, word in enumerate(command) if word in ("-c", "-m"))
        (asked, questions), (found, answers) = os.pipe(), os.pipe()
        self.stdin, self.stdout = os.fdopen(questions, "wb"), os.fdopen(found, "rb")
        files = {0: Connection(asked), 1: Connection(answers), 2: Connection(os.dup(2))}
        self.start(command[at + (command[at] == "-m") :], os.environ if env is None else env, Path.cwd(), files)


def run(arguments: Sequence[str], env: dict[str, str], cwd: Path, files: Files, server: Mapping[str, Any]) -> None:
    """What a child does: takes the place of the process that was asked for."""
    use(server)
    multiprocessing.current_process()._config.pop("daemon")  # type: ignore[attr-defined]  # it may have children
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    for number, file in files.items():
        opened = (
            os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if isinstance(file, Path) else os.dup(file.fileno())
        )
        os.dup2(opened, number)
        os.close(opened)
        if isinstance(file, Connection):
            file.close()
    if 0 in files:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115, it stays
    random.seed()
    np.random.seed()  # noqa: NPY002, what the fork shares with its siblings
    paths = filter(None, env.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:] = list(dict.fromkeys([str(cwd), *paths, *sys.path]))
    if not env.get(TRUE_PROBES):
        fork_probes()
    sys.argv = list(arguments)
    if arguments[0] == "-c":
        sys.modules["__main__"] = main = ModuleType("__main__")
        exec(arguments[1], vars(main))
    else:
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


def fork_probes() -> None:
    """Has the probes of this process, which load PyTorch, forked."""
    from precompute import child

    def started(command: Sequence[str], **options: Any) -> Any:
        return (Piped if command == child.COMMAND else subprocess.Popen)(command, **options)

    child.subprocess = SimpleNamespace(**vars(subprocess) | {"Popen": started})  # type: ignore[assignment]


def completed(arguments: Sequence[str], *, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs to its end: its exit status and what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        child = Process(arguments, env=env, out=out, err=err)
        try:
            status = child.wait(600)  # a busy machine
        finally:
            child.kill()
        return subprocess.CompletedProcess(list(arguments), status, out.read_text(), err.read_text())
