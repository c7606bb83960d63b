"""What the Testing page says and draws of curves and probabilities, without a network."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.testing import controls, showing, words
from app.testing.curves import Curve
from app.widgets import sliders


def curve(name: str, values: list[float], first: list[float], flips: list[list[float]]) -> Curve:
    chances = np.stack([first, 1 - np.array(first), np.zeros(len(first))], 1)
    return Curve(name, np.array(values), chances, np.array(flips))


NONE = [np.nan, np.nan]
ROTATION = curve("rotation", [-180, 0, 180], [0.2, 0.9, 0.6], [[-92.4, 1], NONE])
ATTACK = curve("fgsm", [0, 16, 32], [0.9, 0.4, 0.1], [NONE, [2.13, 1]])
BLUR = curve("blur", [0, 5, 10], [0.9, 0.8, 0.7], [NONE, NONE])
NAMES = ("cat", "dog", "frog")


def test_the_sentence_says_what_is_withstood_and_what_not() -> None:
    said = words.verdict([ROTATION, ATTACK, BLUR], NAMES, 0)
    assert said == (
        "The prediction cat withstands blur at every value tried. It changes with FGSM attack at 2.13/255 (to dog); "
        "rotation at −92.4° (to dog). Of its range, FGSM attack needs the least."
    )
    assert "withstands" not in words.verdict([ATTACK], NAMES, 0)
    assert words.verdict([BLUR], NAMES, 1) == "Nothing is said of blur: the other edits change it already."
    flip = curve("flip_vertical", [0, 1], [0.9, 0.2], [NONE, [1, 1]])
    assert words.flip_words(flip, NAMES) == "to dog"


def test_rows_hold_lines_flips_and_the_slider() -> None:
    drawn = controls.curve_of(ROTATION, NAMES, 45, None)
    assert (ROTATION.rival, BLUR.rival) == (1, 1)
    assert (drawn.held, drawn.other, drawn.values) == ([0.2, 0.9, 0.6], [0.8, 0.1, 0.4], [-180, 0, 180])
    assert drawn.at == pytest.approx(0.9 - 0.3 * 45 / 180) and (drawn.held_name, drawn.other_name) == ("cat", "dog")
    (flip,) = drawn.flips
    assert flip.value == -92.4 and flip.words == "−92.4° → dog" and "at −92.4° (to dog)" in drawn.label
    assert not controls.curve_of(BLUR, NAMES, 0, None).flips


def test_of_many_classes_the_likeliest_ten_get_bars() -> None:
    before, after = np.zeros(50), np.zeros(50)
    before[[3, 4]], after[[40, 3]] = (0.6, 0.4), (0.7, 0.3)
    chosen = showing.likeliest(before, after)
    assert chosen[:3] == [40, 3, 4] and len(chosen) == 10
    assert showing.likeliest(before[:6], after[:6]) == list(range(6))
    html = showing.markup(before, after, ["<b>"] * 50, chosen, 'said "so"')
    assert "<b>" not in html and 'aria-label="said &quot;so&quot;"' in html
    assert html.index("width:70.00%") < html.index("width:60.00%") < html.index("width:40.00%")
    said = showing.line("Before", "<b> (70%)", showing.BEFORE)
    assert "&lt;b&gt; (70%)" in said and 'title="Before &lt;b&gt; (70%)"' in said


def all_classes() -> None:
    """A page of its own."""
    from types import SimpleNamespace

    import numpy as np

    from app.testing import showing

    names = tuple(f"class {number}" for number in range(1000))
    chances = np.linspace(0, 1, 1000), np.linspace(1, 0, 1000) ** 2
    showing.every(SimpleNamespace(scene=SimpleNamespace(names=names), chances=chances))


def test_all_of_a_thousand_classes_can_be_looked_up() -> None:
    page = AppTest.from_function(all_classes)
    page.session_state["testing.every"] = True
    table = page.run().dataframe[0].value
    assert len(table) == 1000 and set(table["class"][:2]) == {"class 0", "class 999"}
    assert (table[["before", "after"]].max(axis=1).diff().dropna() <= 0).all()


@pytest.mark.parametrize(
    "said", [None, 3, {}, {"serial": "x", "values": [1]}, {"values": {"hue": "9", "x": 1, "blur": float("nan")}}]
)
def test_a_browser_may_say_anything(said: object) -> None:
    assert sliders.heard(said, {"hue", "blur"}) == (0, {})
    assert sliders.heard({"serial": 4, "values": {"hue": 9, "y": 1}}, {"hue"}) == (4, {"hue": 9.0})
