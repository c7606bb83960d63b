"""What the Simulation page says in words: what a class withstands, where its images break, and what it was trained on."""

from collections.abc import Sequence

import numpy as np

from app.saliency.strips import percent
from app.simulation.stored import ENOUGH, Hold, Withstood
from app.testing.words import listed, number, title
from precompute.catalogue import CHANGES
from store.shards import Artifact


def verdict(found: Sequence[Withstood], who: str, count: int) -> str:
    """What a class withstands and what not, from how many of its recognised images stay recognised."""
    if not count:
        return f"No image of {who} was changed."
    known = max((item.known for item in found), default=0)
    if not known:
        none = f"None of the {images(count)}" if count > 1 else "The only image"
        not_ = "is" if count > 1 else "is not"
        return f"{none} of {who} {not_} recognised unchanged, so there is nothing to withstand a change."
    firm, partly, weak = sorted_out(found)
    parts = [f"Of the {images(count)} of {who}, {known} {'is' if known == 1 else 'are'} recognised unchanged."]
    rule = f"at least {percent(ENOUGH)} of these stay recognised"
    if firm:
        parts.append(f"The class withstands {listed([title(item.name) for item in firm])} at every point: {rule}.")
    if partly:
        ranges = "; ".join(f"{title(item.name)} {between(item)}" for item in partly)
        parts.append(
            f"{'In part' if firm else 'The class withstands in part'}: {ranges}{'' if firm else f', where {rule}'}."
        )
    if weak:
        parts.append(
            f"The class does not withstand {listed([title(item.name) for item in weak])}: fewer than {percent(ENOUGH)} are left."
        )
    if partly and not weak:
        first = min(partly, key=lambda item: item.least)
        name, worst = title(first.name), percent(min(first.share))
        parts.append(
            f"{name[0].upper()}{name[1:]} needs the smallest part of its range; at its worst {worst} are left."
        )
    return " ".join(parts)


def sorted_out(found: Sequence[Withstood]) -> tuple[list[Withstood], list[Withstood], list[Withstood]]:
    """Those withstood at every point, in part, and not at all."""
    firm = [item for item in found if item.whole]
    weak = [item for item in found if not item.whole and item.reach[0] == item.reach[1]]
    return firm, [item for item in found if item not in firm and item not in weak], weak


def images(count: int) -> str:
    return f"{count:,} image{'s' * (count != 1)}"


def between(item: Withstood) -> str:
    """From where to where: up to 25° where it starts at the identity, which is one end of the range."""
    low, high = item.reach
    start = item.points[item.identity]
    if start == item.points[0]:
        return f"up to {number(item.name, high)}"
    return f"from {number(item.name, low)} to {number(item.name, high)}"


# Single images


def broken(name: str, hold: Hold) -> str:
    """Where an image breaks, briefly."""
    if not np.isfinite(hold.distance):
        return "never"
    return "flipped" if CHANGES[name].binary else number(name, hold.value)


def hold_words(name: str, hold: Hold, names: Sequence[str]) -> str:
    if not np.isfinite(hold.distance):
        return f"image {hold.image}: recognised at every point, at least {percent(hold.least)}"
    return f"image {hold.image}: taken for {names[hold.taken]} {'when' if CHANGES[name].binary else 'at'} {broken(name, hold)}"


# The training images


def trained(artifact: Artifact, counts: np.ndarray, level: np.ndarray, who: str) -> str:
    """How the training images (bin,) of a class are spread, and where its changed images lie (P,)."""
    facts, total = artifact.attributes, int(counts.sum())
    if not total:
        return f"No training image of {who} was measured."
    there, bare = counts[:-1], int(counts[-1])
    those = f"{total:,} training image{'s' * (total != 1)} of {who} that {'was' if total == 1 else 'were'} measured"
    grey = f" {percent(bare / total)} of them are grey and have none." if bare else ""
    if not there.sum():
        return f"All {those} are grey and have no hue."
    if facts["circle"]:
        low = facts["edges"][int(there.argmax())]
        high = facts["edges"][int(there.argmax()) + 1]
        often = f"most often {low:.0f}{facts['factor_unit']} to {high:.0f}{facts['factor_unit']}"
        return f"{facts['factor'].capitalize()} of {those}: {often}.{grey}"
    low, high = (quantile(there, np.array(facts["edges"]), share) for share in (0.1, 0.9))
    here, ends = facts["points"].index(facts["identity"]), (0, -1)
    spread = f"80% lie between {low:.2f} and {high:.2f}"
    said = f"{facts['factor'].capitalize()} of {those}: {spread}.{grey}"
    if not np.isfinite(level[here]):
        return said
    ways = [f"{level[end]:.2f} at {number(facts['change'], facts['points'][end])}" for end in ends]
    return f"{said} Those changed here lie at {level[here]:.2f} unchanged, {' and '.join(ways)}."


def quantile(counts: np.ndarray, edges: np.ndarray, share: float) -> float:
    """Of a histogram, as though a bin's values were spread evenly in it."""
    total = np.concatenate([[0], np.cumsum(counts)]) / counts.sum()
    return float(np.interp(share, total, edges))
