"""A picture read a second way: Pillow's plain decoding, and numpy for all that docs and docstrings promise about it."""

import io
import math
import warnings

import numpy as np
from PIL import Image

from tests.fuzz.pictures import ORIENTATION

TURNS = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: np.rot90,
}


def read(data: bytes) -> np.ndarray:
    """The first frame upright, (H, W, 3) uint8; raises whatever Pillow raises."""
    with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
        warnings.simplefilter("ignore")
        image.load()
        return upright(colours(image), image)


def upright(pixels: np.ndarray, image: Image.Image) -> np.ndarray:
    return TURNS.get(image.getexif().get(ORIENTATION, 1), np.asarray)(pixels)


def colours(image: Image.Image) -> np.ndarray:
    """(H, W, 3) uint8: grey of many bits scaled, transparency laid over white."""
    if image.mode.startswith(("I", "F")):
        return np.repeat(scaled(np.asarray(image).astype(np.float64))[..., None], 3, 2)
    known = image.info.get("transparency")
    if known is not None or image.mode in ("RGBA", "LA", "La", "RGBa", "PA"):
        layer = np.asarray(image.convert("RGBA")).astype(np.float64)
        share = layer[..., 3:] / 255
        return (layer[..., :3] * share + 255 * (1 - share)).round().astype(np.uint8)
    if image.mode == "P":
        table = np.zeros((256, 3), np.uint8)
        listed = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)[:256]
        table[: len(listed)] = listed
        return table[np.asarray(image)]
    if image.mode in ("1", "L"):
        return np.repeat((np.asarray(image) * np.uint8(255 if image.mode == "1" else 1))[..., None], 3, 2)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def scaled(values: np.ndarray) -> np.ndarray:
    """Values from 0 to 65,535 by 257; others from their least to their greatest."""
    values = np.where(np.isfinite(values), values, 0)
    low, high = values.min(), values.max()
    if low >= 0 and 1 < high <= 65_535:
        low, high = 0.0, 65_535.0
    return ((values - low) / max(high - low, 1e-12) * 255).round().astype(np.uint8)


def network_square(pixels: np.ndarray, side: int, share: float) -> np.ndarray:
    """(side, side, 3) float: the central square by a triangle as wide as a pixel of the result, or of the original."""
    kept = min(pixels.shape[:2]) * share
    for axis in (0, 1):
        start = (pixels.shape[axis] - kept) / 2
        pixels = np.moveaxis(resampled(np.moveaxis(pixels, axis, 0), start, kept / side, side), 0, axis)
    return pixels


def resampled(lines: np.ndarray, start: float, step: float, count: int) -> np.ndarray:
    """Weighted means (count, ...) of lines (n, ...), each around start + (i + 1/2) * step."""
    reach, found = max(step, 1.0), []
    for number in range(count):
        middle = start + (number + 0.5) * step
        near = np.arange(max(0, math.floor(middle - reach)), min(len(lines), math.ceil(middle + reach)))
        weights = np.clip(1 - np.abs(near + 0.5 - middle) / reach, 0, None)
        found.append(np.tensordot(weights / weights.sum(), lines[near].astype(np.float64), 1))
    return np.stack(found)
