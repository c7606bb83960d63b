"""Made-up curves along changes, beside the worlds of tests/worlds.py: each class falls with the distance from the identity."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from precompute.catalogue import CHANGES
from store.objects import connect
from store.runs import Run, dataset, open_run
from store.schema import QUANTILES
from store.shards import Artifact
from tests.worlds import make_world

BINS = 24
ALL = tuple(CHANGES)


def make_simulated(
    folder: Path,
    *,
    changes: Sequence[str] = ALL,
    done: Sequence[int] | None = None,
    each: int | str = "all",
    promised: Sequence[int] | None = None,
    **world: object,
) -> str:
    """A world with curves. "-hue" among `changes`: that one has no arrays, but a reason.

    promised: epochs asked for (all); done: those finished (all of them); each: images of a class.
    """
    run_id = make_world(folder, **{"summarise": False, **world})  # type: ignore[arg-type]
    run = open_run(connect(str(folder)), run_id)
    promised = tuple(promised if promised is not None else run.attributes["kept"])
    done = promised if done is None else done
    for name in changes:
        add_change(run, name, promised, done, each)
    if not run.missing():
        run.summarise()
    return run_id


def add_change(run: Run, name: str, promised: Sequence[int], done: Sequence[int], each: int | str) -> None:
    facts = {"evaluation": "evaluation-0a", "dataset": run.attributes["dataset"], "change": name.removeprefix("-")}
    if name.startswith("-"):
        run.add(
            f"simulation{name}",
            "simulation",
            {},
            (),
            facts | {"obstacle": f"{name[1:].title()}: grey images have none."},
        )
        return
    true = dataset(run.objects, run.attributes["dataset"]).read_blocks("label")
    used = np.arange(len(true)) if each == "all" else np.arange(int(each) * len(run.classes))
    item = CHANGES[name]
    sizes = {"epoch": run.epochs + 1, "image": len(used), "class": len(run.classes), "point": len(item.points())}
    sizes |= {"quantile": len(QUANTILES)}
    facts |= {
        "points": list(item.points()),
        "identity": item.identity,
        "images": each,
        "corners": "reflect",
        "seed": 0,
    }
    facts |= {"title": item.title, "unit": item.unit, "version": 1}
    facts["counts"] = np.bincount(true[used], minlength=len(run.classes)).tolist()
    if name in ("brightness", "hue"):
        sizes["bin"] = BINS + 1
        high = 360 if name == "hue" else 1
        facts |= {"factor": "mean hue" if name == "hue" else "mean luma", "factor_unit": "°" if name == "hue" else ""}
        facts |= {"edges": np.linspace(0, high, BINS + 1).tolist(), "circle": name == "hue", "trained": 4000}
    artifact = run.add(f"simulation-{name}", "simulation", sizes, promised, facts)
    for epoch in done:
        artifact.write(epoch, {key: value[None] for key, value in curves(artifact, true[used], used, epoch).items()})


def curves(artifact: Artifact, true: np.ndarray, used: np.ndarray, epoch: int) -> Mapping[str, np.ndarray]:
    """Image i of class c keeps its class until a distance that grows with c and, a little, with i; at epoch 0 nothing is known."""
    facts, classes = artifact.attributes, len(artifact.attributes["counts"])
    item, points = CHANGES[facts["change"]], np.array(facts["points"])
    far = np.abs(points - item.identity) / (item.high - item.low)  # (P,)
    until = 0.1 + 0.25 * (true[:, None] % 4) + 0.01 * (used[:, None] % 7)  # (n, 1)
    rank = np.where(far <= until, 1, 1 + (used[:, None] % (classes - 1) + 1)).astype(np.int32)
    rank = rank if epoch else np.full_like(rank, classes)
    chance = (0.95 * np.exp(-2 * far / (0.2 + true[:, None] % 4)) / rank).astype(np.float32)
    predicted = np.where(rank == 1, true[:, None], (true[:, None] + 1) % classes).astype(np.int32)
    own = [chance[true == number] for number in range(classes)]
    nothing = np.full(len(points), np.nan)
    mean = np.stack([part.mean(0) if len(part) else nothing for part in own])
    quantiles = [np.quantile(part, QUANTILES, axis=0) if len(part) else np.tile(nothing, (5, 1)) for part in own]
    found = {
        "number": used.astype(np.int32),
        "chance": chance,
        "predicted": predicted,
        "rank": rank,
        "mean": mean,
        "quantiles": np.stack(quantiles),
        "mean_of_all": np.tile(0.1 + 0.2 * far, (classes, 1)),
        "level": np.tile(0.4 * points, (classes, 1)) if "edges" in facts else np.full(mean.shape, np.nan),
    }
    if "edges" in facts:
        bump = np.arange(BINS + 1) == 7
        found["training"] = np.tile(np.where(bump, 90, 1) * (np.arange(BINS + 1) < BINS), (classes, 1)).astype(np.int32)
    return {key: value.astype(np.float32) if value.dtype.kind == "f" else value for key, value in found.items()}
