"""What a retrained network sees: one test image without the pixels that each technique ranks first."""

import numpy as np
import streamlit as st

from app import methods, pictures, reading
from app.edge import plain
from app.roar.stored import Grid, named
from app.selection import Selection
from precompute.roar.cells import removed_count
from store.shards import Artifact

SIDE = 112  # pixels of a picture, about
GAP = 6 / SIDE  # between two, as a share of the height


def draw(now: Selection, grid: Grid) -> None:
    """A strip a technique whose order is stored; the focus image, or the first of the chosen class that the grid tests on."""
    found = {name: item for name in grid.techniques if (item := ranking(now, grid, name))}
    if not found:
        st.info("Orders of techniques are stored, those of controls are not; none is finished here.")
        return
    image = chosen(now, next(iter(found.values())))
    if image is None:
        st.info("The grid tests on none of the images of this class that are evaluated.")
        return
    fractions = sorted({cell.fraction for cell in grid.asked})
    shares = ", ".join(f"{fraction:.0%}" for fraction in fractions)
    what = f"Image {image}, {now.classes[reading.labels(now.data)[image]]}, with {shares} of its pixels removed"
    st.markdown(plain(what))
    for name, artifact in found.items():
        st.caption(methods.link(name, named(name)))
        places = order(now, artifact, image)
        if places is not None:
            st.image(strip(now, places, image, fractions), alt=f"{what}, those first that {named(name)} ranks first")
    st.caption("Removed pixels stand in the mean colour here. An image in focus, from any page, is shown instead.")


def ranking(now: Selection, grid: Grid, technique: str) -> Artifact | None:
    """The stored order of a technique that the grid went by, where all its blocks are finished."""
    facts = grid.artifact.attributes
    wanted = {"technique": technique, "explained": facts["explained"], "images": facts["images"]}
    wanted["options"] = facts["options"].get(technique)
    for item in reading.artifacts(now.run, "ranking"):
        if "obstacle" not in item.attributes and all(item.attributes[name] == wanted[name] for name in wanted):
            return item if len(reading.epochs(item)) == len(item.promised) else None
    return None


def chosen(now: Selection, artifact: Artifact) -> int | None:
    of_class = np.flatnonzero(reading.labels(now.data) == now.chosen)
    for image in [*([] if now.focus is None else [now.focus]), *map(int, of_class)]:
        if place(now, artifact, image) is not None:
            return image
    return None


def place(now: Selection, artifact: Artifact, image: int) -> int | None:
    """Where an evaluated image stands among those the grid tests on; None where it is not one of them."""
    source, tested = int(reading.sources(now.data)[image]), artifact.attributes.get("tested")
    if not tested:  # all
        return source
    return tested.index(source) if source in tested else None


def order(now: Selection, artifact: Artifact, image: int) -> np.ndarray | None:
    """The place (H, W) of each pixel in the order of removal."""
    at = place(now, artifact, image)
    if at is None:
        return None
    block, within = divmod(artifact.attributes["train"] + at, artifact.array("rank").shape[1])
    return artifact.read("rank", block, within)


def strip(now: Selection, places: np.ndarray, image: int, fractions: list[float]) -> np.ndarray:
    """The image at each share removed, side by side: (H, W, 4) uint8."""
    whole = reading.pixels(now.data, (image,))[0]  # (H, W, C)
    mean = np.round(255 * np.array(now.data.attributes["mean"])).astype(np.uint8)
    gone = [places < removed_count(fraction, places.size) for fraction in fractions]
    side = pictures.whole(len(whole), SIDE)
    panels = [pictures.rgb(np.where(mask[..., None], mean, whole).astype(np.uint8), side) for mask in gone]
    return pictures.beside(panels, GAP)
