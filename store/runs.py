"""Runs and data sets in a store: create, list, open, summarise, delete.

runs/<id>/ holds a run's facts (zarr.json), its artifacts, its status, and, once finished, a summary that saves readers
the listing; datasets/<id>/ the evaluated images. docs/store.md is the specification.
"""

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from store import encoding, shards, summaries, together
from store.belonging import exchanged, owned, owns
from store.errors import BadInput, Corrupt, LoupeError, Missing, Unanswered
from store.ids import is_id, safe
from store.objects import Objects
from store.schema import KINDS, VERSION, layout
from store.seals import facts_of, sealed, unsound_run, unsound_status
from store.shards import Artifact
from store.status import Status as Status

KEPT = ("asked", "configurations", "lineage")  # facts that `Run.keep` keeps


@dataclass(frozen=True)
class Run:
    """One run as its attributes describe it. Its weights are finished epoch by epoch; artifacts are computed from them."""

    objects: Objects
    id: str
    attributes: Mapping[str, Any]
    opened: dict[str, Artifact] = field(default_factory=dict, compare=False, repr=False)
    unread: dict[str, str] = field(default_factory=dict, compare=False, repr=False)  # damaged artifacts, and why

    @property
    def path(self) -> str:
        return f"runs/{self.id}"

    @property
    def uuid(self) -> str:
        """Differs between two runs of one id where the first was deleted: caches are keyed by it."""
        return self.attributes["uuid"]

    @property
    def recipe(self) -> Mapping[str, Any]:
        return self.attributes["recipe"]

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.attributes["classes"])

    @property
    def origin(self) -> str:
        """Where its weights come from: "trained" here, "imported" from checkpoints, "recorded" from somebody's own loop."""
        return self.attributes.get("origin", "trained")

    @property
    def epochs(self) -> int:
        """Epochs of training asked for; epoch 0 is the initial model."""
        return int(self.attributes["epochs"])

    def artifacts(self) -> dict[str, Artifact]:
        """Every artifact by name, whether finished or not, without those whose facts are damaged: `unread` names them."""
        summarised = self.summarised()
        unread = {}
        for name in summarised or self.objects.folders(self.path):
            if name in self.opened:
                continue
            if summarised:
                self.opened[name] = summarised[name]
                continue
            try:
                if self.objects.stat(f"{self.path}/{name}/zarr.json"):
                    self.artifact(name)
            except Unanswered:
                raise
            except LoupeError as error:
                unread[name] = str(error)
        self.unread.clear()
        self.unread.update(unread)
        return dict(sorted(self.opened.items()))

    def summarised(self, opened: Mapping[str, Artifact] | None = None) -> dict[str, Artifact]:
        """The artifacts as the summary of a finished run describes them, opened ones as they are; {} where it is not sound."""
        opened = self.opened if opened is None else opened
        found = summaries.artifacts(self.objects, self.path, self.read_json("summary.json"), opened)
        return found if all(owns(self.attributes, item) for item in found.values()) else {}

    def artifact(self, name: str) -> Artifact:
        """One artifact; raises Missing where the run has none of that name."""
        if name not in self.opened:
            found = shards.find(self.objects, f"{self.path}/{name}")
            self.opened[name] = owned(self.id, self.attributes, found)
        return self.opened[name]

    def of_kind(self, kind: str) -> list[Artifact]:
        """The artifacts of one kind, latest first."""
        found = [item for item in self.artifacts().values() if item.kind == kind]
        return sorted(found, key=lambda item: item.attributes.get("created", 0), reverse=True)

    def add(
        self, name: str, kind: str, sizes: Mapping[str, int], promised: Sequence[int], attributes: Mapping[str, Any]
    ) -> Artifact:
        """Allocates an artifact of a kind in the schema, or finds it there. A size may be for one array only: "float32.value"."""
        if name in self.opened:
            return self.opened[name]
        facts = {"kind": kind, "promised": list(promised), "created": time.time(), **attributes}
        facts["owner"] = self.attributes.get("id", self.id)  # that of a copied folder remains
        layouts = {}
        for key, array in KINDS[kind].items():
            lengths = dict(sizes) | {
                name: sizes[f"{key}.{name}"] for name in array.dimensions if f"{key}.{name}" in sizes
            }
            if all(name in lengths for name in array.dimensions):
                layouts[key] = layout(array, lengths)
        found = shards.create(self.objects, f"{self.path}/{name}", layouts, facts)
        self.opened[name] = owned(self.id, self.attributes, found)
        return self.opened[name]

    def status(self) -> Status:
        """The last word of whoever computes this run; state "unknown" where nobody has said any."""
        found = self.read_json("status.json")
        known = {name: found[name] for name in Status.__dataclass_fields__ if name in found}
        return Status(**known) if "state" in known and not unsound_status(known) else Status(state="unknown")

    def read_json(self, name: str) -> dict[str, Any]:
        """A small object beside the artifacts that can be done without; {} where it is absent or damaged."""
        try:
            found = self.objects.get_json(f"{self.path}/{name}")
        except Unanswered:
            raise
        except LoupeError:
            found = None
        return found if isinstance(found, dict) else {}

    def keep(self, kind: str, what: Mapping[str, Any]) -> None:
        """Keeps a small fact for good, once, named by its content: a recipe asked for, a configuration computed with."""
        body = json.dumps(what, sort_keys=True).encode()
        self.objects.create(f"{self.path}/{kind}/{encoding.checksum(body)[:12]}.json", body)

    def kept(self, kind: str) -> list[dict[str, Any]]:
        """All facts of a kind that are what was written, in no order; `damaged` names the others."""
        return [json.loads(data) for data in self.kept_bytes(kind).values() if data]

    def kept_bytes(self, kind: str) -> dict[str, bytes | None]:
        """The facts of a kind by path; None for one that differs from the digest it is named by."""
        found = {stat.path: self.objects.get(stat.path) for stat in self.objects.under(f"{self.path}/{kind}")}
        named = {path: path.rsplit("/", 1)[-1].removesuffix(".json") for path in found}
        return {
            path: data if data and encoding.checksum(data)[:12] == named[path] else None for path, data in found.items()
        }

    def damaged(self) -> list[str]:
        """Paths of the kept facts that are not what was written."""
        return [path for kind in KEPT for path, data in self.kept_bytes(kind).items() if not data]

    def say(self, status: Mapping[str, Any]) -> None:
        """Replaces the status."""
        self.objects.put(f"{self.path}/status.json", json.dumps({**status, "at": time.time()}).encode())

    def missing(self) -> dict[str, tuple[int, ...]]:
        """What is promised but not finished, by artifact."""
        return {name: missing for name, item in self.artifacts().items() if (missing := item.missing())}

    def summarise(self) -> None:
        """Writes what lets a reader open the finished run at once; called when nothing is missing. Raises Missing if deleted."""
        if not self.objects.stat(f"{self.path}/zarr.json"):
            raise Missing(f"Run {self.id} was deleted meanwhile.")
        items = {
            name: {"attributes": dict(item.attributes), "marks": item.known}
            for name, item in self.artifacts().items()
            if not item.missing()
        }
        body = summaries.consolidated(self.objects, self.path, self.attributes, self.artifacts())
        self.objects.put(f"{self.path}/zarr.json", json.dumps(body).encode())
        summary = {"artifacts": items, "seal": summaries.seal(items)}  # last: with it the run is finished
        self.objects.put(f"{self.path}/summary.json", json.dumps(summary).encode())

    def reopen(self) -> None:
        """Takes the summary away, because more is to be computed."""
        self.objects.delete_each([f"{self.path}/summary.json"])

    def verify(self) -> list[str]:
        """Everything missing or damaged, one sentence each; reads every byte."""
        found, summarised, present = [], self.summarised({}), self.artifacts()
        for name in self.datasets():
            try:
                found += dataset(self.objects, name, self.id).verify()
            except Missing:
                found.append(f"datasets/{name} is not there: it is promised, but not finished.")
            except LoupeError as error:
                found.append(str(error))
        found += [f"{path} is not what was written." for path in self.damaged()]
        found += [problem for item in present.values() for problem in item.verify()]
        said = summaries.problems(self.objects, self.path, summarised, present)
        return [*said, *found, *self.unread.values()]

    def datasets(self) -> list[str]:
        """Ids of the image sets this run's artifacts show, and of the pictures of what it was trained on."""
        named = {item.attributes["dataset"] for item in self.artifacts().values() if "dataset" in item.attributes}
        named |= {self.attributes[key] for key in ("dataset", "training_images") if key in self.attributes}
        return sorted(named)

    def size(self) -> int:
        """Bytes on disk, without the shared images."""
        return sum(stat.size for stat in self.objects.under(self.path))


