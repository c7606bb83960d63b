"""What a person changed about an image: the settings of all transforms, as the web process and the probe exchange them.

No torch here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from precompute.catalogue import CHANGES, TRANSFORMS, entry
from store.errors import BadInput
from store.judgements import Region
from store.judgements import region as checked_region

PREDICTED = -1  # stands for the class predicted for the original image, and
PREDICTED_AFTER = -2  # for the one predicted for the edited image
FILLS = ("mean", "blur", "black")  # of a removed region
CORNERS = ("reflect", "black")  # of a rotated image
LARGEST_SEED = 9999  # of the noise

ORDER = (
    "First the region is removed; then, in this order: "
    + ", ".join(item.title.lower() for item in TRANSFORMS.values())
    + "; the FGSM attack comes last."
)


@dataclass(frozen=True)
class Edits:
    """Settings by name of those that are off their identity, in the order they are applied; the rest are their options.

    region: x0, y0, x1, y1 in shares of the sides. seed: of the noise. attacked: the class whose loss FGSM raises.
    """

    settings: tuple[tuple[str, float], ...] = ()
    region: Region | None = None
    fill: str = "mean"
    corners: str = "reflect"
    seed: int = 0
    attacked: int = PREDICTED

    @property
    def values(self) -> dict[str, float]:
        return dict(self.settings)

    @property
    def nothing(self) -> bool:
        """Whether the edited image is the original."""
        return not self.settings and self.region is None

    def without(self, name: str) -> "Edits":
        return replace(self, settings=tuple(pair for pair in self.settings if pair[0] != name))


def edits(values: Mapping[str, float], region: Sequence[float] | None = None, **options: Any) -> Edits:
    """Checked edits; raises BadInput where a name, a number or an option is none of ours."""
    for name, value in values.items():
        item = entry(CHANGES, name, "transform")
        if not (isinstance(value, int | float) and isfinite(value) and item.low <= value <= item.high):
            raise BadInput(f"{item.title} goes from {item.low:g} to {item.high:g}{item.unit}; {value!r} came.")
    for name, choices in (("fill", FILLS), ("corners", CORNERS)):
        if name in options and options[name] not in choices:
            raise BadInput(f"'{name}' is one of {', '.join(choices)}; {options[name]!r} came.")
    if not 0 <= options.get("seed", 0) <= LARGEST_SEED:
        raise BadInput(f"'seed' goes from 0 to {LARGEST_SEED}; {options['seed']!r} came.")
    settings = tuple(
        (name, float(values[name])) for name, item in CHANGES.items() if off(item.identity, values.get(name))
    )
    return Edits(settings, None if region is None else checked_region(region), **options)


def off(identity: float, value: float | None) -> bool:
    return value is not None and value != identity


def unpacked(said: Mapping[str, Any]) -> Edits:
    """The edits of a request's header, as `dataclasses.asdict` and JSON have left them."""
    return edits(dict(said["settings"]), **{name: value for name, value in said.items() if name != "settings"})
