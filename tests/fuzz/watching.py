"""Notices what a process writes or starts that it should not, by Python's audit events."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
STARTS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile", "pty.spawn")


class Watch:
    """What was written outside `folder`, and which commands were run. There is no end to it: for a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.found = str(folder.resolve()), list[str]()
        sys.dont_write_bytecode = True
        tempfile.tempdir = self.folder
        sys.addaudithook(self.hear)

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        if event in CHANGES or (event == "open" and isinstance(args[2], int) and args[2] & WRITING):
            self.written(args[0])
        elif event in STARTS:
            self.found.append(f"runs {args!r:.200}")

    def written(self, path: Any) -> None:
        if not isinstance(path, str | bytes | os.PathLike):  # a number of an open file
            return
        full = os.path.realpath(os.fsdecode(path))
        if not full.startswith((self.folder, "/dev/", "/proc/")):
            self.found.append(f"writes {full[:200]}")

    def news(self) -> str:
        """What was noticed since it was asked last."""
        found, self.found = self.found, []
        return ", ".join(dict.fromkeys(found))
