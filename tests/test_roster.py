"""What is known of all runs: read beside the pages, once, and again only where something may be new."""

from pathlib import Path
from threading import Event

import pytest

from app.runs import roster
from app.runs.roster import Known, Roster
from store import judgements
from store.runs import Run, Status
from tests import families


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "PATIENCE", 60)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return families.make_run(tmp_path, "one", epochs=4)


def test_reading_says_what_the_run_holds(run: Run, tmp_path: Path) -> None:
    families.ask(run, run, "better")
    judgements.decide(run, "keep")
    known = roster.read(run)
    accuracy = run.of_kind("evaluation")[0].read("accuracy", range(5))[:, 1]
    assert known.curve.accuracy == tuple(accuracy.tolist())
    assert known.curve.last == 4
    assert known.curve.loss == run.of_kind("evaluation")[0].read("loss", 4)[1]
    assert (known.status.state, known.verdict, known.asked[0].hypothesis) == ("finished", "keep", "better")
    assert known.bytes == sum(stat.size for stat in run.objects.under(run.path))


def test_measures_and_size_of_a_finished_run_are_read_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = roster.read(run)
    monkeypatch.setattr(Run, "size", lambda _: pytest.fail("listed again"))
    monkeypatch.setattr("store.shards.Artifact.read", lambda *_: pytest.fail("read again"))
    judgements.decide(run, "reject")
    after = roster.read(run, before)
    assert (after.curve, after.bytes, after.verdict) == (before.curve, before.bytes, "reject")


def test_a_live_run_grows(tmp_path: Path) -> None:
    first = roster.read(families.make_run(tmp_path, "live", epochs=4, finished=1))
    assert first.live
    assert (first.curve.last, first.bytes) == (1, None)
    grown = roster.read(families.make_run(tmp_path, "live", epochs=4, finished=4), first)
    assert (grown.curve.last, len(grown.curve.accuracy)) == (4, 5)
    assert grown.bytes


def test_a_long_curve_is_thinned_with_its_ends(tmp_path: Path) -> None:
    known = roster.read(families.make_run(tmp_path, "long", epochs=60, images=8))
    assert len(known.curve.accuracy) == roster.POINTS
    assert known.curve.last == 60


def test_damage_is_a_sentence_and_hides_no_other_run(run: Run) -> None:
    evaluation = run.of_kind("evaluation")[0]
    run.objects.put(evaluation.key("accuracy", 2), b"short")
    found = Roster().look([run])
    assert "verify" in found[run.id].problem
    assert found[run.id].status.state == "finished"


def test_nothing_is_read_again_while_it_is_young(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    all_known = Roster()
    assert set(all_known.look([run])) == {run.id}
    monkeypatch.setattr(roster, "read", lambda *_: pytest.fail("touched the store"))
    for _ in range(3):
        assert set(all_known.look([run])) == {run.id}


def test_old_entries_are_read_again_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [Run(None, f"run{number}", {"uuid": str(number)}) for number in range(100)]  # type: ignore[arg-type]
    monkeypatch.setattr("app.memory.same_run", lambda run: run.id)
    all_known, asked = Roster(), []
    all_known.known = {run.id: Known(Status("finished"), at=float(place)) for place, run in enumerate(runs)}
    monkeypatch.setattr(Roster, "ask", lambda self, run: asked.append(run.id))
    assert len(all_known.look(runs, first=["run70"])) == 100
    assert asked == ["run70", *(f"run{number}" for number in range(roster.AT_ONCE - 1))]


def test_runs_of_one_id_are_told_apart(run: Run) -> None:
    again = Run(run.objects, run.id, {**run.attributes, "uuid": "another"})
    all_known = Roster()
    all_known.look([run])
    all_known.look([again])
    assert len(all_known.known) == 2
    all_known.forget(run)
    assert [key[2] for key in all_known.known] == ["another"]


def test_a_page_waits_only_a_moment_for_what_was_never_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Event()
    monkeypatch.setattr(roster, "PATIENCE", 0.01)
    monkeypatch.setattr(roster, "read", lambda *_: Known(Status("finished")) if held.wait(30) else None)
    all_known = Roster()
    assert all_known.look([run]) == {}
    waiting = all_known.ask(run)
    assert all_known.ask(run) is waiting  # nobody reads it twice
    held.set()
    waiting.result()
    assert set(all_known.look([run])) == {run.id}
