"""The record of a person's steps: nothing without leave and consent, everything that changed with them, out again as it was."""

import csv
import io
import json
import threading
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import interactions, probe, reading
from app.access import roles
from app.interactions import Keeper, Step
from store.errors import LoupeError
from store.objects import Objects, connect
from tests.test_pages import PatientProbe, opened, sound
from tests.worlds import make_world

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Objects:
    """A store with one run, on a host that allows records, which writes them when it is told to."""
    monkeypatch.setenv("LOUPE_STORE", str(tmp_path))
    monkeypatch.setenv("LOUPE_INTERACTIONS", "1")
    monkeypatch.setattr(probe, "shared", PatientProbe)
    monkeypatch.setattr(interactions, "BATCH_SECONDS", 3600)
    make_world(tmp_path)
    return connect(str(tmp_path))


def step(number: int, session: str = "s", after: str = "") -> Step:
    return Step(float(number), session, "", "epoch", "", after or str(number))


def agreed() -> AppTest:
    app = opened()
    app.sidebar.toggle(key=interactions.CONSENT).set_value(True).run()
    sound(app)
    return app


def written(store: Objects) -> list[tuple[str, str, str]]:
    interactions.keeper_of(reading.store()).flush()
    return [(step.what, step.before, step.after) for step in interactions.steps(store)]


def test_without_the_hosts_leave_nobody_is_asked(store: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOUPE_INTERACTIONS")
    app = opened()
    assert not app.sidebar.toggle
    assert written(store) == []


def test_without_consent_nothing_is_kept(store: Objects) -> None:
    app = opened()
    assert [toggle.value for toggle in app.sidebar.toggle] == [False]
    assert any("Nothing that you type" in caption.value for caption in app.sidebar.caption)
    app.switch_page("app/views/saliency.py").run()
    assert written(store) == []


def test_what_is_opened_chosen_and_changed_is_kept(store: Objects) -> None:
    app = agreed()
    app.sidebar.text_input(key=roles.NAME).set_value("Ada Lovelace").run()
    app.select_slider(key="epoch").set_value(1).run()
    app.switch_page("app/views/saliency.py").run()
    app.query_params["find"] = "Lovelace"  # typed on the page Methods
    app.switch_page("app/views/methods.py").run()
    found = written(store)
    assert found[0] == ("consent", "", "given")
    assert ("page", "", "Overview") in found and ("epoch", "", "3") in found
    assert found.index(("epoch", "3", "1")) < found.index(("page", "Overview", "Saliency"))
    everything = b"".join(store.get(stat.path) or b"" for stat in store.under("interactions"))
    assert b"Ada" not in everything and b"Lovelace" not in everything


def test_nothing_is_kept_after_consent_was_withdrawn(store: Objects) -> None:
    app = agreed()
    app.sidebar.toggle(key=interactions.CONSENT).set_value(False).run()
    app.select_slider(key="epoch").set_value(1).run()
    found = written(store)
    assert found[-1] == ("consent", "", "withdrawn")
    assert ("epoch", "3", "1") not in found


def test_actions_are_kept_with_the_address_of_who_is_signed_in(store: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "person", lambda: roles.Person("a@example.org", True, True))
    monkeypatch.setattr(interactions, "consented", lambda: True)
    monkeypatch.setattr(st, "session_state", {"interactions.session": "s"})
    interactions.did("re-train", "job-1")
    interactions.keeper_of(reading.store()).flush()
    assert [(step.by, step.what, step.after) for step in interactions.steps(store)] == [
        ("a@example.org", "re-train", "job-1")
    ]


# On the way to the store


def test_batches_are_immutable_and_in_order(store: Objects) -> None:
    keeper = Keeper(store)
    for number in range(25):
        keeper.add(step(number, session=f"s{number % 2}"))
        if number % 5 == 4:
            keeper.flush()
    assert interactions.steps(store) == [step(number, session=f"s{number % 2}") for number in range(25)]
    assert len(list(store.under("interactions/s1"))) == 5
    Keeper(store).add(step(25, "s1"))
    other = Keeper(store)  # another copy of the app, the same session: nothing is written over
    other.add(step(26, "s1"))
    other.flush()
    assert len(interactions.steps(store, "s1")) == 13


def test_a_store_that_does_not_answer_loses_nothing_and_holds_nobody_up(
    store: Objects, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keeper, create = Keeper(store), Objects.create
    monkeypatch.setattr(Objects, "create", lambda self, path, data: (_ for _ in ()).throw(LoupeError("no answer")))
    for number in range(3):
        keeper.add(step(number))
    keeper.flush()
    assert "no answer" in caplog.text
    monkeypatch.setattr(Objects, "create", create)
    keeper.add(step(3))
    assert [step.after for step in keeper.steps("s")] == ["0", "1", "2", "3"]


def test_no_more_waits_than_there_is_room_for(store: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactions, "ROOM", 10)
    keeper = Keeper(store)
    for number in range(50):
        keeper.add(step(number))
    assert len(keeper.steps("s")) == 10


def test_many_at_once(store: Objects) -> None:
    keeper = Keeper(store)

    def work(session: str) -> None:
        for number in range(50):
            keeper.add(step(number, session))
            if number % 10 == 0:
                keeper.flush()

    threads = [threading.Thread(target=work, args=(f"s{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keeper.flush()
    for number in range(4):
        assert [int(step.after) for step in interactions.steps(store, f"s{number}")] == list(range(50))


# Out of it


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_export(store: Objects, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str) -> None:
    keeper = Keeper(store)
    for made in (step(1, "a", "=cmd()"), step(2, "b", 'a "quoted", é\nline')):
        keeper.add(made)
    keeper.flush()
    out = tmp_path / f"steps.{suffix}"
    assert interactions.main(["--out", str(out)]) == 0
    assert "2 steps of 2 sessions" in capsys.readouterr().out
    text = out.read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(text))) if suffix == "csv" else json.loads(text)
    assert [row["session"] for row in rows] == ["a", "b"]
    assert rows[1]["after"] == 'a "quoted", é\nline'
    assert rows[0]["after"] == ("'=cmd()" if suffix == "csv" else "=cmd()")  # no formula for a spreadsheet


def test_export_says_what_it_cannot_do(store: Objects, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        interactions.main(["--out", "steps.xls"])
    assert ".csv or .json was expected" in capsys.readouterr().err
