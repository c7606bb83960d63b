"""The transforms of the Testing view against closed forms, slow float64 loops, and the properties each must have."""

import math

import pytest
import torch
from torch import Tensor, nn

from precompute import transforms
from precompute.catalogue import CHANGES, TRANSFORMS
from precompute.edits import CORNERS, FILLS, ORDER, Edits, edits, unpacked
from precompute.models import Normalize
from precompute.transforms import blur, fgsm, hue, noise, removed, rotation, transformed
from store.errors import BadInput

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here"))]


@pytest.fixture(params=[1, 3], ids=["grey", "colour"])
def images(request: pytest.FixtureRequest) -> Tensor:
    return torch.rand(4, request.param, 12, 12, generator=torch.Generator().manual_seed(0))


def all_at(count: int, **amounts: float) -> dict[str, Tensor]:
    return {name: torch.full((count,), value) for name, value in amounts.items()}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_identity_gives_the_very_same_values(images: Tensor, name: str) -> None:
    assert torch.equal(transformed(images, all_at(4, **{name: TRANSFORMS[name].identity}), Edits()), images)


def test_nothing_at_all_gives_the_very_same_values(images: Tensor) -> None:
    everything = {name: item.identity for name, item in TRANSFORMS.items()}
    assert torch.equal(transformed(images, all_at(4, **everything), Edits()), images)
    assert torch.equal(transformed(images, {}, Edits()), images)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_rows_are_changed_each_by_its_own_number(images: Tensor, name: str) -> None:
    item = TRANSFORMS[name]
    values = torch.tensor([item.low, item.identity, (item.identity + item.high) / 2, item.high])
    together = transformed(images, {name: values}, Edits())
    assert torch.equal(together[1], images[1])
    for row in range(4):
        alone = transformed(images[row : row + 1], {name: values[row : row + 1]}, Edits())
        torch.testing.assert_close(alone[0], together[row], atol=1e-6, rtol=0)
    assert together.min() >= 0 and together.max() <= 1


@pytest.mark.parametrize("device", DEVICES)
def test_a_gpu_gives_the_same_images(device: str) -> None:
    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    amounts = all_at(3, rotation=33.0, hue=40.0, contrast=1.4, blur=4.0, noise=10.0)
    how = Edits(region=(0.1, 0.2, 0.5, 0.6), fill="blur")
    torch.testing.assert_close(
        transformed(images.to(device), amounts, how).cpu(), transformed(images, amounts, how), atol=1e-4, rtol=0
    )


# Geometry


@pytest.mark.parametrize("corners", CORNERS)
@pytest.mark.parametrize("quarters", [-2, -1, 1, 2])
def test_quarter_turns_are_exact(images: Tensor, quarters: int, corners: str) -> None:
    turned = rotation(images, torch.full((4,), 90.0 * quarters), corners)
    assert torch.equal(turned, torch.rot90(images, quarters, (2, 3)))


def slowly_rotated(image: Tensor, degrees: float, corners: str) -> Tensor:
    """(H, W) float64 counter-clockwise, pixel by pixel: where was it before, and what lies around that place?"""
    side = image.shape[0]
    centre, angle = (side - 1) / 2, math.radians(degrees)

    def at(row: int, column: int) -> float:
        if corners == "black" and not (0 <= row < side and 0 <= column < side):
            return 0.0
        return float(image[mirrored(row, side), mirrored(column, side)])

    found = torch.zeros_like(image)
    for row in range(side):
        for column in range(side):
            x, y = column - centre, centre - row  # y upwards
            before_x, before_y = (
                x * math.cos(angle) + y * math.sin(angle),
                y * math.cos(angle) - x * math.sin(angle),
            )
            where_row, where_column = centre - before_y, centre + before_x
            up, left = math.floor(where_row), math.floor(where_column)
            down, right = where_row - up, where_column - left
            found[row, column] = (
                (1 - down) * (1 - right) * at(up, left)
                + (1 - down) * right * at(up, left + 1)
                + down * (1 - right) * at(up + 1, left)
                + down * right * at(up + 1, left + 1)
            )
    return found


def mirrored(place: int, side: int) -> int:
    """The pixel a place beyond the border shows; the mirror is the border pixel's outer edge."""
    while not 0 <= place < side:
        place = -1 - place if place < 0 else 2 * side - 1 - place
    return place


