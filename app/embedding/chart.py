"""The map itself: its dots, what is said about how far it may be believed, and what a click or a lasso does."""

import math
from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import ground, reading, selection
from app.address import held, hold
from app.edge import plain
from app.embedding import contours, guests, stored
from app.embedding.colouring import WORDS, Filter, Outcome, coloured, shown
from app.embedding.contours import Contours
from app.embedding.controls import Choice
from app.embedding.guests import Guest
from app.memory import Memory, remembered
from app.network import stored as network
from app.outputs import taken
from app.selection import TRAY, Selection
from app.widgets import point_cloud
from store.runs import Run
from store.shards import Artifact

PACKED = Memory(100, 64 * 1024**2)
KEY = "embedding.map"
OF_LABELS = ("true class", "correctness")  # colours that need labels
BELIEF = (
    "Who lies close together is alike to the network. How far apart two groups lie, and how large they are, means little: "
    "t-SNE keeps neighbours, not distances."
)


def words(now: Selection) -> Sequence[str]:
    """What the dots can be coloured by."""
    return WORDS if reading.labelled(now.data) else [word for word in WORDS if word not in OF_LABELS]


def unfinished(now: Selection, artifact: Artifact) -> None:
    """Says that the map of the selected epoch is not there yet."""
    finished = reading.epochs(artifact)
    done = f"it has been for {len(finished)} of {len(artifact.promised)} epochs" if finished else "none has been yet"
    st.info(f"The map of epoch {now.epoch} is still to be computed; {done}. Maps follow when the training is over.")


def draw(
    now: Selection,
    maps: stored.Maps,
    artifact: Artifact,
    chosen: Choice,
    beside: Sequence[Guest],
    *,
    height: int = 0,
    about: DeltaGenerator | None = None,
) -> None:
    """The map of the selected epoch, which is there, and who is on it `beside` the dots; height in pixels, 0: its own.

    about: where it is said how far it may be believed; above the map unless given.
    """
    places = stored.places(artifact, now.epoch)
    if not np.isfinite(places).all():
        st.warning(
            f"At epoch {now.epoch} the network gives no finite numbers: it has diverged, and nothing has a place."
        )
        return
    of = outcome_at(now.evaluation, now.data, now.epoch)
    with about or nullcontext():
        counted(now, artifact, int(shown(of, chosen.by).sum()), len(of.true))
    near = stored.neighbours(maps.features, now.epoch, now.focus) if maps.features and now.focus is not None else ()
    packed_map = packed(now.run, now.evaluation, now.data, artifact, now.epoch, chosen, now.chosen, ground.is_dark())
    marks = point_cloud.Marks(
        focus=now.focus,
        held=now.images,
        linked=[image for image, _ in near],
        having=having(now),
        guests=guests.marks(artifact, now.epoch, beside),
        view=view(artifact),
        height=height,
    )
    point_cloud.show(
        point_cloud.marked(packed_map, marks),
        len(of.true),
        key=KEY,
        on_pick=selection.focus,
        on_lasso=lambda images: lassoed(of, images),
        on_view=lambda word: hold("view", word),
    )
    if said := st.session_state.pop("embedding.lassoed", ""):
        st.info(said, icon=":material/lasso_select:")


def having(now: Selection) -> list[int]:
    """The images in which each of the selected filters is the strongest of its layer."""
    activations = network.found(now).activations if now.filters else None
    if activations is None or now.epoch not in reading.epochs(activations):
        return []
    chosen = network.known(now.filters, network.layers(activations))
    return network.images_with(activations, now.epoch, chosen).tolist() if chosen else []


def ringed(now: Selection) -> str:
    """What the rings stand for; "" where there are none."""
    count, activations = len(having(now)), network.found(now).activations
    if not count or activations is None:
        return ""
    chosen = network.known(now.filters, network.layers(activations))
    return f"Ringed: {count:,} image{'s' * (count != 1)} with {network.words(chosen)}"


def view(artifact: Artifact) -> str:
    """What of the map is seen, as the address holds it; all of it where the map is another."""
    if st.session_state.setdefault("view.of", artifact.path) != artifact.path:
        hold("view", "")
    st.session_state["view.of"] = artifact.path
    hold("view", point_cloud.view(held("view")))
    return held("view")


