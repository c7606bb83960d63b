"""Rows of the sanity checks: shifted inputs, networks drawn anew, noise, and the epochs before."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from app.pictures import percent
from app.reliability.parts import FAILS, MISSING, NOT, PASSES, TOLD, Chart, Line, Row, median, numbers, quantiles, two
from app.reliability.sources import COMPUTING, Source, Sources
from app.sanity import stored
from app.sanity.stored import Certificate, Subject
from app.sanity.words import SAME as ALIKE_LOGITS
from precompute.techniques import INPUT
from store.schema import SHIFTS
from store.shards import Artifact

SAME = 0.99  # rank correlation from which on a map counts as unchanged by an exact shift
ASK = "Not computed. Add the section [artifacts.sanity] to the recipe and run it again: nothing is trained twice."
FLAT = "All maps of this epoch are flat."
CONSTRUCTED = "Unchanged by construction, so nothing is passed: it reads layers behind the first, which takes an exact shift back."
TITLES = {
    "shift": "Input shift",
    "randomisation": "Randomisation",
    "stability": "Stability under noise",
    "last-epochs": "Last epochs",
}
CHECKS = {  # choices of the Sanity page
    "shift": "input shift",
    "randomisation": "layers drawn anew",
    "stability": "stability",
    "last-epochs": "stability",
}
RANDOM_MAP, EDGE_DETECTOR = "random map", "edge detector"
LOWEST = -0.2  # correlations below it are drawn there


@dataclass(frozen=True)
class Found:
    """A check at a finished epoch, and the technique's place in it."""

    artifact: Artifact
    epoch: int
    subject: Subject
    note: str

    @property
    def random(self) -> Subject | None:
        """The random map of the same size."""
        return stored.control_of(self.artifact, self.subject)


def found(of: Sources, source: Source, name: str) -> Found | Row:
    """The check, or the row that says why it is not there."""
    if source.artifact is None:
        return row(name, MISSING, ASK)
    if reason := source.artifact.attributes.get("obstacle"):
        return row(name, NOT, reason)
    if source.epoch is None:
        return row(name, MISSING, COMPUTING)
    subject = stored.subject(source.artifact, of.technique, of.layer)
    if subject is None:
        return row(name, MISSING, "The check was made without this technique.")
    return Found(source.artifact, source.epoch, subject, source.note(of.epoch))


def row(name: str, state: str, words: str, rule: str = "", figure: str = "", chart: Chart | None = None) -> Row:
    return Row(name, TITLES[name], state, words, rule, "sanity", figure, chart, (("check", CHECKS[name]),))


def on_scale(spread: tuple[float, float, float], null: float, rule: float) -> Chart:
    """A correlation with its 10 and 90% over images on a scale from 0 to 1, and the random map's."""
    alt = f"Rank correlation {two(spread[1])}, 10 to 90% {two(spread[0])} to {two(spread[2])}; random map {two(null)}"
    low, middle, high = (numbers([max(value, 0)]) for value in spread)
    lines = (Line(RANDOM_MAP, numbers([max(null, 0)])),) if np.isfinite(null) else ()
    return Chart(("",), middle, lines, 0, 1, alt, below=low, above=high, rule=rule)


# Input shift


def shift(of: Sources) -> Row:
    """Whether maps stay where an exact shift leaves the network as it is."""
    there = found(of, of.shift, "shift")
    if isinstance(there, Row):
        return there
    proof = stored.certificate(there.artifact, there.epoch, "exact")
    by_mode = {mode: stored.reaction(there.artifact, there.epoch, there.subject, mode) for mode in SHIFTS}
    spread, rule = quantiles(by_mode["exact"]), shift_rule(proof)
    if not np.isfinite(spread[1]):
        return row("shift", MISSING, FLAT)
    null = median(stored.reaction(there.artifact, there.epoch, there.random, "exact")) if there.random else np.nan
    words, chart = shift_words(by_mode, proof) + there.note, on_scale(spread, null, SAME)
    if proof.largest > ALIKE_LOGITS or proof.changed > 0:
        return row("shift", TOLD, f"No verdict, because the networks differ. {words}", rule, chart=chart)
    if spread[1] >= SAME and of.layer != INPUT:
        return row("shift", TOLD, f"{CONSTRUCTED} {words}", chart=chart)
    return row("shift", PASSES if spread[1] >= SAME else FAILS, words, rule, f"ρ {two(spread[1])}", chart)


def shift_rule(proof: Certificate) -> str:
    return (
        f"Passes where the median ρ over {proof.images} images is {SAME} or more, and no logit moves by {ALIKE_LOGITS}."
    )


def shift_words(by_mode: Mapping[str, np.ndarray], proof: Certificate) -> str:
    exact, scalar, noise = (two(median(by_mode[mode])) for mode in SHIFTS)
    return (
        f"Maps before and after an exact shift: ρ {exact}; logits differ by {proof.largest:.0e} at most. Scalar correction: "
        f"ρ {scalar}, noise image: ρ {noise}."
    )


# Randomisation


