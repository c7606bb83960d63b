"""What a card is made of: rows in one order, each with its numbers, its null, a small chart, and where its evidence is."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

# What a row can say
PASSES, FAILS = "passes", "fails"  # a check with a rule, and its verdict
TOLD = "told"  # numbers without a verdict
MISSING = "missing"  # not computed, or not yet
NOT = "not applicable"
VERDICTS = (PASSES, FAILS)


@dataclass(frozen=True)
class Line:
    """Values at each place; None where there is none."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Chart:
    """One value with its nulls on a scale from low to high, or a line of them over several places.

    own: the technique's median or mean; below and above: how far it spreads (all empty where it does not). nulls: what knows
    nothing. rule: the value a verdict hangs on, None where there is no such. alt: the chart in words.
    """

    places: tuple[str, ...]
    own: tuple[float | None, ...]
    nulls: tuple[Line, ...]
    low: float
    high: float
    alt: str
    across: str = ""  # what a place is
    below: tuple[float | None, ...] = ()
    above: tuple[float | None, ...] = ()
    rule: float | None = None


@dataclass(frozen=True)
class Row:
    """One row. name: of its entry on the Methods page; words: the numbers; rule: what it takes to pass, "" without verdict.

    at: what the page of the evidence opens with: keys of its choices, and which one of each.
    """

    name: str
    title: str
    state: str
    words: str
    rule: str = ""
    page: str = ""  # where its evidence is: the word of the page in the address
    figure: str = ""  # the number a verdict hangs on
    chart: Chart | None = field(default=None, repr=False)
    at: tuple[tuple[str, str], ...] = ()

    @property
    def checked(self) -> bool:
        return self.state in VERDICTS


@dataclass(frozen=True)
class Card:
    """All rows of one technique at one layer and epoch."""

    technique: str
    title: str
    layer: str
    epoch: int
    rows: tuple[Row, ...]

    @property
    def checked(self) -> tuple[Row, ...]:
        """The rows with a verdict."""
        return tuple(row for row in self.rows if row.checked)

    @property
    def passed(self) -> int:
        return sum(row.state == PASSES for row in self.checked)

    @property
    def words(self) -> str:
        """passes 3 of 4 checks"""
        count = len(self.checked)
        if count:
            return f"passes {self.passed} of {count} check{'s' * (count != 1)}"
        return "not checked yet" if any(row.state != NOT for row in self.rows) else "does not apply"


# Numbers


def numbers(values: Sequence[float] | np.ndarray) -> tuple[float | None, ...]:
    """Of an array, (n,), as JSON takes them: None where a value is not finite."""
    return tuple(float(value) if np.isfinite(value) else None for value in values)


def two(value: float) -> str:
    """A correlation: 0.98, −0.03, – where there is none; 0.998 and >0.999 of what is nearly 1."""
    if not np.isfinite(value):
        return "–"
    if 0.9995 <= value < 1:
        return ">0.999"
    return f"{value:.{3 if 0.995 <= value < 1 else 2}f}".replace("-", "−").replace("−0.00", "0.00")


def median(values: np.ndarray) -> float:
    """Of all that is a number in it, NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.nan


def quantiles(values: np.ndarray) -> tuple[float, float, float]:
    """10, 50 and 90% of all that is a number in it."""
    known = values[np.isfinite(values)]
    low, middle, high = np.quantile(known, (0.1, 0.5, 0.9)) if len(known) else (np.nan,) * 3
    return float(low), float(middle), float(high)
