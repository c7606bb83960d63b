"""How much work the sanity checks are. No torch here."""

from precompute.wanted import Artifacts
from store.schema import ORDERS, SHIFTS

WORDS = {
    "sanity-shift": "shifted inputs",
    "sanity-randomisation": "maps of layers drawn anew",
    "sanity-stability": "stability of maps",
}


def looks(wanted: Artifacts, evaluated: float) -> dict[str, float]:
    """How often an image's maps are made at one epoch, by kind; {} where none are asked for."""
    options = wanted.sanity
    if options is None or wanted.saliency is None:
        return {}
    images, few = (min(evaluated, number) for number in (options.images, options.randomised))
    return {
        "sanity-shift": images * (1 + len(SHIFTS)),
        "sanity-randomisation": few * (1 + len(ORDERS) * options.stages * options.draws),
        "sanity-stability": images * (1 + options.draws + options.earlier),
    }
