"""Entries, citations, slips and words as they stand on the page."""

import re
from collections.abc import Mapping, Sequence

import streamlit as st

from app.edge import plain
from app.methods.entries import Method, Paper, Slip
from app.methods.glossary import GLOSSARY
from app.methods.papers import ARXIV, PAPERS, SLIPS

UNITED = ("saliencnn", "vatun", "loreth")
YEAR = re.compile(r"\b(?:19|20)\d\d\b")


def entries(methods: Mapping[str, Method]) -> None:
    for name, method in methods.items():
        st.subheader(plain(method.title), anchor=name)
        entry(method)


def entry(method: Method) -> None:
    """Question, formula, what stands in it, what Loupe does, limits, papers: in this order, what there is of them."""
    st.markdown(plain(method.answers))
    if method.formula:
        st.latex(method.formula)
    st.markdown("\n\n".join(paragraphs(method)))


def paragraphs(method: Method) -> list[str]:
    """All below the formula, as Markdown."""
    found = [plain(method.symbols)] if method.symbols else []
    if method.here:
        found.append(f"**In Loupe.** {plain(method.here)}")
    if method.limits:
        found.append("**Limits**\n" + "\n".join(f"- {plain(limit)}" for limit in method.limits))
    if method.papers:
        found.append("**From**\n" + "\n".join(f"- {cited(PAPERS[key])}" for key in method.papers))
    return found


def cited(paper: Paper) -> str:
    """Authors, title, place, year and a link, as Markdown."""
    words = f"{plain(paper.authors)}: *{plain(paper.title)}*. {plain(paper.where)}{year_words(paper)}"
    if not paper.link:
        return f"{words}."
    name = f"arXiv {paper.link.removeprefix(ARXIV)}" if paper.link.startswith(ARXIV) else "link"
    return f"{words}, [{name}]({paper.link})."


def year_words(paper: Paper) -> str:
    """The year, as that of the first version where the place has one of its own."""
    if not paper.year:
        return ""
    other = {int(found) for found in YEAR.findall(paper.where)} - {paper.year}
    return f" (first in {paper.year})" if other else f", {paper.year}"


def slips() -> None:
    """What is not right in the papers that Loupe builds on."""
    works = "\n".join(f"- {cited(PAPERS[key])}" for key in UNITED)
    st.markdown(
        "Loupe unites three works. Where a citation or a statement in them is not right, it is said here, and Loupe goes by "
        f"what is.\n\n{works}"
    )
    for slip in SLIPS:
        st.markdown(slip_words(slip))


def references() -> None:
    """Every paper, by its authors."""
    order = sorted(PAPERS.values(), key=lambda paper: (paper.authors.casefold(), paper.year or 0))
    st.markdown("\n".join(f"- {cited(paper)}" for paper in order))


def slip_words(slip: Slip) -> str:
    papers = "\n".join(f"- {cited(PAPERS[key])}" for key in slip.papers)
    return f"**{plain(slip.where)}** {plain(slip.said)}. {plain(slip.right)}\n\n{papers}"


def glossary(words: Sequence[str] = ()) -> None:
    """The words, those that hold all of `words` where some are given."""
    rows = [
        f"| **{plain(word)}** | {plain(meaning)} |"
        for word, meaning in GLOSSARY.items()
        if all(item in f"{word} {meaning}".casefold() for item in words)
    ]
    if rows:
        st.markdown("\n".join(["| Word | What it means |", "|---|---|", *rows]))
