"""Patterns against brute force over all subsets of layers, hand examples, real shuffles and scipy."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from precompute import mining, significance
from precompute.closed import gapped
from precompute.mining import CLOSED, CONTIGUOUS, MAXIMAL, NONE, Patterns, contiguous

Row = tuple[int, ...]


def sequences(*, images: int = 30, layers: int = 5, filters: int = 3) -> st.SearchStrategy[np.ndarray]:
    shape = st.tuples(st.integers(1, images), st.integers(1, layers))
    return shape.flatmap(lambda shape: arrays.arrays(np.int16, shape, elements=st.integers(-1, filters - 1)))


def mixture(count: int, layers: int = 9, filters: int = 12, seed: int = 0) -> np.ndarray:
    """Noisy copies of a few prototypes."""
    random = np.random.default_rng(seed)
    kind = random.integers(0, 15, count)
    clean = random.integers(0, filters, (15, layers))[kind]
    noise = (filters * random.power(0.5, (count, layers))).astype(int)
    return np.where(random.random((count, layers)) < 0.4, noise, clean).astype(np.int16)


def every(rows: np.ndarray, support: int, *, windows: bool) -> dict[Row, frozenset[int]]:
    """All frequent patterns of at least one layer and their images, by trying each subset of layers."""
    found: dict[Row, frozenset[int]] = {}
    layers = rows.shape[1]
    for length in range(1, layers + 1):
        for chosen in combinations(range(layers), length):
            if windows and chosen[-1] - chosen[0] >= length:
                continue
            for filters in np.unique(rows[:, chosen], axis=0):
                images = frozenset(np.flatnonzero((rows[:, chosen] == filters).all(1)).tolist())
                if len(images) >= support and (filters >= 0).all():
                    pattern = np.full(layers, NONE)
                    pattern[list(chosen)] = filters
                    found[tuple(pattern.tolist())] = images
    return found


def inside(one: Row, other: Row) -> bool:
    """Whether `other` is longer than `one` and contains it."""
    return one != other and all(mine in (NONE, theirs) for mine, theirs in zip(one, other, strict=True))


def by_hand(rows: np.ndarray, support: int, length: int, *, windows: bool) -> dict[Row, tuple[int, bool]]:
    """The closed ones of all those: support, and whether maximal."""
    all_of_them, found = every(rows, support, windows=windows), {}
    for pattern, images in all_of_them.items():
        longer = [other for other in all_of_them if inside(pattern, other)]
        if sum(item != NONE for item in pattern) >= length and all(all_of_them[other] != images for other in longer):
            found[pattern] = (len(images), not longer)
    return found


def listed(patterns: Patterns) -> dict[Row, tuple[int, bool]]:
    rows = map(tuple, patterns.filters.tolist())
    return {
        row: (int(n), bool(kind & MAXIMAL)) for row, n, kind in zip(rows, patterns.support, patterns.kind, strict=True)
    }


# The paper's own threshold


@pytest.mark.parametrize("mine", [contiguous, gapped])
@pytest.mark.parametrize(("images", "patterns"), [(5, 1), (4, 0)])
def test_five_images_that_share_two_filters_make_one_pattern_and_four_none(mine, images: int, patterns: int) -> None:
    """Layer 2 filter 7, layer 3 filter 1; elsewhere every image has filters of its own."""
    rows = np.arange(10, 10 + 4 * 9).reshape(9, 4)
    rows[:images, 2:] = 7, 1
    found = mine(rows.astype(np.int16))
    assert len(found) == patterns
    if patterns:
        assert found.filters.tolist() == [[NONE, NONE, 7, 1]] and found.support.tolist() == [5]
        assert mining.having(rows, found.filters[0]).tolist() == [0, 1, 2, 3, 4]


def test_a_pattern_that_skips_a_layer_is_gapped_and_not_contiguous() -> None:
    rows = np.array([[1, number, 2] for number in range(5)], np.int16)
    assert len(contiguous(rows)) == 0
    assert gapped(rows).filters.tolist() == [[1, NONE, 2]]


def test_a_longer_pattern_with_the_same_images_is_the_only_one() -> None:
    rows = np.array([[1, 2, 3]] * 5 + [[4, 2, 3]] * 2, np.int16)
    found = contiguous(rows)
    assert listed(found) == {(1, 2, 3): (5, True), (NONE, 2, 3): (7, False)}
    assert found.support.tolist() == [7, 5] and found.kind.tolist() == [CONTIGUOUS, CONTIGUOUS | MAXIMAL]


def test_layers_in_which_nothing_answers_are_in_no_pattern() -> None:
    rows = np.array([[1, NONE, 2, 3]] * 6, np.int16)
    assert contiguous(rows).filters.tolist() == [[NONE, NONE, 2, 3]]
    assert gapped(rows).filters.tolist() == [[1, NONE, 2, 3]]
    for mine in (contiguous, gapped):
        assert len(mine(np.full((6, 3), NONE, np.int16))) == 0 == len(mine(np.empty((0, 3), np.int16)))


# Against brute force


@settings(max_examples=60, deadline=None)
@given(sequences(), st.integers(1, 5), st.integers(1, 3))
def test_mining_finds_just_what_brute_force_finds(rows: np.ndarray, support: int, length: int) -> None:
    for windows, mine in ((True, contiguous), (False, gapped)):
        found = mine(rows, support, length)
        assert listed(found) == by_hand(rows, support, length, windows=windows)
        assert len(np.unique(found.filters, axis=0)) == len(found), "each once"
        length_of = (found.filters != NONE).sum(1)
        order = list(zip(-found.support, -length_of, map(tuple, found.filters.tolist()), strict=True))
        assert order == sorted(order), "the most frequent first, then the longest"


@pytest.mark.parametrize("mine", [contiguous, gapped])
def test_many_images_and_layers(mine, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than are extended at once, and in another order the same."""
    rows = mixture(500, 5)
    whole = mine(rows)
    assert listed(whole) == by_hand(rows, 5, 2, windows=mine is contiguous) and len(whole) > 100
    monkeypatch.setattr("precompute.closed.ROWS_AT_ONCE", 50)
    monkeypatch.setattr("precompute.closed.BINS_AT_ONCE", 300)
    again = mine(rows[::-1])
    np.testing.assert_array_equal(again.filters, whole.filters)
    np.testing.assert_array_equal(again.kind, whole.kind)


