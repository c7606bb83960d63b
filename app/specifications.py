"""Specifications of charts, kept for all sessions: to build one costs 20 to 60 ms of every rerun, to know it again one."""

from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from app import charts, ground
from app.memory import HASHES, Memory

KEPT = Memory(600, 32 * 1024**2)


def kept(make: Callable[..., alt.TopLevelMixin], *given: Any, **named: Any) -> dict[str, Any]:
    """charts.spec(make(*given, **named)), made once; tables and arrays that are given count by what they hold.

    Runs, artifacts and what else memory.HASHES knows may be given, and whatever can be hashed. Not to be written to.
    """
    return known((make, told(given), told(named)), lambda: charts.spec(make(*given, **named)))


def made(make: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
    """make(*given), which is a specification already, likewise made once. Of frozen dataclasses counts what they hold."""
    return known((make, told(given)), lambda: make(*given))


def known(key: Any, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    key = (key, ground.is_dark())
    if found := KEPT.get(key):
        return found[0]
    made = ground.lifted(make())
    KEPT.put(key, made, sum(map(len, made["datasets"].values())))
    return made


def told(value: Any) -> Any:
    """What tells a value from others, hashable."""
    if isinstance(value, pd.DataFrame):
        rows = pd.util.hash_pandas_object(value, index=False).to_numpy()
        return *value.columns, *map(str, value.dtypes), rows.tobytes()
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, dict):
        return tuple((name, told(item)) for name, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(told, value))
    if is_dataclass(value) and type(value).__hash__ is object.__hash__:
        return told(vars(value))
    return HASHES[type(value)](value) if type(value) in HASHES else value
