"""Specifications of charts, kept for all sessions: to build one costs 20 to 60 ms of every rerun, to know it again one."""

from collections.abc import Callable
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from app import charts
from app.memory import HASHES, Memory

KEPT = Memory(400, 32 * 1024**2)


def kept(make: Callable[..., alt.TopLevelMixin], *given: Any, **named: Any) -> dict[str, Any]:
    """charts.spec(make(*given, **named)), made once; tables and arrays that are given count by what they hold.

    Runs, artifacts and what else memory.HASHES knows may be given, and whatever can be hashed. Not to be written to.
    """
    key = (make, told(given), told(named))
    if found := KEPT.get(key):
        return found[0]
    made = charts.spec(make(*given, **named))
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
    return HASHES[type(value)](value) if type(value) in HASHES else value