@pytest.mark.parametrize("most", [1, 40, 300, 10**6])
def test_the_most_frequent_are_found_without_the_others(most: int) -> None:
    rows = mixture(900)
    whole, first = gapped(rows), gapped(rows, most=most)
    assert len(whole) > 1000
    for name in ("filters", "support", "kind"):
        np.testing.assert_array_equal(getattr(first, name), getattr(whole, name)[:most])


def test_image_sets_are_those_of_brute_force() -> None:
    rows = mixture(300, 5)
    truth = every(rows, 5, windows=False)
    found = mining.joined(contiguous(rows), gapped(rows))
    labels = np.arange(300) % 4 - 1  # some unlabelled
    counts, table = mining.by_class(rows, found.filters, labels, 3), mining.matches(rows, found.filters)
    for number, row in enumerate(map(tuple, found.filters.tolist())):
        images = sorted(truth[row])
        assert mining.having(rows, found.filters[number]).tolist() == images == np.flatnonzero(table[number]).tolist()
        assert found.support[number] == len(images)
        assert counts[number].tolist() == [sum(labels[image] == label for image in images) for label in range(3)]


def test_class_pies_sum_to_the_support(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mining, "BLOCK_BYTES", 2000)
    rows = mixture(400)
    found = contiguous(rows)
    counts = mining.by_class(rows, found.filters, np.arange(400) % 7, 7)
    np.testing.assert_array_equal(counts.sum(1), found.support)


def test_both_kinds_in_one_list() -> None:
    rows = mixture(300, 5)
    windows, skipping = contiguous(rows), gapped(rows)
    found = mining.joined(windows, skipping)
    kinds = {row: int(kind) for row, kind in zip(map(tuple, found.filters.tolist()), found.kind, strict=True)}
    assert set(kinds) == set(listed(windows)) | set(listed(skipping))
    for row, kind in kinds.items():
        assert bool(kind & CONTIGUOUS) == (row in listed(windows)) and bool(kind & CLOSED) == (row in listed(skipping))
        source = skipping if kind & CLOSED else windows
        assert bool(kind & MAXIMAL) == listed(source)[row][1]
    assert any(kind & CONTIGUOUS and kind & CLOSED for kind in kinds.values())


