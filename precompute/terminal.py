"""What the command line shows: progress with the time left, and the outcome of a run."""

import math
from datetime import datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from store.errors import LoupeError
from store.runs import Run, Status

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
    """Two lines at the end: what came out, and how to see it."""
    evaluation = made.of_kind("evaluation")[0]
    last = evaluation.marked()[-1]
    train, test = (share(value) for value in evaluation.read("accuracy", last))
    images = evaluation.array("logits").shape[1]
    said = f"test accuracy {test} ({images:,} images)" if test else f"{images:,} images without a label"
    out.print(f"[bold]{made.id}[/]: epoch {last}, {said}" + (f", training accuracy {train}." if train else "."))
    for item in made.of_kind("saliency"):
        if "obstacle" in item.attributes:
            out.print(f"Not computed: {item.attributes['obstacle']}")
    out.print(f"{made.size() / 1e6:,.1f} MB. To look at it: make demo, or streamlit run streamlit_app.py")


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
