"""Large shards, encoded chunk by chunk into a file: neither their values nor their bytes need fit the memory.

The file lies in the temporary folder, under no name, and goes with the process. Where that folder is kept in memory
(tmpfs), the environment's TMPDIR names another.
"""

import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec
from zarr.storage import MemoryStore

from store.errors import NoSpace

LARGE = 64 * 1024**2  # bytes of values from which on they are not held in memory
PIECE = 16 * 1024**2  # bytes of values encoded at a time
allocate = getattr(os, "posix_fallocate", lambda file, start, size: os.ftruncate(file, size))  # macOS has none
NOWHERE = 2**64 - 1  # offset and length of a chunk that is not there

Place = tuple[int, ...]


def room(shape: tuple[int, ...], kind: type[np.floating[Any]]) -> np.ndarray:
    """An array to be filled, of any values; a large one lies in a file, from which the system reads what is asked for.

    Raises NoSpace where the temporary folder has none.
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
    if size < LARGE:
        return np.empty(shape, kind)
    with nameless() as file:
        allocate(file.fileno(), 0, size)  # writing to a mapped file on a full disk would end the process
        return np.memmap(file, kind, "r+", shape=shape)


@contextmanager
def nameless() -> Iterator[IO[bytes]]:
    """A file under no name, closed in the end; what is mapped of it stays until nobody uses it."""
    try:
        with tempfile.TemporaryFile() as file:
            yield file
    except OSError as error:
        raise NoSpace(
            f"Large arrays are put together in {tempfile.gettempdir()}, where this failed: {error.strerror}. "
            "Free some space there, or name another folder in TMPDIR."
        ) from error


def encoded(target: zarr.Array, values: np.ndarray) -> mmap.mmap:
    """The bytes of one shard of `target`: a sharded array in zarr's own format, its chunks in C order."""
    chunk = target.chunks
    index = np.full((*(side // part for side, part in zip(shard_of(target), chunk, strict=True)), 2), NOWHERE, "uint64")
    with nameless() as file:
        for place, data in chunks(target, values):
            index[place] = file.tell(), len(data)
            file.write(data)
        file.write(one_chunk(index))
        file.flush()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def shard_of(target: zarr.Array) -> Place:
    return target.shards or target.chunks


def chunks(target: zarr.Array, values: np.ndarray) -> Iterator[tuple[Place, bytes]]:
    """Place and bytes of every chunk that holds some of the values, about PIECE bytes encoded at a time."""
    chunk = target.chunks
    counts = [-(-side // part) for side, part in zip(values.shape, chunk, strict=True)]
    axis = int(np.argmax(counts))  # along which neighbours are encoded together
    step = max(1, PIECE // (int(np.prod(chunk)) * target.dtype.itemsize))
    for first in np.ndindex(*(-(-count // step) if at == axis else count for at, count in enumerate(counts))):
        start = [place * step if at == axis else place for at, place in enumerate(first)]
        stop = [min(place + step, counts[axis]) if at == axis else place + 1 for at, place in enumerate(start)]
        region = tuple(slice(a * part, b * part) for a, b, part in zip(start, stop, chunk, strict=True))
        found = plain(target, np.asarray(values[region]))
        for number in range(stop[axis] - start[axis]):
            inside = tuple(number if at == axis else 0 for at in range(len(start)))
            yield tuple(np.add(start, inside).tolist()), found[inside]


def plain(target: zarr.Array, values: np.ndarray) -> dict[Place, bytes]:
    """The bytes of each chunk of an array of these values, cut and coded as `target`'s chunks."""
    return coded(
        values.astype(target.dtype, copy=False),
        chunks=target.chunks,
        fill_value=target.fill_value,
        compressors=target.compressors,
    )


def one_chunk(index: np.ndarray) -> bytes:
    """The index of a shard as zarr writes it: offsets and lengths, and their CRC-32C."""
    (found,) = coded(index, chunks=index.shape, fill_value=0, compressors=[Crc32cCodec()]).values()
    return found


def coded(values: np.ndarray, **how: Any) -> dict[Place, bytes]:
    """The bytes that zarr makes of each chunk; `how` as in zarr.create_array."""
    memory: dict[str, Any] = {}
    twin = zarr.create_array(
        MemoryStore(memory),
        shape=values.shape,
        dtype=values.dtype,
        filters=None,
        config={"write_empty_chunks": True},
        **how,
    )
    twin[...] = values
    keys = [key for key in memory if key.startswith("c/")]
    return {tuple(map(int, key.split("/")[1:])): memory[key].to_bytes() for key in keys}
