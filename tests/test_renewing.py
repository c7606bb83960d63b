"""Parts that renew themselves: drawn again for news only, and never on a page that was left."""

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.proto.NewSession_pb2 import CustomThemeConfig
from streamlit.runtime import app_session
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.pages_manager import PagesManager

from app import renewing, theme
from app.renewing import BLIND, CALM, LONGEST, TURN, Renewals, Seen

PLACE = ("visitor", "part")


class Thing:
    """What somebody shows, and how often it was looked at."""

    def __init__(self, *seen: object, whole: bool = True) -> None:
        self.seen, self.looks, self.whole = Seen(*seen, whole=whole), 0, whole

    def read(self) -> Seen:
        self.looks += 1
        return self.seen


@pytest.fixture
def renewals(monkeypatch: pytest.MonkeyPatch) -> Renewals:
    """Without its thread: the tests look themselves."""
    made = Renewals()
    monkeypatch.setattr(made, "watch", lambda: None)
    monkeypatch.setattr(renewing, "RENEWALS", made)
    return made


def gate() -> tuple[Callable[[Any, Any], None], list[object]]:
    """What asks for runs, and what is run of it."""
    ran: list[object] = []
    return renewing.gated(lambda session, what: ran.append(what)), ran


def visitor(name: str = "visitor", *, busy: bool = False, page: str = "A") -> SimpleNamespace:
    drawn = SimpleNamespace(current_page_script_hash=page)
    runner = object() if busy else None
    return Visitor(id=name, _scriptrunner=runner, _pages_manager=drawn, page_script_hash="late", asked_for=None)


class Visitor(SimpleNamespace):
    __hash__ = object.__hash__

    def draws(self, page: str) -> None:
        """The script has come as far as to say which page it draws."""
        self._pages_manager.current_page_script_hash = page


def asked(page: str = "A", fragment: str = "part", *, auto: bool = True) -> SimpleNamespace:
    return SimpleNamespace(page_script_hash=page, fragment_id=fragment, is_auto_rerun=auto)


def again(renewals: Renewals) -> None:
    for look in renewals.looks.values():
        look.again()


def test_a_part_is_drawn_again_when_there_is_news_and_only_then(renewals: Renewals) -> None:
    thing, now = Thing((7,), "40 s left"), time.monotonic()
    renewals.shows(PLACE, "run", thing.read)
    assert not renewals.lets(visitor(), "part", now + 2)
    thing.seen = Seen((7,), "30 s left")
    again(renewals)
    assert not renewals.lets(visitor(), "part", now + CALM - 1)
    assert renewals.lets(visitor(), "part", now + CALM + 1)
    thing.seen = Seen((8,), "30 s left")
    again(renewals)
    assert renewals.lets(visitor(), "part", now + 2)


def test_fifty_visitors_look_once(renewals: Renewals) -> None:
    thing = Thing(1)
    for number in range(50):
        renewals.shows((f"visitor {number}", "part"), "run", thing.read)
    assert thing.looks == 1


