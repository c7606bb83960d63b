"""What the command line shows: progress with the time left, and the outcome of a run."""

import math
import os
import shlex
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from store.errors import LoupeError
from store.objects import DEFAULT_ADDRESS, Objects
from store.runs import Run, Status, dataset

OPEN_AT = "LOUPE_OPEN_AT"  # set by app.launch, where the app is open beside

out = Console()


def bar() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    return Progress(*columns, console=out)


def shown(progress: Progress, task: TaskID, status: Status) -> None:
    left = "" if status.seconds_left is None else f"about {duration(status.seconds_left)} left"
    progress.update(task, description=status.doing or "loading", completed=status.done, total=status.of, left=left)


def report(made: Run) -> None:
    """Some lines at the end: what came out, what was left out, and how to see it."""
    evaluation = made.of_kind("evaluation")[0]
    last = evaluation.marked()[-1]
    train, test = (share(value) for value in evaluation.read("accuracy", last))
    images = evaluation.array("logits").shape[1]
    said = f"test accuracy {test} ({images:,} images)" if test else f"{images:,} images without a label"
    out.print(f"[bold]{made.id}[/]: epoch {last}, {said}" + (f", training accuracy {train}." if train else "."))
    for item in made.of_kind("saliency"):
        if "obstacle" in item.attributes:
            out.print(f"Not computed: {item.attributes['obstacle']}")
    for note in dataset(made.objects, made.attributes["dataset"], made.id).attributes.get("notes", ()):
        out.print(escape(note))
    out.print(f"{made.size() / 1e6:,.1f} MB. To look at it: {opening(made.objects)}")


def counted(number: int, noun: str) -> str:
    """How many of what: "1 job", "2 jobs"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def opening(objects: Objects) -> str:
    """Where the app is open, or the command that opens it on this store."""
    if at := os.environ.get(OPEN_AT):
        return at
    if objects.address == (os.environ.get("LOUPE_STORE") or DEFAULT_ADDRESS):
        return "make serve"
    return f"LOUPE_STORE={shlex.quote(str(objects.local or objects.address))} make serve"


def share(value: float) -> str:
    """An accuracy in per cent, "" where none was measured."""
    return f"{value:.1%}" if math.isfinite(value) else ""


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def epochs_and_accuracy(item: Run) -> tuple[str, str]:
    try:
        evaluation = item.of_kind("evaluation")[0]
        last = evaluation.marked()[-1]
        return f"{last} of {item.epochs}", share(evaluation.read("accuracy", last)[1])
    except (LoupeError, IndexError):
        return f"0 of {item.epochs}", ""


def moment(seconds: float | None) -> str:
    """A Unix time as a person reads it; nothing for None."""
    return "" if seconds is None else datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")
