"""Whether what lies in a run's folder was made for it: a whole file of another run may lie in the place of its own."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from store import shards
from store.errors import Corrupt, Missing
from store.objects import Objects
from store.shards import Artifact


def owns(run: Mapping[str, Any], item: Artifact) -> bool:
    """Whether an artifact was made for the run of these facts, whatever its folder is called. Of earlier Loupes', always."""
    own = run.get("id")
    return own is None or item.attributes.get("owner", own) == own


def owned(run_id: str, run: Mapping[str, Any], item: Artifact) -> Artifact:
    """The artifact that was found in a run's folder; raises Corrupt where it is another run's."""
    if not owns(run, item):
        remedy = f"Mend it with: python -m precompute verify {run_id} --repair"
        raise Corrupt(f"{item.path}/zarr.json is that of run {item.attributes['owner']}. {remedy}")
    return item


def exchanged(objects: Objects, run_id: str, run: Mapping[str, Any]) -> bool:
    """Whether the facts in a run's folder are those of another run: not a copied or renamed folder, whose artifacts fit."""
    if run.get("id", run_id) == run_id:
        return False
    for name in objects.folders(f"runs/{run_id}"):
        with suppress(Corrupt, Missing):  # the first artifact that can be read tells
            return not owns(run, shards.find(objects, f"runs/{run_id}/{name}"))
    return False
