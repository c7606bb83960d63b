"""Specifications of charts are made once, and again whenever what they are made of differs."""

from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from altair.utils import schemapi
from streamlit.dataframe_util import convert_anything_to_arrow_bytes

from app import charts, specifications

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


@dataclass(frozen=True, eq=False)
class Numbers:
    values: np.ndarray


def form(numbers: Numbers) -> dict:
    MADE.append(numbers)
    return {"datasets": {"table0": charts.arrow(pd.DataFrame({"x": numbers.values, "word": "é"}))}}


def test_a_form_is_filled_once_for_equal_numbers() -> None:
    first = specifications.made(form, Numbers(np.arange(3)))
    assert specifications.made(form, Numbers(np.arange(3))) is first
    assert specifications.made(form, Numbers(np.arange(1, 4))) is not first


def test_a_table_is_the_same_in_the_browser_without_what_pandas_says_of_it() -> None:
    table = pd.DataFrame({"x": [0.5, np.nan], "n": [1, 2], "word": ["é", None], "yes": [True, False]})
    ours = pa.ipc.open_stream(charts.arrow(table[::-1])).read_all()
    theirs = pa.ipc.open_stream(convert_anything_to_arrow_bytes(table[::-1])).read_all()
    assert ours.equals(theirs.select(ours.column_names))


def test_charts_are_held_to_their_schema_unless_they_are_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemapi, "DEBUG_MODE", True)
    wrong = alt.Chart(alt.NamedData(name="table")).mark_point().encode(x="x:Q")
    wrong.height = "tall"
    with pytest.raises(schemapi.SchemaValidationError):
        charts.specified(wrong)
    charts.trusted()
    assert charts.specified(wrong)["height"] == "tall"
