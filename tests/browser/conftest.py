"""The app in a process of its own over a small made-up store, and a browser to look at it."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, WebSocket, expect
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.preloaded import Process
from tests.worlds import make_world

ROOT = Path(__file__).parents[2]
EPOCHS = 3
PATIENCE = 120_000  # milliseconds: a machine with two cores may be busy
LATE = "Bad delta path index"  # Streamlit's words for news of a part that renews itself on a page that was just left
HARMLESS = ("_stcore/health", "_stcore/host-config")  # the client looks for its base path by trying

expect.set_options(timeout=PATIENCE)


@dataclass(frozen=True)
class Site:
    """A running app: where it is, and which run its store holds."""

    address: str
    run: str
    store: Path


@contextmanager
def served(
    store: Path, *options: str, script: str = "streamlit_app.py", true: bool = False, **settings: str
) -> Iterator[str]:
    """Address of the app over a store, as long as it is needed; `settings` are of its environment. `true`: in a process that
    has to load everything itself, as a person's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["streamlit", "run", script, "--server.port", str(port), *options]
    environment = os.environ | {"LOUPE_STORE": str(store), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | settings
    log = store.parent / f"server-{port}.log"
    child = start(command, environment, log) if true else Process(command, env=environment, out=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health", child, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(30)


def start(command: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("w") as out:
        return subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=environment, stdout=out, stderr=out)


def wait_for(address: str, child: subprocess.Popen[bytes] | Process, log: Path) -> None:
    for _ in range(600):
        assert child.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
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


@pytest.fixture(scope="session")
def context(browser: Browser) -> BrowserContext:
    """One screen for all visitors, 1400 by 1000: its cache knows Streamlit's scripts, which take seconds to be read."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, reduced_motion="reduce")
    context.on("page", lambda page: page.on("websocket", lambda socket: listen(page, socket)))
    context.set_default_timeout(PATIENCE)
    return context


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A visitor with a fresh session, without cookies or memories. Fails where the browser's console shows an error, or
    where anything is fetched from elsewhere."""
    page = context.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)) if not str(error).startswith(LATE) else None)
    page.on(
        "response",
        lambda answer: troubles.append(f"{answer.status} {answer.url}") if trouble(answer.status, answer.url) else None,
    )
    page.on("request", lambda request: troubles.append(request.url) if elsewhere(request.url) else None)
    yield page
    broken = page.evaluate(BROKEN) if troubles else []
    for left in context.pages:
        with suppress(Error):  # no page was opened in it
            left.evaluate("localStorage.clear()")
        left.close()
    context.clear_cookies()
    assert not [one for one in troubles if not replaced(one, broken)]


# Pictures that are still to be seen and could not be fetched
BROKEN = "[...document.images].filter((image) => image.complete && !image.naturalWidth).map((image) => image.src)"


def replaced(trouble: str, broken: list[str]) -> bool:
    """Whether it was a picture of a drawing that another one took the place of before a busy browser had fetched it."""
    return trouble.startswith("404 ") and "/media/" in trouble and trouble.removeprefix("404 ") not in broken


def trouble(status: int, url: str) -> bool:
    return status >= 400 and not url.endswith(HARMLESS)


def elsewhere(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))


@dataclass
class Asked:
    """What a page has asked its server for and not been answered."""

    page: bool = True  # a run of the whole script: the first is asked for as soon as there is a connection
    part: bool = False  # one of a part of it


ASKED: WeakKeyDictionary[Page, Asked] = WeakKeyDictionary()


def listen(page: Page, socket: WebSocket) -> None:
    """Follows what goes to and fro over a new connection of a page."""
    asked = ASKED[page] = Asked()

    def sent(data: bytes | str) -> None:
        message = BackMsg.FromString(data) if isinstance(data, bytes) else BackMsg()
        if message.WhichOneof("type") != "rerun_script" or message.rerun_script.is_auto_rerun:
            return
        if message.rerun_script.fragment_id:
            asked.part = True
        else:
            asked.page = True

    def received(data: bytes | str) -> None:
        message = ForwardMsg.FromString(data) if isinstance(data, bytes) else ForwardMsg()
        if message.WhichOneof("type") != "script_finished":
            return
        if message.script_finished == ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY:
            asked.part = False
        elif message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            asked.page = asked.part = False

    socket.on("framesent", sent)
    socket.on("framereceived", received)


def settled(page: Page) -> None:
    """Waits until the server has answered and the page has drawn it: as Streamlit's own tests do, debounce first.

    The state alone does not tell: a busy server begins to run some time after it was asked to, and a click on what it then
    draws anew is lost.
    """
    page.wait_for_timeout(200)
    page.wait_for_selector('[data-testid="stApp"][data-test-connection-state="CONNECTED"]')
    until(page, lambda: not (ASKED[page].page or ASKED[page].part))
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    page.wait_for_timeout(150)
    page.wait_for_function("[...document.images].every((image) => image.complete)")


def until(page: Page, true: Callable[[], bool]) -> None:
    """Waits for what a page itself cannot be asked."""
    deadline = time.monotonic() + PATIENCE / 1000
    while not true():
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)
