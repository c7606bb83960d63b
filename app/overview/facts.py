"""What a run was made from: its recipe, its network and layers, and where and with what it was computed. Folded away."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, get_args

import pyarrow as pa
import streamlit as st
from pydantic import BaseModel

from app import memory, sections
from app.edge import plain
from app.selection import Selection
from precompute.recipe import Recipe
from store.runs import Run
from store.shards import Artifact


def folded(now: Selection) -> None:
    """Two closed sections at the end of the page; what is in them is sent when they are opened."""
    title = "Recipe: data, network and hyperparameters"
    sections.folded(title, ":material/receipt_long:", "overview.recipe", recipe, now.run)
    title = "Provenance: where and with what this was computed"
    sections.folded(title, ":material/history:", "overview.provenance", provenance, now)


def recipe(run: Run) -> None:
    st.markdown(plain(run.recipe.get("note", "")))
    table(recipe_table(run), "The recipe, field by field")


def provenance(now: Selection) -> None:
    table(provenance_table(now.run, now.data), "Provenance, field by field")
    for note in now.data.attributes.get("notes", []):
        st.caption(plain(str(note)))


def table(frame: pa.Table, alt: str) -> None:
    st.dataframe(frame, hide_index=True, width="stretch", height="content", alt=alt)


@memory.remembered(100)
def recipe_table(run: Run) -> pa.Table:
    """Every field of the recipe that is set, and what it means."""
    rows = [(name, value, meaning(name)) for name, value in flattened(run.recipe) if name != "note"]
    return columns(rows, ("field", "value", "meaning"))


def meaning(field: str) -> str:
    """What a field of a recipe means; "" for options, which the data set, network or technique defines itself."""
    section: Any = Recipe
    description = ""
    for name in field.split("."):
        if not (isinstance(section, type) and issubclass(section, BaseModel) and name in section.model_fields):
            return ""
        found = section.model_fields[name]
        kinds = [found.annotation, *get_args(found.annotation)]
        section = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        description = found.description or ""
    return description


@memory.remembered(100)
def provenance_table(run: Run, data: Artifact) -> pa.Table:
    """Where the run comes from, fact by fact."""
    facts, images = run.attributes, data.attributes
    layers = {
        item["name"]: f"{item['channels']} × {item['height']} × {item['width']}" for item in facts.get("layers", [])
    }
    default = facts.get("default_layer", "")
    rows = {
        "run": run.id,
        "created": datetime.fromtimestamp(facts.get("created", 0), UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "network": f"{facts.get('network')}, {facts.get('parameters', 0):,} parameters",
        "layer of the maps by default": f"{default} ({layers.get(default, 'size unknown')}), one of {len(layers)}",
        "images": f"{images.get('title', data.path)}, {images.get('size')} × {images.get('size')} pixels",
        "epochs kept": ", ".join(map(str, facts.get("kept", []))),
        **dict(flattened(facts.get("provenance", {}))),
        **{f"fingerprint of {name}": value for name, value in facts.get("fingerprints", {}).items() if value},
    }
    return columns([(name, str(value)) for name, value in rows.items()], ("fact", "value"))


def columns(rows: Sequence[tuple[str, ...]], names: tuple[str, ...]) -> pa.Table:
    """Rows of text as an Arrow table, which is sent as it is."""
    return pa.table({name: [row[index] for row in rows] for index, name in enumerate(names)})


def flattened(part: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested fields as ("training.augmentation.shift", "0.1"); empty ones are left out."""
    for name, value in part.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{name}.")
        elif value not in (None, "", [], ()):
            yield f"{prefix}{name}", ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
