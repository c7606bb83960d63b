"""The badge beside every map: how many checks its technique passes on this run, leading to its card."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import streamlit as st

from app.edge import plain
from app.memory import remembered
from app.methods import link
from app.reading import LISTING_SECONDS
from app.reliability.cards import JUDGED, cards
from app.reliability.parts import NOT, Card
from app.saliency.stored import of_kind
from precompute.techniques import INPUT
from store.runs import Run
from store.shards import Artifact

ICONS = {True: "verified", False: "rule"}  # whether it passes all of its checks; names of Material Symbols
UNCHECKED = "help"
WORD = "card"  # of the address: the technique whose card is in front


@dataclass(frozen=True)
class Badge:
    """words: passes 3 of 4 checks; short: 3 of 4 checks; icon: a Material Symbol; help: the numbers; address: of the card."""

    words: str
    short: str
    icon: str
    help: str
    address: str

    @property
    def markdown(self) -> str:
        """As a link with its icon."""
        return f":material/{self.icon}: [{plain(self.words)}]({self.address})"


def badge(run: Run, evaluation: Artifact, epoch: int, maps: Artifact) -> Badge:
    """Of the technique whose maps these are, for the selected epoch."""
    return of_each(run, evaluation, epoch, [maps])[0]


def of_each(run: Run, evaluation: Artifact, epoch: int, every: Sequence[Artifact]) -> tuple[Badge, ...]:
    """Of several techniques of a run, by their maps."""
    known = all_badges(run, evaluation, epoch)
    return tuple(known.get(maps.path) or fresh(run, evaluation, epoch, maps) for maps in every)


def fresh(run: Run, evaluation: Artifact, epoch: int, maps: Artifact) -> Badge:
    """Of maps that were not there yet when all badges were made."""
    return of_card(cards(run, evaluation, epoch, [maps], JUDGED)[0], run, layer_word(maps))


@remembered(200, seconds=LISTING_SECONDS)
def all_badges(run: Run, evaluation: Artifact, epoch: int) -> dict[str, Badge]:
    """Of every technique of a run, by the path of its maps: a page with thirty maps looks once."""
    every = of_kind(run, "saliency", evaluation)
    found = cards(run, evaluation, epoch, every, JUDGED)
    return {item.path: of_card(card, run, layer_word(item)) for item, card in zip(every, found, strict=True)}


def of_technique(run: Run, evaluation: Artifact, epoch: int, technique: str, layer: str) -> Badge:
    """Of any technique at a layer, whether the run holds its maps or not."""
    for item in of_kind(run, "saliency", evaluation):
        if (item.attributes["technique"], item.attributes["layer"]) == (technique, layer):
            return badge(run, evaluation, epoch, item)
    words = "This run holds no maps of this technique, so it was not checked."
    return Badge("not checked on this run", "not checked", UNCHECKED, words, address(run, epoch, technique, ""))


def beside(run: Run, evaluation: Artifact, epoch: int, technique: str, layer: str) -> None:
    """A line about a technique beside a map: its name, leading to what it is, and its badge."""
    found = of_technique(run, evaluation, epoch, technique, layer)
    st.caption(f"{link(technique)}: {found.markdown}", help=help_words(found))


def layer_word(maps: Artifact) -> str:
    """The layer as the Reliability page's choice has it in the address."""
    of = maps.attributes
    return "" if of["layer"] == INPUT else f"{of['layer']}, {of['height']} × {of['width']}"


def of_card(found: Card, run: Run, layer: str = "") -> Badge:
    checked, where = found.checked, address(run, found.epoch, found.technique, layer)
    if not checked:
        return Badge(found.words, "not checked", UNCHECKED, help_of(found), where)
    short = f"{found.passed} of {len(checked)} checks"
    return Badge(found.words, short, ICONS[found.passed == len(checked)], help_of(found), where)


def address(run: Run, epoch: int, technique: str, layer: str) -> str:
    """Of the card, relative to any other page."""
    words = {"run": run.id, "epoch": str(epoch), WORD: technique} | ({"layer": layer} if layer else {})
    return f"reliability?{urlencode(words)}"


def help_of(found: Card) -> str:
    """The numbers behind it, a line a check."""
    if found.rows[0].state == NOT:
        return f"{found.title} does not apply: {found.rows[0].words}"
    lines = [f"{row.title}: {row.state} ({row.figure})" for row in found.checked]
    rest = [] if lines else ["No check with a verdict has been computed for it on this run."]
    return "\n".join([f"{found.title} {found.words}.", *lines, *rest])


def help_words(of: Badge) -> str:
    """Its numbers as the help of a Streamlit element."""
    return "  \n".join(map(plain, of.help.splitlines()))


def facts(of: Badge, before: str = "") -> dict[str, str]:
    """As the strip draws it; `before`: what stands in front of its words."""
    words = f"{before} {of.short.removesuffix(' checks')}" if before else of.short
    return {"words": words, "icon": of.icon, "help": of.help, "href": of.address}
