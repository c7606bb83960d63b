"""What was done to the focus image, for every page: one word of the address, `edits=hue:-100,region:0.1/0.2/0.5/0.6`.

A word and not widgets, so that it stays in the address on pages that draw no sliders.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from app.address import held, hold
from app.testing.picture import Picture
from precompute.catalogue import CHANGES
from precompute.edits import PREDICTED, Edits, edits
from store.errors import BadInput

WORD = "edits"  # one of app.address.WORDS
TARGET = "target"  # in the word: the class FGSM attacks, by its number, or
BEFORE = "predicted"  # the one predicted before
OPTIONS: Mapping[str, Any] = {"fill": str, "corners": str, "seed": int}
LONGEST = 600  # characters; anybody may write into an address


def current_edits(picture: Picture, classes: int) -> Edits:
    """The edits in the address, as they apply to a picture: those that it has, FGSM aimed at its true class if none is named.

    classes: how many there are; a number beyond them names none.
    """
    made = now()
    settings = tuple((name, value) for name, value in made.settings if name in picture.changes)
    named = target() and made.attacked < classes
    aimed = made.attacked if named else PREDICTED if picture.label is None else picture.label
    return replace(made, settings=settings, attacked=aimed)


def now() -> Edits:
    """The edits in the address, whatever they are applied to."""
    return read(held(WORD))


def target() -> str:
    """Which class FGSM attacks, as the address says it: BEFORE, a number, or "" for the true class where it is known."""
    word = parts(held(WORD)).get(TARGET, "")
    return word if word == BEFORE or word.isdecimal() else ""


def change(**changed: Any) -> None:
    """Changes some of the edits: `settings` (all of them, by name), `region`, `fill`, `corners`, `seed` or `target` (a word)."""
    made, aimed = now(), changed.pop(TARGET, target())
    if "settings" in changed:
        changed["settings"] = edits(changed["settings"]).settings
    hold(WORD, written(replace(made, **changed), aimed))
    held(WORD)


def written(made: Edits, aimed: str = "") -> str:
    """Edits as a word; numbers in full, because a flip's value rounded may flip nothing."""
    said = {name: f"{value:.17g}" if value != round(value, 6) else f"{value:g}" for name, value in made.settings}
    if made.region:
        said["region"] = "/".join(f"{share:g}" for share in made.region)
    plain = Edits()
    said |= {name: str(getattr(made, name)) for name in OPTIONS if getattr(made, name) != getattr(plain, name)}
    said |= {TARGET: aimed} if aimed else {}
    return ",".join(f"{name}:{value}" for name, value in said.items())


def read(word: str) -> Edits:
    """The edits of a word, as far as they are ones."""
    made, said = Edits(), parts(word)
    for name, text in said.items():
        with suppress(ValueError, BadInput):
            made = with_part(made, name, text)
    return replace(made, settings=tuple(sorted(made.settings, key=lambda pair: list(CHANGES).index(pair[0]))))


def with_part(made: Edits, name: str, text: str) -> Edits:
    """Edits and one part of a word; raises ValueError or BadInput where it is none."""
    if name in CHANGES:
        return replace(made, settings=(*made.settings, *edits({name: float(text)}).settings))
    if name == "region":
        return replace(made, region=edits({}, [float(share) for share in text.split("/")]).region)
    if name == TARGET:
        return replace(made, attacked=int(text)) if text.isdecimal() else made
    if name in OPTIONS:
        return replace(made, **{name: getattr(edits({}, **{name: OPTIONS[name](text)}), name)})
    return made


def parts(word: str) -> dict[str, str]:
    pairs = (part.partition(":") for part in word[:LONGEST].split(","))
    return {name: text for name, colon, text in pairs if colon}
