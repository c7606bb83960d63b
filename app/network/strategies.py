"""Two ways to ask what a network has learned (VATUN's Fig. 3): the images one filter answers to most, and those of a pattern."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from app import pictures, reading, selection
from app.address import one_of
from app.edge import plain
from app.memory import Memory, remembered
from app.network import charts, recommended, rows, stored
from app.selection import THUMBNAIL, Selection
from app.widgets.thumbnails import Thumbnail, thumbnails
from store.schema import UNLABELLED
from store.shards import Artifact

DRAWN = Memory(500, 64 * 1024**2)
SIDE, PIXELS = 144, 72  # of a picture with its region, as sent and as shown
REGION = 0.5  # of the largest value: what the outline goes around
OPACITY = 0.6
EDGE_COLOUR = (255, 255, 255)
PAGE = 12


def selected(now: Selection) -> None:
    """All about the filters that are selected, or how to select some."""
    found = stored.found(now)
    if found.activations is None or now.epoch not in reading.epochs(found.activations):
        return
    depth = stored.layers(found.activations)
    chosen = stored.known(now.filters, depth)
    if len(chosen) < len(now.filters):
        st.warning("Filters are selected that this network does not have.")
    if not chosen:
        st.caption(
            "Click a dot to see what its filter answers to, or a pattern to see the images that share it. With Shift, a "
            "click adds a filter to those selected."
        )
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(stored.words(chosen), width="stretch")
        st.button("Clear", icon=":material/close:", type="tertiary", key="network.clear", on_click=selection.choose_filters,
                  args=((),))  # fmt: skip
    one = which(chosen)
    left, right = st.columns(2, gap="small")
    with left:
        single(now, found.activations, one)
    with right:
        together(now, found, chosen)
    profile(now, found.activations, one)


def which(chosen: stored.Filters) -> tuple[int, int]:
    """The filter that is looked at by itself: the deepest, unless another is asked for."""
    if len(chosen) == 1:
        return chosen[0]
    names = {stored.words([item]): item for item in chosen}
    about = "The pattern is compared with what this filter alone answers to."
    return names[one_of("One filter of it", list(names), "one", default=list(names)[-1], help=about)]


# One filter


def single(now: Selection, activations: Artifact, one: tuple[int, int]) -> None:
    """The images a filter answers to most, and where."""
    depth = stored.layers(activations)
    layer, place = depth[one[0]], stored.flat([one], depth)[0]
    st.markdown(f"**One filter: {stored.words([one])}**")
    if not stored.usual(activations, now.epoch).differs[place]:
        st.caption("It answers the same to every image: it tells nothing apart.")
        return
    top = stored.top(activations, now.epoch, place)
    images = tuple(int(image) for image in top.images)
    thumbnails(
        (with_regions(now.data, activations, now.epoch, place), SIDE),
        [answered(now, image, float(value)) for image, value in zip(images, top.values, strict=True)],
        key="network.top",
        pixels=PIXELS,
        on_pick=selection.focus,
    )
    size = f"{layer.height} × {layer.width}"
    st.caption(f"{mixture(now, images)} Under each its answer; outlined: where at least half its largest value is reached, in "
               f"a map of {size}, layer {plain(layer.name)}.")  # fmt: skip


def answered(now: Selection, image: int, value: float) -> Thumbnail:
    labels, taken = reading.labels(now.data), reading.predicted(now.evaluation, now.epoch)
    title = f"image {image}: {now.classes[labels[image]]} → {now.classes[taken[image]]}, answer {value:.3g}"
    return Thumbnail(image, f"{value:.3g}", title, image in now.images)


@remembered(DRAWN)
def with_regions(data: Artifact, activations: Artifact, epoch: int, place: int) -> bytes:
    """The images a filter answers to most, side by side, each under the filter's map, its region outlined; PNG."""
    top = stored.top(activations, epoch, place)
    pixels = reading.pixels(data, tuple(int(image) for image in top.images))
    panels = [outlined(image, map_) for image, map_ in zip(pixels, top.maps, strict=True)]
    return pictures.png(np.concatenate(panels, axis=1))


def outlined(image: np.ndarray, map_: np.ndarray) -> np.ndarray:
    """An image (H, W, C) under a map (h, w) in [0, 1], and a line around what is above REGION: (SIDE, SIDE, 3) uint8."""
    share = np.clip(pictures.enlarge(map_, SIDE), 0, 1)
    picture = pictures.overlay(pictures.rgb(image, SIDE), share, "inferno", OPACITY)
    picture[outline(share >= REGION)] = EDGE_COLOUR
    return picture


