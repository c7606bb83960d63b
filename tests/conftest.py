"""What several test files share: a queue and store, empty, and the one browser. Playwright may be started only once a process."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from streamlit.components.v2 import manifest_scanner

from precompute import queue
from precompute.queue import Queue
from store.objects import Objects, connect
from tests import worlds
from tests.browser import chromium

# Each AppTest asks every installed package whether it brings components, for 0.3 s: once a process is enough.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)


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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium.find()
    if not path:
        pytest.skip(chromium.ADVICE)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()
