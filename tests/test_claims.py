"""Claims: one holder at a time, over when he is gone."""

import json
import time
from pathlib import Path

import obstore
import pytest

from store import claims
from store.claims import Claims
from store.errors import Unanswered
from store.objects import Objects, connect


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return connect(str(tmp_path))


def claimant(objects: Objects) -> Claims:
    return Claims(objects, "runs/tiny/claims")


def test_one_holds_what_the_other_then_may_have(objects: Objects) -> None:
    one, other = claimant(objects), claimant(objects)
    assert one.take("lead") and one.take("lead")
    assert not other.take("lead") and other.take("another")
    one.release("lead")
    assert other.take("lead") and not one.take("lead")
    other.close()
    assert one.take("lead")
    one.close()
    assert not list(objects.under("runs"))


@pytest.mark.parametrize(
    "left",
    [
        {"until": 0},
        {"until": "soon"},
        {},
        {"host": claims.socket.gethostname(), "pid": 2**22 + 1, "until": time.time() + 1000},  # its process is gone
        {
            "host": claims.socket.gethostname(),
            "pid": claims.os.getpid(),
            "process": "before",
            "until": time.time() + 1000,
        },
    ],
)
def test_a_claim_that_nobody_holds_any_more_is_free(left: dict[str, object], objects: Objects) -> None:
    objects.put("runs/tiny/claims/lead.json", json.dumps(left).encode())
    assert claimant(objects).take("lead")


def test_a_damaged_claim_is_free(objects: Objects) -> None:
    objects.put("runs/tiny/claims/lead.json", b"{")
    assert claimant(objects).take("lead")


def test_a_claim_of_another_machine_lasts_until_it_runs_out(objects: Objects) -> None:
    said = {"owner": "x", "host": "elsewhere", "pid": 1, "until": time.time() + 1000}
    objects.put("runs/tiny/claims/lead.json", json.dumps(said).encode())
    assert not claimant(objects).take("lead")


def test_it_is_renewed_while_it_is_held_and_only_then(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "RENEWED_EVERY", 0.02)
    monkeypatch.setattr(claims, "LASTS_SECONDS", 0.2)
    one, other = claimant(objects), claimant(objects)
    assert one.take("lead")
    until = time.monotonic() + 0.6
    while time.monotonic() < until:
        assert not other.take("lead")
        time.sleep(0.01)
    one.close()
    assert other.take("lead")
    other.close()


def test_what_another_took_over_is_not_given_back(objects: Objects) -> None:
    one = claimant(objects)
    assert one.take("lead")
    objects.put(
        "runs/tiny/claims/lead.json",
        json.dumps({"owner": "x", "host": "elsewhere", "until": time.time() + 99}).encode(),
    )
    one.close()
    assert objects.get("runs/tiny/claims/lead.json")


def test_a_claim_of_a_machine_whose_clock_is_ahead_ends_when_it_is_not_renewed(
    objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "LASTS_SECONDS", 0.2)
    said = {"owner": "x", "host": "elsewhere", "pid": 1, "until": time.time() + 3600}
    one = claimant(objects)
    for renewal in range(3):
        objects.put("runs/tiny/claims/lead.json", json.dumps(said | {"until": said["until"] + renewal}).encode())  # type: ignore[operator]
        assert not one.take("lead")
        time.sleep(0.1)
    time.sleep(0.2)
    assert one.take("lead")
    one.close()


def test_a_store_that_refuses_to_delete_does_not_end_the_renewing(
    objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = claimant(objects)
    assert one.take("lead")

    def refuse(*_: object) -> None:
        raise obstore.exceptions.GenericError("503 Slow Down")

    monkeypatch.setattr(obstore, "delete", refuse)
    with pytest.raises(Unanswered, match="503"):
        one.release("lead")
    with pytest.raises(Unanswered, match="503"):
        objects.delete("runs")
    one.close()
