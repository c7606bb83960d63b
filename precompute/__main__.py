"""The command line: `python -m precompute run recipe.toml` and its companions."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads starve the app beside this process
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # large pages: small ones took a fifth of a training's time

import typer
from rich.markup import escape
from rich.table import Table

from precompute import batches, queue
from precompute import recipe as recipes
from precompute.recipe import Recipe
from precompute.terminal import bar, counted, epochs_and_accuracy, moment, out, report, shown
from store import judgements, runs
from store.errors import Corrupt, LoupeError, Missing
from store.objects import Objects, connect
from store.runs import Run

app = typer.Typer(
    help="Make and look after the runs Loupe shows.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

StoreOption = Annotated[
    str | None, typer.Option("--store", help="folder or object-store address; else LOUPE_STORE, else artifacts/")
]
RunArgument = Annotated[str, typer.Argument(help="id of a run, as `ls` shows it")]


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(help="recipe file, for example recipes/demo.toml")],
    on: Annotated[str, typer.Option("--on", help="id of an imported or recorded run, to compute more from it")] = "",
    beside: Annotated[
        Path | None, typer.Option("--beside", help="a second recipe, made when the first epoch of this one is there")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Train and compute all a recipe asks for. Run again, it goes on where it stopped and repeats nothing."""
    from precompute.making import make  # torch is imported only where it is needed

    asked, objects = recipes.read(recipe), connect(store)
    others = [recipes.read(beside)] if beside else []
    made: list[Run] = []
    problems: list[str] = []
    out.print(f"[bold]{asked.name}[/] into {objects.address}")
    with bar() as progress:

        def one(item: Recipe, on: str = "", meanwhile: Callable[[], None] | None = None) -> None:
            task = progress.add_task("loading data and network", total=None, left="")
            made.append(make(objects, item, lambda status: shown(progress, task, status), on=on, meanwhile=meanwhile))

        def rest() -> None:
            try:
                for item in others:
                    one(item)
            except LoupeError as error:  # no reason to end the first
                problems.append(str(error))

        one(asked, on, rest)
    for item in made:
        report(item)
    if problems:
        raise LoupeError(problems[0])


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
            moment(item.attributes["created"]),
        )
    out.print(
        table if found else f"No runs in {objects.address} yet. Make one: python -m precompute run recipes/demo.toml"
    )
    for problem in problems:
        out.print(f"[yellow]{escape(problem)}[/]")


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
    item = described(objects, run_id) if repair else runs.open_run(objects, run_id)
    problems = item.verify()
    for sentence in judgements.damaged(item):
        out.print(f"[yellow]{escape(sentence)}[/]")
    if problems and repair:
        mend(item)
        item = runs.open_run(objects, run_id)
        problems = item.verify()
    for problem in problems:
        out.print(f"[red]{escape(problem)}[/]")
    if problems:
        out.print(f"{counted(len(problems), 'problem')}. To mend: python -m precompute verify {run_id} --repair")
        raise typer.Exit(1)
    out.print(
        f"{run_id}: {sum(len(artifact.marked()) for artifact in item.artifacts().values())} shards, all there and whole."
    )


def described(objects: Objects, run_id: str) -> Run:
    """The run; where its own facts are damaged, with new ones."""
    from precompute.repairing import remade

    try:
        return runs.open_run(objects, run_id)
    except Corrupt as error:
        made, found = remade(objects, run_id)
        for line in (str(error), *found):
            out.print(f"removed: {escape(line)}")
        return made


def mend(item: Run) -> None:
    """Makes a damaged run whole, and says what was removed."""
    from precompute.repairing import repair

    with bar() as progress:
        task = progress.add_task("computing again", total=None, left="")
        for line in repair(item, lambda status: shown(progress, task, status)):
            out.print(f"removed: {escape(line)}")


@app.command(name="import")
def import_(
    checkpoints: Annotated[Path, typer.Argument(help="folder of checkpoints, the number of the epoch in each name")],
    recipe: Annotated[Path, typer.Argument(help="recipe that names the data set and the network they belong to")],
    store: StoreOption = None,
) -> None:
    """Turn the checkpoints of a training that happened elsewhere into a run with every artifact."""
    from precompute.importing import import_run

    asked, objects = recipes.read(recipe), connect(store)
    with bar() as progress:
        task = progress.add_task("loading data and checkpoints", total=None, left="")
        made = import_run(objects, checkpoints, asked, lambda status: shown(progress, task, status))
    report(made)
    for note in made.attributes.get("notes", ()):
        out.print(escape(note))


