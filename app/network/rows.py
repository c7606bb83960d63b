"""Patterns as rows: those recommended for the images or the filters that are selected, or all."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import streamlit as st

from app import ground, reading, selection
from app.address import as_widget, one_of, word
from app.charts import PETROFF
from app.network import dots, recommended, states, stored
from app.network.recommended import KINDS, ORDERS, SCOPES
from app.selection import THUMBNAIL, Selection
from app.widgets import patterns as widget
from app.widgets.patterns import Picture, Row, Rows, Slice, Step
from precompute import mining
from store.shards import Artifact

PAGE, EXAMPLES = 6, 10  # rows of a page, images of a row
COMPACT_PAGE, COMPACT_EXAMPLES = 3, 5
SLICES = 5  # that a pie may have
ALIKE = 0.04  # shares that differ by less are not told apart in a pie
CHARTS = ("as they need", "pies", "bars")
OTHERS = "#b8bcc0"  # all but the classes that are named
HELP = {
    "patterns": "A pattern is a sequence of filters, each the strongest of its layer, that several images share. These "
    "images: the patterns of the images in the tray. These filters: those that hold the filters selected above.",
    "sort": "Surprise: images times the logarithm of lift, so that patterns which many images share against the odds come "
    "first. Of the patterns of these images, those most of them share always come first.",
    "charts": "As they need: a pie where it can be read, bars where it misleads: with more than five classes or nearly "
    "equal shares.",
    "kind": "Gapped patterns skip layers, and are closed: no longer one has the same images. Maximal: no longer one is kept.",
}
NOTE = (
    "Lift: images that have the pattern, divided by how many would if layers were independent. p: the share of data sets, "
    "the true one and shuffled ones, in which as many images have it; each pattern by itself, not corrected for their number; "
    "–: the recipe asks for no shuffled ones (permutations = 0)."
)


def patterns(now: Selection, *, compact: bool = False) -> None:
    """Draws the patterns recommended for the selection, a page at a time, or says why there are none."""
    found = stored.found(now)
    if found.patterns is None or found.activations is None:
        states.nothing(now.run, found, "patterns")
        return
    if not (states.there(now, found.patterns, "patterns") and states.there(now, found.activations, "activations")):
        return
    there = stored.patterns(found.patterns, now.epoch)
    if not len(there):
        st.info("No pattern is shared by as many images as the recipe asks for.")
        return
    scope, order, kind = controls(there, compact=compact)
    paths = stored.strongest(found.activations, now.epoch)[list(now.images)]  # (n, L)
    chosen = stored.known(now.filters, stored.layers(found.activations))
    listed = recommended.listed(there, paths, chosen, scope, order, kind)
    if not len(listed):
        st.caption(none_here(now, scope, chosen))
        return
    about = {"these images": now.images, "these filters": chosen}.get(scope, ())
    page(now, found, listed, paths, of=(scope, order, kind, about, len(listed)), compact=compact)
    if not compact:
        st.caption(NOTE + kept(found.patterns, now.epoch))


def kept(artifact: Artifact, epoch: int) -> str:
    """That only the most frequent patterns are stored, where that is so."""
    searched, most = artifact.read("found", epoch), artifact.attributes["most"]
    if searched[0] > most or (searched < 0).any():
        return f" Not all are stored: of each kind the {most:,} that most images have."
    return ""


def controls(there: stored.Patterns, *, compact: bool) -> tuple[str, str, str]:
    """Which patterns, in which order, of which kind."""
    kinds = ("any", *(name for name, bit in KINDS.items() if (there.kind & bit).any()))
    orders = tuple(ORDERS)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        seen: Any = "collapsed" if compact else "visible"
        scope = one_of("Patterns with", SCOPES, "patterns", help=HELP["patterns"], label_visibility=seen)
        if compact:
            return scope, "surprise", ""
        order = st.selectbox("Order", orders, help=HELP["sort"], width=120, **as_widget("sort", orders, orders[0]))
        st.selectbox("Classes", CHARTS, help=HELP["charts"], width=135, **as_widget("charts", CHARTS, CHARTS[0]))
        kind = st.selectbox("Kind", kinds, help=HELP["kind"], width=125, **as_widget("kind", kinds, kinds[0]))
    return scope, order, "" if kind == "any" else kind


def none_here(now: Selection, scope: str, chosen: stored.Filters) -> str:
    if scope == "these filters":
        return (
            f"No stored pattern holds {stored.words(chosen)}." if chosen else "Click a dot to see the patterns with it."
        )
    if not now.images:
        return "Select an image, here or on another page, to see its patterns; or look at all of them."
    return f"The selected image{'s share' if len(now.images) > 1 else ' shares'} no pattern with enough others."


def page(
    now: Selection, found: stored.Found, listed: np.ndarray, paths: np.ndarray, *, of: Hashable, compact: bool
) -> None:
    """A page of the patterns listed; the first one again where they are others: `of`."""
    assert found.patterns
    there = stored.patterns(found.patterns, now.epoch)
    size = COMPACT_PAGE if compact else PAGE
    count = -(-len(listed) // size)
    turned = turn("network.page", of, count)
    shown = listed[(turned - 1) * size : turned * size]
    shared = mining.matches(paths, there.filters[shown]).sum(1)
    notes = [note(int(number), int(own), now) for number, own in zip(shown, shared, strict=True)]
    show(now, found, shown.tolist(), notes, examples=COMPACT_EXAMPLES if compact else EXAMPLES)
    if count > 1:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.pagination(count, key="network.page", max_visible_pages=3 if compact else 7)
            st.caption(f"{len(listed):,} patterns", width="content")


def turn(key: str, of: Hashable, pages: int) -> int:
    """The page of a pagination, the first one again where it is about something else than before."""
    if st.session_state.get(f"{key}.of") != of:
        st.session_state[f"{key}.of"], st.session_state[key] = of, 1
    st.session_state[key] = min(st.session_state.get(key, 1), pages)
    return st.session_state[key]


def note(pattern: int, shared: int, now: Selection) -> str:
    """What stands under a row's path."""
    of = f" · {shared} of {len(now.images)} selected" if len(now.images) > 1 and shared else ""
    return f"pattern {pattern}{of}"


