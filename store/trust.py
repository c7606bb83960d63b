"""The arrays of the checks of trust, as store/schema.py lists all others."""

from store.arrays import Array

TRUST: dict[str, dict[str, Array]] = {
    "attention": {
        "share": Array(
            ("epoch", "explained", "image", "region"),
            "float32",
            "share of the map's positive evidence inside the region; NaN: the map has none, or the image no such region",
        ),
        "control": Array(
            ("epoch", "control", "image", "region"),
            "float32",
            "the same of a uniform map, of a random one, and of one that knows only the centre",
        ),
        "likeness": Array(
            ("epoch", "earlier", "image"),
            "float16",
            "rank correlation of the true class's map with that of an earlier epoch; NaN: not compared, or flat",
        ),
    },
    "sanity-shift": {
        "number": Array(("epoch", "image"), "int32", "number of each image among the evaluated ones"),
        "logit": Array(
            ("epoch", "mode", "image"), "float32", "largest change of a logit by the shift and its correction"
        ),
        "changed": Array(("epoch", "mode", "image"), "int8", "1: another class is predicted then"),
        "spearman": Array(
            ("epoch", "technique", "mode", "image"),
            "float32",
            "rank correlation of the map before and after; NaN: one of them is flat",
        ),
        "spearman_absolute": Array(
            ("epoch", "technique", "mode", "image"), "float32", "the same of the maps' magnitudes"
        ),
        "ssim": Array(
            ("epoch", "technique", "mode", "image"),
            "float32",
            "structural similarity of the raw maps; NaN: under 32 pixels a side",
        ),
        "largest": Array(
            ("epoch", "technique", "mode", "image"),
            "float32",
            "largest difference of the raw maps, as a share of the largest magnitude of both",
        ),
    },
    "sanity-randomisation": {
        "number": Array(("epoch", "image"), "int32", "number of each image among the evaluated ones"),
        "kept": Array(
            ("epoch", "order", "stage", "draw"), "float32", "share of the images whose predicted class stays"
        ),
        "spearman": Array(
            ("epoch", "technique", "order", "stage", "draw", "image"),
            "float32",
            "rank correlation of the trained network's map and the randomised one's; NaN: one of them is flat",
        ),
        "spearman_absolute": Array(
            ("epoch", "technique", "order", "stage", "draw", "image"), "float32", "the same of the maps' magnitudes"
        ),
        "ssim": Array(
            ("epoch", "technique", "order", "stage", "draw", "image"),
            "float32",
            "structural similarity of the raw maps; NaN: under 32 pixels a side",
        ),
    },
    "sanity-stability": {
        "number": Array(("epoch", "image"), "int32", "number of each image among the evaluated ones"),
        "kept": Array(("epoch", "draw"), "float32", "share of the images whose predicted class stays under the noise"),
        "spearman": Array(
            ("epoch", "technique", "draw", "image"),
            "float32",
            "rank correlation of the clean image's map and the noisy one's; NaN: one of them is flat",
        ),
        "spearman_absolute": Array(
            ("epoch", "technique", "draw", "image"), "float32", "the same of the maps' magnitudes"
        ),
        "ssim": Array(
            ("epoch", "technique", "draw", "image"),
            "float32",
            "structural similarity of the raw maps; NaN: under 32 pixels a side",
        ),
        "earlier": Array(("epoch", "lag"), "int32", "the kept epoch that many kept epochs before; -1: none"),
        "over_epochs": Array(
            ("epoch", "technique", "lag", "image"),
            "float32",
            "rank correlation with the earlier epoch's map; NaN: none",
        ),
    },
}
