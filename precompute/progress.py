"""How far a run is and how long it still takes, from the seconds its own steps took. Says so to the store and to the terminal."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from store.runs import Run, Status

SAY_EVERY = 1.0  # seconds between two writes of the status
LONG = 10.0  # seconds of a step after which the status says how much of it is done
TELLING = 0.05  # share of a step from which it tells how long the whole takes: the first batches take longer


@dataclass
class Progress:
    """Steps of several kinds ("training", "evaluation", …): how many there are, and how long one takes on average."""

    run: Run
    show: Callable[[Status], None] = lambda status: None
    planned: Counter[str] = field(default_factory=Counter)
    finished: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    timed: Counter[str] = field(default_factory=Counter)
    doing: str = ""
    current: str = ""
    began: float = 0.0
    share: float = 0.0  # of the current step that is done, 0 to 1; 0 where it does not say
    said: float = 0.0
    earlier: dict[str, float] = field(default_factory=dict)  # rates that an earlier process measured
    worth: dict[str, float] = field(default_factory=dict)  # epochs of training that a step of a kind takes as long as
    leads: bool = True  # one of several processes that make a run speaks for it

    @contextmanager
    def step(self, kind: str, doing: str, *, typical: bool = True) -> Iterator[None]:
        """One step of a kind while it is under way; it counts when it ends without an error. `typical`: others take as long."""
        self.doing, self.current, self.began, self.share = doing, kind, time.monotonic(), 0.0
        self.say()
        yield
        if typical:
            self.seconds[kind] += time.monotonic() - self.began
            self.timed[kind] += 1
        self.finished[kind] += 1
        self.current, self.share = "", 0.0
        self.say()

    def seconds_left(self) -> float | None:
        """None before the first epoch, or where nothing is trained the first step, is timed: by an earlier process, too, or
        by the part of it that is done.

        A kind of step that never was counts as what it is worth in training, else as long as the average other one, epochs of
        training not among them: they take a hundred times as long. As long as nothing else is known, only those count.
        """
        now = self.under_way()
        rates = self.with_worth(now | self.rates())
        others = [rates[kind] for kind in rates if kind != "training" and kind not in self.worth]
        trains = self.planned["training"] > self.finished["training"]
        if ("training" not in rates) if trains else not (others or (self.worth and rates)):
            return None
        average, left = sum(others) / max(1, len(others)), 0.0
        for kind, planned in self.planned.items():
            each, steps = rates.get(kind, average), max(planned - self.finished[kind], 0)
            left += steps * each
            if steps and kind == self.current:  # what is done of it, and tells more of it than those before did
                left += max(now.get(kind, each) - (time.monotonic() - self.began), 0) - each
        return left

    def with_worth(self, rates: Mapping[str, float]) -> dict[str, float]:
        """The rates, and those of what is worth some training: from that of an epoch, which such a kind tells, too."""
        told = (rates[kind] / epochs for kind, epochs in self.worth.items() if kind in rates and epochs)
        epoch = rates.get("training") or max(told, default=0.0)
        return {kind: epochs * epoch for kind, epochs in self.worth.items() if epoch} | dict(rates)

    def under_way(self) -> dict[str, float]:
        """Seconds that the current step takes by the part of it that is done, once that tells."""
        spent = time.monotonic() - self.began
        return {self.current: spent / self.share} if self.long and self.share >= TELLING else {}

    @property
    def long(self) -> bool:
        return bool(self.current) and time.monotonic() - self.began >= LONG

    def words(self) -> str:
        """What is done at present: a step that takes long with the share of it that is done."""
        return f"{self.doing}, {min(self.share, 0.99):.0%} done" if self.long and self.share else self.doing

    def status(self, state: str = "running", reason: str = "") -> Status:
        done, of = sum(self.finished.values()), sum(self.planned.values())
        done = of if state == "finished" else done
        left = self.seconds_left() if state == "running" else None
        return Status(state, self.words(), done, of, left, reason, time.time(), self.rates())

    def rates(self) -> dict[str, float]:
        """Mean seconds of one step of each kind: as this process measured them, else an earlier one."""
        return self.earlier | {
            kind: round(self.seconds[kind] / count, 4) for kind, count in self.timed.items() if count
        }

    def say(self, state: str = "running", reason: str = "") -> None:
        """Tells the terminal at once, the store at most once a second, or when the state changes."""
        status = self.status(state, reason)
        self.show(status)
        if self.leads and (state != "running" or time.monotonic() - self.said > SAY_EVERY):
            self.said = time.monotonic()
            self.run.say(vars(status))

    def tick(self, share: float = 0.0) -> None:
        """Called from inside long steps, so that a watcher sees life; `share` of the step is done, 0 to 1."""
        self.share = share or self.share
        if time.monotonic() - self.said > SAY_EVERY:
            self.say()
