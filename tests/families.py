"""Small stores with several runs that differ: seeded values and lineage."""

from pathlib import Path
from unittest.mock import patch

import numpy as np

from store.objects import connect
from store.runs import Run, open_run
from tests import worlds

PLAIN_LOGITS, PLAIN_ATTRIBUTES = worlds.logits_at, worlds.attributes


def make_run(
    folder: Path, name: str, *, seed: int = 0, training: dict[str, object] | None = None, **world: object
) -> Run:
    """A world whose logits depend on `seed`, with other fields in its recipe's training section."""

    def logits_at(epoch: int, labels: np.ndarray, classes: int) -> np.ndarray:
        moved = np.random.default_rng(1000 * seed + epoch).normal(size=(len(labels), classes))
        return (PLAIN_LOGITS(epoch, labels, classes) + seed * moved).astype(np.float32)

    def attributes(*args: object) -> dict[str, object]:
        facts = PLAIN_ATTRIBUTES(*args)  # type: ignore[arg-type]
        facts["recipe"]["training"].update(training or {})  # type: ignore[index]
        return facts

    with patch.object(worlds, "logits_at", logits_at), patch.object(worlds, "attributes", attributes):
        run_id = worlds.make_world(folder, name=name, **world)  # type: ignore[arg-type]
    return open_run(connect(str(folder)), run_id)


def ask(run: Run, parent: Run, hypothesis: str = "", at: float = 1.0) -> None:
    """Writes down that a run was re-trained from another."""
    run.keep("lineage", {"parent": parent.id, "hypothesis": hypothesis, "by": "kim", "at": at, "job": "1"})


def make_family(folder: Path) -> tuple[Run, Run, Run]:
    """A run, one re-trained from it with another optimizer, and one re-trained from that, for longer."""
    first = make_run(folder, "first")
    second = make_run(folder, "second", seed=1, training={"optimizer": "adam"})
    third = make_run(folder, "third", seed=2, training={"optimizer": "adam", "epochs": 5}, epochs=5)
    ask(second, first, "Adam looks at *heads*")
    ask(third, second)
    return first, second, third
