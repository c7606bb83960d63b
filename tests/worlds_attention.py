"""Made-up attention in numbers, beside the worlds of tests/worlds.py: the head gains from epoch to epoch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from store.objects import connect
from store.runs import Run, dataset, open_run
from store.schema import CONTROLS, EXPLAINED
from tests.worlds import make_world

GROUPS = (("group", "head"), ("group", "body"), ("group", "background"), ("box", "box"))
REGIONS = (*GROUPS, ("part", "beak"), ("drawn", "corner"))
AREAS = np.array([0.1, 0.3, 0.6, 0.4, 0.02, 0.25])


def make_attended(
    folder: Path,
    *,
    regions: Sequence[tuple[str, str]] = REGIONS,
    done: Sequence[int] | None = None,
    techniques: Sequence[str] = ("grad-cam", "cam"),
    **world: object,
) -> str:
    """A world with attention in numbers at the epochs `done` (all)."""
    run_id = make_world(folder, **{"summarise": False, **world})  # type: ignore[arg-type]
    run = open_run(connect(str(folder)), run_id)
    for technique in techniques:
        add_attention(run, technique, regions, run.attributes["kept"] if done is None else done)
    if not run.missing():
        run.summarise()
    return run_id


def add_attention(run: Run, technique: str, regions: Sequence[tuple[str, str]], done: Sequence[int]) -> None:
    saliency = run.artifact(f"saliency-{technique}")
    count = len(dataset(run.objects, run.attributes["dataset"]).read_blocks("label"))
    keys = ("technique", "title", "layer", "height", "width", "signed", "evaluation")
    facts = {key: saliency.attributes[key] for key in keys} | {"saliency": saliency.name, "radius": 0.1, "version": 1}
    facts["regions"] = [{"kind": kind, "name": name, "corners": []} for kind, name in regions]
    sizes = {"epoch": run.epochs + 1, "earlier": run.epochs + 1, "image": count}
    sizes |= {"explained": len(EXPLAINED), "control": len(CONTROLS)} | ({"region": len(regions)} if regions else {})
    artifact = run.add(f"attention-{technique}", "attention", sizes, run.attributes["kept"], facts)
    for epoch in done:
        arrays = {"likeness": likeness(epoch, run.epochs, count)}
        if regions:
            arrays |= {
                "share": shares(epoch, run.epochs, count, len(regions)),
                "control": controls(count, len(regions)),
            }
        artifact.write(epoch, {name: values[None] for name, values in arrays.items()})


def shares(epoch: int, last: int, count: int, regions: int) -> np.ndarray:
    """From the areas at epoch 0 to half on the head at the last; images differ a little. Image 0 has no box."""
    goal = np.array([0.5, 0.3, 0.2, 0.8, 0.1, 0.05])[:regions]
    mean = AREAS[:regions] + (goal - AREAS[:regions]) * epoch / max(last, 1)
    spread = 0.02 * np.sin(np.arange(count))[:, None]
    found = np.tile(mean + spread, (len(EXPLAINED), 1, 1)).astype(np.float32)
    found[:, 0, :4] = np.nan
    return found


def controls(count: int, regions: int) -> np.ndarray:
    found = np.tile(AREAS[:regions].astype(np.float32), (len(CONTROLS), count, 1))
    found[CONTROLS.index("centre")] *= 1.2
    found[:, 0, :4] = np.nan
    return found


def likeness(epoch: int, last: int, count: int) -> np.ndarray:
    """0.95 with the epoch before from epoch 2 on; with the first trained one less the higher the image's number."""
    found = np.full((last + 1, count), np.nan, np.float16)
    found[epoch] = 1
    if epoch:
        found[epoch - 1] = 0.95 if epoch > 1 else 0.1
        found[1] = np.where(epoch > 1, 0.9 - 0.01 * np.arange(count), 1)
    if epoch == last:
        for earlier in range(last):
            found[earlier] = (0.05 if earlier == 0 else 0.95) if earlier != 1 else found[1]
    return found
