"""One artifact: arrays that share an index (an epoch, a block of images), written index by index and marked when whole.

A mark is created only after all data of its index is there; readers see only what is marked. Zarr itself reads a missing
shard as fill value, so everything read here is checked against its mark first.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import MemoryStore

from store.encoding import MarkedStore, checksum, encode
from store.errors import BadInput, Corrupt, LoupeError, Missing
from store.objects import Objects, Stat
from store.schema import Layout

LEFTOVER_SECONDS = 10.0  # how long an unmarked shard of somebody else's may still be completed by its writer

Mark = Mapping[str, Mapping[str, Any]]  # array name -> size, blake2b, e_tag


@dataclass(frozen=True)
class Artifact:
    """One artifact of a run or data set, at `path`; `run` names it in errors."""

    objects: Objects
    path: str
    attributes: Mapping[str, Any]
    known: dict[int, Mark] = field(default_factory=dict, compare=False, repr=False)  # marks never change
    arrays: dict[str, zarr.Array] = field(default_factory=dict, compare=False, repr=False)
    sound: dict[str, str] = field(default_factory=dict, compare=False, repr=False)  # shard -> e_tag it was checked at

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def kind(self) -> str:
        return self.attributes["kind"]

    @property
    def promised(self) -> tuple[int, ...]:
        """The indices this artifact will hold when it is finished."""
        return tuple(self.attributes["promised"])

    def marked(self) -> tuple[int, ...]:
        """The finished indices, in order."""
        if len(self.known) < len(self.promised):
            for stat in self.objects.under(f"{self.path}/done"):
                name = stat.path.rsplit("/", 1)[-1].removesuffix(".json")
                if name.isdecimal() and int(name) not in self.known and (mark := self.mark(stat.path)):
                    self.known[int(name)] = mark
        return tuple(sorted(self.known))

    def mark(self, path: str) -> Mark | None:
        """A mark as it was written; None where it is damaged, so that its index counts as not finished."""
        try:
            arrays = json.loads(self.objects.get(path) or b"")["arrays"]
            return (
                arrays
                if all({"size", "blake2b", "e_tag"} <= set(arrays[name]) for name in self.attributes["arrays"])
                else None
            )
        except (ValueError, KeyError, TypeError):
            return None

    def missing(self) -> tuple[int, ...]:
        """The promised indices that are not finished."""
        marked = set(self.marked())
        return tuple(index for index in self.promised if index not in marked)

    def array(self, name: str) -> zarr.Array:
        if name not in self.arrays:
            try:
                self.arrays[name] = zarr.open_array(MarkedStore(self.objects.raw), path=f"{self.path}/{name}", mode="r")
            except (FileNotFoundError, KeyError, ValueError) as error:
                raise Corrupt(f"{self.path} has no readable array '{name}'. {self.remedy()}") from error
        return self.arrays[name]

    def read(self, name: str, indices: int | Sequence[int], *rest: Any) -> np.ndarray:
        """Values of array `name` at the finished shards `indices` (of epochs), cut further by `rest`.

        Raises Missing for an index that is not finished, Corrupt for one that is damaged.
        """
        array, single = self.array(name), np.ndim(indices) == 0
        wanted = [int(index) for index in np.atleast_1d(np.asarray(indices, np.int64))]
        for index in wanted:
            self.check(name, index)
        try:
            if single:
                return np.asarray(array[(wanted[0], *rest)])
            if not wanted:
                return np.asarray(np.empty((0, *array.shape[1:]), array.dtype)[(slice(None), *rest)])
            contiguous = wanted == list(range(wanted[0], wanted[-1] + 1))
            return np.asarray(
                array[(slice(wanted[0], wanted[-1] + 1), *rest)]
                if contiguous
                else np.stack([array[(index, *rest)] for index in wanted])
            )
        except (ValueError, RuntimeError, OSError) as error:
            raise Corrupt(f"{self.path}/{name} cannot be decoded ({error}). {self.remedy()}") from error

    def read_blocks(self, name: str, selection: Any = slice(None)) -> np.ndarray:
        """Values of an array cut into blocks of images; every block must be finished."""
        for index in self.promised:
            self.check(name, index)
        try:
            array = self.array(name)
            return np.asarray(
                array.oindex[np.asarray(selection)] if isinstance(selection, list | np.ndarray) else array[selection]
            )
        except (ValueError, RuntimeError, OSError) as error:
            raise Corrupt(f"{self.path}/{name} cannot be decoded ({error}). {self.remedy()}") from error

    def check(self, name: str, index: int) -> None:
        """Raises unless the shard is marked and is what its mark says; a shard already found sound costs one stat."""
        if index in self.attributes.get("thinned", ()):
            raise Missing(
                f"The {self.kind} of epoch {index} were deleted to save space; what was computed from them stays."
            )
        if index not in self.known and index not in self.marked():
            raise Missing(
                f"{self.path} has no finished {name} at {index}: it is still being computed, or was not asked for."
            )
        key = self.key(name, index)
        if key in self.sound and not self.objects.local:
            return
        stat = self.objects.stat(key)
        if stat is None and not self.objects.stat(self.mark_key(index)):
            raise Missing(f"{self.path} at {index} was deleted since this page was opened. Reload it.")
        if stat is None or self.sound.get(key) != stat.e_tag:
            if problem := self.problem(name, index, stat):
                raise Corrupt(f"{problem} {self.remedy()}")
            self.sound[key] = stat.e_tag if stat else ""

    def problem(self, name: str, index: int, stat: Stat | None, *, thorough: bool = False) -> str | None:
        """What is wrong with a marked shard, as a sentence; None if nothing is. An object store's own tag saves reading it."""
        key, mark = self.key(name, index), self.known[index].get(name)
        if mark is None:
            return f"The mark of {self.path} at {index} does not name the array {name}."
        if stat is None:
            return f"{key} is marked finished, but it is missing."
        if stat.size != mark["size"]:
            return f"{key} has {stat.size} bytes; its mark says {mark['size']}."
        if not thorough and not self.objects.local and stat.e_tag == mark["e_tag"]:
            return None
        if checksum(self.objects.get(key) or b"") != mark["blake2b"]:
            return f"{key} is not what was written: its checksum differs from its mark."
        return None

    def write(self, index: int, values: Mapping[str, np.ndarray]) -> bool:
        """Writes all arrays at one index and marks it. False, nothing changed, if another writer finished it with other values."""
        if odd := set(self.attributes["arrays"]) ^ set(values):
            together = ", ".join(self.attributes["arrays"])
            raise BadInput(f"{self.path} at {index}: {together} are written together; too many or too few: {odd}.")
        data = {name: encode(self.array(name), index, value) for name, value in values.items()}
        if index in self.marked():
            return self.holds(index, data)
        while not self.place(index, data):
            if self.finished_by_other(index):
                return self.holds(index, data)
            self.objects.delete_each([self.key(name, index) for name in data])
        stats = {name: self.objects.stat(self.key(name, index)) for name in data}
        arrays = {
            name: {"size": len(item), "blake2b": checksum(item), "e_tag": stat.e_tag}
            for name, item in data.items()
            if (stat := stats[name]) and stat.size == len(item)
        }
        if len(arrays) < len(data):  # another writer took this one for dead meanwhile
            return self.write(index, values)
        mark = {"written": datetime.now(UTC).isoformat(timespec="seconds"), "arrays": arrays}
        return self.objects.create(self.mark_key(index), json.dumps(mark).encode()) or self.holds(index, data)

    def holds(self, index: int, data: Mapping[str, bytes]) -> bool:
        """Whether the finished index holds just these bytes."""
        if index not in self.marked():
            raise Corrupt(f"The mark of {self.path} at {index} is damaged. {self.remedy()}")
        return all(self.known[index][name]["blake2b"] == checksum(item) for name, item in data.items())

    def place(self, index: int, data: Mapping[str, bytes]) -> bool:
        """Creates the objects; an equal one left by a killed writer is taken over, a different one makes this False."""
        return all(
            self.objects.create(self.key(name, index), item) or self.objects.get(self.key(name, index)) == item
            for name, item in data.items()
        )

    def finished_by_other(self, index: int) -> bool:
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while time.monotonic() < deadline:
            if self.objects.stat(self.mark_key(index)):
                return True
            time.sleep(0.2)
        return False

    def verify(self) -> list[str]:
        """Everything that is wrong with this artifact, one sentence each: each shard is read and compared with its mark."""
        self.known.clear()
        problems = [f"{self.path} lacks {index}: it is promised, but not finished." for index in self.missing()]
        problems += [f"{key} is missing or damaged." for key in self.damaged_metadata()]
        for index in self.marked():
            problems += self.problems(index)
        return problems

    def problems(self, index: int) -> list[str]:
        """What is wrong at one finished index; every byte is read."""
        stats = {name: self.objects.stat(self.key(name, index)) for name in self.attributes["arrays"]}
        found = [self.problem(name, index, stat, thorough=True) for name, stat in stats.items()]
        return [problem for problem in found if problem]

    def damaged_metadata(self) -> list[str]:
        """The zarr.json of this artifact and its arrays that are not what they were written as."""
        keys = {f"{self.path}/{name}/zarr.json": mark for name, mark in self.attributes.get("metadata", {}).items()}
        found = [key for key, mark in keys.items() if checksum(self.objects.get(key) or b"") != mark]
        return found if self.objects.stat(f"{self.path}/zarr.json") else [*found, f"{self.path}/zarr.json"]

    def discard_damage(self) -> list[str]:
        """Removes what is damaged, marks first, so that it is computed again; returns a sentence about each."""
        self.known.clear()
        removed = [f"{key} was missing or damaged." for key in self.damaged_metadata()]
        if removed:  # all are written again, the group's last
            self.objects.delete_each(
                [f"{self.path}/zarr.json", *(f"{self.path}/{name}/zarr.json" for name in self.attributes["arrays"])]
            )
        for index in self.marked():
            if problems := self.problems(index):
                self.discard(index)
                removed += problems
        for stat in list(self.objects.under(f"{self.path}/done")):
            if not self.mark(stat.path):
                self.objects.delete_each([stat.path])
                removed.append(f"{stat.path} was damaged.")
        return removed

    def discard(self, index: int) -> None:
        """Removes one index, mark first, so that it is computed again."""
        self.objects.delete_each([self.mark_key(index), *(self.key(name, index) for name in self.attributes["arrays"])])
        self.known.pop(index, None)

    def key(self, name: str, index: int) -> str:
        return f"{self.path}/{name}/c/{index}" + "/0" * (self.attributes["arrays"][name] - 1)

    def mark_key(self, index: int) -> str:
        return f"{self.path}/done/{index}.json"

    def remedy(self) -> str:
        owner = self.attributes.get("owner", "RUN")
        return f"Mend it with: python -m precompute verify {owner} --repair" + (
            ", where RUN is a run that shows it." if owner == "RUN" else ""
        )


