"""Ways to damage the bytes of a file, whatever it holds; the uploads' and the store's fuzzers use them."""

from collections.abc import Callable

import numpy as np

Draws = np.random.Generator
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 16_384, 65_500)
FRONTS = (
    b"<html><script>alert(1)</script></html>",
    b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    b"cos\nsystem\n(S'touch pickled'\ntR.",
    b"PK\x03\x04",
    b"#!/bin/sh\ntouch pickled\n",
    b"%!PS-Adobe-3.0 EPSF-3.0\n",
)


def flipped(draws: Draws, data: bytes) -> bytes:
    found = bytearray(data)
    for at in draws.integers(0, len(found), int(draws.integers(1, 20))):
        found[at] ^= 1 << int(draws.integers(0, 8))
    return bytes(found)


def noisy(draws: Draws, data: bytes) -> bytes:
    """A stretch of other bytes."""
    at, count = int(draws.integers(0, len(data))), int(draws.integers(1, 40))
    return data[:at] + draws.bytes(count) + data[at + count :]


def cut(draws: Draws, data: bytes) -> bytes:
    return data[: int(draws.integers(0, len(data)))]


def without(draws: Draws, data: bytes) -> bytes:
    """A stretch is missing."""
    first, last = sorted(int(at) for at in draws.integers(0, len(data) + 1, 2))
    return data[:first] + data[last:]


def repeated(draws: Draws, data: bytes) -> bytes:
    first, last = sorted(int(at) for at in draws.integers(0, len(data) + 1, 2))
    return data[:last] + data[first:last] * int(draws.integers(1, 6)) + data[last:]


def extreme(draws: Draws, data: bytes) -> bytes:
    """One to three numbers of 1, 2 or 4 bytes, mostly near the beginning, where sizes stand."""
    found = bytearray(data)
    for _ in range(int(draws.integers(1, 4))):
        width = int(draws.choice([1, 2, 4]))
        at = int(draws.integers(0, min(len(found), int(draws.choice([60, 300, 10_000])))))
        value = int(draws.choice(EXTREMES)) & (256**width - 1)
        found[at : at + width] = value.to_bytes(width, "little" if draws.random() < 0.5 else "big")
    return bytes(found)


def fronted(draws: Draws, data: bytes) -> bytes:
    """Something else stands before it."""
    return FRONTS[int(draws.integers(0, len(FRONTS)))] + data


def followed(draws: Draws, data: bytes) -> bytes:
    return data + draws.bytes(int(draws.integers(1, 2000)))


def whole(_: Draws, data: bytes) -> bytes:
    return data


DAMAGES: tuple[Callable[[Draws, bytes], bytes], ...] = (
    flipped, flipped, noisy, cut, without, repeated, extreme, extreme, extreme, fronted, followed, whole,
)  # fmt: skip


def damaged(draws: Draws, data: bytes, other: bytes = b"") -> bytes:
    """The bytes after one or two damages; with another file's bytes, its half may stand for one of these."""
    if other and draws.random() < 0.1:
        data = data[: int(draws.integers(0, len(data) + 1))] + other[int(draws.integers(0, len(other) + 1)) :]
    for _ in range(int(draws.integers(1, 3))):
        if data:
            data = DAMAGES[int(draws.integers(0, len(DAMAGES)))](draws, data)
    return data
