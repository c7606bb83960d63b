"""Parts that renew themselves while something is computed: looked at once for everybody, drawn again only for news.

The browser asks for each such part every few seconds. Of what it asks, only this much reaches a script: that there is news,
that nothing else of the same visitor runs, and that not many others are being renewed. Streamlit itself runs every one of
them, and lets one that comes late, of a page just left, take the next page's content away: the browser then shows nothing.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState, get_script_run_ctx

from app import reading
from app.memory import HASHES
from store.runs import Run
from store.shards import Artifact

EVERY = 1.0  # seconds between two looks at the same thing, however many visitors wait for it
ASKED = 8.0  # seconds after which nobody is taken to wait for a thing any more
CALM = 6.0  # seconds a part stays as it is when only words like the time left are new
BLIND = 15.0  # seconds after which a part is drawn whatever was seen: its store may not answer, or hide what is new
AT_ONCE = 2  # parts renewed at the same time, so that people who click need not wait for them
LONGEST = 10.0  # seconds a part with news waits for others that are renewed
TURN = 1.0  # seconds within which a part that runs whenever the browser asks comes before another of its page
MOST = 2000  # parts, and things looked at, that are remembered


@dataclass(frozen=True)
class Seen:
    """What a part would show: `news` at once, `words` within CALM seconds; `whole` if there is nothing else in it."""

    news: Hashable = ()
    words: Hashable = ()
    whole: bool = True


@dataclass(eq=False)
class Look:
    """One thing that parts of many visitors show."""

    read: Callable[[], Seen]
    seen: Seen = Seen()
    at: float = -BLIND  # monotonic
    asked: float = 0.0  # when a browser's clock last did
    lock: Any = field(default_factory=threading.Lock, repr=False)

    def now(self) -> Seen:
        """What there is, at most two looks old."""
        asked = time.monotonic()
        if asked - self.at > 2 * EVERY:
            with self.lock:
                if asked - self.at > 2 * EVERY:
                    self.again()
        return self.seen

    def again(self) -> None:
        try:
            self.seen = self.read()
        except Exception as error:  # the part meets it too, and says so
            self.seen = Seen(repr(error), whole=False)
        self.at = time.monotonic()


@dataclass
class Part:
    """One part on one visitor's page, as it was last drawn."""

    look: Look
    seen: Seen
    at: float  # monotonic
    waits: float | None = None  # since when it has been due

    def due(self, now: float) -> bool:
        """Whether drawing it again would show anything else."""
        self.look.asked = now
        age, seen = now - self.at, self.look.seen
        if seen.news != self.seen.news:
            return True
        blind = not (seen.whole and now - self.look.at < BLIND)
        return (seen.words != self.seen.words and age >= CALM) or (blind and age >= BLIND)


@dataclass
class Renewals:
    """All parts of all visitors. A thread looks for them, as long as any browser asks."""

    looks: OrderedDict[Hashable, Look] = field(default_factory=OrderedDict)
    parts: OrderedDict[tuple[str, str], Part] = field(default_factory=OrderedDict)  # session, fragment
    renewed: WeakSet[Any] = field(default_factory=WeakSet)  # sessions that a part runs for
    turns: WeakKeyDictionary[Any, tuple[str, float]] = field(default_factory=WeakKeyDictionary)  # whose, and since when
    lock: Any = field(default_factory=threading.Lock, repr=False)
    thread: threading.Thread | None = None

    def shows(self, place: tuple[str, str], key: Hashable, read: Callable[[], Seen]) -> None:
        with self.lock:
            look = self.looks.setdefault(key, Look(read))
            keep(self.looks, key)
        part = Part(look, look.now(), time.monotonic())
        with self.lock:
            self.parts[place] = part
            keep(self.parts, place)

    def wake(self) -> None:
        """Starts the thread where there is none: a page that nobody's clock renews needs none."""
        with self.lock:
            if self.thread is None or not self.thread.is_alive():
                self.thread = threading.Thread(target=self.watch, daemon=True, name="renewing")
                self.thread.start()

    def watch(self) -> None:
        """Looks once a second at what somebody waits for."""
        while True:
            began = time.monotonic()
            with self.lock:
                wanted = [look for look in self.looks.values() if began - look.asked < ASKED]
                if not wanted:
                    self.thread = None
                    return
            for look in wanted:
                look.again()
            time.sleep(max(EVERY / 2, EVERY - (time.monotonic() - began)))

    def lets(self, session: Any, fragment: str, now: float) -> bool:
        """Whether a part that the browser asks for by itself is run."""
        part = self.parts.get((session.id, fragment))
        if session._scriptrunner is not None:
            if part is None:
                self.turns.setdefault(session, (fragment, now))
            return False  # it is asked for again, and a run of it would wait for the page's
        self.renewed = WeakSet(one for one in self.renewed if one._scriptrunner is not None)
        if not (self.has_news(part, now) if part else self.has_turn(session, fragment, now)):
            return False
        self.renewed.add(session)
        return True

    def has_news(self, part: Part, now: float) -> bool:
        """Whether a part is due, and not too many are being renewed."""
        due = part.due(now)
        self.wake()
        if due and part.waits is None:
            part.waits = now
        return due and (len(self.renewed) < AT_ONCE or now - (part.waits or now) >= LONGEST)

    def has_turn(self, session: Any, fragment: str, now: float) -> bool:
        """Whether no other part that always runs came too late before: the clocks of one page tick together, always in order."""
        whose, since = self.turns.get(session, (fragment, now))
        if whose != fragment and now - since < TURN:
            return False
        self.turns.pop(session, None)
        return True


