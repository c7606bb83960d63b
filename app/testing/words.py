"""What the Testing page says in words: where a prediction flips, and what it withstands."""

from collections.abc import Sequence

import numpy as np

from app.pictures import percent
from app.testing.curves import Curve
from precompute.catalogue import CHANGES


def number(name: str, value: float) -> str:
    """A value of a change with its unit; what is only yes or no has none."""
    return f"{value:.3g}{CHANGES[name].unit}".replace("-", "−")


def short(unit: str) -> str:
    """The sign of a unit without what it is of: % of the side."""
    return unit.partition(" ")[0]


def flip_words(curve: Curve, names: Sequence[str]) -> str:
    """Where the prediction changes along one change: at 23° (dog); empty where it never does."""
    if CHANGES[curve.name].binary:
        return "".join(f"to {names[new]}" for _, new in curve.flipped)
    return " and ".join(f"at {number(curve.name, value)} (to {names[new]})" for value, new in curve.flipped)


def flip_word(name: str, value: float, new: str) -> str:
    """Where one flip is, briefly: 23° → dog."""
    return f"→ {new}" if CHANGES[name].binary else f"{number(name, value)} → {new}"


def distance(curve: Curve) -> float:
    """How far the nearest flip is from the identity, as a share of the way there is; infinite where there is none."""
    item = CHANGES[curve.name]
    ways = [
        abs(value - item.identity) / abs((item.high if value > item.identity else item.low) - item.identity)
        for value, _ in curve.flipped
    ]
    return min(ways, default=float("inf"))


def verdict(curves: Sequence[Curve], names: Sequence[str], predicted: int) -> str:
    """What the prediction of the original image withstands, each change by itself with all other edits as they are."""
    own = [curve for curve in curves if curve.start == predicted]
    lost = [curve for curve in curves if curve.start != predicted]
    firm = [title(curve.name) for curve in own if not curve.flipped]
    weak = sorted((curve for curve in own if curve.flipped), key=distance)
    parts = []
    if firm:
        parts.append(f"The prediction {names[predicted]} withstands {listed(firm)} at every value tried.")
    if weak:
        who = "It" if firm else f"The prediction {names[predicted]}"
        parts.append(
            f"{who} changes with {'; '.join(f'{title(curve.name)} {flip_words(curve, names)}' for curve in weak)}."
        )
        parts.append(f"Of its range, {title(weak[0].name)} needs the least.")
    if lost:
        parts.append(
            f"Nothing is said of {listed([title(curve.name) for curve in lost])}: the other edits change it already."
        )
    return " ".join(parts)


def title(name: str) -> str:
    """A change as it stands in a sentence."""
    said = CHANGES[name].title
    return said if said.startswith("FGSM") else said.lower()


def listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def prediction(names: Sequence[str], chances: np.ndarray, label: int | None) -> str:
    """cat (87%), right."""
    best = int(chances.argmax())
    right = "" if label is None else ", right" if best == label else f", wrong: it is {names[label]}"
    return f"{names[best]} ({percent(float(chances[best]))}{right})"
