"""From values to the bytes of a shard and their checksum; reading them back without zarr's silent fill values."""

import hashlib
import json
import mmap
from typing import Any, TypeAlias

import numpy as np
import zarr
from zarr.storage import MemoryStore, ObjectStore, StorePath

from store import spool
from store.errors import BadInput, Corrupt

Encoded: TypeAlias = bytes | mmap.mmap  # of a large shard, a file


class MarkedStore(ObjectStore):
    """A zarr store that raises where zarr would quietly hand out fill values for a shard that is not there."""

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        value = await super().get(key, prototype, byte_range)
        if value is None and "/c/" in key:
            raise Corrupt(f"The shard {key} is marked finished, but it is missing.")
        return value


def encode(target: zarr.Array, index: int, values: np.ndarray) -> Encoded:
    """The bytes of one shard of `target`, encoded in memory or, a large one, in a file: stored whole or not at all."""
    block = target.shards[0] if target.shards else target.chunks[0]
    region = slice(index * block, min((index + 1) * block, target.shape[0]))
    if np.shape(values) != (expected := (region.stop - region.start, *target.shape[1:])):
        raise BadInput(f"{target.path} at {index}: an array of shape {expected} was expected, not {np.shape(values)}.")
    if target.shards and values.size * target.dtype.itemsize >= spool.LARGE:
        return spool.encoded(target, values)
    memory: dict[str, Any] = {}
    twin = zarr.create_array(MemoryStore(memory), **specification(target))
    twin[region] = values
    return next(item.to_bytes() for key, item in memory.items() if key.startswith("c/"))


def checksum(data: Encoded) -> str:
    """16 bytes of BLAKE2b. (Not a CRC: shards end with their own CRC-32C, and the CRC of any data with its CRC is a constant.)"""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def described(raw: Any, path: str, data: bytes, remedy: str) -> zarr.Array:
    """The array at `path` as its zarr.json, `data`, describes it; raises Corrupt where that describes none."""
    try:
        return zarr.Array.from_dict(StorePath(MarkedStore(raw, read_only=True), path), json.loads(data))
    except Exception as error:  # whatever zarr makes of it
        raise Corrupt(f"{path}/zarr.json describes no array that can be read. {remedy}") from error


def specification(array: zarr.Array) -> dict[str, Any]:
    """What zarr needs to make an equal array elsewhere."""
    return {
        "shape": array.shape,
        "dtype": array.dtype,
        "chunks": array.chunks,
        "shards": array.shards,
        "fill_value": array.fill_value,
        "compressors": array.compressors,
        "dimension_names": array.metadata.to_dict()["dimension_names"],
        "config": {"write_empty_chunks": True},
    }
