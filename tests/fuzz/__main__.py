"""The command: `python -m tests.fuzz NAME --cases 1000 --seed 0`; exits with 1 where anything did not hold."""

import sys
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from precompute.terminal import bar
from tests.fuzz.running import Fuzzer, run

FUZZERS = {
    "uploads": Fuzzer("tests.fuzz.uploads:uploads", seconds=30, gigabytes=1.5),
    "recipes": Fuzzer("tests.fuzz.recipes:tampered", seconds=10, gigabytes=2),
    "store": Fuzzer("tests.fuzz.store_contents:store_contents", seconds=60, gigabytes=8),
    "repairs": Fuzzer("tests.fuzz.repairs:repairs", seconds=60, gigabytes=6),
    "addresses": Fuzzer("tests.fuzz.addresses:addresses", seconds=60, gigabytes=8),
    "messages": Fuzzer("tests.fuzz.messages:messages", seconds=60, gigabytes=6),
    "rows": Fuzzer("tests.fuzz.rows:rows", seconds=100, gigabytes=6),
}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
out = Console(highlight=False, soft_wrap=True)


@app.command()
def main(
    name: Annotated[str, typer.Argument(help=f"one of {', '.join(FUZZERS)}")],
    cases: Annotated[int, typer.Option(min=1)] = 1000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    first: Annotated[int, typer.Option(min=0, help="number of the first case")] = 0,
) -> None:
    if name not in FUZZERS:
        raise typer.BadParameter(f"'{name}' is none of {', '.join(FUZZERS)}.")
    found, started = 0, time.monotonic()
    with bar() as progress:
        task = progress.add_task(name, total=cases, left="")
        for case, defect in run(FUZZERS[name], range(first, first + cases), seed):
            if defect:
                found += 1
                progress.console.print(f"[red]{name} --seed {seed} --first {case} --cases 1[/]: {escape(defect)}")
            done = case + 1 - first
            left = (time.monotonic() - started) / done * (cases - done)
            progress.update(task, completed=done, left=f"{left:.0f} s left, {found} defects")
            if not progress.console.is_terminal and done % (50 if cases < 1000 else 250) == 0:
                progress.console.print(f"{name}: {done} of {cases}, {found} defects, {left:.0f} s left")
    out.print(f"{name}: {cases} cases of seed {seed} in {time.monotonic() - started:.0f} s, {found} defects.")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    app()
