"""Label randomisation: the same training on shuffled labels, asked for by a button, and the maps of both side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from app import methods, news, reading, renewing, sections, shell
from app.access import actions, roles
from app.attention.stored import stored_maps
from app.edge import plain, plain_errors
from app.memory import remembered
from app.retrain import retraining, sending
from app.saliency.stored import of_kind
from app.sanity import tabled, twins, words
from app.sanity.stored import spread
from app.sanity.twins import Twin
from app.selection import Selection
from precompute.sanity import likeness
from store.errors import BadInput
from store.runs import Run, Status
from store.schema import EXPLAINED, UNLABELLED
from store.shards import Artifact

MOST = 100  # images whose maps are compared
LEARNT = 0.95  # of the shuffled labels, as Adebayo et al. trained
HYPOTHESIS = "Label randomisation: maps that show what was learned must change when the labels are shuffled."


@dataclass(frozen=True)
class Compared:
    """One technique's maps of both networks: Spearman's correlation of each image (n,), and of random maps of their size."""

    technique: str
    title: str
    layer: str
    size: str
    found: tuple[float, ...]
    chance: tuple[float, ...]


def section(now: Selection) -> None:
    st.markdown(
        "A second network is trained on labels that were dealt out at random. It can only learn them by heart, so a map that "
        "shows what was learned about a class must look different there. " + methods.link("labels", "More") + "."
    )
    if twins.shuffled(now.run):
        st.info(
            "This run itself was trained on shuffled labels. Choose the run it is to be compared with in the bar above."
        )
        return
    found = twins.twins(now.run)
    if not found:
        st.markdown("There is no such run yet. The test images keep their labels.")
        ask(now)
    elif found[0].epoch is None:
        nothing_yet(now, found[0])
    else:
        compare(now, found[0], found[1:])
    sending.sent(now.run)


# The second training


def nothing_yet(now: Selection, twin: Twin) -> None:
    """No epoch of it is evaluated: somebody is at it, or nobody is any more."""
    status = reading.status(twin.run)
    if status.state == "running":
        st.fragment(follow, run_every=news.SECONDS)(twin)
        return
    st.warning(plain(ended(twin, status)), icon=":material/pause_circle:")
    ask(now)


def follow(twin: Twin) -> None:
    """How it is getting on; the page is drawn anew when there is more to show, or nobody computes it any more."""
    with plain_errors():
        renewing.shows_progress(twin.run, twin.evaluation)
        status, evaluation = reading.status(twin.run), reading.evaluation(twin.run)
        st.info(plain(under_way(twin, status)), icon=":material/hourglass:")
        done = reading.epochs(evaluation) if evaluation else ()
        if status.state != "running" or (done and done[-1] != twin.epoch):
            st.rerun()


def under_way(twin: Twin, status: Status) -> str:
    done = () if twin.epoch is None else (twin.epoch,)
    return f"Run {twin.run.id}, on shuffled labels, is not finished yet: {news.progress(twin.run, status, done)}."


def ended(twin: Twin, status: Status) -> str:
    """Why a run is not finished although nobody computes it."""
    why = (
        news.stopped(twin.run, status, shown=twin.epoch is not None) or "It ended before its last epoch was evaluated."
    )
    return f"{twin.run.id}, on shuffled labels: {why}"


def ask(now: Selection) -> None:
    """The button that asks for it, with its cost, or why it cannot be asked for."""
    run = now.run
    try:
        twins.recipe_of(run, max(run.epochs, 1))
    except BadInput as error:
        st.info(plain(str(error)))
        return
    epochs = st.number_input(
        "Epochs", 1, 10_000, run.epochs, key=f"labels.epochs.{run.id}", width=160,
        help=f"Labels without a pattern take longer to learn: Adebayo et al. train until {LEARNT:.0%} are known by heart.",
    )  # fmt: skip
    recipe = twins.recipe_of(run, int(epochs))
    short, basis = retraining.cost(run, recipe, None)
    st.caption(f"{plain(short[:1].upper() + short[1:])}. {basis}")
    reason = roles.refusal("re-train", roles.person())
    if st.button("Train on shuffled labels", key="labels.train", icon=":material/shuffle:", disabled=bool(reason)):
        job = actions.retrain(recipe, parent=run.id, hypothesis=HYPOTHESIS)
        st.session_state[f"sent.{run.id}"] = job
        sending.waiting.clear()
    if reason:
        st.caption(plain(reason))
    st.caption("The same from a terminal: add this to the run's recipe, under another name, and run it.")
    st.code(f"[training]\nshuffled_labels = true\n\n# then: {shell.PRECOMPUTE} run RECIPE.toml", language="toml")


# Both side by side


def compare(now: Selection, twin: Twin, others: Sequence[Twin]) -> None:
    """others: what else was trained on shuffled labels, of which one may be under way."""
    if twin.epoch is None or twin.evaluation is None:
        return
    unfinished(now, twin, others)
    learnt = accuracies(twin.evaluation, twin.epoch)
    own = accuracies(now.evaluation, now.epoch)
    st.markdown(
        f"**{plain(twin.run.id)}** knows {learnt[0]:.1%} of its shuffled training labels and {learnt[1]:.1%} of the test images "
        f"after epoch {twin.epoch}; this run knows {own[0]:.1%} and {own[1]:.1%} after epoch {now.epoch}."
    )
    if twin.differences:
        st.caption(
            plain(f"The two trainings differ in more than labels and epochs: {'; '.join(twin.differences)}. What differs in "
                  "the maps may come from that.")
        )  # fmt: skip
    if learnt[0] < LEARNT:
        st.caption(
            f"Adebayo et al. train until {LEARNT:.0%} of the shuffled labels are known. This network knows fewer: it is nearer "
            "to an untrained one, and the check is weaker. More epochs, or less augmentation, help."
        )
        sections.folded("Train it longer", ":material/shuffle:", "labels.again", ask, now)
    elif twin.differences or not twin.complete:
        sections.folded("Train it again", ":material/shuffle:", "labels.again", ask, now)
    found = compared(now, twin.run, twin.evaluation, twin.epoch)
    if not found:
        st.info("The two runs hold no maps of the same technique, layer and options at these epochs.")
        return
    tabled.draw(table(found))
    st.caption(
        f"Spearman's correlation of the two networks' raw maps of the same image, for its true class, over "
        f"{len(found[0].found)} labelled images. Beside it random maps of the same size. "
        + methods.link("spearman", "How it is measured") + "."
    )  # fmt: skip


def unfinished(now: Selection, twin: Twin, others: Sequence[Twin]) -> None:
    """Says whether the run compared with, or another in its place, is still under way, or ended too early."""
    status = reading.status(twin.run)
    running = [item for item in (twin, *others) if reading.status(item.run).state == "running"]
    if running:
        st.fragment(follow, run_every=news.SECONDS)(running[0])
    if not twin.complete and status.state != "running":
        st.warning(plain(ended(twin, status)), icon=":material/pause_circle:")


def accuracies(evaluation: Artifact, epoch: int) -> tuple[float, float]:
    """On the training sample, with the labels it was trained on, and on the test images."""
    train, test = reading.measured(evaluation, "accuracy", epoch)
    return float(train), float(test)


def compared(now: Selection, twin: Run, other_evaluation: Artifact, other_epoch: int) -> tuple[Compared, ...]:
    """Of every technique that both runs hold at these epochs, with the same options."""
    labels = reading.labels(now.data)
    known = np.flatnonzero(labels != UNLABELLED)
    if not np.array_equal(labels, reading.labels(reading.dataset(other_evaluation))) or not len(known):
        return ()
    places = np.unique(np.linspace(0, len(known) - 1, min(MOST, len(known))).round().astype(int))
    images = tuple(map(int, known[places]))
    own, others = latest(now.run, now.evaluation), latest(twin, other_evaluation)
    found = []
    for key, item in own.items():
        other = others.get(key)
        if other and now.epoch in reading.epochs(item) and other_epoch in reading.epochs(other):
            found.append(one(item, now.epoch, other, other_epoch, images))
    return tuple(sorted(found, key=lambda row: (row.layer, row.title)))


def latest(run: Run, evaluation: Artifact) -> dict[tuple[str, str, str], Artifact]:
    """The maps of each technique, layer and options; the later of two, which an older Loupe may have made."""
    return {key_of(item): item for item in reversed(of_kind(run, "saliency", evaluation))}


def key_of(item: Artifact) -> tuple[str, str, str]:
    of = item.attributes
    return of["technique"], of["layer"], repr(sorted(of["options"].items()))


@remembered(200)
def one(item: Artifact, epoch: int, other: Artifact, other_epoch: int, images: tuple[int, ...]) -> Compared:
    first, second = (maps(which, at, images) for which, at in ((item, epoch), (other, other_epoch)))
    random = np.random.default_rng(0).normal(size=(2, *first.shape))
    of = item.attributes
    return Compared(
        of["technique"],
        of["title"],
        of["layer"],
        f"{of['height']} × {of['width']}",
        tuple(likeness.spearman(first, second).tolist()),
        tuple(likeness.spearman(*random).tolist()),
    )


def maps(item: Artifact, epoch: int, images: tuple[int, ...]) -> np.ndarray:
    """Maps (n, h, w) for the true class; a factor for each would change no rank, so their scales are left out."""
    return stored_maps(item, epoch, EXPLAINED.index("true"), images).astype(np.float32)


def table(found: tuple[Compared, ...]) -> pd.DataFrame:
    rows = []
    for item in found:
        own, chance = spread(np.array(item.found)), spread(np.array(item.chance))
        rows.append(
            {
                "Technique": methods.cell(item.technique, item.title),
                "Layer": item.layer,
                "Map": item.size,
                "Median": words.rounded(own.median),
                "10%": words.rounded(own.low),
                "90%": words.rounded(own.high),
                "Random map, 10%": words.rounded(chance.low),
                "Random map, 90%": words.rounded(chance.high),
                "Images": own.count,
                "Without a value": own.without,
            }
        )
    return pd.DataFrame(rows)