def create_run(objects: Objects, run_id: str, attributes: Mapping[str, Any]) -> Run:
    """The run of this id, made now or found: who comes second reads what the first wrote."""
    facts = {"schema": VERSION, "uuid": uuid.uuid4().hex, "created": time.time(), **attributes, "id": run_id}
    body = {"zarr_format": 3, "node_type": "group", "attributes": sealed(facts)}
    objects.create(f"runs/{safe(run_id)}/zarr.json", json.dumps(body).encode())
    return open_run(objects, run_id)


def open_run(objects: Objects, run_id: str) -> Run:
    """The run of this id; raises Missing where there is none, BadInput where a newer Loupe wrote it."""
    metadata = objects.get_json(f"runs/{safe(run_id)}/zarr.json")
    if metadata is None:
        objects.contain(f"runs/{run_id}/zarr.json")
        there = ", ".join(run_ids(objects)[:8]) or "none yet"
        raise Missing(f"There is no run '{run_id}' in {objects.address}. Runs there: {there}.")
    attributes = facts_of(metadata)
    if attributes is None or "schema" not in attributes or "uuid" not in attributes:
        raise Corrupt(f"runs/{run_id}/zarr.json describes no run of Loupe's: its attributes lack 'schema' and 'uuid'.")
    if type(attributes["schema"]) is int and attributes["schema"] > VERSION:
        raise BadInput(
            f"Run {run_id} was written by a newer Loupe: its store schema is {attributes['schema']}, this one reads up to "
            f"{VERSION}. Update Loupe to open it."
        )
    if unsound_run(attributes) or exchanged(objects, run_id, attributes):
        raise Corrupt(
            f"runs/{run_id}/zarr.json is not what was written. Mend it with: python -m precompute verify {run_id} --repair, "
            f"or delete the run: python -m precompute delete {run_id}"
        )
    return Run(objects, run_id, attributes)


