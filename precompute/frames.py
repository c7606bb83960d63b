"""Messages over a pipe: a JSON header and raw arrays, each message with its length in front. No torch here.

The web process and the probe speak this; nothing is pickled, so neither can make the other run anything.
"""

import json
import struct
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from store.errors import LoupeError

Message = tuple[dict[str, Any], dict[str, np.ndarray]]

LENGTHS = struct.Struct("<IQ")  # bytes of the header, bytes of the arrays behind it
LARGEST = 1 << 30  # a longer message is no message of ours, but noise on the pipe


def write(stream: IO[bytes], header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Sends one message and flushes it."""
    solid = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
    listed = [[name, value.dtype.str, value.shape] for name, value in solid.items()]
    head = json.dumps({**header, "arrays": listed}).encode()
    stream.write(LENGTHS.pack(len(head), sum(value.nbytes for value in solid.values())) + head)
    for value in solid.values():
        stream.write(value.tobytes())
    stream.flush()


def read(stream: IO[bytes]) -> Message | None:
    """The next message as header and arrays; None where the other side has closed the pipe between two messages.

    Raises LoupeError where the pipe ends inside a message or carries something else.
    """
    start = stream.read(LENGTHS.size)
    if not start:
        return None
    if len(start) < LENGTHS.size:
        raise LoupeError("The pipe ended inside a message.")
    head, body = LENGTHS.unpack(start)
    if head + body > LARGEST:
        raise LoupeError(f"A message of at most {LARGEST} bytes was expected on the pipe, not one of {head + body}.")
    try:
        return parted(exactly(stream, head), exactly(stream, body))
    except LoupeError:
        raise
    except Exception as error:  # noise leads to whatever JSON and NumPy make of it
        raise LoupeError(f"What came on the pipe is no message of Loupe's: {type(error).__name__}.") from error


def parted(head: bytes, data: bytes) -> Message:
    header, arrays, at = json.loads(head), dict[str, np.ndarray](), 0
    for name, kind, shape in header.pop("arrays"):
        count = int(np.prod(shape, dtype=np.int64))
        if count < 0 or count > len(data):  # each value has a byte
            raise LoupeError(f"An array of {count} values was announced on the pipe, with {len(data)} bytes.")
        arrays[str(name)] = np.frombuffer(data, np.dtype(kind), count, at).reshape(shape)
        at += arrays[str(name)].nbytes
    return header, arrays


def exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise LoupeError("The pipe ended inside a message.")
    return data
