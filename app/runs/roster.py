"""What the Runs page says about each of hundreds of runs. It is read beside the pages and kept: a page waits a moment for
runs it has never seen, and for nothing else."""

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

import numpy as np
import streamlit as st

from app import memory, reading
from app.runs import lineage
from app.runs.lineage import Asked
from app.saliency.progression import thinned
from store import judgements
from store.errors import LoupeError
from store.runs import Run, Status

READERS = 8  # threads: an object store answers after tens of milliseconds
PATIENCE = 0.7  # seconds a page waits for runs never read before; the others are shown as they were
LIVE_SECONDS = 2.0  # age at which a running run is read again
QUIET_SECONDS = 30.0  # likewise of a run that nobody computes: its verdict, lineage or state may be new
AT_ONCE = 24  # runs read again by one drawing of the page
POINTS = 24  # of the small line


@dataclass(frozen=True)
class Curve:
    """Test accuracy at some of the finished epochs, and the loss at the last one."""

    last: int = -1  # epoch
    accuracy: tuple[float, ...] = ()
    loss: float | None = None


@dataclass(frozen=True)
class Known:
    """What was read of a run. `bytes` is None while it grows; `problem` says what could not be read."""

    status: Status
    curve: Curve = Curve()
    asked: tuple[Asked, ...] = ()
    verdict: str = ""
    bytes: int | None = None
    problem: str = ""
    at: float = 0.0  # monotonic

    @property
    def live(self) -> bool:
        return self.status.state == "running"

    @property
    def due(self) -> bool:
        return time.monotonic() - self.at > (LIVE_SECONDS if self.live else QUIET_SECONDS)


@dataclass
class Roster:
    """All that is known, by run, for all sessions."""

    known: dict[Any, Known] = field(default_factory=dict)
    asking: dict[Any, Future[Known]] = field(default_factory=dict)
    lock: Any = field(default_factory=Lock, repr=False)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(READERS, "roster"), repr=False)

    def look(self, found: Sequence[Run], first: Iterable[str] = ()) -> dict[str, Known]:
        """What is known of these runs, by id; those not read yet are missing. `first`: ids that are read before others."""
        soon, keys = set(first), {memory.same_run(run): run for run in found}
        new = [self.ask(run) for key, run in keys.items() if key not in self.known]
        wait(new, timeout=PATIENCE)
        old = [(run.id not in soon, self.known[key].at, key) for key, run in keys.items() if self.stale(key)]
        for *_, key in sorted(old)[:AT_ONCE]:
            self.ask(keys[key])
        return {run.id: self.known[key] for key, run in keys.items() if key in self.known}

    def stale(self, key: Any) -> bool:
        return key in self.known and self.known[key].due

    def ask(self, run: Run) -> "Future[Known]":
        """Has a run read, unless it is being read already."""
        key = memory.same_run(run)
        with self.lock:
            if key not in self.asking:
                self.asking[key] = self.pool.submit(self.learn, key, run)
            return self.asking[key]

    def learn(self, key: Any, run: Run) -> Known:
        try:
            self.known[key] = found = read(run, self.known.get(key))
            return found
        finally:
            with self.lock:
                self.asking.pop(key, None)

    def forget(self, run: Run) -> None:
        """Has everything about a run read anew: it was thinned, or deleted."""
        self.known.pop(memory.same_run(run), None)


@st.cache_resource(show_spinner=False)
def shared() -> Roster:
    return Roster()


# Reading one run; here the store is touched


def read(run: Run, before: Known | None = None) -> Known:
    """What there is to say about a run; what cannot change any more is taken from `before`."""
    status = reading.present(run.status())  # not reading.status: its cache belongs to the pages
    known = replace(before or Known(status), status=status, problem="")
    settled = before is not None and before.status.state == status.state == "finished"
    try:
        known = replace(
            known,
            curve=curve(run, known.curve),
            asked=lineage.asked(run.kept("lineage")),
            verdict=said.verdict if (said := judgements.verdict(run)) else "",
            bytes=known.bytes if settled and known.bytes else None if known.live else run.size(),
        )
    except LoupeError as error:
        known = replace(known, problem=str(error))
    return replace(known, at=time.monotonic())


def curve(run: Run, before: Curve) -> Curve:
    """The measures of the finished epochs; read only where there is a new one."""
    evaluation = next(iter(run.of_kind("evaluation")), None)
    epochs = evaluation.marked() if evaluation else ()
    if not evaluation or not epochs:
        return Curve()
    if before.last == epochs[-1]:
        return before
    some = thinned(epochs, epochs[-1], POINTS)
    accuracy = evaluation.read("accuracy", some)[:, 1]  # NaN where no image has a label
    known = tuple(accuracy.tolist()) if np.isfinite(accuracy).all() else ()
    return Curve(epochs[-1], known, float(evaluation.read("loss", epochs[-1])[1]))
