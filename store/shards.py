"""One artifact: arrays that share an index (an epoch, a block of images), written index by index and marked when whole.

A mark is created only after all data of its index is there; readers see only what is marked. Zarr itself reads a missing
shard as fill value, so everything read here is checked against its mark first.
"""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import MemoryStore

from store.encoding import Encoded, checksum, described, encode
from store.errors import BadInput, Corrupt, Missing
from store.objects import Objects, Stat
from store.schema import Layout
from store.seals import facts_of, sealed, unsound_artifact, whole
from store.soundness import marks, problem, stands, stored_checksum, written
from store.together import each, spans

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
        if not self.known.keys() >= (promised := {*self.promised}):
            there = marks(self.objects, f"{self.path}/done")
            fresh = [index for index in there if index not in self.known]
            for index, mark in zip(fresh, each(self.objects, lambda one: self.mark(there[one]), fresh), strict=True):
                if mark and (index in promised or stands(self.objects, self.keys(index), mark)):  # see Recorder.finish
                    self.known[index] = mark
        return tuple(sorted(self.known))

    def mark(self, path: str) -> Mark | None:
        """A mark as it was written; None where it is damaged, so that its index counts as not finished."""
        with contextlib.suppress(Corrupt, KeyError, TypeError):
            arrays = self.objects.get_json(path)["arrays"]
            return arrays if whole(arrays, self.attributes["arrays"]) else None
        return None

    def missing(self) -> tuple[int, ...]:
        """The promised indices that are not finished."""
        return tuple(sorted({*self.promised} - {*self.marked()}))

    def array(self, name: str) -> zarr.Array:
        if name not in self.arrays:
            data = self.objects.get(f"{self.path}/{name}/zarr.json") or b""
            written = self.attributes.get("metadata", {}).get(name, checksum(data))
            array = described(self.objects.raw, f"{self.path}/{name}", data, self.remedy())
            if checksum(data) != written or array.ndim != self.attributes["arrays"].get(name):
                raise Corrupt(f"{self.path}/{name}/zarr.json is not what was written. {self.remedy()}")
            self.arrays[name] = array
        return self.arrays[name]

    def read(self, name: str, indices: int | Sequence[int], *rest: Any) -> np.ndarray:
        """Values of array `name` at the finished shards `indices` (of epochs), cut further by `rest`.

        Raises Missing for an index that is not finished, Corrupt for one that is damaged.
        """
        array, single = self.array(name), np.ndim(indices) == 0
        wanted = [int(index) for index in np.atleast_1d(np.asarray(indices, np.int64))]
        self.check_all(name, wanted)
        with self.decoding(name):
            if single:
                return np.asarray(array[(wanted[0], *rest)])
            if not wanted:
                return np.asarray(np.empty((0, *array.shape[1:]), array.dtype)[(slice(None), *rest)])
            parts: list[np.ndarray] = each(self.objects, lambda span: np.asarray(array[(span, *rest)]), spans(wanted))
            return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def read_blocks(self, name: str, selection: Any = slice(None)) -> np.ndarray:
        """Values of an array cut into blocks of images; every block that is read must be finished."""
        array, listed = self.array(name), isinstance(selection, list | np.ndarray)
        length = (array.shards or array.chunks)[0]
        asked = np.unique(np.asarray(selection) // length).tolist() if listed else self.promised
        self.check_all(name, asked)
        with self.decoding(name):
            return np.asarray(array.oindex[np.asarray(selection)] if listed else array[selection])

    @contextlib.contextmanager
    def decoding(self, name: str) -> Iterator[None]:
        """Turns what zarr says of a damaged chunk into a sentence."""
        try:
            yield
        except (ValueError, RuntimeError, OSError) as error:
            raise Corrupt(f"{self.path}/{name} cannot be decoded ({error}). {self.remedy()}") from error

    def check_all(self, name: str, indices: Sequence[int]) -> None:
        """Raises unless all these shards are marked and sound."""
        if any(index not in self.known for index in indices):
            self.marked()
        unsure = [index for index in indices if self.objects.local or self.key(name, index) not in self.sound]
        each(self.objects, lambda index: self.check(name, index), unsure)

    def check(self, name: str, index: int) -> None:
        """Raises unless the shard is marked and is what its mark says; a shard already found sound costs one stat."""
        if index in self.attributes.get("thinned", ()):
            raise Missing(f"The {self.kind} of epoch {index} were deleted to save space; what came of them stays.")
        if index not in self.known and index not in self.marked():
            raise Missing(
                f"{self.path} has no finished {name} at {index}: it is still being computed, or was not asked for."
            )
        key = self.key(name, index)
        stat = self.objects.stat(key)
        if stat is None and not self.objects.stat(self.mark_key(index)):
            raise Missing(f"{self.path} at {index} was deleted since this page was opened. Reload it.")
        if stat is None or self.sound.get(key) != stat.e_tag:
            if problem := self.problem(name, index, stat):
                raise Corrupt(f"{problem} {self.remedy()}")
            self.sound[key] = stat.e_tag if stat else ""

    def problem(self, name: str, index: int, stat: Stat | None, *, thorough: bool = False) -> str | None:
        """What is wrong with a marked shard, as a sentence; None if nothing is."""
        return problem(self.objects, self.key(name, index), self.known[index].get(name), stat, thorough=thorough)

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
            name: written(item, stat) for name, item in data.items() if (stat := stats[name]) and stat.size == len(item)
        }
        if len(arrays) < len(data):  # another writer took this one for dead meanwhile
            return self.write(index, values)
        mark = {"written": datetime.now(UTC).isoformat(timespec="seconds"), "arrays": arrays}
        return self.objects.create(self.mark_key(index), json.dumps(mark).encode()) or self.holds(index, data)

    def holds(self, index: int, data: Mapping[str, Encoded]) -> bool:
        """Whether the finished index holds just these bytes."""
        if index not in self.marked():
            raise Corrupt(f"The mark of {self.path} at {index} is damaged. {self.remedy()}")
        return all(self.known[index][name]["blake2b"] == checksum(item) for name, item in data.items())

    def place(self, index: int, data: Mapping[str, Encoded]) -> bool:
        """Creates the objects; an equal one left by a killed writer is taken over, a different one makes this False."""
        return all(
            self.objects.create(key := self.key(name, index), item)
            or stored_checksum(self.objects, key) == checksum(item)
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
        stats = {name: self.objects.stat(key) for name, key in self.keys(index).items()}
        return [said for name, stat in stats.items() if (said := self.problem(name, index, stat, thorough=True))]

    def damaged_metadata(self) -> list[str]:
        """The zarr.json of this artifact and its arrays that are not what they were written as."""
        keys = {f"{self.path}/{name}/zarr.json": mark for name, mark in self.attributes.get("metadata", {}).items()}
        found = [key for key, mark in keys.items() if checksum(self.objects.get(key) or b"") != mark]
        try:
            find(self.objects, self.path)
        except (Missing, Corrupt):
            found.append(f"{self.path}/zarr.json")
        return found

    def discard_damage(self) -> list[str]:
        """Removes what is damaged, marks first, so that it is computed again; returns a sentence about each."""
        self.known.clear()
        removed = [f"{key} was missing or damaged." for key in self.damaged_metadata()]
        for place in (self.path, *(f"{self.path}/{name}" for name in self.attributes["arrays"])) if removed else ():
            self.objects.clear_description(place)  # all are written again, the group's last
        for index in self.marked():
            if problems := self.problems(index):
                self.discard(index)
                removed += problems
        for stat in list(self.objects.under(f"{self.path}/done")):
            if not self.mark(stat.path):
                self.objects.clear(stat.path)
                removed.append(f"{stat.path} was damaged.")
        for path in [path for index in self.missing() for path in self.paths(index)]:
            self.objects.make_way(path)
        return removed

    def discard(self, index: int) -> None:
        """Removes one index, mark first, so that it is computed again, and whatever stands in its place."""
        for path in self.paths(index):
            self.objects.clear(path)
        self.known.pop(index, None)

    def paths(self, index: int) -> list[str]:
        return [self.mark_key(index), *self.keys(index).values()]

    def keys(self, index: int) -> dict[str, str]:
        return {name: self.key(name, index) for name in self.attributes["arrays"]}

    def key(self, name: str, index: int) -> str:
        return f"{self.path}/{name}/c/{index}" + "/0" * (self.attributes["arrays"][name] - 1)

    def mark_key(self, index: int) -> str:
        return f"{self.path}/done/{index}.json"

    def remedy(self) -> str:
        owner = self.attributes.get("owner", "RUN")
        which = ", where RUN is a run that shows it." if owner == "RUN" else ""
        return f"Mend it with: python -m precompute verify {owner} --repair{which}"


def create(objects: Objects, path: str, layouts: Mapping[str, Layout], attributes: Mapping[str, Any]) -> Artifact:
    """Allocates an artifact's arrays at their full size; finds it there already is fine. The group's own object comes last."""
    if objects.stat(f"{path}/zarr.json"):
        return find(objects, path)
    memory: dict[str, Any] = {}
    sizes = {name: len(item.shape) for name, item in layouts.items()}
    facts = dict(attributes) | {"name": path.rpartition("/")[2], "arrays": sizes}
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
    group.update_attributes(sealed(facts))
    for key in sorted(memory, key=lambda key: key == "zarr.json"):
        objects.create(f"{path}/{key}", memory[key].to_bytes())
    return find(objects, path)


def find(objects: Objects, path: str) -> Artifact:
    """The artifact at `path`; raises Missing where there is none, Corrupt where its facts are not what was written."""
    metadata = objects.get_json(f"{path}/zarr.json")
    if metadata is None:
        raise Missing(f"There is no artifact {path} in {objects.address}. Add it to the recipe and run that again.")
    attributes = facts_of(metadata)
    if attributes is None or "arrays" not in attributes or "promised" not in attributes:
        raise Corrupt(
            f"{path}/zarr.json describes no artifact of Loupe's: its attributes lack 'arrays' and 'promised'."
        )
    artifact = Artifact(objects, path, attributes)
    if unsound_artifact(attributes) or attributes.get("name", artifact.name) != artifact.name:  # that of its neighbour
        raise Corrupt(f"{path}/zarr.json is not what was written. {artifact.remedy()}")
    return artifact
