"""A reliability card: rows with a small chart, the numbers in words, and links to the method and to the evidence."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from app.widgets.message import stamped

HERE = Path(__file__).parent
CSS, JS = ((HERE / f"card.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))

mount = st.components.v2.component("loupe_card", html='<div class="card" role="table"></div>', css=CSS, js=JS)


@dataclass(frozen=True)
class Row:
    """One row as drawn. about: address of its method; name and href: of its evidence; chart: facts, or None."""

    title: str
    state: str
    words: str
    rule: str
    about: str
    name: str
    href: str
    chart: Mapping[str, Any] | None = field(repr=False)


def card(rows: Sequence[Row], *, label: str, key: str, on_open: Callable[[str], None]) -> None:
    """Draws it; calls back with the name of a row whose evidence was asked for in the same tab."""
    names = {row.name for row in rows if row.name}

    def opened() -> None:
        said = st.session_state[key].get("opened")
        if isinstance(said, str) and said in names:  # a browser's word
            on_open(said)

    mount(key=key, data=packed(rows, label), on_opened_change=opened)


def packed(rows: Sequence[Row], label: str) -> dict[str, Any]:
    facts = {"label": label, "rows": [asdict(row) for row in rows]}
    return stamped(facts)
