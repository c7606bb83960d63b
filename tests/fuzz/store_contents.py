"""Damaged and foreign stores: every reader gives what was written or a sentence, `verify` finds it, other runs are unharmed."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import typer

from precompute import __main__ as command
from store import judgements, runs, soundness, trail, workers
from store.errors import LoupeError
from store.objects import connect
from store.runs import Run
from store.shards import Artifact
from tests.fuzz.full import OTHER, RUN, make_full
from tests.fuzz.store_damage import SECRET, damaged
from tests.fuzz.visitor import PAGES, Visitor, boxes, texts
from tests.fuzz.watching import unwatched

Random = np.random.Generator
# What verify does not answer for: words of the moment, and what people said (`damaged` of store/judgements.py names those)
PASSING = ("status.json", "claims", "observations", "verdicts", "resume")


def arrays(artifact: Artifact) -> dict[str, bytes]:
    """Every value of an artifact, by array and index; what is refused is left out."""
    found = {}
    with suppress(LoupeError):
        for index in artifact.marked():
            for name in artifact.attributes["arrays"]:
                with suppress(LoupeError):
                    values = artifact.read(name, index) if not block(artifact) else artifact.read_blocks(name)
                    found[f"{artifact.path}/{name}/{index}"] = values.dtype.str.encode() + values.tobytes()
    return found


def block(artifact: Artifact) -> bool:
    return artifact.kind in ("images", "thumbnails")


def held(folder: Path, only: Callable[[str], bool] = lambda path: True) -> dict[str, Any]:
    """All that readers say about a store: values, facts, judgements. only: which artifacts are read."""
    objects = connect(str(folder))
    found: dict[str, Any] = {}
    for run in runs.all_runs(objects)[0]:
        run.status()
        found[f"{run.path}/facts"] = dict(run.attributes)
        for said in (*judgements.observations(run), *judgements.verdicts(run), judgements.verdict(run)):
            if said:
                found[f"{run.path}/{said.id}"] = said
        found |= {f"{run.path}/kept/{json.dumps(fact)}": fact for kind in runs.KEPT for fact in run.kept(kind)}
        for artifact in run.artifacts().values():
            found[f"{artifact.path}/facts"] = dict(artifact.attributes)
            found |= arrays(artifact) if only(artifact.path) else {}
        for name in run.datasets():
            with suppress(LoupeError):
                data = runs.dataset(objects, name, "RUN")
                found[f"{data.path}/facts"] = dict(data.attributes)
                found |= arrays(data) if only(data.path) else {}
    trail.trail(objects), workers.workers(objects)
    return found


def contents(folder: Path, place: Path) -> dict[str, bytes | None]:
    """Every file under a place, None for what is none."""
    listed = {
        str(path.relative_to(folder)): path
        for path in sorted((folder / place).rglob("*"))
        if not path.is_dir() or path.is_symlink()
    }
    return {
        name: path.read_bytes() if path.is_file() and not path.is_symlink() else None for name, path in listed.items()
    }


def harmed(run: Run, folder: Path, intact: dict[str, bytes | None]) -> list[str]:
    """What a run promised that is not on the disk as it was; what makes no difference to any reader is passed over."""
    found = []
    for name, data in intact.items():
        path = folder / name
        same = path.is_file() and not path.is_symlink() and path.read_bytes() == data
        if not same and not any(part in PASSING for part in Path(name).parts) and not harmless(path, data or b""):
            found.append(name)
    return found


def harmless(path: Path, data: bytes) -> bool:
    """A mark of which only the time or the store's own tag is another; a fact that is not there at all."""
    if path.parent.name in runs.KEPT:  # no list says that there was one
        return path.is_symlink() or not path.is_file()
    if path.parent.name != "done":
        return False
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return (
            path.is_file()
            and not path.is_symlink()
            and stripped(json.loads(path.read_bytes())) == stripped(json.loads(data))
        )
    return False


def stripped(said: Any) -> Any:
    if isinstance(said, dict):
        return {name: stripped(item) for name, item in said.items() if name not in ("e_tag", "written")}
    return said


@contextmanager
def quiet() -> Iterator[None]:
    command.out.quiet = True
    try:
        yield
    finally:
        command.out.quiet = False


def commanded(folder: Path, *words: str) -> None:
    """A command of the command line, in this process; what a person reads as a sentence is no defect."""
    with quiet(), suppress(LoupeError, typer.Exit):
        command.app([*words, "--store", str(folder)], standalone_mode=False)


