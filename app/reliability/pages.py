"""The Reliability page: which layer, an overview of all techniques, and a card each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from app import reading, renewing
from app.address import KEPT, forget_unless, held
from app.edge import plain, plain_errors
from app.methods import address, link
from app.reliability.badges import WORD
from app.reliability.cards import ROWS
from app.reliability.cards import cards as made
from app.reliability.parts import FAILS, PASSES, Card, Row
from app.reliability.sources import COMPUTING
from app.saliency import stored
from app.selection import Selection
from app.widgets import card as widget
from precompute.techniques import INPUT

ICONS = {PASSES: ":material/check_circle:", FAILS: ":material/cancel:"}
LOOK_SECONDS = 3
PAGES = {
    "saliency": "app/views/saliency.py",
    "sanity": "app/views/sanity.py",
    "roar": "app/views/roar.py",
    "attention": "app/views/attention.py",
}
HELP = "Of techniques that explain a layer. Those that explain the image itself are shown whatever the layer."


def choose_layer(now: Selection, layers: Mapping[str, tuple[int, int]]) -> str:
    """The layer whose maps the cards are about; shared with the Saliency page."""
    forget_unless("layer", layers)
    own = {name: size for name, size in layers.items() if name != INPUT} or layers
    sized = {name: f"{name}, {height} × {width}" for name, (height, width) in layers.items()}
    if len(own) < 2:
        return next(iter(own))
    return st.selectbox("Layer", list(layers), format_func=sized.get, key="layer", width=240, help=HELP, **KEPT)


def cards(now: Selection, layer: str) -> list[Card]:
    """Of every technique the run holds maps of, or the reason why not; the one the address names first."""
    live = reading.status(now.run).state == "running"
    held_ = stored.techniques(now.run, now.evaluation, layer, live=live)
    found = made(now.run, now.evaluation, now.epoch, [item.artifact for item in held_])
    first = held(WORD)
    if live:
        st.fragment(watch, run_every=LOOK_SECONDS)(now, layer, [item.words for item in found])
    return sorted(found, key=lambda item: item.technique != first)


def watch(now: Selection, layer: str, before: list[str]) -> None:
    """Draws the page again when somebody has finished another check."""
    with plain_errors():
        renewing.shows_work(now.run)
        held_ = stored.techniques(now.run, now.evaluation, layer, live=True)
        found = made(now.run, now.evaluation, now.epoch, [item.artifact for item in held_])
        if [item.words for item in found] != before:
            st.rerun()


# All of them at once


def summary(shown: Sequence[Card]) -> None:
    """A table: techniques down, checks across, each verdict with the number it hangs on."""
    verdicts = {row.name for item in shown for row in item.checked}
    names = [name for name in ROWS if name in verdicts]
    if not names and any(row.words == COMPUTING for item in shown for row in item.rows):
        st.info("The checks of this run are not finished yet; they follow here as it goes on.")
        return
    if not names:
        st.info(
            "No check has been computed for this run yet. Add the sections [artifacts.sanity] and [artifacts.roar] to its "
            "recipe and run that again: the network itself is not trained twice."
        )
        return
    rows = [["Technique", *(link(name, title_of(shown, name)) for name in names), "Passed"]]
    rows.append(["---"] * (len(names) + 2))
    for item in shown:
        by_name = {row.name: row for row in item.rows}
        passed = f"{item.passed} of {len(item.checked)}" if item.checked else "–"
        rows.append([link(item.technique, item.title), *(cell(by_name[name]) for name in names), passed])
    with st.container(key="wide.reliability"):
        st.markdown("\n".join(f"| {' | '.join(row)} |" for row in rows))


def title_of(shown: Sequence[Card], name: str) -> str:
    return next(row.title for item in shown for row in item.rows if row.name == name)


def cell(row: Row) -> str:
    return f"{ICONS[row.state]} {plain(row.figure)}" if row.checked else "–"


# One


def draw(now: Selection, item: Card) -> None:
    """A technique's card."""
    with plain_errors(), st.container(key=f"card.{item.technique}", gap="xsmall"):
        where = "the input" if item.layer == INPUT else item.layer
        st.markdown(f"**{link(item.technique, item.title)}** :gray[{plain(f'at {where}: {item.words}')}]")
        label = f"{item.title}: {item.words}"
        widget.card(
            [drawn(now, item, row) for row in item.rows],
            label=label,
            key=f"reliability.{item.technique}",
            on_open=opening(item),
        )
        if page := st.session_state.pop("reliability.go", ""):
            st.switch_page(PAGES[page], query_params={})  # else it refuses while widgets hold words of the address


def drawn(now: Selection, item: Card, row: Row) -> widget.Row:
    chart: dict[str, Any] | None = asdict(row.chart) if row.chart else None
    name, href = (row.name, evidence(now, item, row)) if row.page else ("", "")
    return widget.Row(row.title, row.state, row.words, row.rule, address(row.name), name, href, chart)


def evidence(now: Selection, item: Card, row: Row) -> str:
    """The address of what a row hangs on, for a tab of its own: choices stand there by their titles."""
    words = {"run": now.run.id, "epoch": str(now.epoch), "class": now.classes[now.chosen]} | dict(row.at)
    if row.page == "saliency" and item.layer != INPUT:
        words["layer"] = item.layer
    if "layer" in words:
        height, width = stored.layers(now.run, now.evaluation)[words["layer"]]
        words["layer"] += f", {height} × {width}"
    if "evidence" in words:
        words["evidence"] = item.title
    return f"{row.page}?{urlencode(words)}"


def opening(item: Card) -> Callable[[str], None]:
    """Leads to the evidence of a row when the page is drawn again: nobody can be led from within a callback."""
    by_name = {row.name: row for row in item.rows}

    def go(name: str) -> None:
        row = by_name[name]
        st.session_state.update(row.at)
        st.session_state["reliability.go"] = row.page

    return go
