"""Any picture to upright 8-bit RGB, and to the square a network takes. No torch: the app decodes uploads with it.

Data sets in folders and uploads go through the same functions, so that a network sees both alike.
"""

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from store.errors import BadInput

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM")  # not EPS and the like, which start other programs
ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
MOST_PIXELS = 64_000_000  # of one picture: 192 MB decoded; a few kilobytes can claim gigabytes
BAND = 250_000  # pixels that are converted at once
THREADS = 4


def decode(source: bytes | Path, name: str = "", *, upright: bool = True) -> tuple[Image.Image, list[str]]:
    """The picture in a file or in its bytes, as RGB, and what had to be changed for that, in sentences.

    Only the first frame is taken; transparency is laid over white; `upright` turns it as its EXIF says. Raises BadInput for
    what is empty, damaged, no picture, or larger than MOST_PIXELS once decoded.
    """
    name = name or (str(source) if isinstance(source, Path) else "The upload")
    if not (source.stat().st_size if isinstance(source, Path) else source):
        raise BadInput(f"{name} is empty. Copy or upload it again.")
    try:
        # never by its path: Pillow maps such a file into memory, and a TIFF that lies on its side then gets the wrong width
        with (
            io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream,
            Image.open(stream, formats=FORMATS) as image,
        ):
            if image.width * image.height > MOST_PIXELS:
                claim = f"{image.width:,} × {image.height:,} pixels"
                raise BadInput(f"{name} claims {claim}; at most {MOST_PIXELS:,} are decoded. Scale it down first.")
            notes = _frames(image)
            image.load()
            if upright:
                ImageOps.exif_transpose(image, in_place=True)
            return _rgb(image, notes), notes
    except BadInput:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadInput(
            f"{name} claims more than {MOST_PIXELS:,} pixels, the most that are decoded. Scale it down first."
        ) from error
    except UnidentifiedImageError as error:
        raise BadInput(f"{name} is not a picture that can be read. Readable are {', '.join(FORMATS)}.") from error
    except MemoryError as error:
        raise BadInput(f"{name} takes more memory to decode than there is. Scale it down first.") from error
    except Exception as error:  # damaged bytes make Pillow raise a dozen kinds of errors
        raise BadInput(f"{name} is a damaged picture ({error}). Copy or upload it again.") from error


def _frames(image: Image.Image) -> list[str]:
    """What is said of the others; they are not counted, because a small file may hold a million."""
    if image.format == "MPO":  # a camera's JPEG with a preview inside
        return []
    try:
        several = getattr(image, "is_animated", False)
        image.seek(0)
    except Exception:  # the second is damaged
        return []
    return ["Only the first of its frames is used."] if several else []


def _rgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """`image` as RGB; what a person would want to know is added to `notes`."""
    if image.mode.startswith(("I", "F")):
        return _eight_bits(image, notes).convert("RGB")
    if image.has_transparency_data:
        return _over_white(image, notes)
    if image.mode == "CMYK":
        notes.append("Its CMYK colours are converted to RGB without a colour profile.")
    return image.convert("RGB")


def _over_white(image: Image.Image, notes: list[str]) -> Image.Image:
    flat, seen_through = Image.new("RGB", image.size), False
    for top, strip in _strips(image):
        layer = strip.convert("RGBA")
        seen_through |= bool(np.asarray(layer.getchannel("A")).min() < 255)
        flat.paste(Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB"), (0, top))
    if seen_through:
        notes.append("Its transparent parts are laid over white.")
    return flat


def _eight_bits(image: Image.Image, notes: list[str]) -> Image.Image:
    """Grey values of 16 bits to 8; whatever else is stretched from its least to its greatest value."""
    ends = [(values.min(), values.max()) for _, values in _bands(image)]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    if low >= 0 and 1 < high <= 65535:
        low, high = 0, 65535
    notes.append(f"Its grey values, {low:g} to {high:g}, are scaled to 8 bits.")
    scaled = Image.new("L", image.size)
    for top, values in _bands(image):
        levels = ((values - low) / max(high - low, 1e-12) * 255).round().astype(np.uint8)
        scaled.paste(Image.fromarray(levels), (0, top))
    return scaled


def _bands(image: Image.Image) -> Iterator[tuple[int, np.ndarray]]:
    """The values of a grey picture as float64, some rows at a time with the first one's number."""
    for top, strip in _strips(image):
        yield top, np.nan_to_num(np.asarray(strip).astype(np.float64), posinf=0, neginf=0)


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The picture some rows at a time, with the first one's number: copies with 4 or 8 bytes a pixel add up."""
    rows = max(1, BAND // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def kept_share(size: int) -> float:
    """Share of the shorter side that a test image keeps: 7/8 of photographs, all of images too small to lose a border."""
    return 0.875 if size >= 128 else 1.0


def square(image: Image.Image, side: int, share: float = 1.0) -> np.ndarray:
    """The central square with `share` of the shorter side, as (side, side, 3) uint8: resize and centre crop in one step."""
    left, top, kept = _central(image.width, image.height, share)
    resized = image.resize((side, side), Image.Resampling.BILINEAR, box=(left, top, left + kept, top + kept))
    return np.asarray(resized)


def _central(width: int, height: int, share: float) -> tuple[float, float, float]:
    kept = min(width, height) * share
    return (width - kept) / 2, (height - kept) / 2, kept


def boxes_in_square(boxes: np.ndarray, sizes: np.ndarray, side: int, share: float) -> np.ndarray:
    """Edges (N, 4) x0, y0, x1, y1 of an image of (width, height) `sizes`, in what `square` makes of it; NaN where outside."""
    corner, scale = _frame(sizes, side, share)
    edges = ((boxes.reshape(-1, 2, 2) - corner) * scale).clip(0, side)  # (N, corner, xy)
    edges[(edges[:, 0] >= edges[:, 1]).any(1)] = np.nan
    return edges.reshape(-1, 4).astype(np.float32)


def parts_in_square(parts: np.ndarray, sizes: np.ndarray, side: int, share: float) -> np.ndarray:
    """Pixels (N, P, 2) x, y of an image of (width, height) `sizes`, in what `square` makes of it; NaN where outside."""
    corner, scale = _frame(sizes, side, share)
    points = (parts + 0.5 - corner) * scale  # + 0.5: from a pixel's number to its centre
    points[((points < 0) | (points > side)).any(2)] = np.nan
    return (points - 0.5).astype(np.float32)


def _frame(sizes: np.ndarray, side: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    left, top, kept = np.array([_central(width, height, share) for width, height in sizes]).reshape(-1, 3).T
    return np.stack([left, top], 1)[:, None], (side / kept)[:, None, None]  # (N, 1, 2), (N, 1, 1)


def sizes_of(files: Sequence[Path]) -> list[tuple[int, int] | None]:
    """Width and height of each, without decoding it; None for what is empty, cut short, too large or no picture."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(_size, files))


def _size(file: Path) -> tuple[int, int] | None:
    try:
        with file.open("rb") as stream, Image.open(stream, formats=FORMATS) as image:
            size, kind = image.size, image.format
            stream.seek(-min(64, file.stat().st_size), io.SEEK_END)
            if ENDS.get(kind or "", b"") not in stream.read():
                decode(file)  # its end is not as it should be: cut short, or with something behind it
        return size if size[0] * size[1] <= MOST_PIXELS else None
    except Exception:  # see decode
        return None
