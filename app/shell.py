"""Commands as a person types them, in Loupe's folder."""

import os
import sys
from pathlib import Path

from store.runs import Run

HERE = Path(__file__).parents[1]
PYTHON = ".venv/bin/python" if Path(sys.prefix).resolve() == (HERE / ".venv").resolve() else "python"
PRECOMPUTE = f"{PYTHON} -m precompute"
WORKER = f"{PRECOMPUTE} worker"


def again(run: Run) -> str:
    """The command that computes more for a run, from a recipe; where it was trained elsewhere, it has to be named."""
    return f"{PRECOMPUTE} run RECIPE.toml" + ("" if run.origin == "trained" else f" --on {run.id}")


def same_places() -> str:
    """A sentence for whoever types them where the app has another store or queue than they would take by themselves, or ""."""
    named = " and ".join(name for name in ("LOUPE_STORE", "LOUPE_QUEUE") if os.environ.get(name))
    return f"Give these commands the same {named} as the app has." if named else ""
