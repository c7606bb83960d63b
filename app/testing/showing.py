"""The pictures of the Testing page, the image before and after, its maps and their difference, and the bars beside them."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import pandas as pd
import streamlit as st

from app import pictures, probe
from app.charts import PETROFF
from app.edge import plain
from app.methods import address
from app.probe import Answer, Request
from app.reliability import badges
from app.saliency.completeness import cell_words
from app.saliency.strips import percent
from app.testing import words
from app.testing.outcome import Outcome
from app.widgets import pair
from app.widgets.pair import Level, Pair, Words
from precompute.catalogue import CHANGES, TECHNIQUES
from precompute.remote import NO_WORKER
from precompute.techniques import INPUT
from store.errors import LoupeError

OPACITY = 0.65
MOVED = ("rotation", "flip_horizontal", "flip_vertical")
MOST = 10  # classes shown where there are many
BEFORE, AFTER = PETROFF[3], PETROFF[0]


def show(outcome: Outcome, *, key: str = "testing.pair", columns: int = 2, most: int = 3) -> None:
    """Both images, their maps on one scale, and the difference of these, or the first so many of the maps.

    With two maps only it is small, and what the images are taken for stands beside it.
    """
    if not len(outcome.maps):
        st.info(plain(outcome.answer.obstacle))
    pair.pair(shown_pair(outcome, columns, most), key)


def shown_pair(outcome: Outcome, columns: int, most: int) -> Pair:
    picture, names = outcome.scene.picture, outcome.scene.names
    about = []
    true = "taken for" if picture.label is None else f"true {names[picture.label]} →"
    for title, chances in zip(("Original", "Edited"), outcome.chances, strict=True):
        said = f"{true} {names[int(chances.argmax())]} ({percent(float(chances.max()))})"
        what = f"{picture.name}, {title.lower()}"
        about.append(Words(what, said, f"{what}: {said}") if most > 2 else Words(title, "", f"{what}: {said}"))
    maps = levels(outcome)[:most] if len(outcome.maps) else ()
    beside = difference_words(outcome) if len(maps) == 3 else ""
    return Pair((picture.pixels, outcome.rounded), (about[0], about[1]), maps, beside, OPACITY, columns)


def levels(outcome: Outcome) -> list[Level]:
    """Both maps on one scale, and their difference on one with zero in the middle, or on none where there is no difference."""
    name, about, badge = map_name(outcome), address(outcome.scene.technique), badges.facts(badge_of(outcome))
    low, high = pictures.ends(outcome.maps, outcome.top, outcome.signed)
    found = [
        Level(
            Words(name, when, f"{name}, {when}", about),
            pictures.positions(raw, outcome.top, outcome.signed),
            outcome.signed,
            low,
            high,
            badge,
        )
        for when, raw in zip(("original", "edited"), outcome.maps, strict=True)
    ]
    most = float(pictures.tops(outcome.apart[None], shared=True)[0])
    place = pictures.positions(outcome.apart, most, signed=True)
    said = Words("Difference", "edited minus original", "Difference of the maps, edited minus original")
    ends = pictures.ends(outcome.apart, most, signed=True) if most else ("", "")
    return [*found, Level(said, place, True, *ends)]


def badge_of(outcome: Outcome) -> badges.Badge:
    """What the checks say of the technique, on the run and at the epoch selected."""
    now, scene = outcome.scene.selection, outcome.scene
    return badges.of_technique(now.run, now.evaluation, now.epoch, scene.technique, scene.layer)


def map_name(outcome: Outcome) -> str:
    return f"{TECHNIQUES[outcome.scene.technique].title} for {outcome.explained}"


def difference_words(outcome: Outcome) -> str:
    if not outcome.apart.any():
        return "The two maps are the same."
    height, width = outcome.apart.shape
    moved = [CHANGES[name].title.lower() for name in outcome.edits.values if name in MOVED]
    note = f" Place by place, although {' and '.join(moved)} moved what is there." if moved else ""
    said = [cell_words(sums) for sums in outcome.sums]
    sums = f" The original's map {said[0]}; the edited one's {said[1]}." if said else ""
    where = "the input" if outcome.scene.layer == INPUT else f"layer {outcome.scene.layer}"
    return (
        "Difference of the maps: red has more evidence after the edits, blue less, the middle of the scale as much. Of "
        f"{where} ({height} × {width}, interpolated linearly). Both maps share one scale.{note}{sums}"
    )


# The same as arrays, for files


def side_of(outcome: Outcome) -> int:
    return pictures.whole(outcome.scene.picture.shape[0], pair.SIDE)


def images(outcome: Outcome) -> tuple[np.ndarray, np.ndarray]:
    side = side_of(outcome)
    return pictures.rgb(outcome.scene.picture.pixels, side), pictures.rgb(outcome.rounded, side)


def overlays(outcome: Outcome) -> list[np.ndarray]:
    """Both maps over their images, on one scale."""
    side, colours = side_of(outcome), pictures.scale_of(outcome.signed, "inferno")
    return [
        pictures.overlay(
            image, pictures.enlarge(pictures.positions(raw, outcome.top, outcome.signed), side), colours, OPACITY
        )
        for image, raw in zip(images(outcome), outcome.maps, strict=True)
    ]


def difference(outcome: Outcome) -> np.ndarray:
    """The map after minus the map before, zero in the middle of the scale: (S, S, 3) uint8."""
    most = float(pictures.tops(outcome.apart[None], shared=True)[0])
    place = pictures.positions(outcome.apart, most, signed=True)
    return pictures.coloured(pictures.enlarge(place, side_of(outcome)), "diverging")


# What went wrong


def problems(found: Mapping[Request, Answer | LoupeError], every: Sequence[Request], outcome: Outcome | None) -> None:
    """Says it once, with a way to ask `every` request again; or that there is no answer yet."""
    errors = [str(answer) for answer in found.values() if isinstance(answer, LoupeError)]
    for text in dict.fromkeys(errors):
        st.info(plain(text)) if text == NO_WORKER else st.error(plain(text), icon=":material/error:")
    if errors:
        st.button("Try again", key="testing.again", on_click=probe.shared().forget, args=(every,))
    elif every[0] not in found:
        before = " What is shown is from before." if outcome else ""
        st.caption(f"The network is at work; the first time takes some seconds.{before}")


# The probabilities


def bars(outcome: Outcome, most: int = MOST, *, small: bool = False) -> None:
    """What is predicted before and after, and the probabilities of the likeliest classes as paired bars.

    small: a line each for the predictions, which say by their colours what the bars are.
    """
    names, (before, after) = outcome.scene.names, outcome.chances
    said = [words.prediction(names, chances, outcome.scene.picture.label) for chances in (before, after)]
    chosen = likeliest(before, after, most)
    many = f", the {len(chosen)} likeliest of {len(names):,} classes" if len(chosen) < len(names) else ""
    label = f"Probabilities before and after{many}. Before {said[0]}, after {said[1]}."
    if small:
        lines = "".join(map(line, ("Before", "After"), said, (BEFORE, AFTER)))
        st.html(lines + markup(before, after, names, chosen, label, key=""))
    else:
        st.markdown(f"**{plain(said[0])}**" + f"  \n→ **{plain(said[1])}**" * (not outcome.edits.nothing))
        st.html(markup(before, after, names, chosen, label))


def every(outcome: Outcome) -> None:
    """The probabilities of all classes, where the bars show only some."""
    names, (before, after) = outcome.scene.names, outcome.chances
    if len(names) <= MOST:
        return
    place = st.expander(f"All {len(names):,} classes", key="testing.every", on_change="rerun")
    if place.open:
        order = np.argsort(-np.maximum(before, after), kind="stable")
        table = pd.DataFrame(
            {"class": [names[number] for number in order], "before": before[order], "after": after[order]}
        )
        percents = {name: st.column_config.NumberColumn(name, format="percent") for name in ("before", "after")}
        alt = "Probability of every class before and after the edits"
        place.dataframe(table, column_config=percents, hide_index=True, height=320, alt=alt)


def likeliest(before: np.ndarray, after: np.ndarray, most: int = MOST) -> list[int]:
    """The classes that get bars: all in their order, or, of many, those that are likeliest before or after."""
    highest = np.maximum(before, after)
    return list(range(len(before))) if len(before) <= most else np.argsort(-highest, kind="stable")[:most].tolist()


KEY = (
    '<div style="grid-column:2/4;font-size:.72rem">'
    f'<span style="color:{BEFORE}">■</span> before <span style="color:{AFTER}">■</span> after</div>'
)


def line(when: str, said: str, colour: str) -> str:
    """A prediction on one line, in which a long class name gives way."""
    style = "overflow:hidden;text-overflow:ellipsis;white-space:nowrap;font-size:.8rem;line-height:1.4"
    words_ = f'<span style="color:{colour}">■</span> {when} <strong>{escape(said)}</strong>'
    return f'<div style="{style}" title="{escape(f"{when} {said}")}">{words_}</div>'


def markup(
    before: np.ndarray, after: np.ndarray, names: Sequence[str], chosen: Sequence[int], said: str, key: str = KEY
) -> str:
    """Paired bars as HTML: a chart would take the browser longer to draw than the network takes to answer."""
    small = "font-size:.72rem;font-variant-numeric:tabular-nums;text-align:right;line-height:1.15"
    rows = [key] if key else []
    for number in chosen:
        shares = [float(chances[number]) for chances in (before, after)]
        name = escape(names[number])
        title = f"{name}: {shares[0]:.2%} before, {shares[1]:.2%} after"
        both = "".join(
            f'<div style="height:9px;margin:1px 0;width:{share * 100:.2f}%;background:{colour}"></div>'
            for share, colour in zip(shares, (BEFORE, AFTER), strict=True)
        )
        rows.append(
            f'<div style="overflow:hidden;text-overflow:ellipsis;white-space:nowrap" title="{title}">{name}</div>'
            f'<div class="loupe-bars" title="{title}" style="border-left:1px solid rgba(128,128,128,.5)">{both}</div>'
            f'<div style="{small}">{percent(shares[0])}<br>{percent(shares[1])}</div>'
        )
    style = (
        "display:grid;grid-template-columns:fit-content(8rem) 1fr 2.9rem;gap:6px 8px;align-items:center;font-size:.8rem"
    )
    return f'<div role="img" aria-label="{escape(said)}" style="{style}">{"".join(rows)}</div>'
