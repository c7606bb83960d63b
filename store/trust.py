"""The arrays of the checks of trust, as store/schema.py lists all others."""

from store.arrays import Array


def likenesses(dimensions: tuple[str, ...], maps: str) -> dict[str, Array]:
    """How alike two maps are, by each measure there is; maps: which two."""
    texts = {
        "spearman": f"rank correlation of {maps}; NaN: one of them is flat",
        "spearman_absolute": "the same of the maps' magnitudes",
        "ssim": "structural similarity of the raw maps; NaN: under 32 pixels a side",
    }
    return {name: Array(dimensions, "float32", text) for name, text in texts.items()}


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
        **likenesses(("epoch", "technique", "mode", "image"), "the map before and after"),
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
        **likenesses(
            ("epoch", "technique", "order", "stage", "draw", "image"),
            "the trained network's map and the randomised one's",
        ),
    },
    "sanity-stability": {
        "number": Array(("epoch", "image"), "int32", "number of each image among the evaluated ones"),
        "kept": Array(("epoch", "draw"), "float32", "share of the images whose predicted class stays under the noise"),
        **likenesses(("epoch", "technique", "draw", "image"), "the clean image's map and the noisy one's"),
        "earlier": Array(("epoch", "lag"), "int32", "the kept epoch that many kept epochs before; -1: none"),
        "over_epochs": Array(
            ("epoch", "technique", "lag", "image"),
            "float32",
            "rank correlation with the earlier epoch's map; NaN: none",
        ),
    },
}