def seen(visitor: Visitor, folder: Path, page: str) -> list[str]:
    os.environ["LOUPE_STORE"] = str(folder)
    app = visitor.opened(page, {"images": "7", "epoch": "3", "run": RUN})
    found = [f"{page}: {box}" for box in boxes(app)]
    return found + [f"{page} shows what is outside: {said[:200]}" for said, _ in texts(app) if SECRET in said]


def differences(now: dict[str, Any], before: dict[str, Any]) -> list[str]:
    """What is read and is not what was written. (What belongs to something new is not.)"""
    return [name for name, said in now.items() if name in before and not equal(said, before[name])]


def equal(one: Any, other: Any) -> bool:
    return json.dumps(one, default=repr, sort_keys=True) == json.dumps(other, default=repr, sort_keys=True)


def store_contents(
    folder: Path, make: Callable[[Path], object] = make_full, pages: tuple[str, ...] = tuple(PAGES)
) -> Callable[[Random], str]:
    """The fuzzer: damages a copy of a store in one to three places and looks at it with everything that reads."""
    whole, numbers = folder / "whole", count()
    soundness.READ_WHOLE, soundness.ENDS = 600, 64  # so that there are shards that are looked at in part
    make(whole)
    (folder / "outside").mkdir()
    (folder / "outside" / "secret.json").write_text(json.dumps({"attributes": {"classes": [SECRET]}, "text": SECRET}))
    before = held(whole)
    kept = {
        name: contents(whole, Path("runs") / name) | contents(whole, Path("datasets") / data(whole, name))
        for name in (RUN, OTHER)
    }
    os.environ["LOUPE_STORE"] = str(whole)
    visitor = Visitor() if pages else None

    def check(random: Random) -> str:
        case = folder / f"case{next(numbers)}"
        with unwatched():
            shutil.copytree(whole, case, copy_function=os.link)
        done = [damaged(random, case) for _ in range(int(random.choice((1, 1, 1, 2, 3))))]
        touched = {place.parts[:3] for _, place in done}
        try:
            found = looked(case, done, touched)
            for page in random.choice(pages, 2, replace=False) if visitor and random.random() < 0.2 else ():
                found += seen(visitor, case, str(page)) if visitor else []
        finally:
            with unwatched():
                shutil.rmtree(case, ignore_errors=True)
        return f"{[(name, str(place)) for name, place in done]}: " + "; ".join(found[:3]) if found else ""

    def looked(case: Path, done: Any, touched: Any) -> list[str]:
        if (case / "runs").is_symlink():  # one sentence about the store is all that can be said
            commanded(case, "ls")
            return []
        now = held(
            case,
            lambda path: any(Path(path).parts[: len(parts)] == parts[: len(Path(path).parts)] for parts in touched),
        )
        found = [f"{name} is not what was written" for name in differences(now, before)]
        for name in (RUN, OTHER):
            if name in str(done) or "datasets" in str(done) or "twin" in str(done):
                commanded(case, "show", name)
                found += answered(
                    case,
                    name,
                    kept[name],
                    {part for _, place in done for part in place.parts[1:2]} | {name for name, _ in done},
                )
        commanded(case, "ls")
        return found

    return check


def answered(case: Path, name: str, intact: dict[str, bytes | None], touched: set[str]) -> list[str]:
    """What verify says and should not, or does not and should."""
    try:
        run = runs.open_run(connect(str(case)), name)
    except LoupeError:
        return [] if harmed_facts(case, name, intact) else [f"run {name} cannot be opened"]
    problems, wrong = run.verify(), harmed(run, case, intact)
    if wrong and not problems:
        return [f"verify {name} does not find {wrong[:3]}"]
    if (
        problems
        and not wrong
        and not touched & {"foreign", "twin", "foreign array", "clock", "locked", "folder", "link", "file"}
    ):
        return [f"verify {name} finds what is not: {problems[:2]}"]
    return []


def harmed_facts(case: Path, name: str, intact: dict[str, bytes | None]) -> bool:
    place = case / "runs" / name / "zarr.json"
    lost = (case / "runs").is_symlink() or (case / "runs" / name).is_symlink()
    return lost or not place.is_file() or place.is_symlink() or place.read_bytes() != intact[f"runs/{name}/zarr.json"]


def data(folder: Path, name: str) -> str:
    return str(runs.open_run(connect(str(folder)), name).attributes["dataset"])
