"""Every array Loupe stores: dimensions, type, unit, and how it is cut into shards and chunks. docs/store.md says the same in prose.

The first dimension is cut into shards, written whole: one epoch, or one block of images. Chunks inside a shard follow
what the pages read: a progression takes one image at every epoch, a gallery a few images at one epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

VERSION = 1
CHUNK_VALUES = 32_768  # about what one read should decode; smaller chunks cost more in Python than in bytes
BLOCK_VALUES = 16_000_000  # values in one block of images


@dataclass(frozen=True)
class Array:
    """One kind of array: the names of its dimensions, numpy type, what its values mean."""

    dimensions: tuple[str, ...]
    dtype: str
    meaning: str
    chunked: str = ""  # dimension cut further inside a shard, so that few images can be read alone
    chunk_values: int = CHUNK_VALUES


@dataclass(frozen=True)
class Layout:
    """An Array with its sizes: what zarr needs to know."""

    array: Array
    shape: tuple[int, ...]
    shard: tuple[int, ...]
    chunk: tuple[int, ...]
    attributes: Mapping[str, object] = field(default_factory=dict)

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return -(-self.shape[0] // self.shard[0])


KINDS: dict[str, dict[str, Array]] = {
    "images": {
        "pixels": Array(
            ("image", "y", "x", "channel"), "uint8", "evaluated images at model input size, 0-255", "image"
        ),
        "label": Array(("image",), "int32", "true class"),
        "source": Array(("image",), "int32", "number of the image in its test split"),
        "box": Array(
            ("image", "corner"), "float32", "bounding box x0, y0, x1, y1 in pixels of the stored image; NaN: none"
        ),
        "part": Array(
            ("image", "part", "axis"), "float32", "x, y of each part in pixels of the stored image; NaN: not visible"
        ),
    },
    "thumbnails": {
        "pixels": Array(("image", "y", "x", "channel"), "uint8", "training images, at most 64 pixels a side", "image"),
        "label": Array(("image",), "int32", "true class"),
        "source": Array(("image",), "int32", "number of the image in its training split"),
    },
    "weights": {
        "float32": Array(
            ("epoch", "value"),
            "float32",
            "parameters and buffers, one after the other as the attribute 'tensors' lists them",
            "value",
            4_194_304,
        ),
        "int64": Array(("epoch", "value"), "int64", "integer buffers, likewise", "value", 4_194_304),
    },
    "training": {
        "measures": Array(
            ("epoch", "measure"),
            "float64",
            "mean loss over the steps of the epoch, learning rate after it, its seconds; NaN at epoch 0",
        ),
        "weights_digest": Array(
            ("epoch",), "int64", "48 bits of BLAKE2b of the network's state after the epoch: tells two trainings apart"
        ),
    },
    "evaluation": {
        "logits": Array(("epoch", "image", "class"), "float32", "outputs before softmax, evaluation mode", "image"),
        "loss": Array(
            ("epoch", "split"),
            "float64",
            "mean cross entropy (natural logarithm) on the training sample and the evaluated images",
        ),
        "accuracy": Array(("epoch", "split"), "float64", "share of images whose largest logit is the true class"),
        "confusion": Array(("epoch", "true", "predicted"), "int32", "number of evaluated images"),
        "by_class": Array(
            ("epoch", "class", "measure"),
            "float64",
            "precision, recall and F1 on the evaluated images; NaN where undefined",
        ),
    },
    "saliency": {
        "maps": Array(
            ("epoch", "explained", "image", "y", "x"),
            "float16",
            "raw map divided by its scale, at the layer's resolution",
            "image",
        ),
        "scale": Array(("epoch", "explained", "image"), "float32", "largest magnitude of the raw map"),
        "explained_class": Array(("epoch", "explained", "image"), "int32", "class the map explains"),
        "poles": Array(
            ("epoch",), "int64", "places where the denominator of a weight vanished, so that it was set to 0"
        ),
    },
    "cases": {
        "maps": Array(
            ("epoch", "case", "y", "x"), "float16", "raw map for the case's chosen class divided by its scale", "case"
        ),
        "scale": Array(("epoch", "case"), "float32", "largest magnitude of the raw map"),
    },
}

SPLITS = ("train", "test")
EXPLAINED = ("true", "predicted")
MEASURES = ("precision", "recall", "f1")
TRAINING_MEASURES = ("loss", "learning_rate", "seconds")


def layout(
    array: Array, sizes: Mapping[str, int], *, block: int = 1, attributes: Mapping[str, object] | None = None
) -> Layout:
    """The array at given dimension sizes; `block` is the length of a shard along the first dimension."""
    shape = tuple(sizes[name] for name in array.dimensions)
    chunk = [block, *(max(size, 1) for size in shape[1:])]
    if "explained" in array.dimensions:
        chunk[array.dimensions.index("explained")] = 1
    if array.chunked:
        axis = array.dimensions.index(array.chunked)
        chunk[axis] = max(1, min(chunk[axis], array.chunk_values * chunk[axis] // max(prod(chunk), 1)))
    lengths = [block, *(max(size, 1) for size in shape[1:])]
    shard = tuple(-(-length // part) * part for length, part in zip(lengths, chunk, strict=True))
    if shard[0] != block:
        raise ValueError(f"a block of {block} is no multiple of its chunk of {chunk[0]}")
    return Layout(array, shape, shard, tuple(chunk), attributes or {})


def images_per_block(side: int, channels: int) -> int:
    """How many images make one shard of pixels: a multiple of those in a chunk."""
    values = side * side * channels
    chunk = max(1, CHUNK_VALUES // values)
    return chunk * max(1, min(BLOCK_VALUES // (values * chunk), 4096 // chunk))
