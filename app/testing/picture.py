"""The picture that is edited: an evaluated image, or one of the visitor's own."""

from dataclasses import dataclass, field

import numpy as np

from app import reading
from app.memory import remembered
from precompute.catalogue import CHANGES
from store.schema import UNLABELLED
from store.shards import Artifact

COLOURFUL = ("hue", "saturation")  # changes that leave a grey picture as it is


@dataclass(frozen=True)
class Picture:
    """What is edited: `data` are uint8 of `shape` (H, W, C); image and label are None for an uploaded one."""

    data: bytes = field(repr=False)
    shape: tuple[int, int, int]
    image: int | None = None
    label: int | None = None

    @property
    def pixels(self) -> np.ndarray:
        return np.frombuffer(self.data, np.uint8).reshape(self.shape)

    @property
    def name(self) -> str:
        return "Your picture" if self.image is None else f"Image {self.image}"

    @property
    def changes(self) -> tuple[str, ...]:
        """The names of what can be changed about it."""
        return tuple(name for name in CHANGES if self.shape[2] > 1 or name not in COLOURFUL)


@remembered(100)
def of_data(data: Artifact, image: int) -> Picture:
    """An evaluated image; one object for all requests about it."""
    pixels = reading.pixels(data, (image,))[0]
    label = int(reading.labels(data)[image])
    return Picture(pixels.tobytes(), pixels.shape, image, None if label == UNLABELLED else label)
