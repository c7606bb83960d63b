"""The record of what a person opened, chose and changed, and when: for studies of how Loupe is used, off by default.

It needs the host's leave (LOUPE_INTERACTIONS=1) and each person's own, by a toggle. What is compared at each rerun is the
address and the selection, without what a person types. `python -m app.interactions --out steps.csv`.
"""

import argparse
import atexit
import csv
import io
import json
import logging
import secrets
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import streamlit as st

from app import memory, reading
from app.access import roles
from app.access.hosting import is_set
from store.errors import LoupeError
from store.objects import Objects, connect

log = logging.getLogger(__name__)
CONSENT = "interactions"
BATCH_SECONDS = 5.0  # how often what was recorded is written
ROOM = 20_000  # events that may wait for a store that does not answer; later ones are lost
LENGTH = 200  # characters of a value
WORDS = 30  # of the address
TYPED = ("find",)  # words of the address that a person types


@dataclass(frozen=True)
class Step:
    """One change. `what` is "page", "run", "epoch", "class", "images", another word of the address, or what was done."""

    at: float  # Unix time
    session: str  # random, made at consent
    by: str  # only of who is signed in
    what: str
    before: str
    after: str


# In the app


def allowed() -> bool:
    """Whether this host lets people record their steps at all."""
    return is_set("LOUPE_INTERACTIONS")


def consent() -> None:
    """The toggle, what it means, and one's own record to take away."""
    if not allowed():
        return
    asking = roles.person()
    st.toggle("Record my steps", key=CONSENT, persist_state="session", on_change=changed_mind)
    whose = "with your address" if asking.signed_in else "without your name"
    st.caption(
        f"Kept in this store, {whose}: which pages, runs, epochs, classes and images you open and choose, what you ask for, "
        "and when. Nothing that you type."
    )
    if session := st.session_state.get("interactions.session"):
        keeper = keeper_of(reading.store())
        st.download_button(
            "My record",
            lambda: table(keeper.steps(session)),
            file_name="steps.csv",
            mime="text/csv",
            icon=":material/download:",
            type="tertiary",
            key="interactions.download",
            on_click="ignore",
        )


def changed_mind() -> None:
    given = bool(st.session_state[CONSENT])
    st.session_state.setdefault("interactions.session", secrets.token_hex(8))
    st.session_state["interactions.seen"] = {}
    keep("consent", "", "given" if given else "withdrawn")


@contextmanager
def recorded(page: str) -> Iterator[None]:
    """Records what differs from the rerun before, once the page inside has been drawn."""
    try:
        yield
    finally:
        if consented():
            seen, now = st.session_state.get("interactions.seen", {}), state(page)
            for what in [what for what in {**seen, **now} if seen.get(what) != now.get(what)]:
                keep(what, seen.get(what, ""), now.get(what, ""))
            st.session_state["interactions.seen"] = now


def did(action: str, what: str) -> None:
    """Records something a person did, such as asking for a training, if they agreed."""
    if consented():
        keep(action, "", what)


def consented() -> bool:
    return allowed() and bool(st.session_state.get(CONSENT))


def state(page: str) -> dict[str, str]:
    """The page, the words of the address that nobody typed, and the selection, which an address leaves out if it is the default."""
    words = [word for word in st.query_params if word not in TYPED][:WORDS]
    found = {word: st.query_params[word] for word in words}
    if now := st.session_state.get("selection"):
        chosen = {"run": now.run.id, "epoch": now.epoch, "class": now.classes[now.chosen]}
        found |= chosen | {"images": ",".join(map(str, now.images))}
    return {"page": page} | {word[:LENGTH]: str(value)[:LENGTH] for word, value in found.items()}


def keep(what: str, before: str, after: str) -> None:
    asking = roles.person()
    by = asking.name if asking.signed_in else ""
    session = st.session_state["interactions.session"]
    keeper_of(reading.store()).add(Step(round(time.time(), 3), session, by, what, before, after))


# On the way to the store


@dataclass
class Keeper:
    """Takes steps at once and writes them in batches, one immutable object of JSON lines each."""

    objects: Objects
    waiting: list[Step] = field(default_factory=list)
    batches: Counter[str] = field(default_factory=Counter)
    adding: threading.Lock = field(default_factory=threading.Lock)
    writing: threading.Lock = field(default_factory=threading.Lock)

    def add(self, step: Step) -> None:
        with self.adding:
            if len(self.waiting) < ROOM:
                self.waiting.append(step)

    def flush(self) -> None:
        """Writes what waits; what the store does not take waits on."""
        with self.writing:
            with self.adding:
                taken, self.waiting = self.waiting, []
            try:
                self.write(taken)
            except LoupeError as error:
                log.warning("Steps could not be recorded: %s", error)

    def write(self, taken: Sequence[Step]) -> None:
        by_session = defaultdict(list)
        for step in taken:
            by_session[step.session].append(step)
        while by_session:
            session, steps = next(iter(by_session.items()))
            lines = "".join(json.dumps(asdict(step)) + "\n" for step in steps).encode()
            try:
                while not self.objects.create(f"interactions/{session}/{self.batches[session]:06d}.json", lines):
                    self.batches[session] += 1
            except LoupeError:
                with self.adding:
                    self.waiting = [step for left in by_session.values() for step in left] + self.waiting
                raise
            self.batches[session] += 1
            del by_session[session]

    def steps(self, session: str) -> list[Step]:
        self.flush()
        return steps(self.objects, session)

    def forever(self) -> None:
        while True:
            time.sleep(BATCH_SECONDS)
            self.flush()


@st.cache_resource(show_spinner=False, hash_funcs=memory.HASHES)
def keeper_of(objects: Objects) -> Keeper:
    keeper = Keeper(objects)
    threading.Thread(target=keeper.forever, daemon=True, name="interactions").start()
    atexit.register(keeper.flush)
    return keeper


# Out of the store


def steps(objects: Objects, session: str = "") -> list[Step]:
    """Every step recorded, of one session or of all, oldest first."""
    paths = [stat.path for stat in objects.under(f"interactions/{session}".rstrip("/"))]
    lines = [line for path in paths for line in (objects.get(path) or b"").splitlines()]
    return sorted((Step(**json.loads(line)) for line in lines), key=lambda step: step.at)


def table(found: Sequence[Step]) -> str:
    """As CSV. A value that a spreadsheet would take for a formula is quoted: anybody may write into an address."""
    out = io.StringIO()
    rows = csv.DictWriter(out, [column.name for column in fields(Step)])
    rows.writeheader()
    rows.writerows({name: harmless(value) for name, value in asdict(step).items()} for step in found)
    return out.getvalue()


def harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m app.interactions", description="Exports the recorded steps.")
    parser.add_argument("--out", required=True, metavar="FILE", help="where to: a name ending in .csv or .json")
    parser.add_argument("--session", default="", help="only this session's")
    options = parser.parse_args(arguments)
    out = Path(options.out)
    if out.suffix not in (".csv", ".json"):
        parser.error(f"--out: '{out}' ends in '{out.suffix}'; .csv or .json was expected")
    try:
        found = steps(connect(), options.session)
    except LoupeError as error:
        print(error, file=sys.stderr)
        return 1
    rows: list[Mapping[str, object]] = [asdict(step) for step in found]
    out.write_text(table(found) if out.suffix == ".csv" else json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(f"{len(found)} steps of {len({step.session for step in found})} sessions are in {out}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
