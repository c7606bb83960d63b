"""Remove and Retrain: exactly so many pixels go, what stands for them is what the papers say, and the grid keeps its cells."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve
from scipy.stats import ttest_ind

from app.roar import published
from app.roar.stored import Result
from precompute import models
from precompute.recipe import Training
from precompute.roar import rankings, removal, tables
from precompute.roar.cells import CONTROLS, Cell, removed_count
from precompute.roar.controls import Look
from precompute.roar.retraining import confusion, retrain

SIDE, PATCH = 12, 5


def random_numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape)


# Which pixels go


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_exactly_the_share_is_removed_also_of_maps_full_of_zeros(fraction: float) -> None:
    maps = np.maximum(random_numbers(6, 9, 9) - 0.6, 0)  # a rectified map: most of it is exactly zero
    maps[0] = 0
    places = torch.from_numpy(removal.ranks(maps, random_numbers(6, 9, 9, seed=1)).astype(np.int32))
    mask = removal.removed(places, fraction)
    assert mask.shape == (6, 1, 9, 9)
    assert mask.sum((1, 2, 3)).tolist() == [round(fraction * 81)] * 6
    gone, left = maps[mask[:, 0].numpy()].reshape(6, -1), maps[~mask[:, 0].numpy()].reshape(6, -1)
    assert (gone.min(1) >= left.max(1)).all()


def test_ties_are_drawn_by_their_numbers_alone() -> None:
    flat = np.zeros((2, 8, 8))
    one, same, other = (removal.ranks(flat, random_numbers(2, 8, 8, seed=seed)) for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()
    assert (np.sort(one.reshape(2, -1)) == np.arange(64)).all()
    assert removal.ranks(np.array([[[np.nan, 1.0], [0.5, -3.0]]]), random_numbers(1, 2, 2))[0].ravel().argmax() == 0


def test_never_all_pixels_go() -> None:
    assert removed_count(0.999, 100) == 99
    assert removed_count(0.1, 784) == 78


# What stands for them


def test_a_pixel_is_removed_from_all_channels_at_once() -> None:
    images = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(2, 1, 6, 6, dtype=torch.bool)
    mask[:, :, 2, 3] = True
    colour = torch.tensor([0.1, 0.2, 0.3])
    found = removal.replaced(images, mask, "mean", colour, seed=0)
    assert (found[:, :, 2, 3] == colour).all()
    assert (found == images).sum() == images.numel() - 6
    shape = removal.replaced(images, mask, "mask", colour, seed=0)
    assert shape.sum() == 6
    blurred = removal.replaced(images, mask, "blur", colour, seed=0)
    assert (blurred != images).sum() <= 6


def slowly_imputed(image: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """ROAD's linear system for one channel, row by row: each hidden pixel is the weighted mean of its neighbours."""
    height, width = image.shape
    places = {(int(y), int(x)): row for row, (y, x) in enumerate(np.argwhere(hidden))}
    matrix, right = lil_matrix((len(places), len(places))), np.zeros(len(places))
    for (y, x), row in places.items():
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                near = (y + down, x + across)
                if (down, across) == (0, 0) or not (0 <= near[0] < height and 0 <= near[1] < width):
                    continue
                weight = 1 / 6 if down == 0 or across == 0 else 1 / 12
                matrix[row, row] += weight
                if near in places:
                    matrix[row, places[near]] -= weight
                else:
                    right[row] += weight * image[near]
    filled = image.copy()
    filled[hidden] = spsolve(matrix.tocsr(), right)
    return filled


