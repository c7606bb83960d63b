"""What becomes of predictions without the selected filters, against as many random ones of the same layers."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from app import reading
from app.network import asking, charts, stored
from app.probe import Answer
from app.selection import Selection
from precompute.cases import probabilities
from store.schema import UNLABELLED

MOST = 64  # images of each kind
SECONDS = 0.5
MEASURES = ("mean probability of the true class", "accuracy")
UNLABELLED_MEASURES = ("mean probability of the class before", "share taken for the same")


@dataclass(frozen=True, eq=False)
class Group:
    """Some images, by measure: with all filters, without the selected ones (2,), and by draw without random ones (2, R)."""

    name: str
    images: int
    whole: np.ndarray
    without: np.ndarray
    random: np.ndarray


def section(now: Selection) -> None:
    """The button, and below it what it found out; nothing where no filter is selected."""
    found = stored.found(now)
    if found.activations is None or now.epoch not in reading.epochs(found.activations):
        return
    chosen = stored.known(now.filters, stored.layers(found.activations))
    if not chosen:
        return
    having = stored.images_with(found.activations, now.epoch, chosen)
    st.markdown("**Without these filters**" if len(chosen) > 1 else "**Without this filter**")
    if not len(having):
        st.caption("No image has them all, so there is nothing to compare.")
        return
    asked = (now.run.uuid, now.epoch, chosen)
    st.button(
        "Take this pattern's filters out" if len(chosen) > 1 else "Take this filter out",
        key="network.out",
        icon=":material/filter_alt_off:",
        on_click=st.session_state.__setitem__,
        args=("network.without", asked),
        help="Their answers are set to 0 in the network, for a moment and for you alone, and the predictions compared.",
    )
    if st.session_state.get("network.without") == asked:
        result(now, chosen, having)


def result(now: Selection, chosen: stored.Filters, having: np.ndarray) -> None:
    images = compared(having, reading.labels(now.data))
    if not len(images[0]):
        st.caption("None of the images concerned has a label, so there is no true class to compare.")
        return
    request = asking.ablation(now, chosen, np.concatenate(images))
    answer = asking.reply("ablation", request, SECONDS)
    if answer is None:
        asking.waiting("ablation", request)
        return
    if not isinstance(answer, Answer):
        asking.failed("ablation", request, answer)
        return
    groups = measured(answer, images, reading.labels(now.data))
    known = reading.labelled(now.data)
    said = sentence(groups, len(chosen), "the true class" if known else "the class predicted with all filters")
    st.markdown(said)
    for number, measure in enumerate(MEASURES if known else UNLABELLED_MEASURES):
        values = [(group.name, group.whole[number], group.without[number], group.random[number]) for group in groups]
        st.vega_lite_chart(
            charts.ablation_spec(measure, values),
            key=f"network.ablation.{number}",
            alt=f"Dots: {measure} with all filters, without the selected ones, and without random ones. {said}",
        )
    draws = groups[0].random.shape[1]
    st.caption(
        f"Each dot of the lowest line is one of {draws} draws of as many random filters of the same layers. The images with the "
        "pattern are those to which its filters answer most, and others less, so some difference is to be expected."
    )


def compared(having: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Images with the pattern, and without; where some of all have a label, those that have none are left out."""
    known = np.flatnonzero(labels != UNLABELLED)
    every = known if len(known) else np.arange(len(labels))
    own = np.intersect1d(having, every)
    return [spread(own), others(own, every)]


def spread(images: np.ndarray) -> np.ndarray:
    """At most MOST of them, evenly."""
    return images[np.linspace(0, len(images) - 1, min(MOST, len(images))).round().astype(int)]


def others(having: np.ndarray, every: np.ndarray) -> np.ndarray:
    """As many of all images that do not have the pattern, drawn by a fixed seed."""
    rest = np.setdiff1d(every, having)
    return np.sort(np.random.default_rng(0).permutation(rest)[: min(MOST, len(having))])


def measured(answer: Answer, images: list[np.ndarray], labels: np.ndarray) -> list[Group]:
    """What the answer says of each kind of images; kinds without images are left out."""
    plain, out, random = (answer.more[f"ablation/{name}"] for name in ("plain", "logits", "random"))
    groups, start = [], 0
    for name, part in zip(charts.GROUPS, images, strict=True):
        rows = slice(start, start + len(part))
        start += len(part)
        if len(part):
            before = plain[rows].argmax(-1)
            true = np.where(labels[part] == UNLABELLED, before, labels[part])  # what it was taken for stands in
            groups.append(
                Group(
                    name,
                    len(part),
                    how_well(plain[rows], true),
                    how_well(out[rows], true),
                    how_well(random[:, rows], true),
                )
            )
    return groups


def how_well(logits: np.ndarray, true: np.ndarray) -> np.ndarray:
    """MEASURES of logits (..., n, K): (2, ...)."""
    chances = probabilities(logits)[..., np.arange(len(true)), true]  # (..., n)
    return np.stack([chances.mean(-1), (logits.argmax(-1) == true).mean(-1)])


def sentence(groups: list[Group], count: int, of: str) -> str:
    """What the first group, with the pattern, loses, against the random draws and the other images."""
    first, *rest = groups
    these = f"these {count} filters" if count > 1 else "this filter"
    drawn = f"{count} random filters of the same layers" if count > 1 else "a random filter of the same layer"
    draws, out = first.random[0], float(first.without[0])
    worse = int((draws <= out).sum())
    text = (
        f"Without {these} the mean probability of {of} goes from {first.whole[0]:.0%} to {out:.0%} on "
        f"{first.images} image{'s' * (first.images > 1)} that {'have' if first.images > 1 else 'has'} "
        f"{'the pattern' if count > 1 else 'it as the strongest'}"
    )
    text += "".join(
        f", and from {group.whole[0]:.0%} to {group.without[0]:.0%} on {group.images} others" for group in rest
    )
    text += f". Without {drawn} it goes to between {draws.min():.0%} and {draws.max():.0%}: "
    if not worse:
        return text + f"none of {len(draws)} such draws does as much."
    verdict = f", so {these} matter{'s' * (count == 1)} no more than others" if worse > len(draws) / 2 else ""
    return text + f"{worse} of {len(draws)} such draws do{'es' * (worse == 1)} as much{verdict}."
