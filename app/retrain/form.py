"""A form over a pydantic schema: what is typed is kept beside what one started from, so that the difference can be said and
put back, and is checked by the schema itself. A field added to the schema appears by itself (app/retrain/fields.py).
"""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal

import streamlit as st
from pydantic import BaseModel, ValidationError

from app.edge import plain
from app.retrain.fields import Leaf
from precompute.recipe import problems, storable
from store.errors import LoupeError

STEPS = 20  # of a number's buttons from one end of its range to the other
CHANGED = " :primary[:material/edit: changed]"


@dataclass(frozen=True)
class Form:
    """The fields as they were and as they are typed now. `scope` tells the widgets of two forms apart."""

    scope: str
    model: type[BaseModel]
    start: Mapping[str, Any]
    fields: tuple[Leaf, ...]
    disabled: bool = False
    resets: tuple[str, ...] = ()  # fields that are emptied before the others are filled in

    def key(self, leaf: Leaf) -> str:
        return f"form.{self.scope}.{leaf.name}{'@' if leaf.when else ''}{leaf.when}"

    def before(self, leaf: Leaf) -> Any:
        emptied = ".".join(leaf.path[:-1]) in self.resets
        found = leaf.default() if emptied else dug(self.start, leaf.path, leaf.default())
        return found is not None if leaf.widget == "switch" else found

    def now(self, leaf: Leaf) -> Any:
        """What is typed; what it was where nothing is."""
        if self.key(leaf) not in st.session_state:
            return self.before(leaf)
        typed = st.session_state[self.key(leaf)]
        return self.before(leaf) if typed == leaf.typed(self.before(leaf)) else leaf.meant(typed)

    def changes(self) -> list[tuple[Leaf, Any, Any]]:
        """The fields that differ from the start, with both values."""
        each = ((leaf, self.before(leaf), self.now(leaf)) for leaf in self.fields)
        return [(leaf, before, now) for leaf, before, now in each if now != before and self.counts(leaf)]

    def draft(self) -> dict[str, Any]:
        """All fields as they are now."""
        found = copy.deepcopy(dict(self.start))
        for name in self.resets:
            put(found, name.split("."), {})
        changed = self.changes()
        for leaf, _, now in changed:
            if leaf.widget != "switch" or now:
                put(found, leaf.path, {} if leaf.widget == "switch" else now)
        for leaf, _, now in changed:
            if leaf.widget == "switch" and not now:
                put(found, leaf.path, None)
        return found

    def checked(self) -> tuple[Any, list[str]]:
        """The draft as the schema's object, or None and a sentence for each thing that does not go."""
        try:
            storable(draft := self.draft(), "The form")
            return self.model.model_validate(draft), []
        except ValidationError as error:
            return None, problems(error, self.model)
        except LoupeError as error:
            return None, [str(error)]

    def locked(self, locked: bool) -> "Form":
        """The same form, only to be looked at."""
        return replace(self, disabled=self.disabled or locked)

    def put_back(self, leaf: Leaf) -> None:
        st.session_state[self.key(leaf)] = leaf.typed(self.before(leaf))

    def counts(self, leaf: Leaf) -> bool:
        """Whether what the schema says it belongs "with" is chosen: a field that counts for nothing is not to be typed into."""
        needed = leaf.extra.get("with", {})
        return all(self.now(other) == needed[other.name] for other in self.fields if other.name in needed)

    # Drawing

    def draw(self, leaf: Leaf, width: int | Literal["stretch"] = 178) -> None:
        """One field's widget."""
        text = leaf.title
        text += "" if leaf.path[-1].replace("_", " ") in leaf.title.lower() else f" :gray[{plain(leaf.path[-1])}]"
        text += CHANGED if self.now(leaf) != self.before(leaf) and self.counts(leaf) else ""
        kept: dict[str, Any] = {
            "key": self.key(leaf),
            "help": leaf.help(),
            "disabled": self.disabled or not self.counts(leaf),
            "persist_state": "session",
        }
        WIDGETS[leaf.widget](leaf, text, leaf.typed(self.before(leaf)), kept, width)

    def draw_all(self, some: Sequence[Leaf]) -> None:
        """Several side by side, as many as there is room for; those that need it get a line of their own."""
        for wide, together in groupby(some, lambda leaf: leaf.wide):
            with st.container(horizontal=not wide, vertical_alignment="bottom", gap="small" if wide else "medium"):
                for leaf in together:
                    self.draw(leaf)


