"""Whether a stored shard is what its mark says.

Small ones are read and compared. Of a large one a reader looks at the size and at both ends, the last of which is zarr's
index of the chunks: each chunk carries its own CRC-32C and is checked when it is read, so that nobody waits for 200 MB of
logits to be looked through for one image. `verify` reads every byte of all.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from store.encoding import Encoded, checksum
from store.objects import Objects, Stat

READ_WHOLE = 1024**2  # bytes of a shard that is read and compared as a whole
ENDS = 64 * 1024  # bytes at each end of a larger one that are; marks that are stored rely on it

MARK = re.compile(r"(0|[1-9][0-9]{0,14})\.json")


def marks(objects: Objects, folder: str) -> dict[int, str]:
    """Paths of the marks in their folder, by index."""
    named = ((MARK.fullmatch(stat.path.removeprefix(f"{folder}/")), stat.path) for stat in objects.under(folder))
    return {int(found[1]): path for found, path in named if found}


def stands(objects: Objects, keys: Mapping[str, str], mark: Mapping[str, Any]) -> bool:
    """Whether the shards of a mark, by array, are where they should be: a mark under another name has none there."""
    stats = {name: objects.stat(key) for name, key in keys.items()}
    return all(stat and stat.size == mark[name]["size"] for name, stat in stats.items())


def written(data: Encoded, stat: Stat) -> dict[str, Any]:
    """What a mark says of a shard that was just written."""
    found = {"size": len(data), "blake2b": checksum(data), "e_tag": stat.e_tag}
    return found | ({"ends": checksum(data[:ENDS] + data[-ENDS:])} if len(data) > READ_WHOLE else {})


def problem(
    objects: Objects, key: str, mark: Mapping[str, Any] | None, stat: Stat | None, *, thorough: bool
) -> str | None:
    """What is wrong with a marked shard, as a sentence; None if nothing is. An object store's own tag saves reading it."""
    if mark is None:
        return f"{key} is not named in its mark."
    if stat is None:
        return f"{key} is marked finished, but it is missing."
    if stat.size != mark["size"]:
        return f"{key} has {stat.size} bytes; its mark says {mark['size']}."
    if not thorough and not objects.local and stat.e_tag == mark["e_tag"]:
        return None
    if not thorough and stat.size > READ_WHOLE and "ends" in mark:
        sound = checksum(objects.ends(key, stat.size, ENDS)) == mark["ends"]
    else:
        sound = stored_checksum(objects, key) == mark["blake2b"]
    return None if sound else f"{key} is not what was written: its checksum differs from its mark."


def stored_checksum(objects: Objects, key: str) -> str:
    """The checksum of an object, read piece by piece; of nothing where there is none."""
    found = hashlib.blake2b(digest_size=16)
    for piece in objects.pieces(key):
        found.update(piece)
    return found.hexdigest()