def create(objects: Objects, path: str, layouts: Mapping[str, Layout], attributes: Mapping[str, Any]) -> Artifact:
    """Allocates an artifact's arrays at their full size; finds it there already is fine. The group's own object comes last."""
    if objects.stat(f"{path}/zarr.json"):
        return find(objects, path)
    memory: dict[str, Any] = {}
    facts = dict(attributes) | {"arrays": {name: len(item.shape) for name, item in layouts.items()}}
    group = zarr.create_group(MemoryStore(memory), attributes={})
    for name, item in layouts.items():
        kind = np.dtype(item.array.dtype)
        group.create_array(
            name,
            shape=item.shape,
            dtype=kind,
            chunks=item.chunk,
            shards=item.shard,
            dimension_names=item.array.dimensions,
            fill_value=np.nan if kind.kind == "f" else 0,
            compressors=[ZstdCodec(level=1), Crc32cCodec()],
            attributes={"meaning": item.array.meaning} | dict(item.attributes),  # type: ignore[arg-type]
        )
    facts["metadata"] = {name: checksum(memory[f"{name}/zarr.json"].to_bytes()) for name in layouts}
    group.update_attributes(facts)
    for key in sorted(memory, key=lambda key: key == "zarr.json"):
        objects.create(f"{path}/{key}", memory[key].to_bytes())
    return find(objects, path)


def find(objects: Objects, path: str) -> Artifact:
    """The artifact at `path`; raises Missing where there is none."""
    metadata = objects.get_json(f"{path}/zarr.json")
    if metadata is None:
        raise Missing(f"There is no artifact {path} in {objects.address}. Add it to the recipe and run that again.")
    attributes = metadata.get("attributes", {})
    if "arrays" not in attributes or "promised" not in attributes:
        raise LoupeError(
            f"{path} is a zarr group, but none of Loupe's artifacts: its attributes lack 'arrays' and 'promised'."
        )
    return Artifact(objects, path, attributes)
