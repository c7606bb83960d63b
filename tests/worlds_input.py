"""A small store whose run also holds integrated gradients, maps of the input, some of which miss their sum."""

from pathlib import Path
from unittest.mock import patch

import numpy as np

from store.objects import connect
from store.runs import Run, dataset, open_run
from tests import worlds

SIDE, MISSED = 12, (2, 0.25)  # side of the images; an epoch, and by which share its sums are missed


def make_world(folder: Path, *, alone: bool = False, suffix: str = "", **world: object) -> Run:
    """alone: without maps of any layer."""
    none: dict[str, object] = {"TECHNIQUES": {}, "OBSTACLES": {}}
    with patch.dict(vars(worlds), none if alone else {}):
        run = open_run(connect(str(folder)), worlds.make_world(folder, side=SIDE, **world))  # type: ignore[arg-type]
    labels = dataset(run.objects, run.attributes["dataset"]).read_blocks("label")
    evaluation = run.artifact("evaluation-0a")
    sizes = {"epoch": run.epochs + 1, "explained": 2, "image": len(labels), "y": SIDE, "x": SIDE, "side": 2}
    facts = {
        "technique": "integrated-gradients", "title": "Integrated gradients", "signed": True, "layer": "input",
        "height": SIDE, "width": SIDE, "options": {"steps": 50}, "version": 1, "evaluation": evaluation.name,
        "precision": "float32",
    }  # fmt: skip
    item = run.add(f"saliency-integrated-gradients{suffix}", "saliency", sizes, evaluation.promised, facts)
    for epoch in evaluation.marked():
        predicted = evaluation.read("logits", epoch).argmax(1)
        made = worlds.maps_at(epoch, sizes, labels, predicted, signed=True)
        item.write(epoch, made | {"completeness": sums_of(made, epoch)})
    run.summarise()
    return run


def sums_of(made: dict[str, np.ndarray], epoch: int) -> np.ndarray:
    """The sums of the maps, and differences of logits that they meet but at one epoch: (1, 2, image, 2)."""
    sums = made["maps"].astype(np.float64).sum((-2, -1)) * made["scale"]
    return np.stack([sums * (1 + MISSED[1] * (epoch == MISSED[0])), sums], -1).astype(np.float32)
