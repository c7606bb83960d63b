"""Processes that find PyTorch and other libraries loaded: forked from one process that has done nothing but import them.

To import them takes a process seconds, a fork 20 ms. Modules of this project are imported by each process itself, with
its own environment, as `python -m MODULE` would. Some tests start true processes all the same: what is imported when is
theirs to check.
"""

import multiprocessing
import os
import random
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing import forkserver
from pathlib import Path
from types import ModuleType
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
)


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
        about = (list(arguments), dict(env), cwd, out, err or out)
        self.child = context().Process(target=run, args=about, daemon=True)
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")  # AppTest puts the app there, and the child would run it
        try:
            self.child.start()
        finally:
            sys.modules["__main__"] = main
        self.pid = self.child.pid

    def poll(self) -> int | None:
        return self.child.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self.child.join(timeout)
        if self.child.exitcode is None:
            raise subprocess.TimeoutExpired("a preloaded process", timeout or 0)
        return self.child.exitcode

    def kill(self) -> None:
        self.child.kill()

    def terminate(self) -> None:
        self.child.terminate()


def run(arguments: Sequence[str], env: dict[str, str], cwd: Path, out: Path, err: Path) -> None:
    """What a child does: takes the place of the process that was asked for."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    for path, number in ((out, 1), (err, 2)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    random.seed()
    np.random.seed()  # noqa: NPY002, what the fork shares with its siblings
    paths = filter(None, env.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:] = list(dict.fromkeys([str(cwd), *paths, *sys.path]))
    sys.argv = list(arguments)
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


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
