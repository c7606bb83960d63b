"""What may happen to the files of a store: bits flip, files are cut, taken away and put in each other's place, others come."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

Random = np.random.Generator
SECRET = "zq9-secret"  # stands in files outside the store
ODD_NAMES = (
    "new\nline",
    "per%2Fcent",
    "..x",
    ".hidden",
    "é",
    "\u202eturned",
    "a" * 250,
    "x.json#1",
    "-rf",
    "con:",
    "zarr.json.tmp",
)
ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 10**400, float("nan"), float("inf"), "", "x", "٣", "../../etc/hostname",
    "<b>x</b>", "a" * 100_000,
    [], {}, [[]], {"": None}, [None], [-1], ["x"], {"a": {"b": {}}}, 2**63, "\ud800", "\0",
)  # fmt: skip


def pick(random: Random, items: Any) -> Any:
    return items[int(random.integers(len(items)))]


def replaced(path: Path, data: bytes) -> None:
    """Another file in its place: the one there may be linked to from elsewhere."""
    path.unlink()
    path.write_bytes(data)


def flip(random: Random, path: Path, root: Path) -> None:
    """One to three bits; half of the time the file looks as old as before."""
    data, before = bytearray(path.read_bytes()), path.stat()
    for _ in range(int(random.integers(1, 4))):
        if data:
            data[int(random.integers(len(data)))] ^= 1 << int(random.integers(8))
    replaced(path, bytes(data))
    if random.random() < 0.5:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut(random: Random, path: Path, root: Path) -> None:
    data = path.read_bytes()
    at = int(random.integers(len(data) + 1))
    replaced(path, pick(random, (b"", data[:at], data[at:], data + data[at:], data[:at] + bytes(len(data) - at))))


def gone(random: Random, path: Path, root: Path) -> None:
    path.unlink()


def folder_gone(random: Random, path: Path, root: Path) -> None:
    shutil.rmtree(path.parent)


def another(random: Random, path: Path, root: Path) -> None:
    """Another file of the store, most often of the same name or of the same folder."""
    near = [item for item in path.parent.rglob("*") if item.is_file()]
    alike = [item for item in root.rglob(path.name) if item.is_file()]
    replaced(path, pick(random, pick(random, (near, alike))).read_bytes())


def folder(random: Random, path: Path, root: Path) -> None:
    """A folder where a file should be."""
    path.unlink()
    (path / "inside").mkdir(parents=True)
    (path / "inside" / "x.json").write_text("{}")


def file(random: Random, path: Path, root: Path) -> None:
    """A file where a folder should be."""
    place = pick(random, [place for place in path.parents if root in place.parents])
    shutil.rmtree(place)
    place.write_text(pick(random, ("", "{}", "x")))


def link(random: Random, path: Path, root: Path) -> None:
    """A link to a file or folder outside, to itself, to nothing, or to its own folder."""
    place = pick(random, [path, path, *[place for place in path.parents if root in place.parents]])
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink()
    outside = root.parent / "outside"
    place.symlink_to(
        pick(random, (outside / "secret.json", outside, "/etc/hostname", "/dev/zero", place, ".", "..", "nothing"))
    )


def pipe(random: Random, path: Path, root: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def foreign(random: Random, path: Path, root: Path) -> None:
    """Something that Loupe never wrote, beside the file."""
    place = path.parent / (pick(random, ODD_NAMES) if random.random() < 0.8 else os.fsdecode(b"bad\xff\xfe"))
    kind = int(random.integers(4))
    if kind > 1:
        place.write_bytes(pick(random, (b"", b"{}", b"x" * 1000, b"[]")))
        return
    place.mkdir(exist_ok=True)
    if kind:
        shutil.copy(pick(random, list(root.rglob("zarr.json"))), place / "zarr.json")


def foreign_array(random: Random, path: Path, root: Path) -> None:
    """An array of another kind where one of Loupe's is, or as an artifact of its own."""
    import zarr

    place = path.parent / "foreign" if random.random() < 0.5 else path.parent
    shape = pick(random, ((3,), (2, 2), (1, 1, 1, 1, 1), (0,), ()))
    zarr.create_array(
        str(place), shape=shape, dtype=pick(random, ("int8", "float64", "uint16", "complex64", "bool")), overwrite=True
    )


