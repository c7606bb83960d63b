"""Small pictures of the training images, so that one can browse what a network was trained on, and leave some out.

Kept once for all runs on the same data, block by block, after the training: nobody waits for them.
"""

import numpy as np
from PIL import Image

from precompute.bench import Bench
from store import shards
from store.schema import KINDS, images_per_block, layout
from store.shards import Artifact

SIDE = 64  # pixels, at most
MOST = 50_000  # images; of more, so many are kept, spread evenly


def pending(bench: Bench) -> list[int]:
    """The blocks that are not stored yet. None of a run that was made before there were thumbnails."""
    artifact = allocate(bench)
    return list(artifact.missing()) if artifact else []


def store(bench: Bench, block: int) -> None:
    """Shrinks and stores one block."""
    artifact = allocate(bench)
    if artifact is None:
        return
    size = artifact.attributes["block"]
    numbers = kept(len(bench.all_training.labels))[block * size : (block + 1) * size]
    images = np.stack([shrunk(image, artifact.attributes["size"]) for image in bench.all_training.read(numbers)])
    labels = bench.all_training.labels[numbers]
    artifact.write(block, {"pixels": images, "label": labels.astype(np.int32), "source": numbers.astype(np.int32)})
    bench.progress.tick()


def allocate(bench: Bench) -> Artifact | None:
    """The artifact at datasets/<id>-train, made where it is not there."""
    name = bench.run.attributes.get("training_images")
    if name is None or name in bench.beside:
        return bench.beside.get(name or "")
    if not len(bench.all_training.labels):
        return None
    sample = bench.all_training.read(np.arange(1))  # (1, y, x, channel)
    side, channels = min(SIDE, sample.shape[1]), sample.shape[3]
    count, block = len(kept(len(bench.all_training.labels))), images_per_block(side, channels)
    sizes = {"image": count, "y": side, "x": side, "channel": channels}
    layouts = {key: layout(array, sizes, block=block) for key, array in KINDS["thumbnails"].items()}
    facts = {
        "kind": "thumbnails",
        "schema": 1,
        "title": bench.data.name,
        "classes": list(bench.data.classes),
        "size": side,
        "channels": channels,
        "block": block,
        "training_images": len(bench.all_training.labels),
        "promised": list(range(layouts["pixels"].shards)),
    }
    bench.beside[name] = shards.create(bench.run.objects, f"datasets/{name}", layouts, facts)
    return bench.beside[name]


def kept(count: int) -> np.ndarray:
    """Numbers of the training images of which there are thumbnails."""
    return np.arange(count) if count <= MOST else np.linspace(0, count - 1, MOST).round().astype(np.int64)


def shrunk(image: np.ndarray, side: int) -> np.ndarray:
    """A square image (y, x, channel) uint8 at `side` pixels a side."""
    if image.shape[0] == side:
        return image
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX)).reshape(side, side, image.shape[2])
