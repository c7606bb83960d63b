"""What the checks say of the techniques whose maps a report shows: the words of their badges, with the numbers behind them."""

from collections.abc import Mapping, Sequence
from typing import Any

from app import reading
from app.reliability.cards import JUDGED, cards
from app.reliability.parts import Card
from app.report.markup import Markup, table, tag
from app.saliency.stored import of_kind
from store.judgements import Observation
from store.runs import Run
from store.shards import Artifact

HEADS = ("technique", "layer", "epoch", "check", "verdict", "number", "rule")
COLUMNS = ("check", "verdict", "number", "rule")  # the last of them
NOTE = (
    "Of each technique at the epoch its maps are of: the checks with a verdict, which its badge counts. What was not computed "
    "has none. A number of passed checks is no measure of quality."
)


def gathered(
    run: Run, evaluation: Artifact, maps: Sequence[Mapping[str, Any]], said: Sequence[Observation]
) -> list[dict[str, Any]]:
    """Facts of each technique, layer and epoch that maps or observations are about; none of one that does not apply."""
    shown = [(item["technique"], item["layer"], item["epochs"][-1]) for item in maps]
    shown += [
        (item.technique, item.layer, run.epochs if item.epoch is None else item.epoch)
        for item in said
        if item.technique and item.evaluation in ("", evaluation.name)
    ]
    held = {
        (item.attributes["technique"], item.attributes["layer"]): item
        for item in reversed(of_kind(run, "saliency", evaluation))
        if not item.attributes.get("obstacle")
    }
    there = reading.epochs(evaluation)
    return [
        facts(cards(run, evaluation, epoch, [held[technique, layer]], JUDGED)[0])
        for technique, layer, epoch in dict.fromkeys(shown)
        if (technique, layer) in held and epoch in there
    ]


def facts(card: Card) -> dict[str, Any]:
    each = [
        {"check": row.title, "verdict": row.state, "number": row.figure, "words": row.words, "rule": row.rule}
        for row in card.checked
    ]
    of = {"technique": card.technique, "title": card.title, "layer": card.layer, "epoch": card.epoch}
    return of | {"words": card.words, "passed": card.passed, "checked": len(each), "each": each}


def badge(checks: Sequence[Mapping[str, Any]], technique: str, layer: str, epoch: int) -> Markup:
    """The words of the badge, beside a map: passes 3 of 4 checks; nothing where the technique is not among those."""
    wanted = (technique, layer, epoch)
    found = next((item for item in checks if (item["technique"], item["layer"], item["epoch"]) == wanted), None)
    return tag("small", found["words"]) if found else Markup("")


def drawn(checks: Sequence[Mapping[str, Any]]) -> list[Markup]:
    """A table of all verdicts with their numbers and rules."""
    rows = [
        (item["title"], item["layer"], item["epoch"], *(one[name] for name in COLUMNS))
        for item in checks
        for one in item["each"]
    ]
    if not rows:
        return []
    return [tag("h3", "What the checks say of these techniques"), tag("p", NOTE, class_="soft"), table(rows, HEADS)]
