"""Recipe fields as a TOML file."""

import json
import math
from typing import Any

TOO_DEEP = b"x = " + b"[" * 5000


def written(fields: dict[str, Any]) -> bytes:
    """A TOML file of these fields; what is None is left out. One that is nested too deeply is only brackets."""
    try:
        lines = [f"{key(name)} = {value(item)}" for name, item in fields.items() if item is not None]
    except RecursionError:
        return TOO_DEEP
    return "\n".join(lines).encode("utf-8", "replace") + b"\n"


def key(name: str) -> str:
    return json.dumps(name)


def value(item: Any) -> str:
    match item:
        case bool():
            return str(item).lower()
        case int():
            return f"0x{item:x}" if item > 2**80 else str(item)
        case float():
            return repr(item) if math.isfinite(item) else "nan" if math.isnan(item) else "-inf" if item < 0 else "inf"
        case str():
            return json.dumps(item, ensure_ascii=False).replace("\x7f", "\\u007f")
        case dict():
            held = (f"{key(str(name))} = {value(inner)}" for name, inner in item.items() if inner is not None)
            return "{" + ", ".join(held) + "}"
        case list() | tuple():
            return "[" + ", ".join(value(inner) for inner in item if inner is not None) + "]"
    return json.dumps(str(item))
