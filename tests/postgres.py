"""A PostgreSQL server for as long as a test or a benchmark needs one, where the machine has its programs."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def programs() -> Path | None:
    """The folder of initdb and pg_ctl; None where PostgreSQL is not installed, or would only run as root."""
    found = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True) if found is None else [Path(found).parent]
    return next((folder for folder in folders if (folder / "initdb").exists() and account() is not None), None)


def account() -> dict[str, Any] | None:
    """Who the server runs as: PostgreSQL refuses root. None where root knows nobody else."""
    if os.getuid():
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    name = next((name for name in ("postgres", "nobody") if name in names), None)
    return {"user": name, "group": pwd.getpwnam(name).pw_gid} if name else None


@contextmanager
def postgres() -> Iterator["Server"]:
    """A server with an empty database, gone afterwards."""
    folder, who = programs(), account()
    if folder is None or who is None:
        raise RuntimeError("PostgreSQL is not installed here: its programs initdb and pg_ctl are missing.")
    data = Path(tempfile.mkdtemp(prefix="loupe-postgres-"))
    if who:
        shutil.chown(data, who["user"], who["group"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(folder, data, port, who)
    server.call("initdb", "--auth", "trust", "--username", "loupe", "--no-sync", "--pgdata", str(data / "db"))
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(data, ignore_errors=True)


class Server:
    """Can be stopped and started again, as a server that fails is."""

    def __init__(self, programs: Path, folder: Path, port: int, who: dict[str, Any]) -> None:
        self.programs, self.folder, self.port, self.who = programs, folder, port, who
        self.address = f"postgresql://loupe@127.0.0.1:{port}/postgres"

    def call(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=False, **self.who)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr or done.stdout}")

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        log = str(self.folder / "log")
        self.call("pg_ctl", "start", "--wait", "--pgdata", str(self.folder / "db"), "--log", log, "--options", options)

    def stop(self) -> None:
        self.call("pg_ctl", "stop", "--mode", "immediate", "--pgdata", str(self.folder / "db"))
