"""Factors of an image against colorsys and slow sums; their histograms and means."""

import colorsys
import math

import numpy as np
import pytest
import torch

from precompute import factors
from precompute.augmentation import brightness, contrast, hue, saturation
from precompute.factors import BINS, FACTORS

IMAGES = torch.rand(3, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_brightness_contrast_and_saturation_are_their_sums() -> None:
    for number, image in enumerate(IMAGES.permute(0, 2, 3, 1).reshape(3, 64, 3).tolist()):
        lumas = [0.299 * r + 0.587 * g + 0.114 * b for r, g, b in image]
        mean = math.fsum(lumas) / 64
        assert float(factors.brightness(IMAGES)[number]) == pytest.approx(mean)
        deviation = math.sqrt(math.fsum((luma - mean) ** 2 for luma in lumas) / 64)
        assert float(factors.contrast(IMAGES)[number]) == pytest.approx(deviation)
        chroma = math.fsum(s * v for _, s, v in (colorsys.rgb_to_hsv(*pixel) for pixel in image)) / 64
        assert float(factors.saturation(IMAGES)[number]) == pytest.approx(chroma)


def test_hue_is_the_circular_mean_of_hsv_weighted_by_saturation_times_value() -> None:
    for number, image in enumerate(IMAGES.permute(0, 2, 3, 1).reshape(3, 64, 3).tolist()):
        pixels = [colorsys.rgb_to_hsv(*pixel) for pixel in image]
        x, y = (math.fsum(s * v * turn(2 * math.pi * h) for h, s, v in pixels) for turn in (math.cos, math.sin))
        assert (
            apart(float(factors.hue(IMAGES)[number]), math.degrees(math.atan2(y, x))) < 10
        )  # noise: the mean is short
    for degrees in (0, 60, 120, 200, 300):
        flat = torch.tensor(colorsys.hsv_to_rgb(degrees / 360, 0.7, 0.9))[None, :, None, None].expand(1, 3, 4, 4)
        assert apart(float(factors.hue(flat)), degrees) < 1.2


def apart(one: float, other: float) -> float:
    return abs((one - other + 180) % 360 - 180)


def test_grey_images_have_no_hue() -> None:
    grey = torch.rand(2, 1, 4, 4).expand(-1, 3, -1, -1)
    assert factors.hue(grey).isnan().all() and factors.hue(grey[:, :1]).isnan().all()
    assert not factors.saturation(grey).any()


def test_the_changes_change_them_as_they_say() -> None:
    soft = 0.4 + 0.2 * IMAGES  # so that nothing is clipped
    half = torch.full((3,), 0.5, dtype=torch.float64)
    for change, measure in (
        (brightness, factors.brightness),
        (contrast, factors.contrast),
        (saturation, factors.saturation),
    ):
        torch.testing.assert_close(measure(change(soft, half)), measure(soft) / 2)
    colour = torch.tensor([0.8, 0.3, 0.2], dtype=torch.float64)[None, :, None, None].expand(1, 3, 4, 4)
    turned = factors.hue(hue(colour, torch.tensor([1 / 3], dtype=torch.float64)))
    assert apart(float(turned), float(factors.hue(colour)) + 120) < 1e-6


def test_histograms_count_every_image_once() -> None:
    found = FACTORS["hue"].counts(np.array([0, 14.9, 359.99, np.nan, 15.0]), np.array([0, 0, 1, 1, 0]), 3)
    assert found.shape == (3, BINS + 1) and found.sum(1).tolist() == [3, 2, 0]
    assert found[0, :2].tolist() == [2, 1] and found[1, [BINS - 1, BINS]].tolist() == [1, 1]
    assert FACTORS["brightness"].counts(np.array([1.0]), np.array([0]), 1)[0, BINS - 1] == 1


def test_means_go_around_the_circle() -> None:
    assert FACTORS["hue"].mean(np.array([[350.0, 90], [20, 270], [np.nan, np.nan]]))[0] == pytest.approx(5)
    assert np.isnan(FACTORS["hue"].mean(np.array([90.0, 270])))
    assert FACTORS["contrast"].mean(np.array([[0.1], [np.nan], [0.3]])) == pytest.approx([0.2])
    assert np.isnan(FACTORS["contrast"].mean(np.zeros((0, 2)))).all()