# Questions about them


PATTERNS = np.array([[1, 2, NONE], [NONE, 2, 3], [1, NONE, 3], [4, NONE, NONE]], np.int16)


def test_patterns_of_images() -> None:
    rows = np.array([[1, 2, 3], [1, 2, 0], [0, 2, 3]], np.int16)
    assert mining.of_images(PATTERNS, rows[:1]).tolist() == [0, 1, 2]
    assert mining.of_images(PATTERNS, rows).tolist() == []
    assert mining.of_images(PATTERNS, rows, share=0.5).tolist() == [0, 1]
    assert mining.of_images(PATTERNS, rows, share=0).tolist() == [0, 1, 2], "none that no image has"
    assert mining.of_images(PATTERNS, rows[:0]).tolist() == []


def test_patterns_of_filters() -> None:
    assert mining.of_filters(PATTERNS, [(1, 2)]).tolist() == [0, 1]
    assert mining.of_filters(PATTERNS, [(1, 2), (2, 3)]).tolist() == [1, 0, 2]
    assert mining.of_filters(PATTERNS, [(0, 9)]).tolist() == []


def test_an_edit_loses_and_gains_patterns() -> None:
    before, after = np.array([1, 2, 3]), np.array([4, 2, 3])
    lost, gained = mining.lost_and_gained(PATTERNS, before, after)
    assert lost.tolist() == [0, 2] and gained.tolist() == [3]
    assert mining.parted(before, after) == 0 and mining.parted(before, before) is None
    assert mining.parted(before, np.array([1, 2, NONE])) == 2


# Chance


def test_lift_is_one_where_layers_are_independent() -> None:
    rows = np.array([[a, b] for a in range(3) for b in range(4)] * 5, np.int16)
    found = contiguous(rows)
    assert len(found) == 12
    np.testing.assert_allclose(significance.lift(rows, found.filters, found.support), 1)


def test_lift_is_support_over_the_product_of_shares() -> None:
    rows = np.array([[0, 0, 5]] * 6 + [[0, 1, 6]] * 2 + [[2, 0, 7]] * 4, np.int16)
    (lift,) = significance.lift(rows, np.array([[0, 0, NONE]], np.int16), np.array([6]))
    assert lift == pytest.approx(6 / (12 * (8 / 12) * (10 / 12)))


def test_a_p_value_of_two_layers_is_that_of_fisher() -> None:
    """The support of two shuffled columns is hypergeometric."""
    rows = np.array([[0, 0]] * 12 + [[0, 1]] * 13 + [[1, 0]] * 8 + [[1, 1]] * 27, np.int16)
    found = contiguous(rows)
    chance = significance.p_values(rows, found.filters, found.support, permutations=9999, seed=0)
    for filters, support, value in zip(found.filters, found.support, chance, strict=True):
        one, other = (rows == filters).sum(0)
        assert value == pytest.approx(stats.hypergeom.sf(support - 1, 60, one, other), abs=0.015)


def test_p_values_are_those_of_real_shuffles() -> None:
    """With layers in which some images have no filter, and patterns of three layers."""
    random = np.random.default_rng(1)
    rows = mixture(150, 3, 3)
    rows[:20, 1] = NONE
    found = gapped(rows, 5)
    reached = np.zeros(len(found))
    for _ in range(1500):
        shuffled = np.stack([random.permutation(column) for column in rows.T], 1)
        reached += mining.matches(shuffled, found.filters).sum(1) >= found.support
    chance = significance.p_values(rows, found.filters, found.support, permutations=1500, seed=2)
    np.testing.assert_allclose(chance, (reached + 1) / 1501, atol=0.06)
    assert ((found.filters != NONE).sum(1) == 3).any() and 0.05 < np.median(chance) < 0.95


def test_no_p_value_is_zero_and_without_shuffles_there_is_none() -> None:
    rows = np.array([[number % 10] * 4 for number in range(200)], np.int16)
    found = contiguous(rows)
    chance = significance.p_values(rows, found.filters, found.support, permutations=199, seed=0)
    np.testing.assert_allclose(chance, 1 / 200)
    again = significance.p_values(rows, found.filters, found.support, permutations=199, seed=0)
    np.testing.assert_array_equal(chance, again)
    assert np.isnan(significance.p_values(rows, found.filters, found.support, permutations=0, seed=0)).all()
