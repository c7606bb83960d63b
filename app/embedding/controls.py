"""What is chosen about the map: perplexity, colour, filters and contours. All of it is held by the address."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from app.address import KEPT, forget_unless, one_of
from app.embedding.colouring import WORDS, Filter

HELP = {
    "perplexity": "About how many neighbours the map tries to keep close to each image. What two perplexities both show "
    "is more likely there.",
    "colour": "Confidence is the probability of the predicted class, margin by how much it exceeds the next one: images "
    "of little margin are ambiguous.",
    "between": "Images of either class that are taken for either: where two classes overlap.",
    "contours": "Lines around the places where images of two classes lie, by their true classes; of the classes of the "
    "filter, where it names some.",
}


@dataclass(frozen=True)
class Choice:
    """What the map shows, and how: `colour` is one of WORDS."""

    perplexity: int
    colour: str
    by: Filter
    contours: bool


def choice(perplexities: Sequence[int], names: Sequence[str], words: Sequence[str] = WORDS) -> Choice:
    """Draws all controls in a row and returns what they say."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        first, second = perplexity(perplexities), colour(words)
        with st.popover("Filter", icon=":material/filter_alt:"):
            by = filters(names, words)
        return Choice(first, second, by, contours(words))


def stacked(perplexities: Sequence[int], names: Sequence[str], words: Sequence[str] = WORDS) -> Choice:
    """The same one below the other."""
    return Choice(perplexity(perplexities), colour(words), filters(names, words), contours(words))


def perplexity(there: Sequence[int]) -> int:
    return one_of("Perplexity", there, "perplexity", help=HELP["perplexity"])


def colour(words: Sequence[str]) -> str:
    return one_of("Colour by", words, "colour", help=HELP["colour"])


def contours(words: Sequence[str]) -> bool:
    """Of true classes, so where dots can be coloured by these."""
    return "true class" in words and st.toggle("Overlap", key="contours", help=HELP["contours"], **KEPT)


def filters(names: Sequence[str], words: Sequence[str]) -> Filter:
    """Draws the filters and returns what they say; right and wrong are told apart where they are a colour, too."""
    classes = (-1, *range(len(names)))
    for key in ("between", "and"):
        forget_unless(key, classes)
    wrong = "correctness" in words and st.toggle("Misclassified only", key="wrong", **KEPT)
    first, second = (
        st.selectbox(
            label,
            classes,
            format_func=lambda number: names[number] if number >= 0 else "any",
            key=key,
            help=HELP.get(key),
            **KEPT,
        )
        for key, label in (("between", "Between class"), ("and", "and class"))
    )
    least, most = st.slider("Confidence, %", 0, 100, (0, 100), 5, key="confidence", **KEPT)
    return Filter(wrong, (first, second), least, most)
