"""Values that a field hardly expects."""

from typing import Any, get_args

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from precompute import catalogue

Draws = np.random.Generator

NAMES = (
    "os:system",
    "builtins:eval",
    "subprocess:run",
    "pickle:loads",
    "a:b:c",
    ":",
    "x:",
    "torchvision/nothing",
    "../../x",
)
TEXTS = (
    "", " ", "a", "all", "auto", "x" * 3000, "é" * 50, "\x00", "\u202e\u200b", "a\nb\r\n", "../../etc/passwd",
    "/etc/shadow", "~root", "file:///etc/passwd", "s3://bucket/x", "{0.__class__}", "%s%n",
    "'; DROP TABLE runs; --", "<script>", "\N{PILE OF POO}",
    "CON", "nan", "1e999", "-", "0" * 41, *NAMES,
)  # fmt: skip
NUMBERS = (0, 1, -1, 2, 2**31 - 1, 2**31, 2**63, 2**64, 10**400, 16**5000, -(10**30), 0.5, 1e-320, 1e308, -0.0)
NUMBERS += (float("nan"), float("inf"), float("-inf"))
ODD: tuple[Any, ...] = (True, False, [], {}, [[]], [None], {"": 0}, {"a": {"a": {}}}, [0] * 5000, ["a", 1, 2.0], "[]")


def bounds(info: FieldInfo) -> list[Any]:
    """Numbers at and beside the bounds of a field."""
    found: list[Any] = []
    for item in info.metadata:
        for kind, name in ((Ge, "ge"), (Gt, "gt"), (Le, "le"), (Lt, "lt")):
            if isinstance(item, kind):
                edge = getattr(item, name)
                found += [
                    edge,
                    edge - 1,
                    edge + 1,
                    float(edge),
                    np.nextafter(edge, -9).item(),
                    np.nextafter(edge, 9).item(),
                ]
    return found


def words(info: FieldInfo) -> list[Any]:
    """What a field's Literal lists."""
    found = [word for kind in (info.annotation, *get_args(info.annotation)) for word in get_args(kind)]
    return [word for word in found if isinstance(word, str)]


def value(draws: Draws, info: FieldInfo | None = None) -> Any:
    """Something that a field may be given."""
    of_field = [*bounds(info), *words(info)] if info else []
    pools = [pool for pool in (of_field, TEXTS, NUMBERS, ODD, tuple(catalogue.TECHNIQUES)) if pool]
    pool = pools[int(draws.integers(0, len(pools)))]
    found = pool[int(draws.integers(0, len(pool)))]
    return [found, found] if draws.random() < 0.1 else found
