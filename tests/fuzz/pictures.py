"""Whole pictures in many formats and modes, made from draws, to be damaged afterwards."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

Draws = np.random.Generator
MODES = {
    "PNG": ("RGB", "RGBA", "L", "LA", "P", "1", "I;16"),
    "JPEG": ("RGB", "L", "CMYK"),
    "GIF": ("P", "L", "RGB", "RGBA"),
    "BMP": ("RGB", "L", "1", "P"),
    "TIFF": ("RGB", "RGBA", "L", "LA", "P", "1", "I;16", "I", "F", "CMYK", "LAB", "YCbCr"),
    "WEBP": ("RGB", "RGBA"),
    "PPM": ("RGB", "L", "1", "I;16", "F"),
    "ICO": ("RGBA", "RGB"),
    "TGA": ("RGB", "RGBA", "L"),
    "JPEG2000": ("RGB", "L", "RGBA"),
    "AVIF": ("RGB", "RGBA"),
}
COMPRESSIONS = ("raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg")
ORIENTATION = 0x0112
BYTES = {"I;16": np.uint16, "I": np.int32, "F": np.float32}


def picture(draws: Draws, mode: str) -> Image.Image:
    """Smooth colours and a few rectangles, of a side from 1 to 60."""
    width, height = (int(draws.choice([1, 2, 7, 8, 16, 31, 60])) for _ in range(2))
    y, x = np.mgrid[:height, :width].astype(np.float64)
    slopes = draws.uniform(-3, 3, (2, 4))
    values = 128 + np.multiply.outer(x, slopes[0]) + np.multiply.outer(y, slopes[1])
    left, top = draws.integers(0, width), draws.integers(0, height)
    values[top : top + 9, left : left + 9] = draws.uniform(0, 255, 4)
    pixels = values.clip(0, 255).round().astype(np.uint8)  # (height, width, 4)
    if mode in BYTES:
        return Image.fromarray((values[..., 0].clip(0, 255) * draws.choice([1, 257, 300])).astype(BYTES[mode]))
    if mode == "P":
        return Image.fromarray(pixels[..., :3]).quantize(int(draws.integers(2, 257)))
    if mode in ("RGBA", "CMYK"):
        return Image.fromarray(pixels, mode)
    if mode in ("LAB", "YCbCr"):
        return Image.fromarray(np.ascontiguousarray(pixels[..., :3]), mode)
    return Image.fromarray(pixels).convert(mode)


def written(draws: Draws, kind: str) -> tuple[bytes, Image.Image]:
    """A file of this format, and the picture that was written, its orientation not yet applied."""
    image = picture(draws, str(draws.choice(MODES[kind])))
    options: dict = {}
    if draws.random() < 0.3 and kind in ("PNG", "JPEG", "TIFF", "WEBP", "AVIF"):
        exif = Image.Exif()
        exif[ORIENTATION] = int(draws.integers(1, 9) if kind == "TIFF" else draws.integers(0, 11))
        exif[0x010E] = "words" * int(draws.integers(1, 50))
        options["exif"] = exif
    if draws.random() < 0.2 and kind in ("PNG", "JPEG", "TIFF", "WEBP"):
        options["icc_profile"] = draws.bytes(int(draws.integers(0, 500)))
    if image.mode == "P" and kind in ("PNG", "GIF") and draws.random() < 0.5:
        options["transparency"] = int(draws.integers(0, 4))
    if kind == "TIFF":
        options["compression"] = str(draws.choice(COMPRESSIONS[: 5 if image.mode in ("RGB", "L") else 4]))
    if kind == "JPEG":
        options |= {"quality": int(draws.integers(5, 100)), "progressive": bool(draws.random() < 0.5)}
    if kind == "WEBP":
        options["lossless"] = bool(draws.random() < 0.5)
    if kind in ("GIF", "PNG", "TIFF", "WEBP") and draws.random() < 0.2:
        more = [image.transpose(Image.Transpose.FLIP_TOP_BOTTOM), image]
        options |= {"save_all": True, "append_images": more}
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue(), image


def sixteen_bits(draws: Draws) -> bytes:
    """A PNG of 16 bits a colour, with or without transparency, which Pillow does not write."""
    side, colours = int(draws.integers(1, 12)), int(draws.choice([2, 6]))
    values = draws.integers(0, 65_536, (side, side, 3 if colours == 2 else 4)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    return png(struct.pack(">IIBBBBB", side, side, 16, colours, 0, 0, 0), zlib.compress(rows))


def png(header: bytes, data: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG file of an IHDR, chunks by name, and an IDAT."""
    parts = [(b"IHDR", header), *chunks, (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, content) for name, content in parts)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def checked_again(data: bytes) -> bytes:
    """A damaged PNG with the sums of its chunks made right, so that the damage is not found at once."""
    if not data.startswith(b"\x89PNG"):
        return data
    at, found = 8, bytearray(data)
    while at + 12 <= len(found):
        length = int.from_bytes(found[at : at + 4], "big")
        if at + 12 + length > len(found):
            break
        found[at + 8 + length : at + 12 + length] = struct.pack(">I", zlib.crc32(found[at + 4 : at + 8 + length]))
        at += 12 + length
    return bytes(found)