def test_many_that_come_at_once_look_once(renewals: Renewals) -> None:
    slow = Thing(1)

    def read() -> Seen:
        time.sleep(0.05)
        return slow.read()

    crowd = [threading.Thread(target=renewals.shows, args=((str(n), "part"), "run", read)) for n in range(8)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert slow.looks == 1


def test_what_cannot_be_seen_whole_is_drawn_now_and_then(renewals: Renewals) -> None:
    renewals.shows(PLACE, "run", Thing(1, whole=False).read)
    at = renewals.parts[PLACE].at
    assert not renewals.lets(visitor(), "part", at + BLIND - 1)
    assert renewals.lets(visitor(), "part", at + BLIND + 1)


def test_a_store_that_stopped_answering_does_not_stop_parts(renewals: Renewals) -> None:
    renewals.shows(PLACE, "run", Thing(1).read)
    assert renewals.lets(visitor(), "part", time.monotonic() + BLIND + 1)


def test_a_look_that_fails_is_news(renewals: Renewals) -> None:
    thing = Thing(1)
    renewals.shows(PLACE, "run", thing.read)
    renewals.looks["run"].read = lambda: 1 / 0  # type: ignore[assignment, return-value]
    again(renewals)
    assert renewals.lets(visitor(), "part", time.monotonic())


def test_nothing_is_renewed_behind_a_run_of_the_same_visitor(renewals: Renewals) -> None:
    assert renewals.lets(visitor(), "unknown part", time.monotonic())
    assert not renewals.lets(visitor(busy=True), "unknown part", time.monotonic())


@pytest.mark.parametrize("ago", [0, 60])
def test_few_are_renewed_at_once_but_nobody_waits_for_ever(renewals: Renewals, ago: float) -> None:
    thing, now = Thing(1), time.monotonic() + ago
    crowd = [visitor(f"visitor {number}") for number in range(5)]
    for one in crowd:
        renewals.shows((one.id, "part"), "run", thing.read)
    thing.seen = Seen(2)
    again(renewals)
    let = []
    for one in crowd:
        if renewals.lets(one, "part", now + 2):
            let.append(one)
            one._scriptrunner = object()
    assert let == crowd[: renewing.AT_ONCE]
    assert renewals.lets(crowd[-1], "part", now + 2 + LONGEST)
    for one in crowd:
        one._scriptrunner = None
    assert renewals.lets(crowd[-2], "part", now + 4)


def test_parts_that_always_run_take_turns(renewals: Renewals) -> None:
    """The clocks of a page tick together: the first of three strips would keep the others from what the probe has answered."""
    here, ran = visitor(), []
    for tick in range(6):
        here._scriptrunner = None
        for fragment in ("first", "second", "third"):
            if renewals.lets(here, fragment, tick * 0.25):
                ran.append(fragment)
                here._scriptrunner = object()
    assert ran == ["first", "second", "third"] * 2


def test_a_part_that_is_gone_keeps_no_turn(renewals: Renewals) -> None:
    here = visitor(busy=True)
    assert not renewals.lets(here, "gone", 0)
    here._scriptrunner = None
    assert not renewals.lets(here, "there", 0.25)
    assert renewals.lets(here, "there", TURN)


def test_a_part_of_a_page_just_left_is_not_run(renewals: Renewals) -> None:
    """Streamlit would tell the browser that this page is shown, which then forgets the next one's content, and goes blank."""
    (request, ran), here = gate(), visitor(page="A")
    turned = asked("B", fragment="")
    request(here, turned)
    here._scriptrunner = object()  # its script has not begun: the page there is A still
    for late in (asked("A"), asked("A", auto=False)):
        request(here, late)
    here.draws("B")
    request(here, asked("A", auto=False))
    assert ran == [turned]
    here._scriptrunner = None
    of_page = asked("B", auto=False)
    request(here, of_page)
    request(here, None)
    assert ran == [turned, of_page, None]


def test_a_page_that_was_not_found_does_not_stop_the_parts_of_the_one_shown_instead(renewals: Renewals) -> None:
    (request, ran), here = gate(), visitor(page="A")
    request(here, asked("nowhere", fragment=""))
    request(here, asked("A", auto=False))
    assert len(ran) == 2


def test_a_click_on_an_address_that_is_still_drawn_for_the_first_time_is_not_lost(renewals: Renewals) -> None:
    (request, ran), here = gate(), visitor(page="")
    request(here, asked("", fragment=""))  # the browser does not know yet which page the address is of
    here._scriptrunner = object()
    here.draws("A")
    click = asked("A", auto=False)
    request(here, click)
    assert ran[1:] == [click]


def test_clicks_in_a_row_are_not_lost_where_a_page_led_back_to_the_one_before(renewals: Renewals) -> None:
    (request, ran), here = gate(), visitor(page="A")
    request(here, asked("B", fragment=""))
    here.draws("B")
    request(here, asked("B", auto=False))  # the click that leads back: st.switch_page
    here.draws("A")
    here._scriptrunner = object()  # runs what the first click asked for
    click = asked("A", auto=False)
    request(here, click)
    assert ran[2:] == [click]


def test_a_streamlit_that_has_changed_runs_all_that_is_asked(renewals: Renewals) -> None:
    (request, ran), here = gate(), SimpleNamespace(id="visitor")
    for what in (asked("A", fragment=""), asked("A")):
        request(here, what)
    assert len(ran) == 2


def test_streamlit_is_as_this_expects_it() -> None:
    """Else parts run as often as browsers ask, and late ones blank pages: see app/renewing.py."""
    renewing.install()
    renewing.install()
    assert AppSession.request_rerun.__qualname__ == "gated.<locals>.request_rerun"
    assert {"_scriptrunner", "_pages_manager", "id"} <= {*AppSession.__init__.__code__.co_names}
    assert isinstance(PagesManager.current_page_script_hash, property)


def test_the_theme_is_gathered_once_and_empty_sections_stay_empty() -> None:
    gathered = []

    def gather(message: Any, section: str = "theme") -> None:
        gathered.append(section)
        if section == "theme.dark":
            message.primary_color = "#6bb1f2"

    filled = theme.once(gather)
    for _ in range(2):
        message = CustomThemeConfig()
        filled(message)
        filled(message.light, "theme.light")
        filled(message.dark, "theme.dark")
        assert message.dark.primary_color == "#6bb1f2" and not message.HasField("light")
    assert gathered == ["theme", "theme.light", "theme.dark"]
    theme.install()
    assert hasattr(app_session._populate_theme_msg, "kept")