def belief(now: Selection, artifact: Artifact, chosen: Choice) -> None:
    """What the map means, and what it does not."""
    st.caption(f"{BELIEF} The neighbours beside the map are those among the features themselves.")
    if not chosen.contours or not np.isfinite(stored.places(artifact, now.epoch)).all():
        return
    found = overlap(now.run, now.evaluation, now.data, artifact, now.epoch, chosen.by)
    if not found.levels:
        st.caption("No place of the map has images of two classes.")
        return
    levels = " and ".join(filter(None, [", ".join(map(str, found.levels[:-1])), str(found.levels[-1])]))
    st.caption(
        f"Inside a line, at least two classes have {levels} or more images, each counted by a Gaussian of "
        f"{contours.REACH:.0%} of the map's width around it: less, the farther away it is."
    )


def counted(now: Selection, artifact: Artifact, shown: int, of: int) -> None:
    """How far the map may be believed, in numbers, and how many dots pass the filters."""
    quality, earlier = stored.quality(artifact, now.epoch), [item for item in artifact.promised if item < now.epoch]
    moved = (
        f" · moved by {quality.move:.2f} of its radius since epoch {earlier[-1]}" if math.isfinite(quality.move) else ""
    )
    few = f"{shown:,} of {of:,} images shown" if shown < of else f"{of:,} images"
    st.caption(
        f"Epoch {now.epoch} · {few} · perplexity {artifact.attributes['perplexity']} · "
        f"KL divergence {quality.divergence:.2f} nats · trustworthiness {quality.trustworthiness:.3f}{moved}",
        help="KL divergence: what t-SNE makes small; maps of one perplexity may be compared by it. Trustworthiness: 1 where "
        "the 15 nearest dots of each are its nearest by features too, about 0.5 by chance.",
    )


@remembered(PACKED)
def packed(
    run: Run,
    evaluation: Artifact,
    data: Artifact,
    artifact: Artifact,
    epoch: int,
    chosen: Choice,
    focused: int,
    dark: bool,
) -> bytes:
    """The message of a map but for its marks; `focused` is the class chosen in the bar, `dark` what the page is."""
    of, names = outcome_at(evaluation, data, epoch), reading.class_names(run)
    colours, passed = coloured(of, chosen.colour, names, focused), shown(of, chosen.by)
    lines = overlap(run, evaluation, data, artifact, epoch, chosen.by).segments if chosen.contours else ()
    alt = (
        f"t-SNE map of {len(passed):,} images at epoch {epoch}, perplexity {chosen.perplexity}, {int(passed.sum()):,} shown, "
        f"coloured by {chosen.colour}; the list below it says in words what is on it."
    )
    return point_cloud.pack(
        point_cloud.Cloud(
            places=stored.places(artifact, epoch),
            true=of.true,
            predicted=of.predicted,
            confidence=of.confidence,
            levels=colours.levels,
            shown=passed,
            names=names,
            palette=ground.replaced(colours.palette) if dark else colours.palette,
            legend=colours.legend,
            alt=alt,
            of=f"{run.uuid} {evaluation.path}",
            lines=lines,
        )
    )


@remembered(100)
def overlap(run: Run, evaluation: Artifact, data: Artifact, artifact: Artifact, epoch: int, by: Filter) -> Contours:
    """Where the true classes overlap; those of the filter's pair, where it names some."""
    of = outcome_at(evaluation, data, epoch)
    places = stored.places(artifact, epoch)[of.known]
    return contours.overlap(places, of.true[of.known], len(run.classes), by.pair)


@remembered(20)
def outcome_at(evaluation: Artifact, data: Artifact, epoch: int) -> Outcome:
    of = taken(evaluation, epoch)
    return Outcome(reading.labels(data), of.predicted, of.confidence, of.confidence - of.second)


def lassoed(of: Outcome, images: Sequence[int]) -> None:
    """Puts those the network is least sure of into the tray, as many as it holds."""
    order = sorted(images, key=lambda image: (of.margin[image], image))
    selection.choose_images(order[:TRAY])
    wrong = int(of.wrong[images].sum())
    text = f"{len(images):,} image{'s' * (len(images) > 1)} in the lasso"
    text += f", {wrong:,} misclassified." if of.known.any() else "."
    more = f" The tray holds the {TRAY} of least margin." if len(images) > TRAY else " The tray holds them."
    st.session_state["embedding.lassoed"] = plain(text + more)