def outline(inside: np.ndarray) -> np.ndarray:
    """The pixels of a region (H, W) that touch what is outside it, two deep."""
    core = inside.copy()
    for _ in range(2):
        padded = np.pad(core, 1, constant_values=True)
        core = core & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inside & ~core


def profile(now: Selection, activations: Artifact, one: tuple[int, int]) -> None:
    """The filter's mean answer by class."""
    place = stored.flat([one], stored.layers(activations))[0]
    means = stored.profile(activations, now.epoch, place)
    if not np.isfinite(means).any():
        return
    shown = charts.classes_shown(means)
    of = f", the {len(shown)} largest of {len(means)} classes" if len(shown) < len(means) else ""
    best = now.classes[int(np.nanargmax(means))]
    st.markdown(f"**What {stored.words([one])} answers to each class**")
    st.vega_lite_chart(
        charts.profile_spec(means, now.classes, float(stored.usual(activations, now.epoch).mean[place])),
        key="network.profile",
        alt=f"Bars: mean answer of filter {stored.words([one])} to the images of each class{of}; largest for {best}.",
    )
    if of:
        st.caption(f"Mean answer by true class{of}; the line is the mean over all images.")


# A pattern


def together(now: Selection, found: stored.Found, chosen: stored.Filters) -> None:
    """The images of the selected pattern; of a single filter, those of the foremost pattern that holds it."""
    assert found.activations
    pattern, there = chosen, None
    if found.patterns and now.epoch in reading.epochs(found.patterns):
        there = stored.patterns(found.patterns, now.epoch)
        if len(chosen) == 1:
            pattern = foremost(there, chosen)
    if len(pattern) < 2:
        st.markdown("**A pattern**")
        none = (
            "There are no patterns at this epoch."
            if there is None
            else f"No stored pattern holds {stored.words(chosen)}."
        )
        st.caption(none)
        return
    images = stored.images_with(found.activations, now.epoch, pattern)
    st.markdown(f"**A pattern: {stored.words(pattern)}**")
    gallery(now, images)
    new = there is not None and recommended.number_of(there.filters, pattern) is None
    st.caption(mixture(now, images) + " This combination is none of the stored patterns." * new)
    if len(chosen) == 1:
        st.button("Select this pattern", key="network.foremost", on_click=selection.choose_filters, args=(pattern,))


def foremost(there: stored.Patterns, chosen: stored.Filters) -> stored.Filters:
    """The most surprising pattern that holds these filters; () where none does."""
    listed = recommended.listed(there, np.zeros((0, 0)), chosen, "these filters", "surprise")
    return there.of(int(listed[0])) if len(listed) else ()


def gallery(now: Selection, images: np.ndarray) -> None:
    """A page of the images of a pattern."""
    if not len(images):
        st.caption("No image has it.")
        return
    pages = -(-len(images) // PAGE)
    turned = rows.turn("network.gallery", now.filters, pages)
    shown = tuple(int(image) for image in images[(turned - 1) * PAGE : turned * PAGE])
    labels, taken = reading.labels(now.data), reading.predicted(now.evaluation, now.epoch)
    titles = [f"image {image}: {now.classes[labels[image]]} → {now.classes[taken[image]]}" for image in shown]
    thumbnails(
        reading.sheet(now.data, shown, THUMBNAIL),
        [Thumbnail(image, "", title, image in now.images) for image, title in zip(shown, titles, strict=True)],
        key="network.images",
        pixels=PIXELS,
        on_pick=selection.focus,
    )
    if pages > 1:
        st.pagination(pages, key="network.gallery", max_visible_pages=3)


def mixture(now: Selection, images: Sequence[int] | np.ndarray) -> str:
    """How much of one kind some images are."""
    labels = reading.labels(now.data)[list(images)]
    counts = np.bincount(labels[labels != UNLABELLED], minlength=len(now.classes))
    count = f"{len(labels):,} image{'s' * (len(labels) != 1)}"
    if not counts.any():
        return f"{count}."
    kinds, most = int((counts > 0).sum()), int(counts.argmax())
    return f"{count} of {kinds} class{'es' * (kinds != 1)}, {counts[most]:,} of them {plain(now.classes[most])}."
