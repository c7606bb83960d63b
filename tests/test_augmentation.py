"""Random augmentation against slow loops, colorsys, and the properties each change must have."""

import colorsys
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
import torch

from precompute.augmentation import augment, brightness, contrast, hue, saturation
from precompute.recipe import Augmentation


@dataclass(frozen=True)
class Choice:
    shift: float = 0
    flip: bool = False
    flip_vertical: bool = False
    rotate: float = 0
    scale: float = 1
    brightness: float = 0
    contrast: float = 0
    saturation: float = 0
    hue: float = 0
    erase: float = 0


NOTHING = Choice()
EVERYTHING = Choice(0.1, True, True, 20, 0.5, 0.3, 0.3, 0.3, 0.1, 0.5)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(40, 3, 16, 16, generator=generator(7))


def test_nothing_asked_for_changes_nothing(images):
    assert torch.equal(augment(images, NOTHING, generator(), 16), images)
    assert torch.equal(augment(images, Augmentation(), generator(), 16), images)


def test_larger_images_are_cut_at_their_centre(images):
    assert torch.equal(augment(images, NOTHING, generator(), 12), images[:, :, 2:14, 2:14])


def test_bytes_become_shares_of_one():
    pixels = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8, generator=generator())
    for choice in (NOTHING, Choice(shift=0.25), Choice(rotate=10), EVERYTHING):
        floats = augment(pixels.float() / 255, choice, generator(), 8)
        torch.testing.assert_close(augment(pixels, choice, generator(), 8), floats)


def mirrored(position: int, side: int) -> int:
    """The pixel that a position beyond the border shows, the border pixel itself not repeated."""
    while not 0 <= position < side:
        position = -position if position < 0 else 2 * (side - 1) - position
    return position


@pytest.mark.parametrize(("size", "share"), [(16, 0.25), (12, 0.25), (12, 0.5)])
def test_a_shift_is_some_whole_move_of_the_mirrored_image(images, size, share):
    shifted = augment(images[:, :1], Choice(shift=share), generator(), size)[:, 0].numpy()
    reach, margin, moves = round(share * size), (16 - size) // 2, set()
    for before, after in zip(images[:, 0].numpy(), shifted, strict=True):
        moved = {}
        for move in product(range(-reach, reach + 1), repeat=2):
            rows, columns = ([mirrored(place + margin + step, 16) for place in range(size)] for step in move)
            moved[move] = before[rows][:, columns]
        hits = [move for move, expected in moved.items() if np.array_equal(after, expected)]
        assert len(hits) == 1
        moves.add(hits[0])
    assert len(moves) > 10


def test_half_of_the_images_are_flipped():
    images = torch.rand(2000, 1, 4, 4, generator=generator())
    flipped = augment(images, Choice(flip=True), generator(), 4)
    mirrored_ones = (flipped == images.flip(3)).all((1, 2, 3))
    same = (flipped == images).all((1, 2, 3))
    assert (mirrored_ones ^ same).all()
    assert 0.45 < mirrored_ones.float().mean() < 0.55
    upside_down = augment(images, Choice(flip_vertical=True), generator(), 4)
    assert ((upside_down == images.flip(2)).all((1, 2, 3)) | (upside_down == images).all((1, 2, 3))).all()


def test_rotation_keeps_a_disc_and_moves_a_bar():
    y, x = torch.meshgrid(torch.arange(33) - 16.0, torch.arange(33) - 16.0, indexing="ij")
    disc = torch.sigmoid(10 - (y**2 + x**2).sqrt())[None, None].repeat(20, 1, 1, 1)
    inside = (y**2 + x**2).sqrt() < 15  # the corners show the mirrored disc
    turned = augment(disc, Choice(rotate=180), generator(), 33)
    torch.testing.assert_close(turned[..., inside], disc[..., inside], atol=0.06, rtol=0)
    bar = (x.abs() < 2).float()[None, None].repeat(20, 1, 1, 1)
    turned = augment(bar, Choice(rotate=30), generator(), 33)
    upright = (turned * bar).sum((1, 2, 3)) / bar.sum((1, 2, 3))
    assert upright.min() < 0.8 < upright.max()


def test_a_rotated_line_has_the_angle_that_was_drawn():
    y, x = torch.meshgrid(torch.arange(65) - 32.0, torch.arange(65) - 32.0, indexing="ij")
    line = torch.exp(-(x**2) / 4)[None, None].repeat(30, 1, 1, 1)
    turned = augment(line, Choice(rotate=40), generator(), 65)[:, 0, 17:48, 17:48]
    y, x = y[17:48, 17:48], x[17:48, 17:48]
    drawn = (torch.rand(30, generator=generator()) * 2 - 1) * 40
    slope = torch.atan((turned * x * y).sum((1, 2)) / (turned * y * y).sum((1, 2))).rad2deg()
    torch.testing.assert_close(slope.abs(), drawn.abs(), atol=2.5, rtol=0.05)


