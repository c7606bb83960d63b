"""Reading as the pages do: one progression and one gallery, from Loupe's store, unsharded zarr and numpy memmap.

The same maps lie in all three; reads are made in turn, each at another image, after a first one that opens everything.
Ratios: the other's median seconds / Loupe's; above 1 Loupe is faster.

    python -m benchmarks.store [--epochs 30] [--images 1000] [--side 14]
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from store import shards
from store.objects import connect
from store.schema import KINDS, layout

TECHNIQUES = 4


def median_seconds(reads: Mapping[str, Callable[[int], object]], images: int, repeats: int = 40) -> dict[str, float]:
    """Median seconds of each way of reading, in turn, each time at another image."""
    spent: dict[str, list[float]] = {name: [] for name in reads}
    for repeat in range(repeats):
        for name, read in reads.items():
            began = time.perf_counter()
            read(repeat * 37 % (images - 30))
            spent[name].append(time.perf_counter() - began)
    return {name: statistics.median(values[3:]) for name, values in spent.items()}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    for name, default in (("epochs", 30), ("images", 1000), ("side", 14)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--quick", action="store_true", help="5 epochs of 200 images")
    asked = options.parse_args()
    epochs, images, side = (5, 200, asked.side) if asked.quick else (asked.epochs, asked.images, asked.side)
    random = np.random.default_rng(0)
    coarse = random.random((2, images, side, side), np.float32)
    sizes = {"epoch": epochs, "explained": 2, "image": images, "y": side, "x": side}
    with tempfile.TemporaryDirectory() as folder:
        ours, plain, flat = [], [], []
        objects = connect(f"{folder}/loupe")
        layouts = {"maps": layout(KINDS["saliency"]["maps"], sizes)}
        for number in range(TECHNIQUES):
            ours.append(
                shards.create(objects, f"maps{number}", layouts, {"kind": "saliency", "promised": list(range(epochs))})
            )
            plain.append(
                zarr.create_array(
                    f"{folder}/plain{number}",
                    shape=tuple(sizes.values()),
                    chunks=layouts["maps"].chunk,
                    dtype="f2",
                    compressors=[ZstdCodec(level=1)],
                    fill_value=np.nan,
                )
            )
            flat.append(np.memmap(Path(folder) / f"flat{number}", np.float16, "w+", shape=tuple(sizes.values())))
            for epoch in range(epochs):
                values = (coarse * (epoch + 1) / epochs).astype(np.float16)
                ours[-1].write(epoch, {"maps": values[None]})
                plain[-1][epoch] = values
                flat[-1][epoch] = values
        every = range(epochs)
        progression = median_seconds(
            {
                "loupe": lambda image: [item.read("maps", every, 0, image) for item in ours],
                "unsharded zarr": lambda image: [item[:, 0, image] for item in plain],
                "memmap": lambda image: [np.array(item[:, 0, image]) for item in flat],
            },
            images,
        )
        gallery = median_seconds(
            {
                "loupe": lambda image: ours[0].read("maps", epochs - 1, 0, slice(image, image + 24)),
                "unsharded zarr": lambda image: plain[0][epochs - 1, 0, image : image + 24],
                "memmap": lambda image: np.array(flat[0][epochs - 1, 0, image : image + 24]),
            },
            images,
        )
    ratios = {}
    for page, found in (("progression", progression), ("gallery", gallery)):
        for name, seconds in found.items():
            print(f"{page:12} {name:15} {seconds * 1e3:8.2f} ms")
            if name != "loupe":
                ratios[f"store: {page}, {name} / Loupe"] = round(seconds / found["loupe"], 3)
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()
