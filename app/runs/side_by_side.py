"""The same images in several runs, worst disagreement first, with their maps on one scale a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from app import memory, outputs, reading, renewing, sections
from app.address import forget_unless
from app.edge import plain, plain_errors
from app.reliability import badges
from app.reliability.badges import Badge
from app.runs import beside, comparison, disagreement
from app.runs.beside import Asked, Panel
from app.runs.comparison import Side
from app.saliency import stored
from app.saliency.stored import Technique
from app.selection import Selection
from store.schema import UNLABELLED
from store.shards import Artifact

PAGE = 4  # images at a time
EXPLAINED = ("true", "predicted")
ALL = "all classes"
HELP = {
    "differ": "Only images that not all runs take for the same class.",
    "explained": "Which class the maps speak for: the true one, or the one that each run predicts.",
    "disagreement": "Worst disagreement first. It is the Jensen–Shannon divergence of the runs' predicted distributions at "
    "the epochs shown, as a share of its maximum: 0 where all say the same, 1 where each is certain of another class.",
    "scale": "Raw values on one scale: a network with larger values everywhere looks stronger everywhere. Each map on its "
    "own scale compares places only.",
}


def first_page() -> None:
    st.session_state["compare.page"] = 1


KEPT: dict[str, Any] = {"persist_state": "session", "on_change": first_page}


@dataclass(frozen=True)
class Shared:
    """The images that all compared runs looked at. places: the number of each in every run's selection, (image, run)."""

    places: np.ndarray
    labels: np.ndarray  # (image,)
    predicted: np.ndarray  # (run, image)
    chances: np.ndarray  # of the predicted class, (run, image)
    apart: np.ndarray  # disagreement in [0, 1], (image,)

    @property
    def nbytes(self) -> int:
        return sum(item.nbytes for item in (self.places, self.labels, self.predicted, self.chances, self.apart))

    @property
    def differ(self) -> np.ndarray:
        """Which images the runs do not all take for the same class, (image,)."""
        return (self.predicted != self.predicted[0]).any(0)


def images(shown: Sequence[Side], now: Selection | None) -> None:
    """The section; while a run is live this part alone looks again."""
    st.subheader("The same images, side by side", help=HELP["disagreement"])
    if not comparison.same_classes(shown):
        st.info("The runs have different classes, so their predictions cannot be compared image by image.")
        return
    live = any(item.live for item in shown)
    st.fragment(draw, run_every=comparison.SECONDS if live else None)(shown, now)


def draw(shown: Sequence[Side], now: Selection | None) -> None:
    with plain_errors():
        renewing.shows_work(*(item.run for item in shown))  # maps, which follow the epoch they are of
        found = together(shown)
        if found is None:
            st.info(
                "The runs looked at different images: none of them is shared, so there is nothing to lay side by side."
            )
            return
        names = reading.class_names(shown[0].run)
        kept = filtered(found, names)
        asked = maps_asked(shown, EXPLAINED if (found.labels != UNLABELLED).any() else EXPLAINED[1:])
        said(shown, found, len(kept))
        page(shown, now, found, kept, asked)
        if st.session_state.pop("compare.clicked", False):
            st.rerun()  # the tray is in the bar, outside of this fragment


# Which images, and in which order


def together(shown: Sequence[Side]) -> Shared | None:
    parts = [part for item in shown for part in (item.evaluation, item.data, item.epoch)]
    found = of_runs(*parts)
    return found if len(found.labels) else None


@memory.remembered(memory.OF_ALL_IMAGES)
def of_runs(*parts: Any) -> Shared:
    """parts: for each run its evaluation, its images and the epoch."""
    evaluations, data, epochs = parts[::3], parts[1::3], parts[2::3]
    places = same_images(data)  # (image, run)
    step, found = outputs.rows_at_once(evaluations[0], len(data)), []
    for start in range(0, max(len(places), 1), step):  # a few thousand images at a time
        rows = zip(evaluations, epochs, places[start : start + step].T, strict=True)
        found.append(judged([outputs.chances_of(*item) for item in rows]))
    predicted, chances, apart = (np.concatenate(part, -1) for part in zip(*found, strict=True))
    return Shared(places, reading.labels(data[0])[places[:, 0]], predicted, chances, apart)


