"""How a run is getting on: a small object beside its artifacts, replaced again and again."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Status:
    """How a run is getting on, as its writer last said. `state`: running, finished, failed or stopped."""

    state: str = "running"
    doing: str = ""  # what is under way, in words
    done: int = 0  # steps finished, of
    of: int = 0  # steps in all
    seconds_left: float | None = None
    reason: str = ""  # why it failed, for a person
    at: float = 0.0  # Unix time of writing
    rates: Mapping[str, float] = field(default_factory=dict)  # mean seconds of one step of each kind
