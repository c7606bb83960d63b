"""Made-up sanity checks, beside the worlds of tests/worlds.py: what stands at each place is computed from its indices."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from store.objects import connect
from store.runs import Run, open_run
from store.schema import ORDERS, SHIFTS
from tests.worlds import make_world

IMAGES, STAGES, DRAWS, LAGS = 8, 3, 3, 2
SUBJECTS = (
    ("grad-cam", "Grad-CAM", "features.13", 7, False),
    ("gradient-x-input", "Gradient × input", "input", 40, True),
    ("random", "Random map", "features.13", 7, True),
    ("random", "Random map", "input", 40, True),
    ("edges", "Edge detector", "input", 40, False),
)


def make_checked(
    folder: Path, *, promised: Sequence[int] = (3,), done: Sequence[int] | None = None, **world: object
) -> str:
    """A world with all three checks, promised at these epochs and finished at those `done` (all of them)."""
    run_id = make_world(folder, **{"summarise": False, **world})  # type: ignore[arg-type]
    run = open_run(connect(str(folder)), run_id)
    for kind in ("sanity-shift", "sanity-randomisation", "sanity-stability"):
        add_check(run, kind, promised, promised if done is None else done)
    if not run.missing():
        run.summarise()
    return run_id


def add_check(run: Run, kind: str, promised: Sequence[int], done: Sequence[int]) -> None:
    sizes = {"epoch": run.epochs + 1, "technique": len(SUBJECTS), "image": IMAGES, "mode": len(SHIFTS)}
    sizes |= {"order": len(ORDERS), "stage": STAGES, "draw": DRAWS, "lag": LAGS}
    techniques = [
        {"name": name, "title": title, "layer": layer, "height": side, "width": side, "signed": signed,
         "control": name in ("random", "edges"), "options": {}}
        for name, title, layer, side, signed in SUBJECTS
    ]  # fmt: skip
    facts = {
        "evaluation": "evaluation-0a", "dataset": run.attributes["dataset"], "techniques": techniques, "images": IMAGES,
        "obstacles": {"CAM": "CAM needs global average pooling."}, "seed": 0, "epochs": "last", "version": 1,
        "options": {"strength": -1.0, "stages": STAGES, "draws": DRAWS, "noise": 0.05, "earlier": LAGS},
        "layers": [["head"], ["features.11", "features.12"], ["features.0", "features.1"]],
    }  # fmt: skip
    artifact = run.add(f"{kind}-0b", kind, sizes, promised, facts)
    for epoch in done:
        artifact.write(epoch, {name: value[None] for name, value in ARRAYS[kind]().items()})


def likeness(*shape: int) -> np.ndarray:
    """(technique, ..., image): technique t has 1 - 0.2 t, less 0.01 for each image and each stage or mode; controls 0 and 1."""
    base = np.array([1.0, 0.8, 0.0, 0.0, 1.0]).reshape(-1, *[1] * len(shape))
    fall = 0.01 * np.arange(shape[-1]) + 0.1 * np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    moving = np.array([1.0, 1.0, 0, 0, 0]).reshape(base.shape)
    return (base - moving * np.broadcast_to(fall, shape)).astype(np.float32)


def three(*shape: int) -> dict[str, np.ndarray]:
    alike = likeness(*shape)
    small = alike.copy()
    small[[0, 2]] = np.nan
    return {"spearman": alike, "spearman_absolute": alike, "ssim": small}


def number() -> np.ndarray:
    return np.arange(IMAGES, dtype=np.int32) * 3


def shift() -> dict[str, np.ndarray]:
    logit = np.array([3e-6, 4.2, 5e-6], np.float32)[:, None] * np.linspace(0.5, 1, IMAGES, dtype=np.float32)
    changed = np.zeros((3, IMAGES), np.int8)
    changed[1, :2] = 1
    alike = three(len(SHIFTS), IMAGES)
    return {"number": number(), "logit": logit, "changed": changed, "largest": 1 - alike["spearman"], **alike}


def anew() -> dict[str, np.ndarray]:
    alike = {name: value.transpose(0, 2, 1, 3, 4) for name, value in three(STAGES, len(ORDERS), DRAWS, IMAGES).items()}
    return {"number": number(), "kept": np.full((len(ORDERS), STAGES, DRAWS), 0.25, np.float32), **alike}


def steady() -> dict[str, np.ndarray]:
    return {
        "number": number(),
        "kept": np.full(DRAWS, 0.75, np.float32),
        "earlier": np.array([2, 1], np.int32),
        "over_epochs": likeness(LAGS, IMAGES),
        **three(DRAWS, IMAGES),
    }


ARRAYS = {"sanity-shift": shift, "sanity-randomisation": anew, "sanity-stability": steady}