@pytest.mark.parametrize("corners", CORNERS)
@pytest.mark.parametrize("degrees", [10.0, -30.0, 44.0, 45.0, 100.0, -170.0])
def test_rotation_is_what_a_slow_loop_gives(degrees: float, corners: str) -> None:
    images = torch.rand(1, 1, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    found = rotation(images, torch.tensor([degrees], dtype=torch.float64), corners)[0, 0]
    torch.testing.assert_close(found, slowly_rotated(images[0, 0], degrees, corners), atol=1e-9, rtol=0)


def test_flips_are_their_own_inverse(images: Tensor) -> None:
    for name, axis in (("flip_horizontal", 3), ("flip_vertical", 2)):
        flipped = transformed(images, all_at(4, **{name: 1.0}), Edits())
        assert torch.equal(flipped, images.flip(axis))
        assert torch.equal(transformed(flipped, all_at(4, **{name: 1.0}), Edits()), images)


# Colour, blur, noise


def test_a_full_turn_of_hue_comes_back() -> None:
    images = torch.rand(2, 3, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(hue(images, torch.full((2,), 360.0)), images, atol=1e-9, rtol=0)
    there_and_back = hue(hue(images, torch.full((2,), 70.0)), torch.full((2,), -70.0))
    torch.testing.assert_close(there_and_back, images, atol=1e-9, rtol=0)
    red = torch.tensor([1.0, 0, 0])[None, :, None, None]
    assert torch.equal(hue(red, torch.tensor([120.0])).flatten(), torch.tensor([0.0, 1, 0]))


def test_blur_is_the_sum_that_defines_it() -> None:
    image = torch.rand(1, 1, 7, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    deviation = 0.2 * 7
    found = blur(image, torch.tensor([20.0], dtype=torch.float64))[0, 0]
    for row in range(7):
        for column in range(7):
            total = weights = 0.0
            for y in range(7):
                for x in range(7):
                    weight = math.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * deviation**2))
                    total, weights = total + weight * float(image[0, 0, y, x]), weights + weight
            assert float(found[row, column]) == pytest.approx(total / weights, abs=1e-12)


def test_blur_keeps_what_is_flat_and_noise_has_its_deviation() -> None:
    flat = torch.full((2, 3, 64, 64), 0.5)
    torch.testing.assert_close(blur(flat, torch.tensor([1.0, 10.0])), flat)
    noisy = noise(flat, torch.tensor([5.0, 10.0]), seed=7) - 0.5
    torch.testing.assert_close(noisy[1], 2 * noisy[0], atol=1e-6, rtol=0)  # one pattern at every strength
    assert float(noisy[1].std()) == pytest.approx(0.1, rel=0.05)
    assert torch.equal(noise(flat, torch.tensor([5.0, 10.0]), seed=7) - 0.5, noisy)
    assert not torch.equal(noise(flat, torch.tensor([5.0, 10.0]), seed=8) - 0.5, noisy)


@pytest.mark.parametrize("fill", FILLS)
def test_a_region_is_removed_and_nothing_else(images: Tensor, fill: str) -> None:
    found = removed(images, (0.25, 0.5, 0.75, 1.0), fill)
    inside = torch.zeros(12, 12, dtype=torch.bool)
    inside[6:, 3:9] = True
    assert torch.equal(found[..., ~inside], images[..., ~inside])
    expected = {
        "mean": images.mean((2, 3), keepdim=True).expand_as(images),
        "black": torch.zeros_like(images),
        "blur": blur(images, torch.full((4,), transforms.CONCEALING)),
    }[fill]
    torch.testing.assert_close(found[..., inside], expected[..., inside])


def test_the_order_is_the_table_s(images: Tensor) -> None:
    """Region first, then rotation, then brightness: a removed corner has moved, and is black before it is brightened."""
    how = Edits(region=(0.0, 0.0, 0.5, 0.5), fill="black")
    found = transformed(images, all_at(4, rotation=90.0, brightness=2.0), how)
    expected = (torch.rot90(removed(images, how.region, "black"), 1, (2, 3)) * 2).clamp(0, 1)
    assert torch.equal(found, expected)
    places = [ORDER.index(item.title.lower()) for item in TRANSFORMS.values()]
    assert places == sorted(places) and ORDER.index("region") < places[0] and ORDER.index("FGSM") > places[-1]


def test_every_curve_has_the_identity_and_both_ends() -> None:
    for item in CHANGES.values():
        points = item.points()
        assert {item.low, item.identity, item.high} <= set(points) and list(points) == sorted(points)
        assert len(points) == (2 if item.binary else 17)


# Edits as they are exchanged


def test_edits_come_back_as_they_were_sent() -> None:
    import json
    from dataclasses import asdict

    made = edits({"hue": 30, "rotation": 10.5, "blur": 0}, (0.1, 0.2, 0.3, 0.4), fill="black", seed=3, attacked=2)
    assert made.settings == (("rotation", 10.5), ("hue", 30.0)) and not made.nothing
    assert unpacked(json.loads(json.dumps(asdict(made)))) == made
    assert made.without("hue").values == {"rotation": 10.5}
    assert edits({"contrast": 1}).nothing


@pytest.mark.parametrize(
    ("values", "options", "words"),
    [
        ({"hue": 500}, {}, "from -180 to 180"),
        ({"hue": math.nan}, {}, "nan"),
        ({"warp": 1}, {}, "No transform"),
        ({}, {"fill": "pink"}, "mean, blur, black"),
        ({}, {"corners": "round"}, "reflect, black"),
        ({}, {"region": (0, 0, 0, 0)}, "no area"),
        ({}, {"seed": -5}, "from 0 to 9999"),
        ({}, {"seed": 10**23}, "from 0 to 9999"),
    ],
)
def test_edits_that_are_none_are_refused(values: dict[str, float], options: dict[str, object], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        edits(values, **options)


# FGSM


class Linear(nn.Module):
    """Pixels, normalised by a mean and a deviation a channel, times a matrix."""

    def __init__(self, weight: Tensor, mean: float = 0.4, std: float = 0.25) -> None:
        super().__init__()
        self.normalize, self.weight = Normalize([mean], [std]), nn.Parameter(weight)

    def forward(self, images: Tensor) -> Tensor:
        return self.normalize(images).flatten(1) @ self.weight.T


def test_fgsm_of_a_linear_model_has_a_closed_form() -> None:
    """dL/dx = W^T (softmax - onehot) / std, so its sign is that of W^T (p - y)."""
    random = torch.Generator().manual_seed(5)
    weight = torch.randn(3, 16, generator=random)
    model, images = Linear(weight), 0.3 + 0.4 * torch.rand(5, 1, 4, 4, generator=random)
    classes, reach = torch.tensor([0, 1, 2, 0, 1]), torch.tensor([0.0, 1, 8, 16, 32])
    found, still = fgsm(model, images, reach, classes)
    chances = model(images).softmax(1).detach()
    sign = ((chances - torch.eye(3)[classes]) @ weight).sign().view_as(images)
    expected = (images + reach[:, None, None, None] / 255 * sign).clamp(0, 1)
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=0)
    assert torch.equal(found[0], images[0]) and not still.any()
    loss = nn.functional.cross_entropy
    before, after = (loss(model(item), classes, reduction="none") for item in (images, found))
    assert (after[1:] > before[1:]).all()


@pytest.mark.parametrize("reach", [0.5, 1.0, 8.0, 32.0])
def test_fgsm_never_goes_beyond_its_reach_nor_out_of_range(reach: float) -> None:
    random = torch.Generator().manual_seed(6)
    images = torch.rand(6, 1, 8, 8, generator=random).round(decimals=1)  # 0 and 1 among them
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found, _ = fgsm(model, images, torch.full((6,), reach), torch.arange(6) % 3)
    assert float((found - images).abs().max()) <= reach / 255 + 1e-7
    assert found.min() >= 0 and found.max() <= 1
    assert model.training and all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_confident_network_still_has_a_gradient_and_a_dead_one_says_so() -> None:
    weight = torch.zeros(2, 16)
    weight[0] = 100.0  # logits hundreds apart: softmax is exactly 1
    _, still = fgsm(Linear(weight), torch.full((1, 1, 4, 4), 0.5), torch.tensor([8.0]), torch.tensor([0]))
    assert still.tolist() == [0.0]
    images = torch.full((1, 1, 4, 4), 0.5)
    found, still = fgsm(Linear(torch.zeros(2, 16)), images, torch.tensor([8.0]), torch.tensor([0]))
    assert still.tolist() == [1.0] and torch.equal(found, images)


def test_equal_images_are_differentiated_once() -> None:
    seen: list[int] = []
    model = Linear(torch.randn(3, 16))
    model.register_forward_hook(lambda *said: seen.append(len(said[1][0])))
    fgsm(model, torch.rand(1, 1, 4, 4).expand(9, -1, -1, -1), torch.arange(9.0), torch.zeros(9, dtype=torch.int64))
    assert seen == [1]


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_batch_changed_by_one_number_is_each_of_it_changed(images: Tensor, name: str) -> None:
    """What is computed once for all of them where they are alike."""
    item = TRANSFORMS[name]
    for value in (item.low, item.low + 0.4 * (item.high - item.low), item.high):
        together = transformed(images, all_at(4, **{name: value}), Edits())
        mixed = torch.tensor([value, value, value, item.identity])
        torch.testing.assert_close(transformed(images, {name: mixed}, Edits())[:3], together[:3], atol=1e-6, rtol=0)