def show(
    now: Selection,
    found: stored.Found,
    numbers: Sequence[int],
    notes: Sequence[str],
    *,
    examples: int,
    key: str = "network.rows",
) -> None:
    """Rows of these patterns; a click on one selects its filters."""
    assert found.patterns and found.activations
    there = stored.patterns(found.patterns, now.epoch)
    images = [example_images(now, found.activations, there.of(number), examples) for number in numbers]
    places = widget.placed([image for of in images for image in of])
    chosen = stored.known(now.filters, stored.layers(found.activations))
    marked = recommended.number_of(there.filters, chosen)
    rows = tuple(
        Row(
            pattern=number,
            steps=tuple(Step(layer, stored.words([(layer, item)])) for layer, item in there.of(number)),
            pictures=tuple(pictured(now, image, places[image]) for image in of),
            numbers=measures(there, number),
            note=said,
            selected=number == marked,
            **classes(now, stored.by_class(found.patterns, now.epoch, number), int(there.support[number])),
        )
        for number, of, said in zip(numbers, images, notes, strict=True)
    )
    widget.show(
        reading.sheet(now.data, tuple(places), THUMBNAIL),
        Rows(rows, dots.by_depth(there.filters.shape[1]), f"{len(rows)} patterns"),
        key=key,
        on_pick=lambda number: selection.choose_filters(there.of(number)),
        on_focus=selection.focus,
    )


def example_images(now: Selection, activations: Artifact, filters: stored.Filters, count: int) -> list[int]:
    """Images of a pattern: the selected ones, then some spread evenly over all."""
    having = stored.images_with(activations, now.epoch, filters)
    own = [image for image in now.images if image in having]
    spread = (
        having[np.linspace(0, len(having) - 1, min(count, len(having))).round().astype(int)].tolist()
        if len(having)
        else []
    )
    return list(dict.fromkeys([*own, *spread]))[:count]


def pictured(now: Selection, image: int, place: int) -> Picture:
    labels, taken = reading.labels(now.data), reading.predicted(now.evaluation, now.epoch)
    title = f"image {image}: {now.classes[labels[image]]} → {now.classes[taken[image]]}"
    return Picture(image, place, title, image in now.images)


def measures(there: stored.Patterns, number: int) -> tuple[tuple[str, str], ...]:
    p_value = float(there.p_value[number])
    return (
        ("images", f"{there.support[number]:,}"),
        ("lift", f"{there.lift[number]:,.0f}" if there.lift[number] >= 99.95 else f"{there.lift[number]:#.3g}"),
        ("p", "–" if np.isnan(p_value) else f"{p_value:.3g}"),
    )


# Classes


def classes(now: Selection, counts: np.ndarray, images: int) -> dict[str, Any]:
    """How a row shows its images, (K,) of them by class: as a pie or as bars, in which slices."""
    asked = word("charts", CHARTS, CHARTS[0])
    chart = {"pies": "pie", "bars": "bars"}.get(asked) or ("bars" if misleading(counts) else "pie")
    rest = images - int(counts.sum())
    unlabelled = (Slice(reading.NO_LABEL, rest, OTHERS),) if rest else ()
    return {"chart": chart, "slices": (*slices(counts, now.classes, now.chosen), *unlabelled)}


def misleading(counts: np.ndarray) -> bool:
    """Whether a pie of these counts would mislead: too many slices, or two of the larger ones nearly alike."""
    shares = np.sort(counts[counts > 0] / max(counts.sum(), 1))[::-1]
    large = shares[shares >= 0.1]
    return len(shares) > SLICES or bool((-np.diff(large) < ALIKE).any())


def slices(counts: np.ndarray, names: Sequence[str], chosen: int) -> tuple[Slice, ...]:
    """The largest classes by name, largest first, and the rest as one."""
    order = [int(index) for index in np.argsort(-counts, kind="stable") if counts[index]]
    named = order if len(order) <= SLICES else order[: SLICES - 1]
    rest = int(counts[order[len(named) :]].sum())
    found = [Slice(names[index], int(counts[index]), colour(index, len(names), chosen)) for index in named]
    return (*found, *([Slice(f"{len(order) - len(named)} others", rest, OTHERS)] if rest else []))


def colour(index: int, count: int, chosen: int) -> str:
    """A class's own where all have one; of many classes the chosen one stands out."""
    if count <= len(PETROFF):
        return ground.lifted(PETROFF[index])
    return PETROFF[0] if index == chosen else PETROFF[8]
