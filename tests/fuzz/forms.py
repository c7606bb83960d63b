"""The form of the Re-train page, with values that none of its widgets would have sent."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from app.retrain.fields import Leaf, leaves
from app.retrain.form import Form
from precompute import recipe as recipes
from precompute.estimate import estimate
from precompute.recipe import Recipe
from store.runs import Run
from tests.fuzz.values import TEXTS, value

JSONS = ("{}", "[]", "NaN", '{"grad-cam": {"channels": 1e999}}', "[" * 3000, "9" * 5000, '{"a": {"b": NaN}}')
LONGEST = 2000  # characters of a sentence


def of_form(draws: np.random.Generator, run: Run, start: Mapping[str, Any]) -> tuple[Recipe | None, str]:
    """The recipe that comes of one to three such values, and what is wrong with it, or with what is said instead."""
    form = Form("fuzz", Recipe, start, tuple(leaves(Recipe, {})))
    st.session_state.clear()
    for _ in range(int(draws.integers(1, 4))):
        leaf = form.fields[int(draws.integers(0, len(form.fields)))]
        st.session_state[form.key(leaf)] = sent(draws, leaf)
    made, said = form.checked()
    if made is None:
        return None, "" if said and all(0 < len(text) < LONGEST for text in said) else f"says {said!r:.300}"
    parent = recipes.parse(dict(run.recipe))
    took = estimate(run, parent, made.model_copy(update={"data": parent.data, "model": parent.model}))
    finite = all(number is None or 0 <= number < math.inf for number in (took.seconds, took.bytes))
    return made, "" if finite else f"is said to take {took}"


def sent(draws: np.random.Generator, leaf: Leaf) -> Any:
    """What a browser can send as a widget's value, whatever the widget offers: of its type, because the protocol has types."""
    if leaf.widget in ("toggle", "switch"):
        return bool(draws.integers(0, 2))
    if leaf.widget == "number":
        found = value(draws, leaf.info)
        fits = isinstance(found, float) or (isinstance(found, int) and abs(found) < 2**63)
        return found if fits else int(draws.integers(-5, 5))
    texts = [str(TEXTS[int(number)]) for number in draws.integers(0, len(TEXTS), 3)]
    if leaf.widget == "several":
        return texts[: int(draws.integers(0, 4))]
    return JSONS[int(draws.integers(0, len(JSONS)))] if leaf.widget == "json" or draws.random() < 0.1 else texts[0]
