"""The app in a process of its own over a small made-up store, and a browser to look at it."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.worlds import make_world

ROOT = Path(__file__).parents[2]
EPOCHS = 3
LATE = "Bad delta path index"  # Streamlit's words for news of a part that renews itself on a page that was just left
HARMLESS = ("_stcore/health", "_stcore/host-config")  # the client looks for its base path by trying


@dataclass(frozen=True)
class Site:
    """A running app: where it is, and which run its store holds."""

    address: str
    run: str
    store: Path


@contextmanager
def served(store: Path, *options: str, script: str = "streamlit_app.py", **settings: str) -> Iterator[str]:
    """Address of the app over a store, as long as it is needed; `settings` are of its environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port), *options]
    environment = os.environ | {"LOUPE_STORE": str(store), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | settings
    log = (store.parent / f"server-{port}.log").open("w+")
    child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health", child, log.name)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(30)
        log.close()


def wait_for(address: str, child: subprocess.Popen[bytes], log: str) -> None:
    for _ in range(300):
        assert child.poll() is None, Path(log).read_text()
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(f"{address} does not answer")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The app over one finished run of three epochs; only to be looked at."""
    store = tmp_path_factory.mktemp("world") / "store"
    run = make_world(store, epochs=EPOCHS, summarise=True)
    with served(store) as address:
        yield Site(address, run, store)


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Starts the app over another store, which a test may spoil; gives its address."""
    with ExitStack() as stack:
        yield lambda store: stack.enter_context(served(store))


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A visitor with a fresh session on a screen of 1400 by 1000. Fails where the browser's console shows an error, or
    where anything is fetched from elsewhere."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(30_000)
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)) if not str(error).startswith(LATE) else None)
    page.on(
        "response",
        lambda answer: troubles.append(f"{answer.status} {answer.url}") if trouble(answer.status, answer.url) else None,
    )
    page.on("request", lambda request: troubles.append(request.url) if elsewhere(request.url) else None)
    yield page
    context.close()
    assert not troubles


def trouble(status: int, url: str) -> bool:
    return status >= 400 and not url.endswith(HARMLESS)


def elsewhere(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))


def settled(page: Page) -> None:
    """Waits until the server has answered and the page has drawn it: as Streamlit's own tests do, debounce first."""
    page.wait_for_timeout(200)
    page.wait_for_selector('[data-testid="stApp"][data-test-connection-state="CONNECTED"]')
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    page.wait_for_timeout(150)
    page.wait_for_function("[...document.images].every((image) => image.complete)")
