"""Every array Loupe stores: dimensions, type, unit, and how it is cut into shards and chunks. docs/store.md says the same in prose.

The first dimension is cut into shards, written whole: one epoch, or one block of images. Chunks inside a shard follow
what the pages read: a progression takes one image at every epoch, a gallery a few images at one epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from store.arrays import CHUNK_VALUES as CHUNK_VALUES
from store.arrays import Array as Array
from store.roar import ROAR
from store.trust import TRUST

VERSION = 1
BLOCK_VALUES = 16_000_000  # values in one block of images


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
        "label": Array(("image",), "int32", "true class; -1: unlabelled"),
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
        "accuracy": Array(
            ("epoch", "split"),
            "float64",
            "share of images whose largest logit is the true class; NaN where none has a label",
        ),
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
        "completeness": Array(
            ("epoch", "explained", "image", "side"),
            "float32",
            "sum of the attributions, and the difference of logits it is to be; only of techniques that promise it",
        ),
    },
    "cases": {
        "maps": Array(
            ("epoch", "case", "y", "x"), "float16", "raw map for the case's chosen class divided by its scale", "case"
        ),
        "scale": Array(("epoch", "case"), "float32", "largest magnitude of the raw map"),
    },
    "features": {
        "features": Array(
            ("epoch", "image", "feature"), "float16", "what the last linear layer reads, divided by its scale", "image"
        ),
        "scale": Array(("epoch", "image"), "float32", "largest magnitude of the image's features"),
        "neighbours": Array(
            ("epoch", "image", "neighbour"), "int32", "nearest other images by their features; -1: none", "image"
        ),
        "distances": Array(
            ("epoch", "image", "neighbour"), "float32", "Euclidean distance to each, of features times scale", "image"
        ),
    },
    "embedding": {
        "points": Array(("epoch", "image", "axis"), "float32", "place on the t-SNE map, its centre at 0"),
        "divergence": Array(("epoch",), "float64", "of Kullback and Leibler, in nats: what t-SNE makes small"),
        "trustworthiness": Array(
            ("epoch",), "float64", "1 where the 15 nearest on the map are the nearest by features, about 0.5 by chance"
        ),
        "move": Array(
            ("epoch",), "float64", "mean move of a point since the kept epoch before, in radii of the map; NaN at first"
        ),
    },
    "activations": {
        "activation": Array(
            ("epoch", "image", "filter"), "float16", "reduced answer of each filter divided by its scale", "image"
        ),
        "scale": Array(("epoch", "filter"), "float32", "largest magnitude of the filter's answers"),
        "mean": Array(("epoch", "filter"), "float32", "mean answer over the evaluated images"),
        "deviation": Array(("epoch", "filter"), "float32", "standard deviation (ddof 0) over the evaluated images"),
        "class_mean": Array(("epoch", "filter", "class"), "float32", "mean answer over the images of each class"),
        "top_image": Array(("epoch", "filter", "rank"), "int32", "the images it answers to most; -1: fewer"),
        "top_value": Array(("epoch", "filter", "rank"), "float32", "its answer to each"),
        "top_map": Array(
            ("epoch", "filter", "rank", "y", "x"),
            "uint8",
            "its map on each, resized to one size for all layers; 255: the largest value of the map, 0: none",
            "filter",
        ),
        "strongest": Array(
            ("epoch", "image", "layer", "place"),
            "int16",
            "the two strongest filters of each layer, numbered within it; -1: none answers",
            "image",
        ),
        "lead": Array(("epoch", "image", "layer"), "float32", "by how much the strongest leads the second"),
    },
    "patterns": {
        "filters": Array(
            ("epoch", "pattern", "layer"),
            "int16",
            "filter at each layer, numbered within it; -1: the layer is left out",
        ),
        "support": Array(("epoch", "pattern"), "int32", "images that have it; 0: no more patterns"),
        "lift": Array(("epoch", "pattern"), "float32", "support divided by what independent layers would give"),
        "p_value": Array(
            ("epoch", "pattern"),
            "float32",
            "share of data sets, the true and shuffled ones, with as much support; NaN: not computed",
        ),
        "kind": Array(("epoch", "pattern"), "int8", "bits: 1 contiguous, 2 gapped and closed, 4 maximal"),
        "by_class": Array(("epoch", "pattern", "class"), "int32", "its images by true class", "pattern"),
        "found": Array(
            ("epoch", "search"), "int64", "how many there are, contiguous and gapped; -1: not all were looked for"
        ),
    },
    "simulation": {
        "number": Array(("epoch", "image"), "int32", "number of each image among the evaluated ones"),
        "chance": Array(("epoch", "image", "point"), "float32", "probability of each image's true class", "image"),
        "predicted": Array(("epoch", "image", "point"), "int32", "class predicted", "image"),
        "rank": Array(
            ("epoch", "image", "point"), "int32", "rank of the true class, 1: first; ties: the worse", "image"
        ),
        "mean": Array(("epoch", "class", "point"), "float32", "mean probability over the images of the class"),
        "quantiles": Array(
            ("epoch", "class", "quantile", "point"), "float32", "10, 25, 50, 75 and 90 % of those probabilities"
        ),
        "mean_of_all": Array(
            ("epoch", "class", "point"), "float32", "mean probability of the class over all images, whatever they show"
        ),
        "level": Array(
            ("epoch", "class", "point"),
            "float32",
            "mean factor of the changed images of the class; NaN: they have none",
        ),
        "training": Array(
            ("epoch", "class", "bin"), "int32", "training images by factor; the last bin: those that have none"
        ),
    },
    **TRUST,
    **ROAR,
}

SPLITS = ("train", "test")
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)  # of a class's probabilities along a change
EXPLAINED = ("true", "predicted")
MEASURES = ("precision", "recall", "f1")
TRAINING_MEASURES = ("loss", "learning_rate", "seconds")
SHIFTS = ("exact", "scalar", "noise")  # how an input is shifted and the first layer corrected
ORDERS = ("cascading", "independent")  # all stages from the top down to this one are drawn anew, or this one alone
CONTROLS = ("uniform", "random", "centre")  # maps that know nothing of the image
UNLABELLED = -1  # the label of an image of which nobody says what it shows


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
