"""What starts the app and its workers: which addresses it takes, and that a worker that dies comes back."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from app import launch
from app.access import hosting
from app.launch import Worker

ROOT = Path(__file__).parent.parent
# the real launcher with a worker that needs no torch
SERVE = """import sys
from app import launch
launch.start_worker = lambda children: launch.start(children, "-c", "import time; time.sleep(600)  # worker")
sys.exit(launch.main(["--serve", *sys.argv[1:]]))
"""


def ended(code: str = "pass") -> subprocess.Popen[bytes]:
    child = subprocess.Popen([sys.executable, "-c", code])
    child.wait()
    return child


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LOUPE_READ_ONLY", raising=False)
    monkeypatch.delenv("STREAMLIT_SERVER_BASE_URL_PATH", raising=False)
    monkeypatch.setattr(hosting, "SECRETS", (tmp_path / "secrets.toml",))


def test_beyond_this_machine_only_with_sign_in_or_to_look(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        launch.parsed(["--serve", "--address", "0.0.0.0"])
    said = capsys.readouterr().err
    assert "docs/hosting.md" in said and "LOUPE_READ_ONLY=1" in said
    monkeypatch.setenv("LOUPE_READ_ONLY", "1")
    assert launch.parsed(["--serve", "--address", "0.0.0.0"]).address == "0.0.0.0"


@pytest.mark.parametrize(
    ("arguments", "workers"),
    [(["--serve"], 1), (["--serve", "--workers", "3"], 3), (["--run", "recipes/demo.toml"], 1), ([], 0)],
)
def test_how_many_workers(arguments: list[str], workers: int) -> None:
    assert launch.parsed(arguments).workers == workers


def test_a_second_recipe_needs_a_first_and_must_be_there(capsys: pytest.CaptureFixture[str]) -> None:
    both = launch.parsed(["--run", "recipes/demo.toml", "--beside", "recipes/pretrained.toml"])
    assert both.beside == "recipes/pretrained.toml"
    for wrong, said in (
        (["--beside", "recipes/pretrained.toml"], "--beside needs --run"),
        (["--run", "recipes/demo.toml", "--beside", "recipes/none.toml"], "there is no recipe 'recipes/none.toml'"),
    ):
        with pytest.raises(SystemExit):
            launch.parsed(wrong)
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "below", "opened", "asked"),
    [
        ("127.0.0.1", "", "http://localhost:80", "http://127.0.0.1:80/_stcore/health"),
        ("0.0.0.0", "/loupe/", "http://localhost:80/loupe", "http://127.0.0.1:80/loupe/_stcore/health"),
        ("::", "", "http://localhost:80", "http://[::1]:80/_stcore/health"),
        ("10.0.0.7", "", "http://10.0.0.7:80", "http://10.0.0.7:80/_stcore/health"),
    ],
)
def test_where_the_app_is_opened_and_asked_for(
    monkeypatch: pytest.MonkeyPatch, address: str, below: str, opened: str, asked: str
) -> None:
    monkeypatch.setenv("STREAMLIT_SERVER_BASE_URL_PATH", below)
    assert launch.opened_at(address, 80) == opened
    assert launch.health(address, 80) == asked


def test_a_worker_that_lived_is_started_again_at_once_and_one_that_cannot_live_ever_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start_worker(children: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        children.append(ended())
        return children[-1]

    monkeypatch.setattr(launch, "start_worker", start_worker)
    children: list[subprocess.Popen[bytes]] = []
    worker = Worker(start_worker(children), started=time.monotonic() - 100)
    first = worker.child
    launch.revive(worker, children)
    assert worker.child is not first and worker.deaths == 0 and children == [worker.child]
    pauses = []
    for _ in range(9):
        launch.revive(worker, children)
        pauses.append(worker.pause())
        worker.started -= worker.pause()
        launch.revive(worker, children)
    assert pauses == sorted(pauses) and pauses[0] >= 1 and pauses[-1] == launch.LONGEST_PAUSE


def test_what_computes_leaves_the_processor_to_the_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.sys, "executable", "/bin/echo")
    children: list[subprocess.Popen[bytes]] = []
    worker = launch.start_worker(children)
    assert os.getpriority(os.PRIO_PROCESS, worker.pid) == min(19, launch.BEHIND + os.getpriority(os.PRIO_PROCESS, 0))
    assert worker.wait() == 0 and children == [worker]


def test_serve_starts_the_app_and_workers_and_ends_them_all(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"LOUPE_STORE": str(tmp_path / "store"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SERVE, "--workers", "2", "--port", str(port)]
    launcher = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        soon(lambda: len(workers_of(launcher.pid)) == 2)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=10) as answer:
            assert answer.read() == b"ok"
        victim, other = workers_of(launcher.pid)
        victim.kill()
        soon(lambda: len({*workers_of(launcher.pid)} - {victim}) == 2)
        assert other in workers_of(launcher.pid)
        everybody = psutil.Process(launcher.pid).children(recursive=True)
        launcher.send_signal(signal.SIGTERM)
        assert launcher.wait(30) == 0
        soon(lambda: not any(child.is_running() for child in everybody))
    finally:
        launcher.kill()
        said = launcher.communicate()[0]
    assert f"Loupe is open at http://localhost:{port}" in said
    assert "A worker ended (exit status -9)" in said


def workers_of(pid: int) -> list[psutil.Process]:
    children = psutil.Process(pid).children()
    return [
        child for child in children if child.status() != psutil.STATUS_ZOMBIE and "# worker" in str(child.cmdline())
    ]


def soon(true: Callable[[], bool]) -> None:
    for _ in range(600):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come true within a minute")
