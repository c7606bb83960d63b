"""How alike maps are, when they have settled, and which changed most."""

import numpy as np
from scipy.stats import spearmanr

from precompute.cases import most_changed
from precompute.drift import correlation, ranks, settled


def test_the_correlation_is_spearmans_with_ties() -> None:
    random = np.random.default_rng(0)
    maps, others = np.maximum(random.normal(size=(2, 5, 4, 4)), 0)  # half are zeros, as after a ReLU
    found = correlation(ranks(maps), ranks(others))
    expected = [spearmanr(one.ravel(), other.ravel()).statistic for one, other in zip(maps, others, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_only_the_order_counts_and_a_flat_map_is_like_none() -> None:
    maps = np.random.default_rng(1).random((3, 4, 4))
    np.testing.assert_allclose(correlation(ranks(maps), ranks(maps**3 * 1e-6)), 1)
    np.testing.assert_allclose(correlation(ranks(maps), ranks(-maps)), -1)
    assert np.isnan(correlation(ranks(maps), ranks(np.ones_like(maps)))).all()


def test_settled_is_from_when_on_it_stays_alike() -> None:
    columns = {
        (0.1, 0.95, 0.95, 1): 2,  # from the second epoch on
        (0.95, 0.1, 0.95, 1): 4,  # it left once more
        (0.1, 0.2, 0.3, 1): 6,  # only the last is like itself
        (0.91, 0.92, 0.93, 1): 0,  # always
        (np.nan, 0.95, 0.95, 1): 2,  # flat at first
    }
    found = settled(np.array(list(columns)).T, [0, 2, 4, 6])
    assert found.tolist() == list(columns.values())
    assert np.isnan(settled(np.full((3, 1), np.nan), [0, 1, 2])).all(), "a flat last map"


def test_the_most_changed_come_first_and_only_of_the_class() -> None:
    likeness = np.array([0.9, 0.2, np.nan, 0.2, -0.5, 0.1])
    labels = np.array([0, 0, 0, 0, 1, -1])
    assert most_changed(likeness, labels, 0).tolist() == [1, 3, 0]
    assert most_changed(likeness, labels, 2).tolist() == []
