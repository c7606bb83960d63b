"""What a visitor may do with each kind of element: a widget's next state, drawn at random; None where there is nothing to do.

Nothing that asks for a training, judges, cancels or deletes: those are few in real life, and would change what is measured.
"""

import json
from collections.abc import Callable
from random import Random
from typing import Any

from streamlit.proto.WidgetStates_pb2 import WidgetState

from benchmarks.load.speaking import Shown

BUTTONS = ("play", "newest", "testing.reset", "network.", "close.", "methods.close", "cases.newer", "compare.newer")
IMAGES = 100  # numbers that are clicked at where the element does not say which there are


def harmless(key: str) -> bool:
    return key.startswith(BUTTONS) or key.endswith(".open")


def button(item: Shown, random: Random) -> WidgetState | None:
    return WidgetState(id=item.element.id, trigger_value=True) if harmless(item.key) else None


def slider(item: Shown, random: Random) -> WidgetState:
    state, element = WidgetState(id=item.element.id), item.element
    if element.options:
        state.string_array_value.data.extend(sorted(random.sample(list(element.options), len(element.default))))
    else:
        steps = int((element.max - element.min) / element.step) if element.step else 1
        numbers = sorted(random.randint(0, max(1, steps)) for _ in element.default)
        state.double_array_value.data.extend(min(element.max, element.min + n * element.step) for n in numbers)
    return state


def selectbox(item: Shown, random: Random) -> WidgetState | None:
    options = list(item.element.options)
    return WidgetState(id=item.element.id, string_value=random.choice(options)) if len(options) > 1 else None


def buttons(item: Shown, random: Random) -> WidgetState:
    state = WidgetState(id=item.element.id)
    state.string_array_value.data.append(random.choice(item.element.options).content)
    return state


def checkbox(item: Shown, random: Random) -> WidgetState:
    return WidgetState(id=item.element.id, bool_value=random.random() < 0.5)


def number(item: Shown, random: Random) -> WidgetState:
    element = item.element
    high = element.max if element.has_max else IMAGES
    whole = random.randint(int(element.min) if element.has_min else 0, max(0, int(high)))
    return WidgetState(id=element.id, double_value=float(whole))


def pagination(item: Shown, random: Random) -> WidgetState:
    return WidgetState(id=item.element.id, int_value=random.randint(1, max(1, item.element.num_pages)))


def fold(item: Shown, random: Random) -> WidgetState:
    """Opens twice as often as it closes."""
    return WidgetState(id=item.element.id, bool_value=random.random() < 0.66)


def table(item: Shown, random: Random) -> WidgetState | None:
    if not item.element.selection_mode:
        return None
    rows = {"selection": {"rows": [random.randint(0, 1)], "columns": [], "cells": []}}
    return WidgetState(id=item.element.id, string_value=json.dumps(rows))


# Components of our own


def event(item: Shown, name: str, value: Any) -> WidgetState:
    said = json.dumps([{"event": name, "value": value}])
    return WidgetState(id=f"$$STREAMLIT_INTERNAL_KEY_{item.element.id}__events", json_trigger_value=said)


def header(element: Any, before: int) -> dict[str, Any]:
    """The JSON in front of a component's bytes: `before` bytes, its length (4), itself."""
    data = bytes(element.bytes)
    size = int.from_bytes(data[before : before + 4], "little")
    return json.loads(data[before + 4 : before + 4 + size])


def strip(item: Shown, random: Random) -> WidgetState | None:
    facts = header(item.element, 8)
    if not facts["columns"]:
        return None
    cell = {"row": random.randint(-1, len(facts["rows"]) - 1), "epoch": random.choice(facts["columns"])["epoch"]}
    return event(item, "cell", cell)


def picture(item: Shown, random: Random) -> WidgetState:
    items = header(item.element, 0).get("items", [])
    return event(item, "picked", random.choice(items)["image"] if items else random.randrange(IMAGES))


def dot(item: Shown, random: Random) -> WidgetState:
    return event(item, "picked", random.randrange(IMAGES))


def lasso(item: Shown, random: Random) -> WidgetState:
    return event(item, "lassoed", random.sample(range(IMAGES), 9)) if random.random() < 0.2 else dot(item, random)


def filter_(item: Shown, random: Random) -> WidgetState:
    return event(item, "picked", {"filter": random.randrange(IMAGES), "joins": random.random() < 0.2})


def line(item: Shown, random: Random) -> WidgetState:
    return event(
        item, "picked", {"line": random.randrange(10), "chart": random.choice(("rotation", "brightness", "blur"))}
    )


def sliders(item: Shown, random: Random) -> WidgetState | None:
    data = json.loads(item.element.json or "{}")
    if not data.get("rows"):
        return None
    values = {row["name"]: row["value"] for row in data["rows"]}
    moved = random.choice(data["rows"])
    steps = round((moved["high"] - moved["low"]) / moved["step"])
    values[moved["name"]] = min(moved["high"], moved["low"] + random.randint(0, steps) * moved["step"])
    said = {"said": {"serial": data["serial"] + 1, "values": values}}
    return WidgetState(id=item.element.id, json_value=json.dumps(said))


COMPONENTS: dict[str, Callable[[Shown, Random], WidgetState | None]] = {
    "loupe_strip": strip,
    "loupe_thumbnails": picture,
    "loupe_point_cloud": lasso,
    "loupe_filters": filter_,
    "loupe_patterns": dot,
    "loupe_curves": line,
    "loupe_sliders": sliders,
}


def component(item: Shown, random: Random) -> WidgetState | None:
    act = COMPONENTS.get(item.element.component_name.rsplit(".", 1)[-1])
    return act(item, random) if act else None


ACTS: dict[str, Callable[[Shown, Random], WidgetState | None]] = {
    "button": button,
    "slider": slider,
    "selectbox": selectbox,
    "button_group": buttons,
    "checkbox": checkbox,
    "number_input": number,
    "pagination": pagination,
    "expandable": fold,
    "dataframe": table,
    "bidi_component": component,
}


def click(shown: list[Shown], random: Random) -> tuple[Shown, WidgetState] | None:
    """Something that can be done on a page; every kind of element is as likely, so that many of one do not hide the others."""
    kinds = sorted({item.kind for item in shown if item.kind in ACTS})
    random.shuffle(kinds)
    for kind in kinds:
        item = random.choice([item for item in shown if item.kind == kind])
        done = getattr(item.element, "disabled", False) or getattr(item.element, "form_id", "")
        if not done and (state := ACTS[kind](item, random)):
            return item, state
    return None
