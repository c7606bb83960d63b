"""HTML by functions: every text that is put in is escaped, so that what people wrote stays text."""

import html
from collections.abc import Iterable, Sequence
from typing import Any

EMPTY = {"img", "meta", "br", "line", "path", "circle", "rect"}  # elements without an end


class Markup(str):
    """Text that is HTML already; any other string is escaped where it is put in."""

    __slots__ = ()


def tag(name: str, /, *children: Any, **attributes: Any) -> Markup:
    """An element. Of the attributes, class_ is "class", an underscore becomes a hyphen, and None leaves one out."""
    named = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items() if value is not None}
    said = "".join(f' {key}="{html.escape(text(value))}"' for key, value in named.items())
    if name in EMPTY:
        return Markup(f"<{name}{said}>") if name in ("img", "meta", "br") else Markup(f"<{name}{said}/>")
    return Markup(f"<{name}{said}>{joined(children)}</{name}>")


def joined(children: Iterable[Any]) -> Markup:
    """Children in order; a list among them is spread out."""
    return Markup("".join(put(child) for child in children))


def put(child: Any) -> str:
    if isinstance(child, Markup):
        return child
    if isinstance(child, list | tuple):
        return joined(child)
    return html.escape(text(child))


def text(value: Any) -> str:
    """What HTML can carry: no control characters, no halves of a surrogate pair."""
    said = str(value).encode("utf-8", "replace").decode()
    return "".join(sign for sign in said if sign in "\n\t" or not (ord(sign) < 32 or 127 <= ord(sign) < 160))


def table(rows: Sequence[Sequence[Any]], heads: Sequence[str], numbers: int = 0) -> Markup:
    """Rows under heads; the last `numbers` columns are right-aligned."""
    first = len(heads) - numbers

    def line(kind: str, cells: Sequence[Any]) -> Markup:
        return tag("tr", [tag(kind, cell, class_="number" if at >= first else None) for at, cell in enumerate(cells)])

    body = tag("tbody", [line("td", cells) for cells in rows])
    return tag("div", tag("table", tag("thead", line("th", heads)), body), class_="wide")
