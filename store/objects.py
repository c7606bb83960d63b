"""Objects at an address, local folder or object store alike: put, create if absent, get, list, delete.

A put is whole or not at all: locally a temporary file is renamed, object stores promise it.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import LocalStore, from_url

from store import folders
from store.errors import BadInput, Corrupt, LoupeError, NoSpace, Unanswered

DEFAULT_ADDRESS = "artifacts"
UNUSABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")  # in a name: control characters, and halves of characters
PIECE = 4 * 1024**2  # bytes of an object that is not read at once


@dataclass(frozen=True)
class Stat:
    """What the object store says about an object without reading it."""

    path: str
    size: int
    e_tag: str
    at: float = 0.0  # when it was written, Unix time by the store's clock


@dataclass(frozen=True)
class Objects:
    """One place that holds objects. `local` is its folder, None for an object store."""

    address: str
    raw: Any  # an obstore store
    local: Path | None

    def get(self, path: str) -> bytes | None:
        """The object, or None where there is none."""
        if not possible(path) or (self.local and not folders.holds(self.local, path)):
            return None
        with translated(self.address):
            try:
                return bytes(obstore.get(self.raw, path).bytes())
            except (FileNotFoundError, NotFoundError):
                return None

    def pieces(self, path: str) -> Iterator[bytes]:
        """The object's bytes, a few at a time; none where there is none."""
        if not possible(path) or (self.local and not folders.holds(self.local, path)):
            return
        with translated(self.address), suppress(FileNotFoundError, NotFoundError):
            yield from map(bytes, obstore.get(self.raw, path).stream(min_chunk_size=PIECE))

    def ends(self, path: str, size: int, count: int) -> bytes:
        """The first and the last `count` bytes of an object of `size`."""
        with translated(self.address, path):
            return b"".join(
                bytes(obstore.get_range(self.raw, path, start=start, length=count)) for start in (0, size - count)
            )

    def get_json(self, path: str) -> Any:
        """What the JSON at `path` says, or None where there is no such object; raises Corrupt where it says nothing."""
        data = self.get(path)
        if data is None:
            return None
        with suppress(ValueError, RecursionError):
            if (found := json.loads(data)) is not None:
                return found
        raise Corrupt(
            f"{self.address}/{path} is damaged: expected JSON, found {data[:40]!r}. Delete it and run the recipe again."
        )

    def put(self, path: str, data: bytes) -> None:
        """Writes or replaces the object."""
        self.contain(path)
        with translated(self.address, path):
            obstore.put(self.raw, path, data)

    def create(self, path: str, data: bytes | mmap) -> bool:
        """Writes the object if there is none; False, and nothing changed, if there is one."""
        self.contain(path)
        with translated(self.address, path):
            try:
                obstore.put(self.raw, path, data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
        return True

    def contain(self, path: str) -> None:
        """Raises where a local object's folder is a link that leads out of the store; the object itself is replaced."""
        if self.local:
            folders.own(self.local, path.rpartition("/")[0])

    def stat(self, path: str) -> Stat | None:
        if not possible(path):
            return None
        with translated(self.address):
            if self.local:
                facts = folders.facts(self.local, path)
                return local_stat(path, facts) if facts else None
            try:
                return stat_of(obstore.head(self.raw, path))
            except (FileNotFoundError, NotFoundError):
                return None

    def under(self, prefix: str) -> Iterator[Stat]:
        """Every object whose path begins with the folder `prefix`."""
        with translated(self.address, prefix):
            if self.local:
                for path, facts in folders.files(self.local, prefix):
                    yield local_stat(path, facts)
                return
            for batch in obstore.list(self.raw, prefix):
                yield from map(stat_of, batch)

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly inside `prefix`, sorted."""
        with translated(self.address, prefix):
            if self.local:
                return folders.folders(self.local, prefix)
            found = obstore.list_with_delimiter(self.raw, prefix)["common_prefixes"]
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found)

    def delete_each(self, paths: Sequence[str]) -> None:
        """Deletes these objects, in order; one that is not there is no matter."""
        for path in paths:
            self.contain(path)
            with translated(self.address, path), suppress(FileNotFoundError, NotFoundError):
                obstore.delete(self.raw, path)

    def clear(self, path: str) -> None:
        """Deletes the object, or whatever else stands in its place in a local folder, so that it can be written."""
        if self.local:
            with translated(self.address):
                folders.clear(self.local, path)
        else:
            self.delete_each([path])

    def clear_description(self, folder: str) -> None:
        """Deletes the zarr.json in a folder; of a link, the link: what lies behind it is described for itself."""
        self.clear(folder if self.is_link(folder) else f"{folder}/zarr.json")

    def make_way(self, path: str) -> None:
        """Deletes what stands in a local object's place and is none: a folder, a link that leads out, a file for a folder."""
        if self.local and not folders.holds(self.local, path):
            with translated(self.address):
                folders.clear(self.local, path, spare=True)

    def is_link(self, path: str) -> bool:
        """Whether a local folder has a link there, to another place of the store or out of it."""
        return self.local is not None and (self.local / path).is_symlink()

    def delete(self, prefix: str) -> int:
        """Deletes every object under `prefix`; returns how many bytes that freed."""
        self.contain(prefix)
        doomed = [] if self.is_link(prefix) else list(self.under(prefix))
        if doomed:
            with translated(self.address):
                obstore.delete(self.raw, [stat.path for stat in doomed])
        if self.local:
            folders.clear(self.local, prefix)  # with what a killed writer left half written
        return sum(stat.size for stat in doomed)


def local_stat(path: str, facts: os.stat_result) -> Stat:
    return Stat(path, facts.st_size, folders.tag(facts), facts.st_mtime)


def stat_of(meta: Any) -> Stat:
    return Stat(meta["path"], meta["size"], meta["e_tag"] or "", meta["last_modified"].timestamp())


class translated:
    """Turns the object store's own errors into ours. Raises BadInput for a path that no object can have."""

    def __init__(self, address: str, path: str = "") -> None:
        self.address, self.path = address, path

    def __enter__(self) -> None:
        if not possible(self.path):
            raise BadInput(f"{self.address}: no object can be named {self.path[:80]!r}.")

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, BaseError | OSError) and not isinstance(error, LoupeError):
            text = str(error)
            if "os error 28" in text or "No space left" in text or "QuotaExceeded" in text:
                raise NoSpace(
                    f"No space is left at {self.address}. What was finished is safe: free some space and run the command again."
                ) from error
            raise Unanswered(
                f"The store at {self.address} does not answer as it should: {text.splitlines()[0]}. "
                "What was finished is safe: mend it and run again."
            ) from error


def possible(path: str) -> bool:
    """Whether objects can have this path: names come from files, which may say anything."""
    parts = path.strip("/").split("/") if path else []
    return not any(part in ("", ".", "..") or UNUSABLE.search(part) for part in parts)


def connect(address: str | None = None) -> Objects:
    """The place at `address`, or at the environment's LOUPE_STORE; raises BadInput for an address nobody can open.

    A path is a local folder; s3://bucket/prefix (gs://, az://) an object store with credentials from the environment.
    """
    address = address or os.environ.get("LOUPE_STORE") or DEFAULT_ADDRESS
    if "://" in address and not address.startswith("file://"):
        try:
            return Objects(address.rstrip("/"), from_url(address), None)
        except (BaseError, ValueError) as error:
            raise BadInput(
                f"LOUPE_STORE: '{address}' is no folder and no object store that can be opened: {error}."
            ) from error
    folder = Path(address.removeprefix("file://")).expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"LOUPE_STORE: '{address}' is a file; a folder or an object-store address was expected.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"LOUPE_STORE: '{address}' cannot be made: {error.strerror}. Name a folder you may write to."
        ) from error
    return Objects(address, LocalStore(folder), folder)
