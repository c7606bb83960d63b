"""Every entry of the Methods page by its name, in parts; and a technique's entry made of the catalogue where nobody wrote one."""

from collections.abc import Mapping

from app.methods.checks import LIKENESS, REMOVAL, SANITY
from app.methods.entries import Method
from app.methods.measures import ATTENTION, NETWORK, VIEWS
from app.methods.techniques import TECHNIQUES
from precompute import catalogue

PARTS: dict[str, Mapping[str, Method]] = {
    "Techniques": TECHNIQUES,
    "Sanity": SANITY,
    "Likeness": LIKENESS,
    "Remove and retrain": REMOVAL,
    "Attention": ATTENTION,
    "Measures": NETWORK,
    "Views": VIEWS,
}
METHODS: dict[str, Method] = {name: method for part in PARTS.values() for name, method in part.items()}


def found(name: str) -> Method | None:
    """The entry of that name; of a technique that is new in the catalogue what that says of it; None of what is unknown."""
    if name in METHODS:
        return METHODS[name]
    entry = catalogue.TECHNIQUES.get(name)
    return Method(entry.title, f"{entry.help[:1].upper()}{entry.help[1:]}.") if entry else None


def part_of(name: str) -> str:
    """The part of the page that an entry stands in."""
    return next((part for part, methods in PARTS.items() if name in methods), next(iter(PARTS)))


def searched(words: str) -> dict[str, Method]:
    """The entries that hold all of these words, however they are written."""
    wanted = words.casefold().split()
    return {name: method for name, method in METHODS.items() if all(word in method.text.casefold() for word in wanted)}
