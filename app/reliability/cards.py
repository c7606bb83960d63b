"""The card of a technique: the same rows in the same order for all of them."""

from collections.abc import Callable, Sequence

from app import reading
from app.memory import remembered
from app.reliability import attention_row, own, removal_rows, sanity_rows
from app.reliability.parts import MISSING, NOT, Card, Row
from app.reliability.sources import Sources, sources
from store.errors import LoupeError
from store.runs import Run
from store.shards import Artifact

# By the names of their entries on the Methods page
ROWS: dict[str, Callable[[Sources], Row]] = {
    "applies": own.applies,
    "resolution": own.resolution,
    "completeness": own.completeness,
    "shift": sanity_rows.shift,
    "randomisation": sanity_rows.randomisation,
    "stability": sanity_rows.stability,
    "last-epochs": sanity_rows.last_epochs,
    "roar": removal_rows.roar,
    "road": removal_rows.road,
    "seeds": removal_rows.seeds,
    "attention": attention_row.looks,
}


# Those that tell whether a technique applies, or can have a verdict: all that a badge counts
JUDGED = ("applies", "completeness", "shift", "randomisation", "stability", "roar", "road")


def cards(
    run: Run, evaluation: Artifact, epoch: int, every: Sequence[Artifact], names: Sequence[str] = tuple(ROWS)
) -> list[Card]:
    """Of the techniques whose maps these are, with what there is now; names: of the rows wanted."""
    return [card_of(of, names) for of in sources(run, evaluation, epoch, every)]


def card_of(of: Sources, names: Sequence[str]) -> Card:
    facts, key = of.maps.attributes, Key(of)
    bare = bool(facts.get("obstacle"))
    rows = tuple(nothing(name) if bare and name != "applies" else said(name, key) for name in names)
    return Card(facts["technique"], facts["title"], facts["layer"], of.epoch, rows)


def said(name: str, key: "Key") -> Row:
    """A row; where something stored is damaged it says so, and is not kept, because damage may be mended."""
    try:
        return made(name, key)
    except LoupeError as error:
        return Row(name, TITLES[name], MISSING, str(error))


class Key:
    """Equal to another where all that a card is read from is equal, so that rows can be kept."""

    def __init__(self, of: Sources) -> None:
        self.of = of
        parts = [
            of.maps,
            of.grid,
            *(source.artifact for source in (of.shift, of.randomisation, of.stability, of.attention)),
        ]
        checks = (of.shift.epoch, of.randomisation.epoch, of.stability.epoch)
        marks = (checks, of.attention_epochs, of.cells, reading.epochs(of.maps))
        made = tuple((item.path, item.attributes.get("created")) if item else None for item in parts)
        self.key = (of.run.objects.address, of.run.uuid, of.epoch, made, marks)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@remembered(20_000)
def made(name: str, key: Key) -> Row:
    return ROWS[name](key.of)


TITLES = {
    "applies": "Applies",
    "resolution": "Resolution",
    "completeness": "Completeness",
    "attention": "Attention",
    **sanity_rows.TITLES,
    **removal_rows.TITLES,
}


def nothing(name: str) -> Row:
    """A row of a technique that does not apply."""
    return Row(name, TITLES[name], NOT, "Does not apply.")
