"""The arrays of Remove and Retrain, as store/schema.py lists all others.

Their shards are no epochs: of the order of removal one is a block of images, of the grid one cell, that is one training.
"""

from store.arrays import Array

ROAR: dict[str, dict[str, Array]] = {
    "ranking": {
        "rank": Array(
            ("block", "image", "y", "x"),
            "uint16",
            "place of each pixel in the order of removal, 0: first; training images, then test images",
            "image",
        ),
    },
    "faithfulness": {
        "number": Array(("epoch", "image"), "int32", "number of each image among those the grid tests on"),
        "deletion": Array(
            ("epoch", "image", "step"),
            "float32",
            "probability of the explained class while pixels go, first ones first",
        ),
        "insertion": Array(
            ("epoch", "image", "step"), "float32", "the same while pixels come into the empty image, first ones first"
        ),
        "infidelity": Array(
            ("epoch", "image"),
            "float32",
            "share of the logit's changes by hidden squares that the map, best scaled, does not explain: 0 to 1",
        ),
        "sensitivity": Array(
            ("epoch", "image"), "float32", "largest relative change of the map under small noise; NaN: a control"
        ),
    },
    "roar": {
        "confusion": Array(
            ("cell", "true", "predicted"), "int32", "number of test images, pixels removed from them too"
        ),
        "accuracy": Array(
            ("cell", "split"),
            "float64",
            "share that is right, pixels removed: of the training images (NaN: not retrained), of the test images",
        ),
        "loss": Array(
            ("cell", "round"), "float64", "mean loss of each epoch of the retraining; NaN: none, or not finite any more"
        ),
        "seconds": Array(("cell",), "float64", "that the cell took"),
    },
}
