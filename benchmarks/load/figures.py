"""What was noted: times by page, memory over time, growth by reruns; as tables, and as one JSON object."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.load.speaking import Rerun

MB = 1e6
WHY = {"opened": "opened by its address", "turned": "turned to", "acted": "a widget", "renewed": "renews itself"}


def quantiles(seconds: Sequence[float]) -> tuple[float, float, float]:
    """p50, p95 and the largest, in milliseconds."""
    if not seconds:
        return 0.0, 0.0, 0.0
    return tuple(float(one) * 1e3 for one in np.quantile(seconds, (0.5, 0.95, 1.0)))  # type: ignore[return-value]


@dataclass
class Sample:
    """Memory at one moment, MB of each process (proportional set size), and how many reruns there had been."""

    at: float
    reruns: int
    of: dict[str, float]
    files: int  # that the app has open
    threads: int


@dataclass
class Notes:
    """All reruns and samples of a measurement."""

    reruns: list[Rerun] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @property
    def asked(self) -> list[Rerun]:
        """Those that somebody waited for: a part that renews itself is none."""
        return [one for one in self.reruns if one.why != "renewed"]

    def errors(self) -> list[str]:
        return [f"{one.page or 'overview'}: {error}" for one in self.reruns for error in one.errors]

    def said(self) -> list[str]:
        return [f"{one.page or 'overview'}: {text}" for one in self.reruns for text in one.said]

    def sample(self, processes: dict[str, Iterable[psutil.Process]], app: psutil.Process) -> Sample:
        found = {name: sum(map(resident, some)) for name, some in processes.items()}
        threads, files = app.num_threads(), app.num_fds()
        self.samples.append(Sample(time.monotonic() - self.began, len(self.reruns), found, files, threads))
        return self.samples[-1]


def resident(process: psutil.Process) -> float:
    """MB; shared pages count by the share of each process."""
    try:
        return process.memory_full_info().pss / MB
    except AttributeError:
        return process.memory_info().rss / MB  # where the system knows no proportional set size
    except psutil.Error:
        return 0.0


def spent(process: psutil.Process) -> float:
    """Seconds of processor time."""
    try:
        return sum(process.cpu_times()[:2])
    except psutil.Error:
        return 0.0


def growth(samples: Sequence[Sample]) -> float:
    """MB of the app per 1,000 reruns, fitted."""
    if len(samples) < 2 or samples[0].reruns == samples[-1].reruns:
        return 0.0
    return float(np.polyfit([one.reruns for one in samples], [one.of["app"] for one in samples], 1)[0]) * 1000


# Tables


def times_table(notes: Notes) -> Table:
    table = Table(
        "page", "reruns", "p50 ms", "p95 ms", "largest ms", "errors", title="From asking to the end of the script"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    pages = sorted({one.page for one in notes.reruns})
    rows = {page or "overview": [one for one in notes.asked if one.page == page] for page in pages}
    rows |= {"all pages": notes.asked}
    rows |= {f"… {words}": [one for one in notes.reruns if one.why == why] for why, words in WHY.items()}
    for name, some in rows.items():
        cells = [f"{ms:,.0f}" for ms in quantiles([one.seconds for one in some])]
        section = name in (list(rows)[len(pages) - 1], "all pages")
        table.add_row(
            name, f"{len(some):,}", *cells, str(sum(map(len, (one.errors for one in some)))), end_section=section
        )
    return table


def memory_table(samples: Sequence[Sample], words: Sequence[str]) -> Table:
    names = list(samples[0].of)
    table = Table("when", "reruns", *(f"{name} MB" for name in names), "files", "threads", title="Memory")
    for column in table.columns[1:]:
        column.justify = "right"
    for when, one in zip(words, samples, strict=True):
        table.add_row(
            when,
            f"{one.reruns:,}",
            *(f"{one.of.get(name, 0):,.0f}" for name in names),
            str(one.files),
            str(one.threads),
        )
    return table


def by_minute(samples: Sequence[Sample]) -> list[Sample]:
    """The sample nearest to each full minute."""
    last = int(samples[-1].at // 60)
    return [min(samples, key=lambda one: abs(one.at - 60 * minute)) for minute in range(1, last + 1)]


def counted(texts: Sequence[str], console: Console, title: str, most: int = 12) -> None:
    if texts:
        console.print(f"{len(texts)} {title}:")
    for text in sorted(set(texts), key=texts.count, reverse=True)[:most]:
        console.print(f"  {texts.count(text)} × {text[:300]}", markup=False, highlight=False)


def more_of(before: dict[str, Any], after: dict[str, Any], most: int = 12) -> list[str]:
    """The types of which there are more objects than before, most first."""
    old, new = before.get("objects", {}), after.get("objects", {})
    gained = {name: count - old.get(name, 0) for name, count in new.items()}
    return [
        f"{gained[name]:+,} {name}"
        for name in sorted(gained, key=lambda name: -gained[name])[:most]
        if gained[name] > 50
    ]


def parts(memory: dict[str, float]) -> str:
    """What the app's memory is taken up by: see benchmarks.load.watched."""
    return ", ".join(f"{name} {value:,.1f}" for name, value in memory.items())


def summary(notes: Notes) -> dict[str, float]:
    """The JSON line's numbers about reruns."""
    found: dict[str, float] = {}
    for page in sorted({one.page for one in notes.asked}):
        p50, p95, _ = quantiles([one.seconds for one in notes.asked if one.page == page])
        found |= {
            f"load, {page or 'overview'}: p50 ms": round(p50, 1),
            f"load, {page or 'overview'}: p95 ms": round(p95, 1),
        }
    p50, p95, largest = quantiles([one.seconds for one in notes.asked])
    renewed = quantiles([one.seconds for one in notes.reruns if one.why == "renewed"])
    return found | {
        "load: reruns": len(notes.asked),
        "load: renewals": len(notes.reruns) - len(notes.asked),
        "load: p50 ms": round(p50, 1),
        "load: p95 ms": round(p95, 1),
        "load: largest ms": round(largest, 1),
        "load, renewals: p95 ms": round(renewed[1], 1),
        "load: errors": len(notes.errors()),
        "load: MB sent": round(sum(one.received for one in notes.reruns) / MB, 1),
    }
