"""What an entry of the Methods page says, and how a paper is cited."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """`where`: journal, conference or preprint; with a year of its own where that of `year` is the preprint's."""

    authors: str
    title: str
    where: str
    year: int | None  # None where the paper bears none
    link: str  # "" where there is none to be relied on


@dataclass(frozen=True)
class Method:
    """One technique, check or measure. `answers` is a question; formula: LaTeX; symbols: what stands in it, and its range;
    here: what Loupe does that the paper leaves open; papers: keys of papers.PAPERS, the source first."""

    title: str
    answers: str
    formula: str = ""
    symbols: str = ""
    here: str = ""
    limits: tuple[str, ...] = ()
    papers: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All of its words, to be searched."""
        return " ".join((self.title, self.answers, self.symbols, self.here, *self.limits))


@dataclass(frozen=True)
class Slip:
    """A citation or statement in a paper that Loupe builds on which is not right, and what is."""

    where: str
    said: str
    right: str
    papers: tuple[str, ...] = ()
