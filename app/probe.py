"""The web process's side of the probe: one child that owns torch, asked epoch by epoch, fairly among visitors.

Where torch is not installed a worker is asked instead, through the queue. Whatever happens to the child becomes an error
message for the one who asked; the next request starts another child.
"""

import json
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np
import streamlit as st

from precompute.child import COMMAND, Child
from precompute.edits import Edits
from precompute.remote import Remote
from store.errors import LoupeError
from store.runs import Run

LIMIT_SECONDS = 30.0  # one epoch of one image; a large network read from a slow store takes some
SLICE_SECONDS = 0.02  # of one curve at a time: an edit, or another visitor, waits for no more
FORGOTTEN_SECONDS = 10.0  # a visitor who has not looked for so long is gone, and so are his requests
KEPT_BYTES = 64 * 1024**2  # answers kept, with the pictures they are about
KEPT_ANSWERS = 5000
SAID = (
    "store",
    "run",
    "uuid",
    "epoch",
    "classes",
    "layer",
    "precision",
    "seed",
    "along",
    "wants",
    "perplexity",
    "without",
    "numbers",
    "shift",
)  # fmt: skip  of a request, as they are


@dataclass(frozen=True)
class Request:
    """What one network makes of one image: `pixels` are uint8 of `shape` (H, W, C); `techniques` name and options as JSON.

    wants: names of catalogue.EXTRAS, asked about the image before and after the edits; each answers in `more` under
    "<name>/". perplexity is an option of "place". without: filters (layer, number) to leave out, which asks about the
    evaluated images `numbers` instead of a picture (`about_store`); `more` then holds "ablation/".
    """

    store: str
    run: str
    uuid: str
    epoch: int
    pixels: bytes = field(repr=False)
    shape: tuple[int, int, int]
    classes: tuple[int, ...]  # -1: the class predicted at the epoch
    techniques: tuple[tuple[str, str], ...]
    layer: str
    precision: str = "float32"
    seed: int = 0
    edits: Edits | None = None  # asks for the image before and after them, or,
    along: tuple[str, ...] = ()  # where transforms are named, for a curve along each of these
    wants: tuple[str, ...] = ()
    perplexity: int = 0
    without: tuple[tuple[int, int], ...] = ()
    numbers: tuple[int, ...] = ()
    shift: str = ""  # of "shift": what it is asked, as JSON

    @cached_property
    def header(self) -> dict[str, Any]:
        edits = self.edits or (Edits() if self.wants else None)
        return {name: getattr(self, name) for name in SAID} | {
            "techniques": {name: json.loads(text) for name, text in self.techniques},
            "edits": asdict(edits) if edits else None,
        }

    @property
    def image(self) -> np.ndarray:
        return np.frombuffer(self.pixels, np.uint8).reshape(self.shape)


def of_epoch(run: Run, epoch: int) -> dict[str, Any]:
    """What every request says of the network it asks: its run, the epoch of its weights, and the seed of what is random."""
    return {
        "store": str(run.objects.local or run.objects.address),
        "run": run.id,
        "uuid": run.uuid,
        "epoch": epoch,
        "seed": int(run.recipe.get("training", {}).get("seed", 0)),
    }


def about_store(store: str, run: str, uuid: str, epoch: int, **asked: Any) -> Request:
    """A request that is about evaluated images, not about a picture: Request.without and Request.numbers."""
    return Request(store, run, uuid, epoch, b"", (0, 0, 0), (), (), "", **asked)


@dataclass(frozen=True, eq=False)
class Answer:
    """Logits (K,), the explained classes (E,), and by technique raw maps (E, h, w) float32.

    more: what edits and curves are answered with, as precompute.editing.answer names it, and extras as "<name>/..."; curves
    and ablation have no logits of their own. obstacle: why a technique has no map.
    """

    logits: np.ndarray
    classes: tuple[int, ...]
    maps: Mapping[str, np.ndarray]
    more: Mapping[str, np.ndarray] = field(default_factory=dict)
    obstacle: str = ""

    @cached_property
    def nbytes(self) -> int:
        return self.logits.nbytes + sum(item.nbytes for part in (self.maps, self.more) for item in part.values())


@dataclass
class Job:
    """What one visitor still waits for."""

    requests: deque[Request]
    touched: float


