"""All filters as dots, by layer, shaded by their answers to the images of the tray; the selection and paths drawn in."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from app import ground, selection
from app.memory import Memory, remembered
from app.network import states, stored
from app.pictures import colours
from app.selection import Selection
from app.widgets import filters
from app.widgets.filters import Column, Dots, Line
from store.shards import Artifact

PACKED = Memory(100, 32 * 1024**2)
KEY = "network.dots"
ENDS = {False: (10, 228), True: (90, 246)}  # of the colours, on a light ground and on a dark one


def dots(now: Selection, height: int = 380, *, edited: np.ndarray | None = None) -> bool:
    """Draws the dots, `height` pixels high, or says why there are none: False. edited: the path (L,) of the edited focus."""
    found = stored.found(now)
    if found.activations is None:
        states.nothing(now.run, found, "activations")
        return False
    return states.there(now, found.activations, "activations") and draw(now, found.activations, height, edited)


def draw(now: Selection, activations: Artifact, height: int, edited: np.ndarray | None) -> bool:
    depth = stored.layers(activations)
    usual = stored.usual(activations, now.epoch)
    if not np.isfinite(usual.mean).all():
        st.warning(f"At epoch {now.epoch} the network gives no finite numbers: it has diverged.")
        return False
    chosen = stored.flat(stored.known(now.filters, depth), depth)
    filters.show(
        filters.marked(
            packed(activations, now.epoch, now.images, height, by_depth(len(depth))),
            chosen,
            lines(now, activations, edited),
        ),
        len(usual.mean),
        key=KEY,
        on_pick=lambda place, joins: pick(now, depth, place, joins=joins),
    )
    return True


def pick(now: Selection, depth: tuple[stored.Layer, ...], place: int, *, joins: bool) -> None:
    """Selects a filter; with others where it joins them, in place of that of its layer or of itself."""
    if place == filters.NONE:
        selection.choose_filters(())
        return
    layer, number = stored.at_place(place, depth)
    others = [item for item in stored.known(now.filters, depth) if item[0] != layer] if joins else []
    again = joins and (layer, number) in now.filters
    selection.choose_filters(others if again else [*others, (layer, number)])


def lines(now: Selection, activations: Artifact, edited: np.ndarray | None) -> list[Line]:
    """The path of the image in focus, that of its edited version, and the selected pattern."""
    depth, found = stored.layers(activations), []
    if now.focus is not None:
        found.append(Line("path", along(stored.strongest(activations, now.epoch)[now.focus], depth)))
    if edited is not None:
        found.append(Line("edited", along(edited, depth)))
    chosen = stored.known(now.filters, depth)
    if len(chosen) > 1:
        found.append(Line("pattern", tuple(stored.flat(chosen, depth))))
    return found


def along(path: Sequence[int] | np.ndarray, depth: tuple[stored.Layer, ...]) -> tuple[int, ...]:
    """Places of the strongest filters (L,), without the layers in which none answers."""
    return tuple(depth[layer].offset + int(number) for layer, number in enumerate(path) if number >= 0)


@remembered(PACKED)
def packed(activations: Artifact, epoch: int, images: tuple[int, ...], height: int, palette: tuple[str, ...]) -> bytes:
    depth, usual = stored.layers(activations), stored.usual(activations, epoch)
    values = (
        np.mean([stored.answers(activations, epoch, image) for image in images], axis=0) if images else usual.mean
    )  # (F,)
    of = (
        f"shaded by their mean answer to {len(images)} selected image{'s' * (len(images) > 1)}"
        if images
        else "all alike"
    )
    return filters.pack(
        Dots(
            columns=tuple(
                Column(number + 1, layer.name, layer.filters, colour)
                for number, (layer, colour) in enumerate(zip(depth, palette, strict=True))
            ),
            levels=stored.deviations(values, usual),
            values=values,
            means=usual.mean,
            shaded=bool(images),
            height=height,
            alt=f"{len(values):,} filters of {len(depth)} convolution layers as dots, from the layer next to the image on the "
            f"left to the deepest, {of}. Arrow keys go from dot to dot, Page up and down from layer to layer, Enter selects.",
        )
    )


def by_depth(count: int) -> tuple[str, ...]:
    """A colour for each layer, from dark to light with depth, without what is lost on the page's ground."""
    first, last = ENDS[ground.is_dark()]
    scale = colours("viridis")
    places = np.linspace(first, last, count).round().astype(int)
    return tuple("#{:02x}{:02x}{:02x}".format(*scale[place]) for place in places)