# Widgets


def toggle(leaf: Leaf, label: str, value: Any, kept: dict[str, Any], width: Any) -> None:
    st.toggle(label, value, width=width, **kept)


def choice(leaf: Leaf, label: str, value: Any, kept: dict[str, Any], width: Any) -> None:
    options = list(dict.fromkeys([*leaf.words, *leaf.choices, str(value)]))
    st.selectbox(
        label, options, options.index(value), accept_new_options=leaf.widget == "open choice", width=width, **kept
    )


def number(leaf: Leaf, label: str, value: Any, kept: dict[str, Any], width: Any) -> None:
    low, high = ends(leaf)
    if leaf.kinds[0] is int:
        st.number_input(label, low, high, value, 1, width=width, **kept)
        return
    value = as_float(value)
    st.number_input(label, low, high, value, step(leaf, value, low, high), format="%.6g", width=width, **kept)


def ends(leaf: Leaf) -> tuple[Any, Any]:
    """The least and the largest number that the schema takes, of the field's type; None where nothing bounds it."""
    bounds = leaf.bounds
    low, high = bounds.get("ge"), bounds.get("le")
    if leaf.kinds[0] is int:
        return bounds["gt"] + 1 if "gt" in bounds else low, bounds["lt"] - 1 if "lt" in bounds else high
    return (
        math.nextafter(bounds["gt"], math.inf) if "gt" in bounds else as_float(low),
        math.nextafter(bounds["lt"], -math.inf) if "lt" in bounds else as_float(high),
    )


def as_float(value: float | None) -> float | None:
    return None if value is None else float(value)


def step(leaf: Leaf, value: float | None, low: float | None, high: float | None) -> float:
    """What a click adds: a unit of a magnitude's first digit, else a twentieth of the range, rounded to 1, 2 or 5.

    Of a magnitude that is that unit, a tenth: a click on minus would make it 0.
    """
    if leaf.extra.get("scale") == "log" or low is None or high is None:
        power = 10.0 ** math.floor(math.log10(value)) if value else 1e-4
        return power / 10 if value and math.isclose(value, power) else power
    raw = (high - low) / STEPS
    power = 10.0 ** math.floor(math.log10(raw))
    return max(size for size in (1, 2, 5) if size * power <= raw * 1.0001) * power


def text(leaf: Leaf, label: str, value: Any, kept: dict[str, Any], width: Any) -> None:
    longest = leaf.max_length
    if leaf.widget == "text" and leaf.wide:
        st.text_area(label, value, height=80, max_chars=longest, **kept)
    else:
        st.text_input(label, value, max_chars=longest, width="stretch" if leaf.wide else width, **kept)


def several(leaf: Leaf, label: str, value: Any, kept: dict[str, Any], width: Any) -> None:
    options = list(dict.fromkeys([*leaf.choices, *value]))
    st.multiselect(label, options, value, accept_new_options=not leaf.choices, width="stretch", **kept)


WIDGETS: dict[str, Any] = {
    "toggle": toggle,
    "switch": toggle,
    "choice": choice,
    "open choice": choice,
    "number": number,
    "text": text,
    "numbers": text,
    "json": text,
    "several": several,
}


# Values inside nested sections


def dug(fields: Mapping[str, Any], path: Sequence[str], default: Any) -> Any:
    """The value a path leads to, `default` where it leads nowhere."""
    found: Any = fields
    for name in path:
        if not isinstance(found, Mapping) or name not in found:
            return default
        found = found[name]
    return found


def put(fields: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        if not isinstance(fields.get(name), dict):
            fields[name] = {}
        fields = fields[name]
    fields[path[-1]] = value
