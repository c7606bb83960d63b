"""A run's report as files: `python -m app.report RUN [--out FOLDER]` writes RUN.json and RUN.html."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from streamlit.logger import set_log_level

from app import reading
from app.report import document, gathered
from app.report.gathered import Report
from store.errors import BadInput, LoupeError
from store.runs import Run, open_run


def write(report: Report, folder: Path) -> list[Path]:
    """Both files; each is whole or not there."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for ending, text in (("json", document.data(report)), ("html", document.page(report))):
        path = folder / f"{report.run.id}.{ending}"
        half = path.with_name(f".{path.name}.{os.getpid()}")
        half.write_text(text, encoding="utf-8", errors="replace")
        half.replace(path)
        found.append(path)
    return found


def numbers(run: Run, names: Sequence[str]) -> list[int]:
    """Numbers of classes given by name; raises BadInput for a name that the run does not have."""
    known = reading.class_names(run)
    for name in names:
        if name not in known:
            raise BadInput(f"Run {run.id} has no class '{name[:60]}'. Its classes: {', '.join(known[:20])}.")
    return [known.index(name) for name in names]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m app.report", description="Writes a run's report: JSON and HTML.")
    parser.add_argument("run", metavar="RUN", help="its id")
    parser.add_argument("--out", default=".", metavar="FOLDER", help="where to (default: here)")
    parser.add_argument(
        "--class", dest="classes", action="append", default=[], metavar="NAME", help="show its cases; may be repeated"
    )
    options = parser.parse_args(arguments)
    set_log_level("ERROR")  # Streamlit misses its server
    try:
        run = open_run(reading.store(), options.run)
        for path in write(gathered.gather(run, numbers(run, options.classes)), Path(options.out)):
            print(path)
    except LoupeError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"The report cannot be written to {options.out}: {error.strerror}. Name another folder.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
