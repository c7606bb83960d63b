"""Notices what a process writes or starts that it should not, by Python's audit events."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Where the paths stand in an event's arguments, and the numbers of the open folders that they are relative to
CHANGES: dict[str, tuple[tuple[int, int], ...]] = {
    "os.mkdir": ((0, 2),), "os.rename": ((0, 2), (1, 3)), "os.remove": ((0, 1),), "os.rmdir": ((0, 1),),
    "os.link": ((1, 3),), "os.symlink": ((1, 2),), "os.truncate": ((0, 2),), "os.chmod": ((0, 2),),
}  # fmt: skip
FOLLOWING = ("os.truncate", "os.chmod")  # what a link points to; all other changes are of the link itself
OWN: list[int] = []  # threads in which the fuzzer itself makes or takes away files now
STARTS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile", "pty.spawn")


@contextmanager
def unwatched() -> Iterator[None]:
    """While the fuzzer copies and deletes a case's files: to look at each of them takes longer than to copy it."""
    OWN.append(get_ident())
    try:
        yield
    finally:
        OWN.pop()


class Watch:
    """What was written outside `folder`, and which commands were run. There is no end to it: for a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.found = str(folder.resolve()), list[str]()
        sys.dont_write_bytecode = True
        tempfile.tempdir = self.folder
        os.environ["MPLCONFIGDIR"] = (
            self.folder
        )  # captum brings matplotlib, which writes a cache beside the home folder
        sys.addaudithook(self.hear)

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        if get_ident() in OWN:
            return
        if event == "open" and isinstance(args[2], int) and args[2] & WRITING:
            self.written(args[0])
        elif event in CHANGES:
            for path, folder in CHANGES[event]:
                at = args[folder] if folder < len(args) else -1
                self.written(args[path], at, follow=event in FOLLOWING)
        elif event in STARTS:
            self.found.append(f"runs {args!r:.200}")

    def written(self, path: Any, folder: int = -1, *, follow: bool = True) -> None:
        if not isinstance(path, str | bytes | os.PathLike):  # a number of an open file
            return
        above = f"/proc/self/fd/{folder}" if folder >= 0 else ""
        named = os.path.join(above, os.fsdecode(path)).rstrip("/")  # noqa: PTH118  what is no valid path, too
        place, name = ("", named) if follow else os.path.split(named)
        full = os.path.join(os.path.realpath(place), name) if place else os.path.realpath(named)  # noqa: PTH118
        if not full.startswith((self.folder, "/dev/null", "/dev/pts", "/proc/")):
            self.found.append(f"writes {full[:200]}")

    def news(self) -> str:
        """What was noticed since it was asked last."""
        found, self.found = self.found, []
        return ", ".join(dict.fromkeys(found))
