"""A local folder as a place for objects: which files in it are its own. A link that leads out of it is never followed.

Not left to the object store's client: that follows such links, waits for ever at a pipe, and lists nothing at all where
one name is not Unicode or one link leads in a circle.
"""

import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate
from pathlib import Path

from store.errors import BadInput

HALF_WRITTEN = re.compile(r"#\d+$")  # temporary files of the object store's client


def downward(path: str) -> bool:
    """Whether a path leads down from the folder: names of arrays and data sets come from files, which may say anything."""
    return "\0" not in path and not path.startswith("/") and ".." not in path.split("/")


def inside(root: Path, path: str) -> bool:
    """Whether `path`, all links followed, lies in the folder."""
    if not downward(path):
        return False
    below = [*accumulate(path.split("/"), os.path.join, initial=str(root))][1:]
    if not any(map(os.path.islink, below)):
        return True
    top, real = os.path.realpath(root), os.path.realpath(root / path)
    return real == top or real.startswith(top + os.sep)


def own(root: Path, path: str) -> None:
    """Raises BadInput for what lies outside."""
    if not inside(root, path):
        raise BadInput(
            f"{root}/{path} lies outside the store: a link that leads out of it is not followed. "
            "Put what it points to in its place, or take it away."
        )


def facts(root: Path, path: str) -> os.stat_result | None:
    """Of the file at `path`; None for a folder, a pipe, a device, and whatever a link finds outside."""
    try:
        found = (root / path).stat() if inside(root, path) else None
    except PermissionError:
        raise
    except OSError:
        return None
    return found if found and stat.S_ISREG(found.st_mode) else None


def holds(root: Path, path: str) -> bool:
    """Whether there is a file at `path`."""
    try:
        return facts(root, path) is not None
    except PermissionError:
        return True  # that it cannot be read is said when it is


def files(root: Path, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    """Path and facts of every file under the folder `prefix`; folders behind links are left out."""
    if not inside(root, prefix):
        return
    waiting = [prefix.rstrip("/")]
    while waiting:
        folder = waiting.pop()
        for entry in entries(root, folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            elif is_file(root, path, entry) and not HALF_WRITTEN.search(entry.name):
                with suppress(FileNotFoundError):  # taken away meanwhile
                    yield path, entry.stat()


def is_file(root: Path, path: str, entry: os.DirEntry[str]) -> bool:
    if entry.is_symlink():
        return inside(root, path) and Path(entry.path).is_file()
    return entry.is_file(follow_symlinks=False)


def folders(root: Path, prefix: str) -> list[str]:
    """Names of the folders directly inside `prefix`, those behind links, too: what they hold is refused when it is read."""
    found = entries(root, prefix) if inside(root, prefix) else []
    return sorted(entry.name for entry in found if Path(entry.path).is_dir())


def entries(root: Path, folder: str) -> list[os.DirEntry[str]]:
    """What lies in a folder under a name that an object can have."""
    try:
        with os.scandir(root / folder) as found:
            return [entry for entry in found if entry.name.isprintable()]
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):  # a link to itself leads nowhere
            return []
        raise


def clear(root: Path, path: str, *, spare: bool = False) -> None:
    """Takes away whatever stands where the object `path` should: a folder, a link, or a file where a folder should be.

    A link on the way to another folder of the store stays. spare: no file in the place itself is taken away, which another
    process may just have written.
    """
    if not downward(path):
        raise BadInput(f"'{path}' is no place in the store: nothing is taken away.")
    at = root
    for part in Path(path).parts:
        at = at / part
        if spare and at == root / path and at.is_file() and not at.is_symlink():
            return
        if at != root / path and at.is_dir() and inside(root, at.relative_to(root).as_posix()):
            continue
        if at.is_symlink() or (at.exists() and not at.is_dir()):
            at.unlink(missing_ok=True)
            return
    shutil.rmtree(at, ignore_errors=True)


def tag(facts: os.stat_result) -> str:
    """What the object store's client says of a local file in place of a tag."""
    return f'"{facts.st_ino:x}-{facts.st_mtime_ns // 1000:x}-{facts.st_size:x}"'
