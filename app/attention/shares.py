"""Shares of the maps by region: the chart over the epochs, the numbers of one epoch, and the place to draw a region."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from app import ground, methods, pictures, reading, selection
from app.attention import charts, stored
from app.attention.scene import AGAINST, Scene, choose_corners, corners
from app.attention.stored import Curve
from app.edge import plain
from app.widgets.region import region
from store.judgements import Region
from store.schema import EXPLAINED

KEY = "attention.shares"
PICTURE_SIDE = 300


def curves(of: Scene, drawn: Region | None) -> list[Curve]:
    """The regions asked for, and the one that is drawn."""
    found = [stored.curve(of.artifact, name, of.epochs, of.slot, of.images) for name in of.regions]
    saliency = stored.maps_of(of.selection, of.artifact)
    if drawn and saliency:
        side = of.selection.data.attributes["size"]
        found.append(stored.drawn_curve(saliency, side, of.epochs, of.slot, drawn, of.images))
    return found


def chart(of: Scene, found: Sequence[Curve]) -> None:
    now = of.selection
    st.vega_lite_chart(
        charts.share_spec(found, of.against, marked=now.epoch, dark=ground.is_dark()),
        key=KEY,
        on_select=pick_epoch,
        selection_mode=charts.PICK,
        alt=alt(of, found),
    )
    st.caption(plain(said(of, found)))


def alt(of: Scene, found: Sequence[Curve]) -> str:
    lines = [f"{item.region} {percent(item.values[0, 0])} to {percent(item.values[0, -1])}" for item in found]
    return (
        f"{of.title}: share of the positive evidence by region, from epoch {of.epochs[0]} to {of.epochs[-1]}, on "
        f"{of.who}: {'; '.join(lines)}."
    )


def said(of: Scene, found: Sequence[Curve]) -> str:
    """What the chart shows, with the number of images behind it."""
    facts = of.artifact.attributes
    signed = " Of a signed technique, what speaks against the class is left out." if facts["signed"] else ""
    radius = (
        f" A disc around a part: {facts['radius']:g} of the square root of the box's area." if "radius" in facts else ""
    )
    images = len(of.images)
    few = max((int(item.count.max(initial=0)) for item in found if item.images == images), default=images)
    fewer = f" (at most {few:,} have such evidence and region)" if few < images else ""
    drawn = next((item.images for item in found if item.region == stored.DRAWN), images)
    fewer += f"; the drawn region: {drawn:,} images, evenly chosen" if drawn < images else ""
    return (
        f"Maps for the {EXPLAINED[of.slot]} class at {facts['layer']}, {of.who}, n = {images:,}{fewer}. Bands: 95% "
        f"intervals of the mean over images (Student's t). Dashed: {AGAINST[of.against]}.{signed}{radius} A click on a dot "
        "chooses its epoch."
    )


def pick_epoch() -> None:
    picked, now = selection.picked(KEY, charts.PICK).get("epoch"), selection.current()
    if picked in now.epochs:
        selection.choose_epoch(int(picked))


# The numbers of one epoch


def numbers(of: Scene, found: Sequence[Curve]) -> None:
    """What the selected epoch says, in a sentence about the first region and a table of all."""
    place = of.epochs.index(of.selection.epoch)
    st.markdown(plain(sentence(of, found[0], place)))
    heads = ("Region", "Share (95%)", "Area", "Random", "Centre", "Above the area, points (95%)", "Images")
    rows = [row(item, place) for item in found]
    lines = [heads, [":---", *["---:"] * (len(heads) - 1)], *[map(plain, row) for row in rows]]
    with st.container(key="wide.attention"):
        st.markdown("\n".join(f"| {' | '.join(line)} |" for line in lines), width="content")
    methods.row(dict.fromkeys(("attention", "uniform-map", "random-map", "centre-prior", "interval"), ""))


def sentence(of: Scene, curve: Curve, place: int) -> str:
    share, low, high = curve.values[:, place]
    what = spoken(curve.region)
    if not np.isfinite(share):
        return f"At epoch {of.selection.epoch}, no map of {of.who} has positive evidence, so there is no share of it."
    area, (_, least, most) = curve.control("uniform")[0, place], curve.above[:, place]
    more = (
        f"which covers {percent(area)} of the image: {share / area:.1f} times its area"
        if area > 0
        else "which covers nothing"
    )
    clear = "" if np.isnan(least) or not least <= 0 <= most else ", which its interval does not tell from chance"
    return (
        f"At epoch {of.selection.epoch}, {percent(share)} ({percent(low)} to {percent(high)}) of {of.title}'s evidence lies "
        f"{what}, {more}{clear}."
    )


def spoken(region: str) -> str:
    """Where it lies: on the head, on the left eye, in the region corner."""
    kind, apart, name = region.partition(": ")
    if region == stored.DRAWN:
        return "in the region you drew"
    return f"on the {name or kind}" if kind == "part" or not apart else f"in the region {name}"


def row(curve: Curve, place: int) -> list[str]:
    share, low, high = curve.values[:, place]
    between = f" ({tenths(low)} to {tenths(high)})" if np.isfinite(low) else ""
    plain_ = [percent(curve.control(name)[0, place]) for name in ("uniform", "random", "centre")]
    mean, least, most = curve.above[:, place]
    above = f"{points(mean)} ({points(least)} to {points(most)})" if np.isfinite(mean) else "–"
    return [curve.region, f"{percent(share)}{between}", *plain_, above, f"{curve.count[place]:,}"]


def points(share: float) -> str:
    return tenths(share, "+") if np.isfinite(share) else "–"


def percent(share: float) -> str:
    return f"{tenths(share)}%" if np.isfinite(share) else "–"


def tenths(share: float, sign: str = "") -> str:
    """A share in hundredths with one decimal; the interval of a mean may reach below 0."""
    return f"{share * 100:{sign}.1f}".replace("-", "−") if abs(share) >= 0.0005 else "0.0"


# The region that is drawn


def draw_region(now: selection.Selection, chosen: int | None) -> Region | None:
    """A picture to draw a rectangle on: the image in focus, else the first of those looked at."""
    st.markdown("**A region of your own** :gray[at the same place of every image]")
    own = stored.of_class(now.data, chosen)
    image = now.focus if now.focus is not None else int(own[0]) if len(own) else 0
    pixels, before = reading.pixels(now.data, (image,))[0], corners()
    name = f"attention.region.{now.data.path}.{image}"
    if name not in st.session_state:  # first drawn, or drawn again after another page
        st.session_state[f"first.{name}"] = before
    drawn = region(
        pictures.png(pictures.rgb(pixels, pictures.whole(pixels.shape[0], PICTURE_SIDE))),
        alt=f"Image {image}",
        label="Region to follow over the epochs",
        key=name,
        first=st.session_state.get(f"first.{name}"),  # one that moved would draw the picture anew
    )
    if drawn != before:
        choose_corners(drawn)
        corners()
    return drawn