def test_a_random_crop_is_a_straight_enlargement():
    ramp = torch.linspace(0, 1, 32).expand(50, 1, 32, 32)  # grows from left to right
    crops = augment(ramp, Choice(scale=0.25), generator(), 32)
    torch.testing.assert_close(crops, crops[:, :, :1].expand_as(crops))  # rows stay alike
    steps = crops[:, 0, 0, 2:-2].diff(dim=1)
    torch.testing.assert_close(steps, steps[:, :1].expand_as(steps), atol=1e-4, rtol=1e-3)
    share = steps.mean(1) * 31  # width of the crop
    assert 0.4 < share.min() < 0.6 and share.max() <= 1.001
    assert crops.mean((1, 2, 3)).std() > 0.05  # not always the centre


def test_hue_is_the_turn_that_colorsys_makes():
    colours = torch.rand(6, 3, 2, 5, generator=generator())
    colours[0, :, 0, 0] = 0.4  # a grey has no hue
    turns = torch.tensor([0.0, 0.1, -0.3, 0.5, -0.5, 0.24])
    turned = hue(colours, turns)
    for image in range(6):
        for y in range(2):
            for x in range(5):
                h, s, v = colorsys.rgb_to_hsv(*colours[image, :, y, x].tolist())
                expected = colorsys.hsv_to_rgb((h + turns[image].item()) % 1, s, v)
                np.testing.assert_allclose(turned[image, :, y, x], expected, atol=1e-5)


def test_grey_images_have_no_hue_and_no_saturation():
    images = torch.rand(4, 1, 5, 5, generator=generator())
    assert torch.equal(augment(images, Choice(hue=0.5, saturation=0), generator(), 5), images)
    torch.testing.assert_close(augment(images, Choice(saturation=1), generator(), 5), images)


def test_colour_changes_have_their_fixed_points(images):
    one, zero = torch.ones(40), torch.zeros(40)
    for change in (brightness, contrast, saturation):
        torch.testing.assert_close(change(images, one), images)
    assert not brightness(images, zero).any()
    grey = (images * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    torch.testing.assert_close(saturation(images, zero), grey.expand_as(images))
    flat = contrast(images, zero)
    torch.testing.assert_close(flat, grey.mean((1, 2, 3), keepdim=True).expand_as(images))


def test_brightness_stays_within_its_range():
    images = torch.full((500, 1, 2, 2), 0.5)
    values = augment(images, Choice(brightness=0.4), generator(), 2)[:, 0, 0, 0]
    assert 0.3 <= values.min() < 0.32 and 0.68 < values.max() <= 0.7


def test_erasing_hides_one_rectangle_in_some_images():
    images = torch.rand(400, 3, 20, 20, generator=generator())
    erased = augment(images, Choice(erase=0.5), generator(), 20)
    changed = (erased != images).any(1)  # (N, 20, 20)
    hidden = changed.any((1, 2))
    assert 0.4 < hidden.float().mean() < 0.6
    for mask, image, before in zip(changed[hidden], erased[hidden], images[hidden], strict=True):
        rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all() and mask.sum() == len(rows) * len(
            columns
        )
        assert mask.float().mean() < 0.4
        torch.testing.assert_close(image[:, rows[0], columns[0]], before.mean((1, 2)))
    assert (augment(images, Choice(erase=1), generator(), 20) != images).any(1).any((1, 2)).float().mean() > 0.95


def test_the_same_generator_gives_the_same_images(images):
    first = augment(images, EVERYTHING, generator(3), 14)
    assert torch.equal(first, augment(images, EVERYTHING, generator(3), 14))
    assert not torch.equal(first, augment(images, EVERYTHING, generator(4), 14))
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    augment(images, EVERYTHING, generator(3), 14)
    assert torch.equal(before, torch.random.get_rng_state())  # the global generator is left alone


@pytest.mark.parametrize("name", list(Choice.__dataclass_fields__))
def test_every_change_keeps_shape_and_range_and_does_something(images, name):
    choice = replace(NOTHING, **{name: getattr(EVERYTHING, name)})
    changed = augment(images, choice, generator(), 14)
    assert changed.shape == (40, 3, 14, 14) and changed.dtype == torch.float32
    assert changed.min() >= 0 and changed.max() <= 1
    assert not torch.equal(changed, images[:, :, 1:15, 1:15])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_gives_the_same_images(images):
    torch.testing.assert_close(
        augment(images.cuda(), EVERYTHING, generator(), 14).cpu(),
        augment(images, EVERYTHING, generator(), 14),
        atol=1e-4,
        rtol=0,
    )
