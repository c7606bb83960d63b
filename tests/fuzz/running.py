"""Runs a fuzzer's cases in a child process with bounded memory and time, which is replaced where a case ends it."""

import multiprocessing
import os
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from pkgutil import resolve_name

import numpy as np

from tests.fuzz.watching import Watch

Check = Callable[[np.random.Generator], str]  # carries out one case; what did not hold, or ""
STARTING_SECONDS = (
    600  # of processor time, of a child that imports torch and makes a store; by the clock five times as many
)


@dataclass(frozen=True)
class Fuzzer:
    """place: "module:function" of a function (folder) -> Check, which writes nowhere but into that folder.

    seconds: the longest that a case may take. gigabytes: that cases may take beyond what the process has at its start.
    """

    place: str
    seconds: float = 30
    gigabytes: float = 4

    def check(self, folder: Path) -> Check:
        return resolve_name(self.place)(folder)


def draws(seed: int, case: int) -> np.random.Generator:
    """What a case is made from."""
    return np.random.default_rng([seed, case])


def tried(check: Check, seed: int, case: int) -> str:
    """What did not hold in a case; an exception that leaves the check is such a thing."""
    try:
        return check(draws(seed, case))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-3:]
        way = " > ".join(f"{Path(item.filename).name}:{item.lineno} {item.name}" for item in where)
        return f"{type(error).__name__}: {str(error)[:300]} ({way})"


def run(fuzzer: Fuzzer, cases: range, seed: int) -> Iterator[tuple[int, str]]:
    """Every case's number, in order, with what did not hold in it."""
    context = multiprocessing.get_context("spawn")
    left = cases
    with tempfile.TemporaryDirectory(prefix="loupe-fuzz-") as folder:
        while left:
            here, there = context.Pipe()
            child = context.Process(target=work, args=(fuzzer, folder, left, seed, there), daemon=True)
            child.start()
            there.close()
            try:
                for item in listened(here, child.pid or 0, fuzzer.seconds, left):
                    left = range(item[0] + 1, left.stop)
                    yield item
            finally:
                child.kill()
                child.join()


def listened(here: Connection, child: int, seconds: float, cases: range) -> Iterator[tuple[int, str]]:
    """What a child says of its cases; ends after one that takes too long, or ends it, and says so of that one."""
    case = -1
    try:
        if not answered(here, child, STARTING_SECONDS):
            raise RuntimeError("The child process of the fuzzer does not start.")
        if problem := here.recv():
            raise RuntimeError(problem)
        for case in cases:
            if not answered(here, child, seconds):
                yield case, f"takes longer than {seconds:g} s"
                return
            yield case, here.recv()
    except EOFError:
        if case < 0:
            raise RuntimeError("The child process of the fuzzer died at its start.") from None
        yield case, "ends the process"


def answered(here: Connection, child: int, seconds: float) -> bool:
    """Whether the child says something before it has computed for so many seconds, or waited for five times as many."""
    until, most = time.monotonic() + 5 * seconds, computed(child) + seconds
    while not here.poll(1):
        if time.monotonic() > until or computed(child) > most:
            return False
    return True


def computed(child: int) -> float:
    """Seconds of processor time of a process: on a busy machine the clock says little."""
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def work(fuzzer: Fuzzer, folder: str, cases: range, seed: int, there: Connection) -> None:
    """The child: carries out the cases and says of each what did not hold."""
    try:
        check, watch = fuzzer.check(Path(folder)), Watch(Path(folder))
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + int(fuzzer.gigabytes * 1024**3)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    except BaseException:
        there.send(traceback.format_exc())
        sys.exit(1)
    there.send("")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what libraries say about each damage
    for case in cases:
        said = tried(check, seed, case)
        there.send(said or watch.news())
