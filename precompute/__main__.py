"""The command line: `python -m precompute run recipe.toml` and its companions."""

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads starve the app beside this process

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from precompute import recipe as recipes
from store import runs
from store.errors import LoupeError
from store.objects import Objects, connect
from store.runs import Run, Status

app = typer.Typer(
    help="Make and look after the runs Loupe shows.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out = Console()

StoreOption = Annotated[
    str | None, typer.Option("--store", help="folder or object-store address; else LOUPE_STORE, else artifacts/")
]
RunArgument = Annotated[str, typer.Argument(help="id of a run, as `ls` shows it")]


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(help="recipe file, for example recipes/demo.toml")],
    store: StoreOption = None,
) -> None:
    """Train and compute all a recipe asks for. Run again, it goes on where it stopped and repeats nothing."""
    from precompute.making import make  # torch is imported only where it is needed

    asked, objects = recipes.read(recipe), connect(store)
    out.print(f"[bold]{asked.name}[/] into {objects.address}")
    with bar() as progress:
        task = progress.add_task("loading data and network", total=None, left="")
        made = make(objects, asked, lambda status: shown(progress, task, status))
    report(made)


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
    train, test = evaluation.read("accuracy", last)
    images = evaluation.array("logits").shape[1]
    out.print(
        f"[bold]{made.id}[/]: epoch {last}, test accuracy {test:.1%} ({images:,} images), training accuracy {train:.1%}."
    )
    for item in made.of_kind("saliency"):
        if "obstacle" in item.attributes:
            out.print(f"Not computed: {item.attributes['obstacle']}")
    out.print(f"{made.size() / 1e6:,.1f} MB. To look at it: make demo, or streamlit run streamlit_app.py")


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@app.command()
def ls(store: StoreOption = None) -> None:
    """List the runs in the store."""
    objects = connect(store)
    found, problems = runs.all_runs(objects)
    table = Table("run", "state", "epochs", "test accuracy", "made", box=None, header_style="bold")
    for item in found:
        table.add_row(
            item.id,
            item.status().state,
            *epochs_and_accuracy(item),
            datetime.fromtimestamp(item.attributes["created"]).strftime("%Y-%m-%d %H:%M"),
        )
    out.print(
        table if found else f"No runs in {objects.address} yet. Make one: python -m precompute run recipes/demo.toml"
    )
    for problem in problems:
        out.print(f"[yellow]{escape(problem)}[/]")


def epochs_and_accuracy(item: Run) -> tuple[str, str]:
    try:
        evaluation = item.of_kind("evaluation")[0]
        last = evaluation.marked()[-1]
        return f"{last} of {item.epochs}", f"{evaluation.read('accuracy', last)[1]:.1%}"
    except (LoupeError, IndexError):
        return f"0 of {item.epochs}", ""


@app.command()
def show(run_id: RunArgument, store: StoreOption = None) -> None:
    """Everything known about one run: recipe, provenance, artifacts."""
    item = runs.open_run(connect(store), run_id)
    status = item.status()
    out.print(f"[bold]{item.id}[/]  {status.state}  {escape(status.reason)}")
    out.print(f"{item.size() / 1e6:,.1f} MB, {item.attributes['parameters']:,} parameters")
    out.print_json(data={key: item.attributes[key] for key in ("recipe", "provenance", "fingerprints", "dataset")})
    if len(used := item.kept("configurations")) > 1:
        out.print("Computed with more than one configuration, so not all bits can be repeated on one:")
        out.print_json(data=used)
    table = Table("artifact", "finished", "options", box=None, header_style="bold")
    for name, artifact in item.artifacts().items():
        facts = artifact.attributes
        table.add_row(
            name,
            facts.get("obstacle") or f"{len(artifact.marked())} of {len(artifact.promised)}",
            escape(str(facts.get("options", ""))),
        )
    out.print(table)


@app.command()
def verify(
    run_id: RunArgument,
    repair: Annotated[bool, typer.Option("--repair", help="remove what is damaged and compute it again")] = False,
    store: StoreOption = None,
) -> None:
    """Read every byte of a run; exit with 0 only when all it promises is there and whole."""
    objects = connect(store)
    item = runs.open_run(objects, run_id)
    problems = item.verify()
    if problems and repair:
        mend(objects, item)
        item = runs.open_run(objects, run_id)
        problems = item.verify()
    for problem in problems:
        out.print(f"[red]{escape(problem)}[/]")
    if problems:
        out.print(f"{len(problems)} problems. Mend them with: python -m precompute verify {run_id} --repair")
        raise typer.Exit(1)
    out.print(
        f"{run_id}: {sum(len(artifact.marked()) for artifact in item.artifacts().values())} shards, all there and whole."
    )


def mend(objects: Objects, item: Run) -> None:
    """Takes away what is damaged and runs again every recipe this run was asked for with."""
    from precompute.making import make, remove_damage

    for line in remove_damage(item):
        out.print(f"removed: {escape(line)}")
    asked = [recipes.parse(fields, item.id) for fields in item.kept("asked")] or [
        recipes.parse(dict(item.recipe), item.id)
    ]
    with bar() as progress:
        task = progress.add_task("computing again", total=None, left="")
        for recipe in asked:
            make(objects, recipe, lambda status: shown(progress, task, status))


@app.command()
def delete(
    run_id: RunArgument,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    store: StoreOption = None,
) -> None:
    """Delete a run and everything computed from it; asks first."""
    objects = connect(store)
    item = runs.open_run(objects, run_id)
    if not yes and not typer.confirm(f"Delete {item.id}, {item.size() / 1e6:,.1f} MB, weights and all?"):
        raise typer.Abort
    out.print(f"Deleted {item.id}: {runs.delete_run(objects, run_id) / 1e6:,.1f} MB freed.")


def main() -> None:
    """Runs a command; a problem a person can act on is one sentence and exit status 1."""
    try:
        app()
    except LoupeError as error:
        out.print(f"[red]{escape(str(error))}[/]")
        sys.exit(1)
    except KeyboardInterrupt:
        out.print("Stopped. What was finished is kept: run the same command to go on.")
        sys.exit(130)


if __name__ == "__main__":
    main()
