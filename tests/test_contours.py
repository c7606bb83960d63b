"""Lines around the places that two classes share: against a circle, a slow sum, and what must not change them."""

import numpy as np
import pytest

from app.embedding import contours

RANDOM = np.random.default_rng(0)


def test_the_line_around_a_cone_is_a_circle() -> None:
    y, x = (np.mgrid[:60, :60] + 0.5) / 60 - 0.5
    segments = contours.line(-np.hypot(x, y), -0.3).astype(float)
    ends = segments.reshape(-1, 2) - 0.5
    np.testing.assert_allclose(np.hypot(*ends.T), 0.3, atol=1e-3)
    assert np.hypot(*(segments[:, :2] - segments[:, 2:]).T).sum() == pytest.approx(2 * np.pi * 0.3, rel=2e-3)
    corners = {tuple(np.round(end, 6)) for end in ends}
    assert len(corners) == len(segments), "each end belongs to two segments: the line is closed"


def test_a_crowd_is_the_sum_of_gaussians() -> None:
    places, classes = RANDOM.random((40, 2)), RANDOM.integers(0, 3, 40)
    found = contours.crowd(places, classes, 3)
    cells = (np.floor(places * contours.CELLS) + 0.5) / contours.CELLS
    for kind, row, column in [(0, 10, 20), (1, 50, 50), (2, 90, 3)]:
        here = (np.array([column, row]) + 0.5) / contours.CELLS
        squares = ((cells[classes == kind] - here) ** 2).sum(1)
        assert found[kind, row, column] == pytest.approx(np.exp(-squares / (2 * contours.REACH**2)).sum(), rel=1e-4)


def world(apart: float) -> tuple[np.ndarray, np.ndarray]:
    """Three classes of 300: the first two lie `apart` to the left and right of the middle, the third at the bottom."""
    classes = np.repeat(np.arange(3), 300)
    centres = np.array([[0.5 - apart, 0.3], [0.5 + apart, 0.3], [0.5, 0.8]])
    return centres[classes] + 0.03 * RANDOM.normal(size=(900, 2)), classes


def test_lines_lie_where_two_classes_are_dense() -> None:
    found = contours.overlap(*world(0.03), 3)
    assert found.levels == (1, 3, 9, 27)
    inner = found.segments[-1].reshape(-1, 2)
    assert np.abs(inner - [0.5, 0.3]).max() < 0.1
    assert contours.overlap(*world(0.2), 3).levels == ()


@pytest.mark.parametrize(("pair", "there"), [((0, 1), True), ((1, -1), True), ((0, 2), False), ((-1, 2), False)])
def test_of_a_pair_only_its_own_overlap_counts(pair: tuple[int, int], there: bool) -> None:
    assert bool(contours.overlap(*world(0.03), 3, pair).levels) == there


def test_one_class_or_no_image_overlaps_with_nothing() -> None:
    assert contours.overlap(RANDOM.random((50, 2)), np.zeros(50, int), 1).levels == ()
    assert contours.overlap(np.zeros((0, 2)), np.zeros(0, int), 4).levels == ()


def test_dots_on_the_edge_of_the_map_count_too() -> None:
    places = np.array([[0.0, 0.0], [1.0, 1.0]]).repeat(10, 0)
    assert contours.crowd(places, np.zeros(20, int), 1).max() == pytest.approx(10)