class Probe:
    """Answers to requests, kept once known. Any thread may ask; one thread talks to the child, visitors taking turns."""

    def __init__(self, command: Sequence[str] = COMMAND, limit: float = LIMIT_SECONDS) -> None:
        self.command, self.limit = command, limit
        self.changed = threading.Condition()
        self.answers: OrderedDict[Request, Answer | LoupeError] = OrderedDict()
        self.bytes = 0
        self.jobs: OrderedDict[str, Job] = OrderedDict()
        self.looking: dict[str, tuple[float, Sequence[Request]]] = {}  # visitor -> when he asked last, and for what
        self.child: Child | Remote | None = None
        self.worker: threading.Thread | None = None
        self.warming = False

    def progress(self, visitor: str, requests: Sequence[Request]) -> dict[Request, Answer | LoupeError]:
        """The answers that are there; the others are computed, in order, while the visitor keeps asking.

        `visitor` names who waits for what: new requests of the same name replace those that still wait.
        """
        with self.changed:
            since = time.monotonic() - FORGOTTEN_SECONDS
            self.looking = {name: (at, seen) for name, (at, seen) in self.looking.items() if at > since}
            self.looking[visitor] = (time.monotonic(), requests)
            known = {request: self.answers[request] for request in requests if request in self.answers}
            for request in known:
                self.answers.move_to_end(request)
            waiting = deque(request for request in requests if request not in known)
            if waiting:
                self.jobs[visitor] = Job(waiting, time.monotonic())
                self.start()
            else:
                self.jobs.pop(visitor, None)
        return known

    def soon(self, visitor: str, requests: Sequence[Request], seconds: float) -> dict[Request, Answer | LoupeError]:
        """As progress, as soon as the first is answered, at the latest after some seconds."""
        until = time.monotonic() + seconds
        with self.changed:
            while requests[0] not in (known := self.progress(visitor, requests)):
                if (left := until - time.monotonic()) <= 0:
                    break
                self.changed.wait(left)
        return known

    def known(self, requests: Sequence[Request]) -> dict[Request, Answer | LoupeError]:
        """The answers that are there; nothing is asked."""
        with self.changed:
            return {request: self.answers[request] for request in requests if request in self.answers}

    def ask(self, request: Request, visitor: str = "") -> Answer:
        """The answer to one request, waited for; raises LoupeError."""
        with self.changed:
            while request not in (known := self.progress(visitor or str(threading.get_ident()), [request])):
                self.changed.wait(1)
        answer = known[request]
        if isinstance(answer, LoupeError):
            self.forget([request])
            raise answer
        return answer

    def forget(self, requests: Sequence[Request]) -> None:
        """Lets go of errors, so that these requests are tried again."""
        with self.changed:
            for request in requests:
                if isinstance(self.answers.get(request), LoupeError):
                    del self.answers[request]

    def warm(self) -> None:
        """Starts the child, without waiting for it."""
        with self.changed:
            self.warming = True
            self.start()

    def start(self) -> None:
        if self.worker is None or not self.worker.is_alive():
            self.worker = threading.Thread(target=self.work, daemon=True, name="probe")
            self.worker.start()
        self.changed.notify_all()

    def work(self) -> None:
        """Answers one request after the other, for ever."""
        while True:
            with self.changed:
                while not (self.warming or self.jobs):
                    self.changed.wait()
                visitor, request = self.next()
                self.warming = False
            answer = self.answer(request)
            with self.changed:
                if request and answer:
                    self.keep(request, answer)
                elif request:
                    self.go_on(visitor, request)
                self.changed.notify_all()

    def go_on(self, visitor: str, request: Request) -> None:
        """Puts back what is unfinished, unless its visitor wants something else by now."""
        job, (_, wanted) = self.jobs.get(visitor), self.looking.get(visitor, (0, ()))
        if job and request in wanted and request not in job.requests:
            job.requests.appendleft(request)

    def next(self) -> tuple[str, Request | None]:
        """The visitor whose turn it is, and his next request; curves wait while anybody waits for something else."""
        for visitor, job in list(self.jobs.items()):
            while job.requests and job.requests[0] in self.answers:
                job.requests.popleft()
            if not job.requests or time.monotonic() - job.touched >= FORGOTTEN_SECONDS:
                del self.jobs[visitor]
        urgent = (visitor for visitor, job in self.jobs.items() if not job.requests[0].along)
        turn = next(urgent, next(iter(self.jobs), ""))
        if turn:
            self.jobs.move_to_end(turn)
        return turn, self.jobs[turn].requests.popleft() if turn else None

    def answer(self, request: Request | None) -> Answer | LoupeError | None:
        """Asks the child, starting one where there is none; None asks for nothing but that. None for an unfinished curve."""
        try:
            if self.child is None or not self.child.alive:
                if self.child:
                    self.child.kill()  # it is dead; this closes its pipes
                self.child = Child(self.command) if find_spec("torch") else Remote()
            if request is None:
                return None
            slices = {"seconds": SLICE_SECONDS} if request.along and isinstance(self.child, Child) else {}
            header, arrays = self.child.ask(request.header | slices, {"image": request.image}, self.limit)
        except LoupeError as error:
            return LoupeError(str(error))  # without its traceback, which would hold the picture
        except OSError as error:
            return LoupeError(f"The process that runs networks could not be started: {error}.")
        if "error" in header:
            return LoupeError(header["error"])
        if "unfinished" in header:
            return None
        maps = {name.removeprefix("map/"): value for name, value in arrays.items() if name.startswith("map/")}
        more = {name: value for name, value in arrays.items() if name != "logits" and not name.startswith("map/")}
        logits = arrays.get("logits", np.zeros(0, np.float32))
        return Answer(logits, tuple(header["classes"]), maps, more, header.get("obstacle", ""))

    def keep(self, request: Request, answer: Answer | LoupeError) -> None:
        """Keeps an answer; the oldest leave where there are too many, but none that somebody is waiting to see with others."""
        self.answers[request] = answer
        holders = Counter(id(key.pixels) for key in self.answers)  # a picture is asked about many times, and held once
        pictures = {id(key.pixels): len(key.pixels) for key in self.answers}
        self.bytes = sum(pictures.values()) + sum(map(size_of, self.answers.values()))
        if self.bytes <= KEPT_BYTES and len(self.answers) <= KEPT_ANSWERS:
            return
        since = time.monotonic() - FORGOTTEN_SECONDS
        wanted = {request, *(item for at, seen in self.looking.values() if at > since for item in seen)}
        for oldest in [key for key in self.answers if key not in wanted]:
            if self.bytes <= KEPT_BYTES and len(self.answers) <= KEPT_ANSWERS:
                break
            self.bytes -= size_of(self.answers.pop(oldest))
            holders[id(oldest.pixels)] -= 1
            self.bytes -= 0 if holders[id(oldest.pixels)] else len(oldest.pixels)


def size_of(answer: Answer | LoupeError) -> int:
    return answer.nbytes if isinstance(answer, Answer) else len(str(answer))


@st.cache_resource(show_spinner=False)
def shared() -> Probe:
    """The web process's one probe."""
    return Probe()