def values_of(held: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where there is a value in a JSON object, outermost first."""
    items = held.items() if isinstance(held, dict) else enumerate(held) if isinstance(held, list) else ()
    return [at, *(place for name, item in items for place in values_of(item, (*at, name)))]


def value(random: Random, path: Path, root: Path) -> None:
    """One value of a JSON object becomes something else, goes, or comes twice."""
    try:
        held = json.loads(path.read_bytes())
    except ValueError:
        return flip(random, path, root)
    *way, last = pick(random, values_of(held)[1:] or [("x",)])
    inner = held
    for name in way:
        inner = inner[name]
    if random.random() < 0.2 and isinstance(inner, dict):
        inner.pop(last, None)
    elif isinstance(inner, dict | list):
        inner[last] = pick(random, ODD_VALUES)
    text = json.dumps(held)
    if random.random() < 0.1 and text.startswith("{"):
        text = '{"attributes": 1, "promised": [], ' + text[1:]
    return replaced(path, text.encode())


def whole_value(random: Random, path: Path, root: Path) -> None:
    """JSON, but not what was expected at all."""
    deep = "[" * 100_000 + "]" * 100_000
    odd = (deep, '{"attributes": ' + deep + "}", "NaN", "1e999", "null", "[]", '""', "{}",
    '{"attributes": null}', '{"attributes": []}',
           '{"attributes": {"schema": "1", "uuid": 3}}', '{"attributes": {"arrays": 1, "promised": 2}}',
           '{"artifacts": 3}',
           '{"artifacts": {"x": null}}', "9" * 10_000, '{"state": 3, "at": "x"}',
           '{"arrays": {"logits": 3}}')  # fmt: skip
    replaced(path, pick(random, odd).encode())


def newer(random: Random, path: Path, root: Path) -> None:
    """The run of this file says that another version wrote it."""
    run = root / "runs" / path.relative_to(root / "runs").parts[0] if root / "runs" in path.parents else None
    if not run:
        return flip(random, path, root)
    held = json.loads((run / "zarr.json").read_bytes())
    held["attributes"]["schema"] = pick(random, (2, 99, 0, -1, "1", 1.5, None, 10**30))
    return replaced(run / "zarr.json", json.dumps(held).encode())


def twin(random: Random, path: Path, root: Path) -> None:
    """A run twice, under another name or inside itself."""
    runs = root / "runs"
    run = runs / pick(random, sorted(item.name for item in runs.iterdir()))
    if not run.is_dir():  # any more
        return
    shutil.copytree(run, runs / pick(random, ("twin", "zwei-é", "with space", f"{run.name}/{run.name}", "a" * 200)))


def clock(random: Random, path: Path, root: Path) -> None:
    """Files and words from the future, or from before there were files."""
    at = float(pick(random, (0, time.time() + 1e9, 2**33)))
    run = pick(random, sorted((root / "runs").iterdir()))
    said = {
        "state": pick(random, ("running", "finished", "failed", "odd")),
        "at": pick(random, (at, 1e18, -1e18, 0)),
        "done": 1,
        "of": 3,
    }
    if (run / "status.json").is_file():  # and was not taken away before
        replaced(run / "status.json", json.dumps(said).encode())
    data = path.read_bytes()
    replaced(path, data)
    os.utime(path, (at, at))


def locked(random: Random, path: Path, root: Path) -> None:
    """Not readable (which means nothing to root)."""
    replaced(path, path.read_bytes())
    path.chmod(0)


DAMAGE: dict[str, tuple[int, Callable[[Random, Path, Path], None]]] = {
    "flip": (12, flip), "cut": (5, cut), "gone": (3, gone), "folder gone": (2, folder_gone), "another": (3, another),
    "folder": (2, folder), "file": (2, file), "link": (4, link), "pipe": (1, pipe), "foreign": (3, foreign),
    "foreign array": (1, foreign_array), "value": (8, value), "whole value": (3, whole_value), "newer": (1, newer),
    "twin": (1, twin), "clock": (1, clock), "locked": (1, locked),
}  # fmt: skip
KINDS = ("zarr.json", "summary.json", "status.json", "done/", "observations/", "verdicts/", "lineage/", "/c/", "")


def listed(folder: str) -> Iterator[Path]:
    """All files below, which Path.rglob lists six times slower; no links, pipes or folders."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from listed(entry.path)
            elif entry.is_file(follow_symlinks=False):
                yield Path(entry.path)


def damaged(random: Random, root: Path) -> tuple[str, Path]:
    """Does one thing to one file of the store; says what, and to which. What a file is for is drawn before the file."""
    files = sorted(listed(str(root)))
    kind = pick(random, KINDS)
    if kind == "zarr.json" and random.random() < 0.3:
        kind = "runs/*-0123456789/zarr.json"
    chosen = [path for path in files if fnmatch(str(path.relative_to(root)), f"*{kind}*")] or files
    path = pick(random, chosen)
    weights = np.array([weight for weight, _ in DAMAGE.values()])
    name = (
        pick(random, list(DAMAGE))
        if random.random() < 0.3
        else str(random.choice(list(DAMAGE), p=weights / weights.sum()))
    )
    DAMAGE[name][1](random, path, root)
    return name, path.relative_to(root)
