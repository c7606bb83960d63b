"""Edits as a word of the address: what is written is read again, and anybody may write anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.testing import edited
from precompute.catalogue import CHANGES
from precompute.edits import CORNERS, FILLS, Edits, edits

NUMBERS = st.fixed_dictionaries({}, optional={name: st.floats(item.low, item.high) for name, item in CHANGES.items()})
EDGES = st.sampled_from([None, (0.1, 0.2, 0.5, 0.6), (0, 0, 1, 1)])


@given(NUMBERS, EDGES, st.sampled_from(FILLS), st.sampled_from(CORNERS), st.integers(0, 9999))
def test_a_word_brings_the_edits_back(
    values: dict[str, float], region: object, fill: str, corners: str, seed: int
) -> None:
    made = edits(values, region, fill=fill, corners=corners, seed=seed)
    assert edited.read(edited.written(made)) == made


@pytest.mark.parametrize(
    "word",
    ["", "hue", "hue:x", "hue:nan", "hue:1e9", "warp:3", "region:1/2", "region:a/b/c/d", "region:0.5/0.5/0.5/0.5", "fill:green",
     "seed:x", "seed:-5", "seed:10000", "seed:99999999999999999999999", "target:x", ":", ",,,", "region:1e999/0/1/1",
     "brightness:1"],
)  # fmt: skip
def test_what_is_no_edit_is_none(word: str) -> None:
    assert edited.read(word) == Edits()


def test_settings_are_read_in_the_order_they_are_applied() -> None:
    made = edited.read("fgsm:4,hue:-100,nonsense,rotation:5,target:2")
    assert made == edits({"rotation": 5, "hue": -100, "fgsm": 4}, attacked=2)
    assert edited.written(made, "2") == "rotation:5,hue:-100,fgsm:4,target:2"
