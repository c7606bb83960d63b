"""Uploads: damaged and hostile pictures, checkpoints and arrays, through the functions that the app reads them with."""

import io
import pickle
from pathlib import Path

import numpy as np
from PIL import Image

from precompute import datasets, decoding, opening
from precompute.checkpoints import read_checkpoint
from store.errors import BadInput, LoupeError
from tests.fuzz import bombs, independent, pictures
from tests.fuzz.damage import damaged
from tests.fuzz.running import Check

KINDS = tuple(pictures.MODES)
LOSSLESS = ("PNG", "BMP", "TIFF", "PPM")
SIZES = (8, 28, 32, 128)
NAMES = (
    "mine.png",
    "mine.gif",
    "photo.JPG",
    "../../etc/passwd",
    "a" * 300,
    "<b>x</b>.svg",
    "\u202egnp.exe",
    "x\n# y",
    "",
)
COMPARED = 300_000  # pixels of a picture that is read a second time, at most
BOMBS, SLOW_BOMBS, OTHERS, WHOLE = 0.08, 0.0015, 0.06, 0.1  # shares of the cases


class Touch:
    """Pickled, it writes a file where it is read."""

    def __reduce__(self) -> tuple:
        return Path.touch, (Path("pickled"),)


def uploads(folder: Path, slow: float = SLOW_BOMBS) -> Check:
    """Checks one upload, of any kind; `slow` is the share of those that keep a decoder busy."""

    def check(draws: np.random.Generator) -> str:
        which = draws.random()
        if which < slow:
            return of_bytes(bombs.SLOW[int(draws.integers(0, len(bombs.SLOW)))](draws), draws, apart=True)
        if which < slow + BOMBS:
            return of_bytes(bombs.QUICK[int(draws.integers(0, len(bombs.QUICK)))](draws), draws)
        if which < slow + BOMBS + OTHERS:
            return of_file(folder, draws)
        if which < slow + BOMBS + OTHERS + WHOLE:
            return of_whole(draws)
        kind, other = (KINDS[int(number)] for number in draws.integers(0, len(KINDS), 2))
        data = pictures.sixteen_bits(draws) if draws.random() < 0.03 else pictures.written(draws, kind)[0]
        data = damaged(draws, data, pictures.written(draws, other)[0])
        data = pictures.checked_again(data) if draws.random() < 0.5 else data
        (folder / "one").write_bytes(data)
        return of_bytes(data, draws) or of_size(folder / "one") or ran()

    return check


def ran() -> str:
    return "the upload's code was run" if Path("pickled").exists() else ""


def of_bytes(data: bytes, draws: np.random.Generator, *, apart: bool = False) -> str:
    """What is wrong with what the app makes of an upload.

    apart: in a process of its own, as the app does, and without a second reading, which would take as long.
    """
    size, channels = int(draws.choice(SIZES)), int(draws.choice([1, 3]))
    name = NAMES[int(draws.integers(0, len(NAMES)))]
    read = opening.apart if apart or draws.random() < 0.002 else opening.opened
    try:
        pixels, notes = read(data, name, size, channels)
    except BadInput as error:
        return sentence(str(error)) or ("" if apart else lost(data))
    if pixels.shape != (size, size, channels) or pixels.dtype != np.uint8:
        return f"gives {pixels.dtype} {pixels.shape} instead of {size} × {size} × {channels}"
    said = next((problem for note in notes if (problem := sentence(note))), "")
    return said or ("" if apart else compared(data, pixels))


def sentence(text: str) -> str:
    """What keeps a message from being one."""
    return "" if text and len(text) < 1500 and text.rstrip().endswith(".") and " ()" not in text else f"says {text!r}"


def lost(data: bytes) -> str:
    """A picture that can be read, of a format that is taken, and of a size that is taken, is not refused."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            taken = image.format in (*decoding.FORMATS, "MPO") and image.width * image.height < COMPARED
        if not taken:
            return ""
        independent.read(data)
    except Exception:
        return ""
    return "refuses a picture that can be read"


def compared(data: bytes, pixels: np.ndarray) -> str:
    """What differs from the same picture read a second way."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > COMPARED:
                return ""
        expected = independent.read(data)
    except Exception as error:
        return f"shows a picture that Pillow alone cannot read: {type(error).__name__}: {error}"
    size = pixels.shape[0]
    square = independent.network_square(expected, size, decoding.kept_share(size))  # (size, size, 3)
    if pixels.shape[2] == 1:
        square = square @ np.array([0.299, 0.587, 0.114])[:, None]
    worst = np.abs(square - pixels).max()
    return f"differs by {worst:.0f} levels from the picture read otherwise" if worst > 3 else ""


def of_whole(draws: np.random.Generator) -> str:
    """A picture that nobody damaged is read as it was written."""
    kind = LOSSLESS[int(draws.integers(0, len(LOSSLESS)))]
    data, image = pictures.written(draws, kind)
    if b"jpeg" in str(image.info).encode() or image.mode in ("LAB", "YCbCr"):
        return of_bytes(data, draws)
    found, _ = decoding.decode(data, "mine")
    with Image.open(io.BytesIO(data)) as again:
        turned = independent.upright(independent.colours(image), again) if kind != "TIFF" else None
    if turned is not None and image.info.get("transparency") is None and image.mode != "P":
        worst = np.abs(turned.astype(int) - np.asarray(found)).max() if turned.shape == (*found.size[::-1], 3) else 255
        if worst > 1:
            return f"{kind} {image.mode}: differs by {worst} levels from what was written"
    return of_bytes(data, draws)


def of_size(file: Path) -> str:
    """A data set's folder asks for sizes first: what has one is that large once decoded."""
    (said,) = decoding.sizes_of([file])
    if said is None:
        return ""
    try:
        found, _ = decoding.decode(file, upright=False)
    except BadInput:
        return ""  # the size is read from its beginning alone
    if decoding.decode(file.read_bytes(), upright=False)[0].tobytes() != found.tobytes():
        return "is another picture as a file than as its bytes"
    return "" if found.size == said else f"is {found.size} pixels, and was said to be {said}"


# Files that a recipe names


def of_file(folder: Path, draws: np.random.Generator) -> str:
    """A damaged checkpoint or archive of arrays: weights or images come of it, or a sentence, and no code of it is run."""
    arrays = {"train_x": np.zeros((6, 8, 8), np.uint8), "train_y": np.arange(6) % 2}
    arrays |= {"test_x": np.ones((2, 8, 8), np.uint8), "test_y": np.arange(2)}
    file = folder / "file"
    if draws.random() < 0.5:
        file.write_bytes(damaged(draws, packed(draws, arrays)))
        try:
            datasets.npz(path=str(file))
        except LoupeError as error:
            return sentence(str(error)) or ran()
        return ran()
    file.write_bytes(damaged(draws, checkpoint(draws)))
    try:
        read_checkpoint(file)
    except LoupeError as error:
        return sentence(str(error)) or ran()
    return ran()


def packed(draws: np.random.Generator, arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    if draws.random() < 0.2:
        arrays = arrays | {"train_x": np.array([Touch()], object)}
    (np.savez if draws.random() < 0.5 else np.savez_compressed)(buffer, **arrays)
    return buffer.getvalue()


def checkpoint(draws: np.random.Generator) -> bytes:
    import torch

    if draws.random() < 0.2:
        return pickle.dumps({"state_dict": Touch()})
    buffer, weights = io.BytesIO(), {"a.weight": torch.zeros(3, 2), "a.bias": torch.ones(3)}
    torch.save(weights if draws.random() < 0.7 else weights | {"b": Touch()}, buffer)
    return buffer.getvalue()
