"""Shares of maps in regions: the slow sum over all pixels agrees, and intervals are Student's."""

import numpy as np
import pytest
from scipy.stats import t

from precompute import regions
from precompute.regions import boxes, controls, discs, interval, rectangle, shares, weights
from store.schema import CONTROLS

SIDE = 12


def slowly(map_: np.ndarray, mask: np.ndarray) -> float:
    """A share by the definition: each pixel's value from the four cells around its centre, one after the other."""
    side, total, inside = len(mask), 0.0, 0.0
    for row in range(side):
        for column in range(side):
            value = bilinear(np.maximum(map_, 0), (row + 0.5) / side, (column + 0.5) / side)
            total += value
            inside += value * mask[row, column]
    return inside / total


def bilinear(map_: np.ndarray, down: float, across: float) -> float:
    """The value at a place in shares of the sides, constant beyond the outermost cells' centres."""
    near = []
    for at, cells in zip((down, across), map_.shape, strict=True):
        place = np.clip(at * cells - 0.5, 0, cells - 1)
        near.append([max(0, 1 - abs(place - cell)) for cell in range(cells)])
    return float(near[0] @ map_ @ near[1])


@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (1, 1), (SIDE, SIDE)])
def test_a_share_is_the_sum_over_all_pixels(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    maps, masks = random.normal(size=(2, *shape)) + 0.5, random.random((2, 3, SIDE, SIDE)) < 0.4
    maps[:, 0, 0] = 1  # something speaks for the class
    found = shares(maps, weights(masks, *shape), SIDE)
    expected = [[slowly(map_, mask) for mask in own] for map_, own in zip(maps, masks, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_what_speaks_against_the_class_is_left_out_and_scale_does_not_matter() -> None:
    map_ = np.array([[[3.0, -5.0], [1.0, 0.0]]])
    mask = weights(rectangle((0, 0, 0.5, 1), SIDE)[None, None], 2, 2)
    assert shares(map_, mask, SIDE) == shares(np.maximum(map_, 0), mask, SIDE) == shares(1e-8 * map_, mask, SIDE)


def test_no_evidence_and_no_region_have_no_share() -> None:
    maps = np.stack([np.zeros((2, 2)), -np.ones((2, 2)), np.full((2, 2), np.nan), np.ones((2, 2))])
    masks = np.stack([rectangle((0, 0, 1, 0.5), SIDE), np.zeros((SIDE, SIDE), bool)])[None]
    found = shares(maps, weights(masks, 2, 2), SIDE)
    assert np.isnan(found[:3]).all() and np.isnan(found[3, 1])
    assert found[3, 0] == pytest.approx(0.5)


def test_the_uniform_map_has_the_regions_area_and_the_random_one_on_average() -> None:
    masks = rectangle((0.25, 0, 1, 0.5), SIDE)[None, None]
    found = np.stack([shares(item, weights(masks, 4, 4), SIDE)[:, 0] for item in controls(np.arange(400), 4, 4)])
    of = dict(zip(CONTROLS, found, strict=True))
    np.testing.assert_allclose(of["uniform"], masks.mean())
    _, low, high = interval(of["random"])
    assert low < masks.mean() < high and of["random"].std() > 0.02
    assert np.array_equal(controls(np.array([7]), 4, 4)[1], controls(np.array([3, 7]), 4, 4)[1, 1:]), (
        "by the image's number"
    )


def test_the_centre_prior_knows_only_the_centre() -> None:
    prior = regions.centre(9, 9)
    assert prior[4, 4] == prior.max() == 1 and np.allclose(prior, prior[::-1]) and np.allclose(prior, prior.T)
    assert prior[4, 4 + 2] == pytest.approx(np.exp(-((2 / 9) ** 2) / (2 * 0.25**2)))


def test_masks_hold_exact_pixels() -> None:
    assert boxes(np.array([[1, 2, 5, 6], [np.nan] * 4]), 8).sum((1, 2)).tolist() == [16, 0]
    assert boxes(np.array([[1, 2, 5, 6]]), 8)[0, 2:6, 1:5].all()
    around = discs(np.array([[[4, 4], [np.nan, np.nan]]]), np.array([1.0]), 8)[0]
    assert np.argwhere(around[0]).tolist() == [[3, 3], [3, 4], [4, 3], [4, 4]] and not around[1].any()
    assert np.argwhere(rectangle((0.5, 0, 1, 0.25), 4)).tolist() == [[0, 2], [0, 3]]
    assert rectangle((0.99, 0.99, 1, 1), 4).sum() == 1, "at least a pixel"


def test_the_interval_is_students() -> None:
    mean, low, high = interval(np.array([[1.0], [2.0], [3.0], [4.0], [np.nan]]))
    half = t.ppf(0.975, 3) * np.std([1, 2, 3, 4], ddof=1) / 2
    assert (mean[0], low[0], high[0]) == pytest.approx((2.5, 2.5 - half, 2.5 + half))


def test_of_fewer_than_two_images_there_is_no_interval() -> None:
    mean, low, high = interval(np.array([[0.5, np.nan]]))
    assert mean[0] == 0.5 and np.isnan(mean[1]) and np.isnan([low, high]).all()


def test_the_interval_covers_the_truth_in_95_of_100() -> None:
    _, low, high = interval(np.random.default_rng(1).normal(0.3, 0.1, size=(12, 4000)))
    assert ((low < 0.3) & (high > 0.3)).mean() == pytest.approx(0.95, abs=0.012)
