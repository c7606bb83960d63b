"""Disagreement between runs against slow re-implementations of the formulas."""

from math import log

import numpy as np
import pytest

from app.runs import disagreement
from precompute.cases import probabilities


def slow_divergence(distributions: list[np.ndarray]) -> list[float]:
    """Mean Kullback-Leibler divergence of each run from the mean of all, image by image, over log R."""
    found = []
    for image in range(len(distributions[0])):
        total = 0.0
        for one in distributions:
            for k in range(one.shape[1]):
                middle = sum(other[image, k] for other in distributions) / len(distributions)
                if one[image, k] > 0:
                    total += one[image, k] * log(one[image, k] / middle) / len(distributions)
        found.append(total / log(len(distributions)))
    return found


@pytest.mark.parametrize("runs", [2, 3, 4])
def test_divergence_is_the_mean_divergence_from_the_mean(runs: int) -> None:
    random = np.random.default_rng(runs)
    distributions = [probabilities(3 * random.normal(size=(40, 7))) for _ in range(runs)]
    np.testing.assert_allclose(disagreement.divergence(distributions), slow_divergence(distributions), atol=1e-12)


@pytest.mark.parametrize("runs", [2, 3, 4])
def test_divergence_is_zero_where_all_agree_and_one_where_each_is_certain_of_another(runs: int) -> None:
    certain = [np.eye(5)[[place, 2]] for place in range(runs)]  # image 0: all different, image 1: all the same
    np.testing.assert_allclose(disagreement.divergence(certain), [1, 0], atol=1e-12)


def test_of_fewer_classes_than_runs_divergence_is_one_where_they_are_split_most_evenly() -> None:
    two = [np.eye(2)[[place % 2, 0]] for place in range(4)]
    three = [np.eye(3)[[place % 3, 0]] for place in range(4)]
    np.testing.assert_allclose(disagreement.divergence(two), [1, 0], atol=1e-12)
    np.testing.assert_allclose(disagreement.divergence(three), [1, 0], atol=1e-12)


def test_divergence_does_not_depend_on_the_order_of_runs_or_the_cut_into_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(0)
    one, two, three = (probabilities(random.normal(size=(33, 4))).astype(np.float32) for _ in range(3))
    whole = disagreement.divergence([one, two, three])
    np.testing.assert_allclose(disagreement.divergence([three, one, two]), whole, atol=1e-12)
    monkeypatch.setattr(disagreement, "BLOCK_VALUES", 40)
    np.testing.assert_array_equal(disagreement.divergence([one, two, three]), whole)


def test_a_diverged_run_comes_last() -> None:
    broken = np.array([[np.nan, np.nan], [0.5, 0.5], [0.1, 0.9]])
    apart = disagreement.divergence([broken, np.array([[1.0, 0.0], [0.5, 0.5], [0.9, 0.1]])])
    assert np.isnan(apart[0])
    assert disagreement.ranked(apart, np.ones(3, bool)).tolist() == [2, 1, 0]


def test_ranking_keeps_the_order_of_equals_and_what_is_asked_for() -> None:
    apart = np.array([0.1, 0.5, 0.1, 0.9, 0.5])
    assert disagreement.ranked(apart, np.ones(5, bool)).tolist() == [3, 1, 4, 0, 2]
    assert disagreement.ranked(apart, np.array([1, 0, 1, 0, 1], bool)).tolist() == [4, 0, 2]


def test_shared_images_are_found_by_their_number_in_the_split() -> None:
    sources = [np.array([7, 3, 9, 1]), np.array([1, 2, 3, 9, 11])]
    places = disagreement.shared(sources)
    assert places.tolist() == [[1, 2], [2, 3], [3, 0]]  # 3, 9, 1 in the order of the first
    for image, each in enumerate(places):
        assert sources[0][each[0]] == sources[1][each[1]], image
    assert disagreement.shared([np.array([1, 2]), np.array([3, 4])]).shape == (0, 2)


def test_difference_counts_images_and_takes_shares_where_their_numbers_differ() -> None:
    one, other = np.array([[5, 1], [2, 8]], np.int32), np.array([[6, 0], [3, 7]], np.int32)
    apart, share = disagreement.difference(one, other)
    assert (apart.tolist(), share) == ([[1, -1], [1, -1]], False)
    apart, share = disagreement.difference(one, np.array([[3, 0], [0, 0]], np.int32))
    assert share
    np.testing.assert_allclose(apart, [[1 / 6, -1 / 6], [-0.2, -0.8]])
