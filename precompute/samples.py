"""Photographs that come inside packages, for a network that was trained on ImageNet. Nobody has labelled them."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from precompute.datasets import DataSet, Images, in_memory
from precompute.decoding import decode, kept_share, square
from precompute.photographs import IMAGENET
from store.errors import Missing
from store.schema import UNLABELLED

# What a person sees -> package and file. Free of charge and of restrictions but naming those of scikit-learn (CC BY 2.0).
PHOTOGRAPHS = {
    "astronaut Eileen Collins": ("skimage", "data/astronaut.png"),
    "Chelsea the cat": ("skimage", "data/chelsea.png"),
    "cup of coffee": ("skimage", "data/coffee.png"),
    "man with a camera": ("skimage", "data/camera.png"),
    "motorcycle in a workshop": ("skimage", "data/motorcycle_left.png"),
    "rocket at its launch": ("skimage", "data/rocket.jpg"),
    "pavilion in China (danielbuechele, CC BY 2.0)": ("sklearn", "datasets/images/china.jpg"),
    "flower (vultilion, CC BY 2.0)": ("sklearn", "datasets/images/flower.jpg"),
    "clock, blurred by motion": ("skimage", "data/clock_motion.png"),
    "coins from Pompeii": ("skimage", "data/coins.png"),
    "brick wall": ("skimage", "data/brick.png"),
    "grass": ("skimage", "data/grass.png"),
    "gravel": ("skimage", "data/gravel.png"),
    "surface of the moon": ("skimage", "data/moon.png"),
    "galaxies, Hubble deep field": ("skimage", "data/hubble_deep_field.jpg"),
}
# What the weights expect of pixels in [0, 1]: mean and standard deviation, as they were trained.
SCALES = {
    "torchvision": IMAGENET,
    # MEAN_RGB = 127, STDDEV_RGB = 128 of the efficientnet/lite folder of https://github.com/tensorflow/tpu
    "efficientnet-lite": ((127 / 255,) * 3, (128 / 255,) * 3),
}
NOTES = (
    "The classes are ImageNet's 1,000. Some photographs show none of them: there is no class for an astronaut, a rocket or "
    "a motorcycle.",
    "From scikit-image 0.26 and scikit-learn 1.9. china.jpg by danielbuechele and flower.jpg by vultilion, both CC BY 2.0.",
)


def photographs(*, size: int | None = None, scale: str = "torchvision") -> DataSet:
    """15 photographs inside scikit-image and scikit-learn, unlabelled, in the classes of ImageNet; none to train on.

    size: 224 where it is not given, the central 7/8 of the shorter side. scale: a key of SCALES.
    Raises Missing where a package or a file in it is not there.
    """
    side = size or 224
    files = [packaged(*place) for place in PHOTOGRAPHS.values()]
    pixels = np.stack([square(decode(file)[0], side, kept_share(side)) for file in files])  # (n, side, side, 3)
    test = in_memory(pixels, np.full(len(files), UNLABELLED), tuple(PHOTOGRAPHS))
    none = Images(np.empty(0, np.int64), lambda numbers: pixels[:0], ())
    mean, std = SCALES[scale]
    return DataSet("Sample photographs", imagenet_classes(), mean, std, side, none, test, notes=NOTES)


def packaged(package: str, file: str) -> Path:
    """Where a file of a package is, without importing the package."""
    found = find_spec(package)
    path = Path(found.origin).parent / file if found and found.origin else None
    if path is None or not path.is_file():
        raise Missing(
            f"The sample photographs are in the packages scikit-image and scikit-learn; {package}/{file} is not there. "
            "Install the versions that requirements.txt names."
        )
    return path


def imagenet_classes() -> tuple[str, ...]:
    """The 1,000 names, in the order of the logits of every ImageNet network."""
    from torchvision.models import ResNet18_Weights

    return tuple(ResNet18_Weights.DEFAULT.meta["categories"])