def randomisation(of: Sources) -> Row:
    """Whether maps change with the weights: the further layers are drawn anew, the nearer to a random map."""
    there = found(of, of.randomisation, "randomisation")
    if isinstance(there, Row):
        return there
    signed, alone = (
        median(stored.after_all(there.artifact, there.epoch, there.subject, measure))
        for measure in ("spearman", "spearman_absolute")
    )
    if not np.isfinite(signed):
        return row("randomisation", MISSING, FLAT)
    lines = controls(there)
    worst, middle = float(np.nanmax([abs(signed), alone])), between(lines)
    said = "".join(f"; {title} {two(line[-1])}" for title, line in lines.items())
    words = f"With all layers drawn anew: ρ {two(signed)}, of magnitudes {two(alone)}{said}.{there.note}"
    rule = f"Passes where |ρ| and ρ of magnitudes are nearer to the random map than to the edge detector: below {two(middle)}."
    state = PASSES if worst < middle else FAILS
    figure = f"{'|ρ|' if abs(signed) >= alone else 'ρ of magnitudes'} {two(worst)}"
    return row("randomisation", state, words, rule, figure, cascade_chart(there, lines, middle, words))


def controls(there: Found) -> dict[str, np.ndarray]:
    """The random map's and the edge detector's correlations, (stage,) each."""
    held = {RANDOM_MAP: there.random, EDGE_DETECTOR: stored.subject(there.artifact, stored.EDGES)}
    return {title: along(there, subject) for title, subject in held.items() if subject}


def along(there: Found, subject: Subject) -> np.ndarray:
    """Median correlation over images and draws, stage by stage, (stage,)."""
    return stored.nan_median(stored.by_stage(stored.cascade(there.artifact, there.epoch, subject)))


def between(lines: Mapping[str, np.ndarray]) -> float:
    """Half way between both controls with all layers drawn anew; between 0 and 1 where one is not known."""
    ends = [float(line[-1]) for line in lines.values() if np.isfinite(line[-1])]
    return sum(ends) / 2 if len(ends) == 2 else 0.5


def cascade_chart(there: Found, lines: Mapping[str, np.ndarray], rule: float, words: str) -> Chart:
    """Medians as layers are drawn anew from the top down; the band goes from the least to the largest draw's."""
    draws = stored.by_stage(stored.cascade(there.artifact, there.epoch, there.subject))  # (stage, draw)
    return Chart(
        stored.stages(there.artifact),
        numbers(stored.nan_median(draws)),
        tuple(Line(title, numbers(line)) for title, line in lines.items()),
        LOWEST,
        1,
        f"Rank correlation as layers are drawn anew from the top down. {words}",
        "→",
        numbers(draws.min(-1)),
        numbers(draws.max(-1)),
        rule,
    )


# Stability


def stability(of: Sources) -> Row:
    """Whether maps stay where images hardly change."""
    there = found(of, of.stability, "stability")
    if isinstance(there, Row):
        return there
    spread = quantiles(stored.under_noise(there.artifact, there.epoch, there.subject))
    if not np.isfinite(spread[1]):
        return row("stability", MISSING, FLAT)
    null = median(stored.under_noise(there.artifact, there.epoch, there.random)) if there.random else 0.0
    half = (1 + null) / 2
    kept = float(np.mean(stored.values(there.artifact, there.epoch, "kept")))
    words = (
        f"Under noise of {percent(there.artifact.attributes['options']['noise'])} of the range: ρ {two(spread[1])}, random "
        f"map {two(null)}; {percent(kept)} of the predictions stay.{there.note}"
    )
    rule = (
        f"Passes where the median ρ is nearer to 1, which is unchanged, than to the random map's: {two(half)} or more."
    )
    state = PASSES if spread[1] >= half else FAILS
    return row("stability", state, words, rule, f"ρ {two(spread[1])}", on_scale(spread, null, half))


def last_epochs(of: Sources) -> Row:
    """Whether maps still move as the training ends: about the training, so there is no verdict."""
    name, there = "last-epochs", found(of, of.stability, "last-epochs")
    if isinstance(there, Row):
        return there
    before, likeness = stored.over_epochs(there.artifact, there.epoch, there.subject)
    if not before:
        return row(name, NOT, "There is no kept epoch before this one.")
    each = [quantiles(item) for item in likeness][::-1]
    places = tuple(str(item) for item in before[::-1])
    said = ", ".join(f"{place}: ρ {two(item[1])}" for place, item in zip(places, each, strict=True))
    words = f"With the maps of epoch{'s' * (len(places) > 1)} {said}.{there.note}"
    null = stored.over_epochs(there.artifact, there.epoch, there.random)[1][::-1] if there.random else np.zeros((0, 0))
    lines = (Line(RANDOM_MAP, numbers([median(item) for item in null])),) if len(null) else ()
    low, middle, high = (numbers([item[number] for item in each]) for number in range(3))
    return row(name, TOLD, words, chart=Chart(places, middle, lines, LOWEST, 1, words, "epoch", low, high))