def judged(chances: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the distributions (n, class) of each run: what it predicts (run, n), how surely, and how far they lie apart (n,)."""
    predicted = np.stack([item.argmax(-1) for item in chances])
    return predicted, np.stack([item.max(-1) for item in chances]), disagreement.divergence(chances)


def same_images(data: Sequence[Artifact]) -> np.ndarray:
    """Numbers of the shared images in each selection, (image, run): of one artifact all, of one data set those of equal source."""
    if len({item.path for item in data}) == 1:
        return np.repeat(np.arange(len(reading.labels(data[0])))[:, None], len(data), 1)
    prints = {item.attributes.get("fingerprint", "") for item in data}
    if len(prints) > 1 or prints == {""}:
        return np.zeros((0, len(data)), np.int64)
    return disagreement.shared([reading.sources(item) for item in data])


def filtered(found: Shared, names: Sequence[str]) -> np.ndarray:
    """Places of the images to show, worst disagreement first."""
    if st.session_state.get("compare.class", ALL) not in (ALL, *names):
        st.session_state.pop("compare.class", None)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        differ = st.toggle("Predictions differ", key="compare.differ", help=HELP["differ"], **KEPT)
        chosen = st.selectbox("True class", (ALL, *names), key="compare.class", width=200, **KEPT)
    keep = np.ones(len(found.labels), bool)
    if differ:
        keep &= found.differ
    if chosen != ALL:
        keep &= found.labels == names.index(chosen)
    return disagreement.ranked(found.apart, keep)


def said(shown: Sequence[Side], found: Shared, count: int) -> None:
    total, differ = len(found.labels), int(found.differ.sum())
    fewer = max(len(reading.labels(item.data)) for item in shown) - total
    apart = " Only images that all of them looked at are compared." if fewer else ""
    st.caption(
        f"{count:,} of {total:,} shared images, worst disagreement first; {comparison.named(shown)} take {differ:,} of them for "
        f"different classes.{apart} A click on a map puts the image into the tray."
    )


# Which maps


def maps_asked(shown: Sequence[Side], offered: Sequence[str]) -> Asked | None:
    """The choices about maps, limited to what all runs hold; None where they have no layer in common.

    offered: of EXPLAINED, what these images have.
    """
    held = [stored.layers(item.run, item.evaluation) for item in shown]
    layers = [name for name in held[0] if all(name in other for other in held)]
    tell_lacking(shown, held, layers)
    if not layers:
        return None
    if st.session_state.get("compare.layer") not in layers:
        st.session_state.pop("compare.layer", None)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        layer = st.selectbox("Layer", layers, key="compare.layer", width=200, persist_state="session")
        there, why = techniques(shown, layer)
        names = {item.name: item.title for item in there}
        if not set(st.session_state.get("compare.techniques", names)) <= set(names):
            st.session_state.pop("compare.techniques", None)
        picked = st.pills(
            "Techniques",
            list(names),
            selection_mode="multi",
            default=list(names),
            format_func=names.get,
            key="compare.techniques",
            persist_state="session",
        )
        forget_unless("compare.explained", offered)
        explained = st.segmented_control(
            "Explained class",
            offered,
            default=offered[0],
            required=True,
            key="compare.explained",
            help=HELP["explained"],
        )
        scale = st.segmented_control(
            "Scale",
            ("of the row", "of each map"),
            default="of the row",
            required=True,
            key="compare.scale",
            help=HELP["scale"],
        )
    for reason in why:
        st.caption(plain(reason))
    return Asked(
        layer, tuple(name for name in names if name in picked), explained or offered[0], scale != "of each map"
    )


def tell_lacking(shown: Sequence[Side], held: Sequence[dict[str, Any]], layers: Sequence[str]) -> None:
    """Says which layers and which runs are left out of the choice."""
    if bare := [item for item, own in zip(shown, held, strict=True) if not own]:
        st.info(f"{comparison.named(bare)} holds no saliency maps, so only predictions are laid side by side.")
        return
    for item, own in zip(shown, held, strict=True):
        if more := [name for name in own if name not in layers]:
            st.caption(plain(f"Only some of the runs hold maps at {', '.join(more)} ({item.letter} does)."))


def techniques(shown: Sequence[Side], layer: str) -> tuple[list[Technique], list[str]]:
    """What all runs hold at a layer, as the first holds it, and a sentence about each technique that one of them lacks."""
    each = [of_layer(item, layer) for item in shown]
    names = dict.fromkeys(name for own in each for name in own)
    there, why = [], []
    for name in names:
        lacking = [item for item, own in zip(shown, each, strict=True) if name not in own]
        title = next(own[name].title for own in each if name in own)
        if lacking:
            why.append(f"{comparison.named(lacking)} lacks {title} at {layer}.")
        elif obstacle := next((own[name].obstacle for own in each if own[name].obstacle), ""):
            why.append(f"{title}: {obstacle}")
        else:
            there.append(each[0][name])
    return there, why


def of_layer(item: Side, layer: str) -> dict[str, Technique]:
    return {held.name: held for held in stored.techniques(item.run, item.evaluation, layer, live=item.live)}


# Pictures


def page(shown: Sequence[Side], now: Selection | None, found: Shared, kept: np.ndarray, asked: Asked | None) -> None:
    if not len(kept):
        st.caption("No image is like that: choose all classes, or let predictions be the same.")
        return
    held = [of_layer(item, asked.layer) if asked else {} for item in shown]
    with sections.paged(kept.tolist(), PAGE, "compare.page") as places:
        for number, place in enumerate(places):
            with plain_errors(), st.container(key=f"compare.image.{number}"):
                beside.draw(panel(shown, found, place, asked, held), now, number)


def panel(
    shown: Sequence[Side], found: Shared, place: int, asked: Asked | None, held: Sequence[dict[str, Technique]]
) -> Panel:
    """All that determines the picture of one image."""
    names = asked.techniques if asked else ()
    key = tuple(
        (item.letter, item.run.uuid, item.epoch, item.live, *(own[name].key for name in names))
        for item, own in zip(shown, held, strict=True)
    )
    numbers, predicted = tuple(found.places[place].tolist()), tuple(found.predicted[:, place].tolist())
    chances, apart = tuple(found.chances[:, place].tolist()), float(found.apart[place])
    said = tuple(
        (name, tuple(badge_of(item, own[name]) for item, own in zip(shown, held, strict=True))) for name in names
    )
    return Panel(key, shown, held, numbers, int(found.labels[place]), predicted, chances, apart, asked, said)


def badge_of(item: Side, technique: Technique) -> Badge:
    """What the checks say of a technique in one run, at the epoch compared."""
    return badges.badge(item.run, item.evaluation, item.epoch, technique.artifact)
