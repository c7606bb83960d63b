"""Small files that claim or become something huge, or keep a decoder busy for hours."""

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image

from tests.fuzz.pictures import chunk, png

Draws = np.random.Generator
SIDES = (0, 1, 7_999, 8_000, 8_001, 65_535, 2**24 - 1, 2**31 - 1, 2**31, 2**32 - 1)
MEGABYTE = 1_000_000


@cache
def zeros(megabytes: int) -> bytes:
    return zlib.compress(bytes(megabytes * MEGABYTE), 9)


def saved(kind: str, size: tuple[int, int] = (8, 8), mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind, **options)
    return file.getvalue()


def claimed(draws: Draws) -> tuple[int, int]:
    width, height = (int(side) for side in draws.choice(SIDES, 2))
    return width, height


def png_claims(draws: Draws) -> bytes:
    depth, colours = int(draws.choice([1, 8, 16, 3])), int(draws.choice([0, 2, 3, 4, 6, 7]))
    header = struct.pack(">IIBBBBB", *claimed(draws), depth, colours, 0, 0, int(draws.integers(0, 2)))
    return png(header, zeros(int(draws.choice([1, 200]))), (b"PLTE", bytes(3)))


def png_words(draws: Draws) -> bytes:
    """Text, or a colour profile, of hundreds of megabytes once inflated; or a thousand of a megabyte each."""
    one = draws.random() < 0.5
    packed = zeros(300 if one else 1)
    names = {b"zTXt": b"words\0\0", b"iTXt": b"words\0\1\0\0\0", b"iCCP": b"profile\0\0"}
    name = list(names)[int(draws.integers(0, len(names)))]
    chunks = [(name, names[name] + packed)] * (1 if one else 1000)
    return png(struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0), zlib.compress(bytes(8 * 25)), *chunks)


def png_chunks(_: Draws) -> bytes:
    whole = saved("PNG")
    return whole[:33] + chunk(b"abCd", b"") * 1_600_000 + whole[33:]


def jpeg_scans(_: Draws) -> bytes:
    """A progressive picture whose last scan comes again and again: each goes over all of its pixels."""
    whole = saved("JPEG", (8_000, 8_000), "L", progressive=True, quality=30)
    return whole[:-2] + whole[whole.rfind(b"\xff\xda") : -2] * 1000 + whole[-2:]


def jpeg_claims(draws: Draws) -> bytes:
    whole, sides = bytearray(saved("JPEG")), [min(side, 65_535) for side in claimed(draws)]
    at = whole.find(b"\xff\xc0")
    whole[at + 5 : at + 9] = struct.pack(">HH", *sides)
    return bytes(whole)


def jpeg_markers(_: Draws) -> bytes:
    return b"\xff\xd8" + b"\xff\xe5\x00\x02" * 4_900_000 + saved("JPEG")[2:]


def gif_frames(_: Draws) -> bytes:
    whole = saved("GIF", (2, 2), "P")
    frame = whole[whole.rfind(b",") : -1]
    return whole[:-1] + frame * 800_000 + b";"


def gif_claims(draws: Draws) -> bytes:
    whole = bytearray(saved("GIF", mode="P"))
    whole[6:10] = struct.pack("<HH", *[min(side, 65_535) for side in claimed(draws)])
    return bytes(whole)


def bmp_claims(draws: Draws) -> bytes:
    whole = bytearray(saved("BMP"))
    whole[18:26] = struct.pack("<II", *claimed(draws))
    whole[30:34] = struct.pack("<I", int(draws.choice([0, 1, 2, 3, 6, 2**32 - 1])))  # compression
    return bytes(whole)


def tiff_pages(draws: Draws) -> bytes:
    """Directories without end, or one that is its own next."""
    whole = saved("TIFF", (2, 2), "L")
    at = struct.unpack("<I", whole[4:8])[0]
    length = 2 + 12 * struct.unpack("<H", whole[at : at + 2])[0]
    if draws.random() < 0.5:
        return whole[: at + length] + struct.pack("<I", at) + whole[at + length + 4 :]
    count = 20_000
    pages = (
        whole[at : at + length] + struct.pack("<I", at + (length + 4) * (n + 1) % (count - 1)) for n in range(count)
    )
    return whole[:at] + b"".join(pages)


def tiff_counts(draws: Draws) -> bytes:
    """Entries with extreme counts or values."""
    whole = bytearray(saved("TIFF", compression=str(draws.choice(["raw", "tiff_lzw", "tiff_deflate", "jpeg"]))))
    at = struct.unpack("<I", whole[4:8])[0]
    entries = struct.unpack("<H", whole[at : at + 2])[0]
    for _ in range(int(draws.integers(1, 4))):
        entry = at + 2 + 12 * int(draws.integers(0, entries))
        place = entry + int(draws.choice([4, 8]))
        whole[place : place + 4] = struct.pack("<I", int(draws.choice([0, 1, 8_000, 65_535, 2**31, 2**32 - 1])))
    return bytes(whole)


def webp_claims(draws: Draws) -> bytes:
    body = saved("WEBP", lossless=True)[12:]
    sides = [min(max(side - 1, 0), 2**24 - 1).to_bytes(3, "little") for side in claimed(draws)]
    flags = bytes([int(draws.choice([0, 2, 16, 18])), 0, 0, 0])
    riff = b"WEBPVP8X" + struct.pack("<I", 10) + flags + b"".join(sides) + body
    return b"RIFF" + struct.pack("<I", len(riff)) + riff


def ppm_claims(draws: Draws) -> bytes:
    kind, top = (
        str(draws.choice(["P1", "P2", "P3", "P4", "P5", "P6", "Pf", "PF"])),
        int(draws.choice([0, 1, 255, 65_536])),
    )
    padding = "#" + "a" * 2_000_000 + "\n" if draws.random() < 0.2 else ""
    width, height = claimed(draws)
    return f"{kind}\n{padding}{width} {height} {top}\n".encode() + b"1 " * int(draws.choice([0, 10, 500_000]))


# Those that take seconds each come seldom
QUICK: tuple[Callable[[Draws], bytes], ...] = (
    png_claims, jpeg_claims, gif_claims, bmp_claims, tiff_counts, webp_claims, ppm_claims,
)  # fmt: skip
SLOW: tuple[Callable[[Draws], bytes], ...] = (png_words, png_chunks, jpeg_scans, jpeg_markers, gif_frames, tiff_pages)
