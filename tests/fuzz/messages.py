"""Messages to the probe: forged requests, wrong images, damaged frames. One that is refused must not spoil the next."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from precompute import frames, probe, remote
from precompute.catalogue import CHANGES, EXTRAS, TECHNIQUES
from precompute.making import make
from store.errors import LoupeError
from store.objects import connect
from store.runs import Run
from tests import tiny
from tests.fuzz.damage import damaged
from tests.fuzz.running import Check
from tests.fuzz.values import NUMBERS, ODD, TEXTS

Draws = np.random.Generator
KINDS = ("|u1", "<f4", "|b1", "<i8", "|O", "|S3", "<M8[s]")
SHAPES = ((16, 16, 1), (16, 16, 3), (16, 16), (0, 0, 0), (1, 1, 1), (3, 700, 1), (16, 16, 0), (), (0,), (1, 16, 16, 1))
POOLS: tuple[tuple[Any, ...], ...] = (TEXTS, NUMBERS, ODD, (None, [[0, 0]], [[99, 99]], [-1], [-2], [0, 1], {"a": {}}))


def messages(folder: Path) -> Check:
    """Checks one message, against a small run in the folder."""
    store = connect(str(folder))
    run = store_run(folder)
    shelf = probe.Shelf()
    asked = honest(run)
    expected = probe.reply(asked, {"image": image()}, shelf)[1]["logits"]

    def check(draws: Draws) -> str:
        if draws.random() < 0.3:
            return of_frames(draws, asked)
        header, arrays = forged(draws, asked)
        found = answered(header, arrays, shelf)
        again = probe.reply(asked, {"image": image()}, shelf)[1].get("logits")
        if again is None or not np.array_equal(again, expected):
            return "spoils the next answer"
        return found or ("" if store.stat(f"{run.path}/zarr.json") else "spoils the store")

    return check


def store_run(folder: Path) -> Run:
    return make(connect(str(folder)), tiny.recipe(folder, training__epochs=1))


def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (16, 16, 1), np.uint8)


def honest(run: Run) -> dict[str, Any]:
    """A request's header as the app writes it."""
    return {
        "store": run.objects.address, "run": run.id, "uuid": run.uuid, "epoch": 1, "classes": [0],
        "layer": run.attributes["default_layer"], "precision": "float32", "seed": 0, "along": [], "wants": [],
        "perplexity": 0, "without": [], "numbers": [], "shift": "", "techniques": {"grad-cam": {}}, "edits": None, "id": 1,
    }  # fmt: skip


def value(draws: Draws) -> Any:
    pool = POOLS[int(draws.integers(0, len(POOLS)))]
    return pool[int(draws.integers(0, len(pool)))]


def forged(draws: Draws, asked: dict[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A request of which one to three things are not as they were, and its image."""
    header = dict(asked) | begun(draws)
    for _ in range(int(draws.integers(0, 4))):
        name = str(draws.choice([*asked, "unknown"]))
        inner = header.get(name)
        if draws.random() < 0.15:
            header.pop(name, None)
        elif isinstance(inner, dict) and inner and draws.random() < 0.7:
            header[name] = inner | {str(draws.choice([*inner, "other"])): value(draws)}
        else:
            header[name] = value(draws)
    if header.get("store") != asked["store"] and isinstance(header.get("store"), str):
        header["store"] = asked["store"]  # a worker's own stands there, whatever a message says
    if draws.random() < 0.7:
        return header, {"image": image()}
    kind = str(draws.choice(KINDS))
    shape = SHAPES[int(draws.integers(0, len(SHAPES)))]
    return header, {str(draws.choice(["image", "other"])): np.zeros(shape, kind)}


def begun(draws: Draws) -> dict[str, Any]:
    """What makes it a request of another sort: edits, a curve, extras, an ablation."""
    change, seed = str(draws.choice(list(CHANGES))), int(draws.integers(0, 99))
    made = {
        "settings": [[change, float(draws.uniform(-2, 2))]], "region": [0, 0, 0.5, 0.5], "fill": "mean",
        "corners": "reflect", "seed": seed, "attacked": -1,
    }  # fmt: skip
    shift = {"mode": "constant", "strength": 0.5, "seed": 0, "chosen": -1, "techniques": {"auto": {"grad-cam": {}}}}
    text = written(shift | {str(draws.choice(list(shift))): value(draws)})
    sorts = (
        {},
        {"techniques": {str(draws.choice(list(TECHNIQUES))): {}}},
        {"edits": made},
        {"edits": made, "along": [change], "seconds": 0.01},
        {"edits": made, "wants": [str(draws.choice(list(EXTRAS)))]},
        {"edits": made, "wants": ["shift"], "shift": text},
        {"without": [[0, 0]], "numbers": [0, 1], "techniques": {}},
    )  # fmt: skip
    return sorts[int(draws.integers(0, len(sorts)))]


def written(fields: dict[str, Any]) -> str:
    try:
        return json.dumps(fields)
    except ValueError:  # a number of too many digits
        return "{" * 3000


def answered(header: dict[str, Any], arrays: dict[str, np.ndarray], shelf: probe.Shelf) -> str:
    """What is wrong with the answer to a request."""
    said, found = probe.reply(header, arrays, shelf)
    error = said.get("error")
    if error is None:
        return (
            "" if "unfinished" in said or any(np.asarray(item).size for item in found.values()) else "answers nothing"
        )
    if not error.rstrip().endswith(".") or len(error) > 3000:
        return f"says {error[:300]!r}"
    return f"says {error[:300]!r}" if "could not be run" in error else ""


def of_frames(draws: Draws, asked: dict[str, Any]) -> str:
    """Damaged bytes are a message, the end of the pipe, or a LoupeError; as text in the queue, too."""
    buffer = io.BytesIO()
    header = asked | {str(draws.choice(list(asked))): "x" * int(draws.integers(0, 50))}
    frames.write(buffer, header, {"image": image()})
    data = damaged(draws, buffer.getvalue())
    for read, message in ((frames.read, io.BytesIO(data)), (remote.unpacked, base64.b64encode(data).decode())):
        try:
            found = read(message)
        except LoupeError as error:
            if len(str(error)) > 500:
                return f"says {str(error)[:200]!r}"
            continue
        if found is not None and not (isinstance(found[0], dict) and isinstance(found[1], dict)):
            return f"is taken for a message: {str(found)[:200]}"
    return ""