@pytest.mark.parametrize("fraction", [0.2, 0.9])
def test_noisy_linear_imputation_solves_the_papers_system(fraction: float) -> None:
    images = torch.rand(3, 2, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    mask = torch.from_numpy(random_numbers(3, 1, 9, 9) < fraction)
    found = images * ~mask + removal.solved(images, mask.double())
    for image in range(3):
        for channel in range(2):
            slow = slowly_imputed(images[image, channel].numpy(), mask[image, 0].numpy())
            np.testing.assert_allclose(found[image, channel], slow, atol=2e-5)
    noisy = removal.replaced(images, mask, "noisy-linear", torch.zeros(2), seed=0)
    away = (noisy - found.clamp(0, 1))[mask.expand_as(images)]
    assert 0.005 < away.std() < 0.02
    assert torch.equal(noisy[~mask.expand_as(images)], images[~mask.expand_as(images)])


# Controls


def look(images: torch.Tensor, seed: int = 0) -> Look:
    draws = random_numbers(len(images), *images.shape[2:], seed=seed)
    return Look(images, draws, torch.full((images.shape[1],), 0.5), torch.full((images.shape[1],), 0.25), (3, 3))


def control(name: str, of: Look) -> np.ndarray:
    return rankings.resolve(CONTROLS[name].function)(of)


def test_controls_are_what_they_say() -> None:
    images = torch.zeros(2, 1, 12, 12)
    images[:, :, :, 6:] = 1.0
    of = look(images)
    edges = control("sobel", of)
    assert edges[0, 5, 5] == edges[0, 5, 6] == pytest.approx(0.5)
    assert edges[0, :, [0, 3, 8, 11]].max() == 0
    assert control("pixel", of)[0, 0, 0] == pytest.approx(2.0)
    centre = control("centre", of)[0]
    assert centre[5:7, 5:7].min() == centre.max() > centre[0, 0] == centre.min()
    assert (control("random", of) == of.draws).all()


def test_a_random_ranking_removes_every_pixel_equally_often() -> None:
    draws = rankings.draws("train", np.arange(2000), 6)
    gone = removal.ranks(draws, draws) < removed_count(0.3, 36)
    share = round(0.3 * 36) / 36
    assert np.abs(gone.mean(0) - share).max() < 4 * np.sqrt(share * (1 - share) / 2000)
    assert (rankings.draws("train", np.array([7]), 6) == draws[7]).all()
    assert (rankings.draws("test", np.array([7]), 6) != draws[7]).any()


def test_blurred_random_maps_are_as_smooth_as_enlarged_ones() -> None:
    coarse = control("random-blurred", look(torch.zeros(40, 1, 12, 12)))
    beside = np.corrcoef(coarse[:, :, 1:].ravel(), coarse[:, :, :-1].ravel())[0, 1]
    assert beside > 0.85
    fine = look(torch.zeros(40, 1, 12, 12)).draws
    assert abs(np.corrcoef(fine[:, :, 1:].ravel(), fine[:, :, :-1].ravel())[0, 1]) < 0.1


# Removing what matters


def patches(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Images of noise with a patch somewhere whose stripes, lying or standing, are the class; and where it is."""
    random = np.random.default_rng(seed)
    images, labels = random.random((count, 1, SIDE, SIDE), np.float32) * 0.4, np.arange(count) % 2
    where = np.zeros((count, SIDE, SIDE))
    for image, label in zip(range(count), labels, strict=True):
        top, left = random.integers(0, SIDE - PATCH + 1, 2)
        stripes = np.tile(np.arange(PATCH) % 2, (PATCH, 1))
        images[image, 0, top : top + PATCH, left : left + PATCH] = stripes if label else stripes.T
        where[image, top : top + PATCH, left : left + PATCH] = 1
    return torch.from_numpy(images), torch.from_numpy(labels), where


def retrained_accuracy(importance: Callable[[np.ndarray, int], np.ndarray], fraction: float, seed: int) -> float:
    """Accuracy on unseen patches after training on images without the pixels that are called important."""
    sets = []
    for split, count in enumerate((320, 200)):
        images, labels, where = patches(count, split)
        places = removal.ranks(importance(where, split), random_numbers(count, SIDE, SIDE, seed=split))
        mask = removal.removed(torch.from_numpy(places.astype(np.int32)), fraction)
        sets.append((removal.replaced(images, mask, "mean", torch.tensor([0.25]), seed=0), labels))
    network = models.build(
        "gap", classes=2, channels=1, size=SIDE, mean=(0.25,), std=(0.25,), options={"width": 8}, seed=seed
    )
    options = Training(optimizer="adam", learning_rate=0.01, epochs=8, batch_size=32, seed=seed)
    retrain(network, *sets[0], options, precision="float32")
    return float(tables.accuracy(confusion(network, *sets[1], 2)))


def test_without_the_patch_that_matters_nothing_is_left_and_random_removal_leaves_enough() -> None:
    fraction = PATCH**2 / SIDE**2 + 0.01
    oracle = retrained_accuracy(lambda where, split: where, fraction, seed=0)
    drawn = [
        retrained_accuracy(lambda where, split: random_numbers(*where.shape, seed=5), fraction, seed) for seed in (0, 1)
    ]
    assert abs(oracle - 0.5) < 0.12  # chance is 0.5; 200 test images scatter by 0.035
    assert min(drawn) > 0.8


def test_a_random_estimator_is_worth_as_much_as_the_random_control() -> None:
    """Welch's interval of 95% for the difference, over three trainings each, where much is lost and not all."""
    fraction, splits = 0.75, ("train", "test")
    orders = (
        lambda where, split: random_numbers(*where.shape, seed=5 + split),
        lambda where, split: rankings.draws(splits[split], np.arange(len(where)), SIDE),
    )
    own, control = ([retrained_accuracy(order, fraction, seed) for seed in range(3)] for order in orders)
    interval = ttest_ind(own, control, equal_var=False).confidence_interval()
    assert interval.low < 0 < interval.high
    assert interval.high - interval.low < 0.4  # narrow enough to tell: without the patch 0.3 less would be left
    assert 0.65 < np.mean(own) < 0.95


# Counting


def test_recall_precision_and_collapse_are_what_they_say() -> None:
    counts = np.array([[8, 2, 0], [1, 9, 0], [0, 4, 6]])
    assert tables.accuracy(counts) == pytest.approx(23 / 30)
    assert tables.recall(counts).tolist() == pytest.approx([0.8, 0.9, 0.6])
    assert tables.precision(counts).tolist() == pytest.approx([8 / 9, 9 / 15, 1.0])
    assert not tables.collapsed(counts)
    constant = np.array([[0, 10, 0], [0, 12, 0], [0, 10, 0]])
    assert tables.collapsed(constant)
    assert np.isnan(tables.precision(constant)[[0, 2]]).all()
    nearly = np.array([[10, 0, 0], [0, 10, 0], [0, 0, 10]]) * 100
    assert not tables.collapsed(nearly)
    mixed = np.array([[3, 3, 4], [3, 4, 3], [3, 4, 3]])  # a third is right: no better than always one class
    assert tables.collapsed(mixed)
    assert tables.collapsed(np.stack([counts, constant])).tolist() == [False, True]


def test_a_training_whose_loss_is_no_number_any_more_counts_as_collapsed() -> None:
    good, cell = np.diag([10, 10, 10]), Cell("random", 0.5, 0, "mean", True)
    assert tables.diverged(np.array([[0.5, 0.1], [0.5, np.nan]])).tolist() == [False, True]
    assert not Result(cell, good, 1.0, np.array([0.5, 0.1]), 1.0).collapsed
    assert Result(cell, good, 1.0, np.array([0.5, np.nan]), 1.0).collapsed
    look = Cell("random", 0.5, 0, "mean", False)
    assert not Result(look, good, np.nan, np.full(2, np.nan), 1.0).collapsed


def test_large_images_are_counted_a_few_at_a_time() -> None:
    sizes: list[int] = []

    class Noting(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            sizes.append(len(images))
            return images.mean((2, 3))

    images = torch.zeros(25, 3, 224, 224)
    assert confusion(Noting(), images, torch.zeros(25, dtype=torch.int64), 3)[0, 0] == 25
    assert sum(sizes) == 25 and max(sizes) <= 10


def test_deviations_are_divided_by_the_number_of_trainings() -> None:
    assert tables.deviation(np.array([1.0, 3.0])) == 1.0
    assert tables.mean(np.array([[1.0, np.nan], [3.0, np.nan]])).tolist() == pytest.approx([2.0, np.nan], nan_ok=True)
    assert np.isnan(tables.mean(np.zeros(0)))


def test_the_reports_figures_follow_of_each_other() -> None:
    np.testing.assert_allclose(100 * published.accuracy("random"), [98.7, 97.8, 96.4, 91.0, 75.7], atol=0.06)
    assert 100 * published.accuracy("integrated-gradients")[-1] == pytest.approx(11.35)  # the largest class alone
    for values in published.RECALL.values():
        fifths = np.array(values) * 5
        np.testing.assert_allclose(fifths, fifths.round(), atol=1e-9)  # means of five whole percentages
    four = np.array([92.75] * 4 + [0.0])  # what 74.2 ± 37.1 is made of, with ddof 0 and not with 1
    assert tables.mean(four) == pytest.approx(74.2)
    assert tables.deviation(four) == pytest.approx(37.1)
