"""What several test files share: a queue and store, empty, and the one browser. Playwright may be started only once a process."""

import os
import pickle
from collections.abc import Callable, Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from altair.utils import schemapi
from playwright.sync_api import Browser, sync_playwright
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.testing.v1 import AppTest, local_script_runner

from precompute import queue
from precompute.queue import Queue
from store.objects import Objects, connect
from store.shards import Artifact
from tests import preloaded, visits, worlds
from tests.browser import chromium
from tests.preloaded import Piped, Process

# Each run of an AppTest does anew what a server does once: once a process is enough.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)  # 0.3 s
compiled = ScriptCache.get_bytecode  # of a page, 10 to 20 ms


@cache
def bytecode(path: str, written: int) -> object:
    return compiled(ScriptCache(), path)


ScriptCache.get_bytecode = lambda self, path: bytecode(path, Path(path).stat().st_mtime_ns)  # type: ignore[method-assign]


def ended(runner: local_script_runner.LocalScriptRunner, timeout: float = 3) -> None:
    """Waits for a script as Streamlit does, which else looks a thousand times a second whether it has ended."""
    runner._script_thread.join(timeout)
    waited(runner, 1.0)


waited, local_script_runner.require_widgets_deltas = local_script_runner.require_widgets_deltas, ended

# What takes longest begins first, lest one process be left with it in the end.
FIRST = [
    f"tests/{name}"
    for name in ("browser", "test_queue_fire", "test_cli", "test_queue", "test_training", "test_recorder", "test_probe")
]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Every process begins with its share of the long ones: pytest-xdist cuts the list into as many pieces as there are."""
    count = getattr(config, "workerinput", {}).get("workercount", 1)
    files = [list(group) for _, group in groupby(items, key=lambda item: item.path)]
    long = sorted((group for group in files if rank(group) < len(FIRST)), key=rank)
    short = [item for group in files if rank(group) == len(FIRST) for item in group]
    pieces = [[item for group in long[number::count] for item in group] for number in range(count)]
    size = -(-len(items) // count)
    for piece in pieces:
        free = max(size - len(piece), 0)
        piece += short[:free]
        del short[:free]
    items[:] = [item for piece in pieces for item in piece] + short


def rank(group: list[pytest.Item]) -> int:
    return next((at for at, name in enumerate(FIRST) if group[0].nodeid.startswith(name)), len(FIRST))


def pytest_configure(config: pytest.Config) -> None:
    """The processes of pytest-xdist have theirs forked from the one that started them."""
    if found := getattr(config, "workerinput", {}).get("preloaded"):
        preloaded.use(pickle.loads(found))
    preloaded.fork_probes()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Has the processes of pytest-xdist forked, which else load all libraries, each for itself."""
    from execnet import gateway_io

    def start(self: gateway_io.Popen2IOMaster, command: list[str], execmodel: Any) -> None:
        self.popen = child = Piped(command)
        gateway_io.Popen2IO.__init__(self, child.stdin, child.stdout, execmodel=execmodel)

    gateway_io.Popen2IOMaster.__init__ = start


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    node.workerinput["preloaded"] = pickle.dumps(preloaded.shared())  # type: ignore[attr-defined]


def pytest_runtest_setup() -> None:
    """Charts are held to Vega-Lite's schema, also where a test before drew the whole app, which trusts its own."""
    schemapi.DEBUG_MODE = True


def pytest_xdist_auto_num_workers() -> int | None:
    """Two more than there are cores: a test that waits for a browser or a worker leaves one idle."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else (os.cpu_count() or 1) + 2


@pytest.fixture(scope="session", autouse=True)
def templates(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where worlds that are asked for again are copied from."""
    worlds.TEMPLATES = tmp_path_factory.mktemp("worlds")


@pytest.fixture
def place(tmp_path: Path) -> Queue:
    return queue.connect(str(tmp_path / "queue.sqlite"))


@pytest.fixture
def store(tmp_path: Path) -> Objects:
    return connect(str(tmp_path / "store"))


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of benchmarks.queue find the libraries loaded, and begin at once."""
    monkeypatch.setattr(
        "benchmarks.queue.start", lambda environment, log: Process(["precompute", "worker"], env=environment, out=log)
    )


@pytest.fixture
def visit(request: pytest.FixtureRequest, made: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Opens the page that a module is about, as its function `opened` does, over the store its fixture `made` has made."""
    return lambda **address: request.module.opened(made, monkeypatch, **address)


@pytest.fixture
def saliency_page(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., AppTest]:
    """Opens the page Saliency on a world that a module's `make_world` makes with the arguments; `address`: query parameters."""

    def opened(address: dict[str, str] | None = None, **world: object) -> AppTest:
        request.module.make_world(tmp_path, **world)
        return visits.opened(tmp_path, monkeypatch, "app/views/saliency.py", **(address or {}))

    return opened


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Names and epochs of what is read of the store from now on."""
    found: list[tuple[str, Any]] = []
    real = Artifact.read

    def read(self: Artifact, name: str, indices: Any, *rest: Any) -> np.ndarray:
        found.append((name, indices))
        return real(self, name, indices, *rest)

    monkeypatch.setattr(Artifact, "read", read)
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium.find()
    if not path:
        pytest.skip(chromium.ADVICE)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()
