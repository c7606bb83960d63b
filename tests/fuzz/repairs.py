"""`verify --repair` of damaged copies of a trained run: all is computed again bit for bit, or a sentence says why not."""

import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np

from precompute import __main__ as command
from precompute.making import make
from store import runs
from store.errors import LoupeError
from store.objects import connect
from store.runs import Run
from tests import tiny
from tests.fuzz.store_contents import arrays, quiet
from tests.fuzz.store_damage import damaged
from tests.fuzz.watching import unwatched

Random = np.random.Generator
# What cannot be made again: a run whose folder is gone or a link, or that says a newer Loupe wrote it, or of which no
# recipe is left
LOST = ("There is no run", "lies outside", "newer Loupe", "no recipe in", "symbolic links: '")


def repairs(folder: Path) -> Callable[[Random], str]:
    """The fuzzer: damages a copy of a small run in one to three places and repairs it."""
    whole, numbers = folder / "whole", count()
    run = make(connect(str(whole)), tiny.recipe(folder, training__epochs=1))
    before = values(run)
    (folder / "outside").mkdir()
    (folder / "outside" / "secret.json").write_text("{}")

    def check(random: Random) -> str:
        case = folder / f"case{next(numbers)}"
        with unwatched():
            shutil.copytree(whole, case)
        done = [damaged(random, case) for _ in range(int(random.choice((1, 1, 2, 3))))]
        try:
            found = repaired(case, run.id, before)
        finally:
            with unwatched():
                shutil.rmtree(case, ignore_errors=True)
        return f"{[(name, str(place)) for name, place in done]}: {found}" if found else ""

    return check


def repaired(case: Path, run_id: str, before: dict[str, bytes]) -> str:
    """What is not as it was after the repair, or why there was none."""
    try:
        with quiet():
            command.app(["verify", run_id, "--repair", "--store", str(case)], standalone_mode=False)
        run = runs.open_run(connect(str(case)), run_id)
    except LoupeError as error:
        return "" if any(words in str(error) for words in LOST) else str(error)
    after = values(run)
    wrong = [name for name, said in before.items() if after.get(name) != said]
    return "; ".join([*run.verify()[:3], *(f"{name} is another" for name in wrong[:3])])


def values(run: Run) -> dict[str, bytes]:
    """Every value of a run and its images, by array and index, but the seconds it took."""
    items = [*run.artifacts().values(), *(runs.dataset(run.objects, name) for name in run.datasets())]
    found = {name: said for item in items for name, said in arrays(item).items()}
    return {name: said for name, said in found.items() if "/measures/" not in name}
