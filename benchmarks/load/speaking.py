"""A visitor who speaks Streamlit's protocol as its client in a browser does.

Like a browser he sends the states of all widgets that are mounted, keeps those of the bar when he changes the page, answers
parts that renew themselves, asks again where a component waits, and need not be sent twice what he has cached.
"""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

from benchmarks.load.mounted import mounted

LIMIT_SECONDS = 60.0  # for one answer; a browser would show the same page for as long
CACHED_RUNS = 2  # of the script, for which the client keeps large messages that were not used
AGAIN_SECONDS = 0.2  # app/widgets/sliders.js


@dataclass
class Shown:
    """One element on the page that somebody may act on."""

    kind: str
    element: Any  # its protobuf
    fragment: str
    of_page: bool  # not of the bar, which every page has

    @property
    def key(self) -> str:
        """What the app calls it: ids are $$ID-digest-key."""
        return self.element.id.split("-", 2)[-1]


@dataclass
class Rerun:
    """One run of the script, or of a part of it."""

    page: str
    why: str  # opened, turned, acted, renewed
    seconds: float = 0.0
    errors: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)  # sentences of the app in a red frame
    received: int = 0


@dataclass
class Visitor:
    """One websocket connection, and what it shows."""

    connection: websockets.ClientConnection
    page: str
    query: dict[str, str]
    note: Callable[[Rerun], None]
    page_hash: str = ""
    main_hash: str = ""
    pages: dict[str, str] = field(default_factory=dict)  # path -> hash
    shown: dict[str, Shown] = field(default_factory=dict)  # by id
    states: dict[str, WidgetState] = field(default_factory=dict)
    bound: dict[str, str] = field(default_factory=dict)  # id -> its name in the address
    timers: dict[str, tuple[float, float, WidgetState | None]] = field(default_factory=dict)  # fragment -> due, every
    cached: dict[str, tuple[ForwardMsg, int]] = field(default_factory=dict)  # hash -> message, run it was last used in
    runs: int = 0
    running: bool = False  # a script, of which the first word has come and not the last
    ticked: float = 0.0  # when a part that renews itself was asked for last
    ended: tuple[str, ...] = ()  # the parts that the last run was of, none where it was of the page

    async def open(self) -> Rerun:
        """The first run, as of an address somebody opens."""
        return await self.ask("opened")

    async def turn(self, page: str) -> Rerun:
        """Goes to another page by the navigation: of the widgets, and of the address, what belongs to the bar is kept."""
        kept = {id for id, item in self.shown.items() if not item.of_page}
        self.states = {id: state for id, state in self.states.items() if id in kept}
        names = {name for id, name in self.bound.items() if id in kept}
        self.query = {name: value for name, value in self.query.items() if name in names}
        self.page, self.page_hash, self.timers = page, self.pages[page], {}
        return await self.ask("turned")

    async def act(self, item: Shown, state: WidgetState) -> Rerun:
        """Sends one widget's new state."""
        lasting = state.WhichOneof("value") not in ("trigger_value", "json_trigger_value", "string_trigger_value")
        if lasting:
            self.states[item.element.id] = state
            if name := self.bound.get(item.element.id):
                self.query[name] = in_address(state)
        return await self.ask("acted", item.fragment, None if lasting else state)

    async def rest(self, seconds: float) -> None:
        """Looks for so long, while what renews itself does."""
        until = time.monotonic() + seconds
        while True:
            fragment, (due, every, state) = min(
                self.timers.items(), key=lambda item: item[1][0], default=("", (until, 0.0, None))
            )
            await self.listen(min(due, until))
            if due >= until:
                return
            if fragment not in self.timers:  # what came meanwhile was another page
                continue
            self.timers.pop(fragment)
            if state:
                await self.ask("renewed", fragment, state)
            else:
                self.timers[fragment] = (time.monotonic() + every, every, None)
                await self.tick(fragment)

    async def tick(self, fragment: str) -> None:
        """Asks for a part that renews itself, as a browser's clock does: where there is no news, no answer comes."""
        self.ticked = time.perf_counter()
        with suppress(websockets.ConnectionClosed):  # the next one who asks says so
            await self.connection.send(self.message(fragment, auto=True).SerializeToString())

    async def listen(self, until: float) -> None:
        """Takes what comes, and what has begun to come to its end."""
        found = Rerun(self.page, "renewed")
        while True:
            try:
                limit = LIMIT_SECONDS if self.running else max(0.0, until - time.monotonic())
                raw = await asyncio.wait_for(self.connection.recv(), limit)
            except (TimeoutError, websockets.ConnectionClosed) as error:
                if self.running:
                    found.errors.append(f"no end of what had begun: {type(error).__name__}")
                    self.note(found)
                self.running = False
                return await asyncio.sleep(max(0.0, until - time.monotonic()))
            if self.take(raw, found):
                found.seconds = time.perf_counter() - self.ticked
                self.note(found)
                found = Rerun(self.page, "renewed")

    def message(self, fragment: str, trigger: WidgetState | None = None, *, auto: bool = False) -> BackMsg:
        """The request for a run, with all that a browser says of itself."""
        message = BackMsg()
        rerun = message.rerun_script
        rerun.query_string = urlencode(self.query)
        rerun.page_script_hash, rerun.fragment_id, rerun.is_auto_rerun = self.page_hash, fragment, auto
        if not self.page_hash:
            rerun.page_name = self.page
        rerun.widget_states.widgets.extend([*self.states.values(), *([trigger] if trigger else [])])
        rerun.cached_message_hashes.extend(self.cached)
        rerun.context_info.url = f"http://127.0.0.1/{self.page}?{rerun.query_string}"
        rerun.context_info.timezone, rerun.context_info.locale = "Europe/Berlin", "en-GB"
        return message

    async def ask(self, why: str, fragment: str = "", trigger: WidgetState | None = None) -> Rerun:
        """Asks for a run and takes the answer to its end."""
        found, began = Rerun(self.page, why), time.perf_counter()
        try:
            await self.connection.send(self.message(fragment, trigger).SerializeToString())
            async with asyncio.timeout(LIMIT_SECONDS):
                while not (self.take(await self.connection.recv(), found) and self.answered(fragment)):
                    pass
        except TimeoutError:
            found.errors.append(f"no answer within {LIMIT_SECONDS:.0f} s")
        except websockets.ConnectionClosed as closed:
            found.errors.append(f"the connection was closed: {closed}")
        found.seconds = time.perf_counter() - began
        self.note(found)
        return found

    # What the server says

    def take(self, raw: str | bytes, found: Rerun) -> bool:
        """Takes one message; True for the last one of a run."""
        message = ForwardMsg.FromString(raw if isinstance(raw, bytes) else raw.encode())
        found.received += len(raw)
        if message.WhichOneof("type") == "ref_hash":
            message = self.referred(message, found)
        elif message.metadata.cacheable and message.hash:
            self.cached[message.hash] = message, self.runs
        kind = message.WhichOneof("type")
        if kind == "script_finished":
            self.ended = tuple(message.metadata.run.fragment_ids)
            return self.finished(message.script_finished)
        TAKEN.get(kind or "", lambda *_: None)(self, message, found)
        return False

    def answered(self, fragment: str) -> bool:
        """Whether the run that ended is the one asked for, and not one of another part before it."""
        return not self.ended or fragment in self.ended

    def referred(self, message: ForwardMsg, found: Rerun) -> ForwardMsg:
        held = self.cached.get(message.ref_hash)
        if not held:
            found.errors.append("the server refers to a message that it was not told to be cached")
            return ForwardMsg()
        self.cached[message.ref_hash] = held[0], self.runs
        whole = ForwardMsg()
        whole.CopyFrom(held[0])
        whole.metadata.CopyFrom(message.metadata)
        return whole

    def finished(self, how: int) -> bool:
        if how == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            return False
        self.running = False
        if how == ForwardMsg.FINISHED_SUCCESSFULLY:
            self.runs += 1
            self.cached = {key: held for key, held in self.cached.items() if held[1] >= self.runs - CACHED_RUNS}
            self.states = {id: state for id, state in self.states.items() if id in self.shown}
        return True

    def begins(self, message: ForwardMsg, found: Rerun) -> None:
        self.running = True
        fragments = set(message.metadata.run.fragment_ids)
        self.main_hash = message.new_session.main_script_hash
        if not fragments:
            self.timers = {}
        self.shown = {id: item for id, item in self.shown.items() if fragments and item.fragment not in fragments}

    def draws(self, message: ForwardMsg, found: Rerun) -> None:
        part = message.delta
        kind = part.WhichOneof("type")
        if kind == "new_element":
            self.see(part.new_element, message, found)
        elif kind == "add_block" and part.add_block.WhichOneof("type") == "expandable" and part.add_block.expandable.id:
            self.mount("expandable", part.add_block.expandable, message)

    def see(self, element: Any, message: ForwardMsg, found: Rerun) -> None:
        kind = element.WhichOneof("type") or ""
        inner = getattr(element, kind) if kind else None
        if kind == "exception" and not inner.is_warning:
            found.errors.append(f"{inner.type}: {inner.message}")
        elif kind == "alert" and inner.format == inner.ERROR:
            found.said.append(inner.body.replace("\\", ""))
        elif getattr(inner, "id", ""):
            self.mount(kind, inner, message)

    def mount(self, kind: str, element: Any, message: ForwardMsg) -> None:
        fragment = message.delta.fragment_id
        self.shown[element.id] = Shown(kind, element, fragment, message.metadata.active_script_hash != self.main_hash)
        state, told = mounted(kind, element)
        if state and (told or element.id not in self.states):
            self.states[element.id] = state
        if name := getattr(element, "query_param_key", ""):
            self.bound[element.id] = name
        if kind == "bidi_component" and element.component_name.endswith("loupe_sliders"):
            self.asks_again(element, fragment)

    def asks_again(self, element: Any, fragment: str) -> None:
        """The sliders of the Testing page ask for what the probe has not answered yet."""
        waiting = json.loads(element.json or "{}").get("waiting")
        if waiting:
            event = json.dumps([{"event": "again", "value": waiting}])
            state = WidgetState(id=f"$$STREAMLIT_INTERNAL_KEY_{element.id}__events", json_trigger_value=event)
            self.timers[fragment] = (time.monotonic() + AGAIN_SECONDS, 0.0, state)

    def renews(self, message: ForwardMsg, found: Rerun) -> None:
        every = message.auto_rerun.interval
        self.timers[message.auto_rerun.fragment_id] = (time.monotonic() + every, every, None)

    def addressed(self, message: ForwardMsg, found: Rerun) -> None:
        self.query = dict(parse_qsl(message.page_info_changed.query_string))

    def navigates(self, message: ForwardMsg, found: Rerun) -> None:
        pages = message.navigation.app_pages
        self.page_hash = message.navigation.page_script_hash
        self.pages = {"" if page.is_default else page.url_pathname: page.page_script_hash for page in pages}


TAKEN: dict[str, Callable[[Visitor, ForwardMsg, Rerun], None]] = {
    "new_session": Visitor.begins,
    "delta": Visitor.draws,
    "auto_rerun": Visitor.renews,
    "page_info_changed": Visitor.addressed,
    "navigation": Visitor.navigates,
    "page_not_found": lambda visitor, message, found: found.errors.append("there is no such page"),
    "session_event": lambda visitor, message, found: found.errors.append(str(message.session_event)),
}


def in_address(state: WidgetState) -> str:
    value = getattr(state, str(state.WhichOneof("value")))
    return str(value.data[0] if len(value.data) else "") if hasattr(value, "data") else str(value)