def run_ids(objects: Objects) -> list[str]:
    return objects.folders("runs")


def all_runs(objects: Objects, opener: Callable[[Objects, str], Run] = open_run) -> tuple[list[Run], list[str]]:
    """Every run that can be opened, latest first, and a sentence about each that cannot."""

    def opened(run_id: str) -> Run | str | None:
        try:
            return opener(objects, run_id)
        except LoupeError as error:  # Missing: just being deleted, or left by a delete that was interrupted
            return None if isinstance(error, Missing) else str(error)

    found = together.each(objects, opened, run_ids(objects))
    runs = sorted((one for one in found if isinstance(one, Run)), key=lambda run: -run.attributes.get("created", 0))
    return runs, [one for one in found if isinstance(one, str)]


def delete_run(objects: Objects, run_id: str) -> int:
    """Deletes a run, and its images where no other run shows them; of a link to a run, the link. Returns the bytes freed."""
    if objects.is_link(f"runs/{safe(run_id)}"):
        return objects.delete(f"runs/{run_id}")
    own = remains(objects, run_id).datasets()
    others = [other for other in run_ids(objects) if other != run_id]
    unshared = [data for data in own if is_id(data) and not any(shows(objects, other, data) for other in others)]
    objects.clear(f"runs/{run_id}/zarr.json")  # first, so that no reader finds half a run
    return objects.delete(f"runs/{run_id}") + sum(objects.delete(f"datasets/{data}") for data in unshared)


def remains(objects: Objects, run_id: str) -> Run:
    """The run of this id; without facts where they are damaged, or gone by a delete that was interrupted."""
    try:
        return open_run(objects, run_id)
    except (Missing, Corrupt):
        if run_id not in run_ids(objects):
            raise
        return Run(objects, run_id, {})


def shows(objects: Objects, run_id: str, data: str) -> bool:
    """Whether a run may show these images; so may what cannot be read: of a newer Loupe, or with damaged facts."""
    try:
        run = open_run(objects, run_id)
        return data in run.datasets() or bool(run.unread)
    except Missing:
        return False
    except LoupeError:
        return True


def dataset(objects: Objects, dataset_id: str, run_id: str = "RUN") -> Artifact:
    """The evaluated images a run shows; `run_id` is the run named in the remedy for damage."""
    found = shards.find(objects, f"datasets/{safe(dataset_id)}")
    return Artifact(objects, found.path, dict(found.attributes) | {"owner": run_id})