@app.command()
def enqueue(
    recipes_: Annotated[list[Path], typer.Argument(metavar="RECIPES...", help="recipe files, or folders of them")],
    at: Annotated[str, typer.Option(help="not before this time of day, for example 22:00")] = "",
    priority: Annotated[int, typer.Option(min=1, max=9, help="1 is carried out first, 9 last")] = 5,
    by: Annotated[str, typer.Option(help="your name, for the trail")] = "",
) -> None:
    """Ask workers for runs: now, or tonight. A recipe may hold a grid of values; all its points are asked for."""
    batch = batches.read(recipes_)
    place, begins = queue.connect(), batches.next_time(at) if at else None
    there = {
        job.id: asked_before(job) for job in place.jobs(limit=None) if job.active and (at or job.state != "scheduled")
    }
    for recipe in batch:
        job = place.enqueue(recipe, by=by, priority=priority, at=begins)
        out.print(f"{job[:8]}  {recipe.name}{there.get(job, '')}")
    when = f"not before {moment(begins)}" if begins else "as soon as a worker is free"
    out.print(f"{counted(len(batch), 'job')}, {when}.")
    if not any(worker.alive for worker in queue.workers(connect())):
        out.print("No worker is running. Start one: python -m precompute worker")


def asked_before(job: queue.Job) -> str:
    """What is said of a job that was there before, and stays as it is."""
    when = f", not before {moment(job.at)}" if job.state == "scheduled" else ""
    return f"  (asked for already: {job.state}{when})"


@app.command()
def jobs(
    cancel: Annotated[str, typer.Option(help="cancel the job of this id")] = "",
    retry: Annotated[str, typer.Option(help="let the failed job of this id go on")] = "",
    forget: Annotated[str, typer.Option(help="take the job of this id out of the list")] = "",
) -> None:
    """List what was asked for, and how it is getting on."""
    place = queue.connect()
    found = place.jobs(limit=None)
    for act, said in ((place.cancel, cancel), (place.retry, retry), (place.forget, forget)):
        if said:
            act(one_of(found, said).id)
            found = place.jobs(limit=None)
    table = Table("job", "recipe", "state", "asked", "ended", "by", box=None, header_style="bold")
    table.add_column("run", overflow="fold")
    for job in found:
        when = f"not before {moment(job.at)}" if job.state == "scheduled" else moment(job.ended)
        facts = (job.id[:8], job.name, job.state, moment(job.asked), when, job.by, job.run)
        table.add_row(*(escape(fact) for fact in facts))
    out.print(table if found else "No jobs. Ask for some: python -m precompute enqueue recipes/demo.toml")
    for job in found:
        if job.reason:
            out.print(escape(f"{job.id[:8]} {job.name}: {job.reason}"))


def one_of(found: list[queue.Job], said: str) -> queue.Job:
    """The job whose id begins with what was said."""
    matching = [job for job in found if job.id.startswith(said)]
    if len(matching) != 1:
        raise Missing(
            f"{len(matching)} jobs have an id that begins with '{said}'; one was expected. `jobs` lists them."
        )
    return matching[0]


@app.command()
def worker(
    runs_: Annotated[int, typer.Option("--runs", min=1, max=64, help="runs carried on at the same time")] = 1,
    name: Annotated[str, typer.Option(help="what it is called on the Queue page; else the machine's name")] = "",
    alone: Annotated[bool, typer.Option("--alone", help="do not help with the runs of other workers")] = False,
    hosted: Annotated[
        bool, typer.Option("--hosted", help="for others: recipes may name only modules and folders in LOUPE_ALLOW")
    ] = False,
    store: StoreOption = None,
) -> None:
    """Carry out what was asked for, until stopped. Start as many as you like, on as many machines."""
    import logging

    from rich.logging import RichHandler

    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=out, show_path=False)]
    )
    logging.getLogger("loupe").setLevel(logging.INFO)
    from precompute.jobs import work

    work(connect(store), queue.connect(), runs=runs_, name=name, help_others=not alone, hosted=hosted)


@app.command()
def delete(
    run_id: RunArgument,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    store: StoreOption = None,
) -> None:
    """Delete a run and everything computed from it; asks first."""
    objects = connect(store)
    item = runs.remains(objects, run_id)
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
