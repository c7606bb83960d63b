"""Specifications of charts are made once, and again whenever what they are made of differs."""

import altair as alt
import numpy as np
import pandas as pd
import pytest

from app import specifications

MADE = []


def points(table: pd.DataFrame, names: list[str], weights: np.ndarray, *, dark: bool) -> alt.Chart:
    MADE.append(names)
    return alt.Chart(table).mark_point(color="white" if dark else "black").encode(x="x:Q", y="y:N")


def asked(**changes: object) -> dict:
    table = pd.DataFrame({"x": [0.5, np.nan], "y": ["a", None]})
    given = {"table": table, "names": ["a", "b"], "weights": np.arange(3), "dark": False} | changes
    return specifications.kept(points, given["table"], given["names"], given["weights"], dark=given["dark"])


@pytest.mark.parametrize(
    "changes",
    [
        {"table": pd.DataFrame({"x": [0.5, 0.0], "y": ["a", None]})},
        {"table": pd.DataFrame({"x": [0.5, np.nan], "z": ["a", None]})},
        {"names": ["a"]},
        {"weights": np.arange(4)},
        {"weights": np.arange(3, dtype=np.int32)},
        {"dark": True},
    ],
)
def test_a_specification_is_made_once_for_what_is_equal(changes: dict) -> None:
    first = asked()
    count = len(MADE)
    assert asked() is first
    assert len(MADE) == count
    assert asked(**changes) is not first
    assert asked() is first