def keep(some: OrderedDict[Any, Any], key: Hashable) -> None:
    some.move_to_end(key)
    while len(some) > MOST:
        some.popitem(last=False)


RENEWALS = Renewals()


def place() -> tuple[str, str] | None:
    """The session and the part that runs; None outside of a part."""
    context = get_script_run_ctx(suppress_warning=True)
    fragment = ThreadState.get().fragment_id if context else None
    return (context.session_id, fragment) if context and fragment else None


def shows(key: tuple[Any, ...], read: Callable[[], Seen]) -> None:
    """Called first in a part that renews itself: it runs again when `read` returns anything else.

    key: runs, artifacts, and what can be hashed. A thread calls `read` for all that come with the same key. It reads what the
    part shows, by the same cached functions, so that nothing is taken for shown that was not.
    """
    if here := place():
        same = tuple(HASHES[type(item)](item) if type(item) in HASHES else item for item in key)
        RENEWALS.shows(here, same, read)


def shows_always() -> None:
    """For a part that has to run whenever the browser asks: what it waits for is computed only while somebody asks."""
    if here := place():
        RENEWALS.parts.pop(here, None)


def shows_progress(run: Run, evaluation: Artifact | None) -> None:
    """For a part that shows how a run is getting on, and a newer epoch. The evaluation is None while there is none."""

    def look() -> Seen:
        status, there = reading.status(run), evaluation or reading.evaluation(run)
        epochs = reading.epochs(there) if there else ()
        minutes = None if status.seconds_left is None else round(status.seconds_left / 10)
        return Seen((status.state, status.reason, epochs[-1:]), (status.doing, status.done, minutes))

    shows(("progress", run, evaluation), look)


def shows_epochs(*pairs: tuple[Run, Artifact]) -> None:
    """For a part that shows what there is at each epoch of runs, while they are computed."""

    def look() -> Seen:
        return Seen(tuple((reading.status(run).state, reading.epochs(item)) for run, item in pairs))

    shows(("epochs", *(one for pair in pairs for one in pair)), look)


def shows_work(*runs: Run) -> None:
    """For a part that looks whether anything of the runs is finished."""

    def look() -> Seen:
        said = [reading.status(run) for run in runs]
        return Seen(tuple(one.state for one in said), tuple(one.done for one in said), whole=False)

    shows(("work", *runs), look)


# Streamlit's side


def install() -> None:
    """Has every session ask here before it runs a part by itself. Where Streamlit has changed, all parts run as it wants."""
    if not hasattr(AppSession, "asked_for"):
        AppSession.asked_for = None  # type: ignore[attr-defined]  # page wanted, and page there was then
        AppSession.request_rerun = gated(AppSession.request_rerun)  # type: ignore[method-assign]


def gated(request: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def request_rerun(session: Any, asked: Any) -> None:
        try:
            dropped = bool(asked) and not wanted(session, asked)
        except AttributeError:
            dropped = False
        if not dropped:
            request(session, asked)

    return request_rerun


def wanted(session: Any, asked: Any) -> bool:
    """False for a part of a page that is left already, and for one that has no news."""
    if not asked.fragment_id:
        session.asked_for = asked.page_script_hash, page_there(session)
        return True
    if asked.page_script_hash and asked.page_script_hash != page_of(session):
        return False
    return not asked.is_auto_rerun or RENEWALS.lets(session, asked.fragment_id, time.monotonic())


def page_of(session: Any) -> str:
    """The page a visitor went to last, also where its script has not begun."""
    goal, before = session.asked_for or ("", "")
    there = page_there(session)
    if goal and there == before and session._scriptrunner is not None:
        return goal
    session.asked_for = None  # it has begun; the way it takes from here, st.switch_page, may lead back
    return there


def page_there(session: Any) -> str:
    """The page that is drawn. The session's own word for it comes late: of an address just opened, when it is drawn to its end."""
    return str(session._pages_manager.current_page_script_hash)
