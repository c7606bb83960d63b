"""Observations and verdicts: what is stored is what was said, for good; what a browser may send besides is refused or cut."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from store import judgements
from store.errors import BadInput, LoupeError, Missing
from store.judgements import Observation, Verdict, decide, observations, observe, verdict, verdicts
from store.objects import connect
from store.runs import Run, delete_run, open_run
from store.seals import sealed
from tests.worlds import make_world

SEEN = Observation(
    "The beak, at last.\nNot the grass.",
    ("beak", "less grass"),
    epoch=2,
    image=5,
    technique="grad-cam",
    layer="features.4",
    explained="kind 1",
    evaluation="evaluation-0a",
    region=(0.25, 0.5, 0.75, 1.0),
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run_id = make_world(tmp_path)
    return open_run(connect(str(tmp_path)), run_id)


def test_what_is_stored_is_what_was_said(run: Run) -> None:
    stored = observe(run, SEEN, by="Ada")
    assert stored == replace(SEEN, id=stored.id, at=stored.at, run=run.id, by="Ada")
    assert observations(run) == [stored]
    decided = decide(run, "reject", "It looks at the grass.", by="Ada")
    assert verdict(run) == decided == Verdict("reject", "It looks at the grass.", decided.id, run.id, "Ada", decided.at)


def test_nothing_said_before_is_changed(run: Run) -> None:
    first, second = observe(run, SEEN), observe(run, replace(SEEN, text="No, the sky."))
    assert observations(run) == [first, second]
    words = [decide(run, word).verdict for word in ("keep", "undecided", "reject")]
    assert [item.verdict for item in verdicts(run)] == words
    assert verdict(run) == verdicts(run)[-1]


def test_a_run_without_judgements_has_none(run: Run) -> None:
    assert observations(run) == verdicts(run) == judgements.damaged(run) == [] and verdict(run) is None


def test_many_at_once_are_all_kept(run: Run) -> None:
    with ThreadPoolExecutor(8) as people:
        stored = list(people.map(lambda number: observe(run, replace(SEEN, text=str(number))), range(40)))
    assert {item.text for item in observations(run)} == {str(number) for number in range(40)}
    assert sorted(item.id for item in stored) == [item.id for item in observations(run)]


def test_judgements_do_not_disturb_the_run_and_leave_with_it(run: Run) -> None:
    before = sorted(run.artifacts())
    observe(run, SEEN)
    again = open_run(run.objects, run.id)
    assert sorted(again.artifacts()) == before and again.verify() == []
    delete_run(run.objects, run.id)
    with pytest.raises(Missing, match="nothing was stored"):
        observe(run, SEEN)
    with pytest.raises(Missing):
        decide(run, "keep")
    assert not list(run.objects.under(run.path))


# What a browser may send


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"text": "x" * 4001}, "4,000 characters"),
        ({"text": "  \n\t ", "tags": ()}, "needs a text or a tag"),
        ({"text": None}, "text is text"),
        ({"tags": tuple(map(str, range(13)))}, "12 tags"),
        ({"tags": ("x" * 41,)}, "40 characters"),
        ({"tags": "grass"}, "list of words"),
        ({"tags": (3,)}, "tag is text"),
        ({"epoch": 4}, "epochs 0 to 3"),
        ({"epoch": -1}, "whole number"),
        ({"epoch": True}, "whole number"),
        ({"image": 1.5}, "whole number"),
        ({"image": 10**9}, "whole number"),
        ({"technique": "x" * 201}, "200 characters"),
        ({"region": (0, 0, nan, 1)}, "four numbers"),
        ({"region": (0, 0, inf, 1)}, "four numbers"),
        ({"region": (0, 0, 1)}, "four numbers"),
        ({"region": ("0", 0, 1, 1)}, "four numbers"),
        ({"region": {"x0": 0}}, "four numbers"),
        ({"region": (0.5, 0, 0.5, 1)}, "no area"),
        ({"region": (2, 2, 3, 3)}, "no area"),
    ],
)
def test_what_is_no_observation_is_refused(run: Run, change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        observe(run, replace(SEEN, **change))
    assert observations(run) == []


@pytest.mark.parametrize(("name", "reason"), [("maybe", ""), ("KEEP", ""), (None, ""), ("keep", "x" * 4001)])
def test_what_is_no_verdict_is_refused(run: Run, name: Any, reason: str) -> None:
    with pytest.raises(BadInput):
        decide(run, name, reason)
    assert verdicts(run) == []


def test_a_region_is_cut_at_the_image_whichever_corner_came_first() -> None:
    assert judgements.region((1.5, 0.75, 0.25, -3)) == (0.25, 0.0, 1.0, 0.75)
    assert judgements.region([0, 0, 1, 1]) == (0.0, 0.0, 1.0, 1.0)


def test_tags_differ_in_more_than_case_and_spaces(run: Run) -> None:
    assert observe(run, replace(SEEN, tags=("  Less   grass ", "less grass", "", "sky"))).tags == ("Less grass", "sky")


def test_characters_that_nobody_sees_are_left_out(run: Run) -> None:
    stored = observe(run, replace(SEEN, text="a\0b\r\nc\ud800\u202ed\x1b", tags=("x\ny",)), by="A\u202eda")
    assert (stored.text, stored.tags, stored.by) == ("ab\ncd", ("x y",), "A da")
    assert observations(run) == [stored]


# What may lie in a store


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b'{"text": 3}', b'{"text": "x", "region": [NaN, 0, 1, 1]}', b'{"at": "noon"}']
)
def test_a_damaged_observation_hides_no_other(run: Run, body: bytes) -> None:
    stored = observe(run, SEEN)
    run.objects.put(f"{run.path}/observations/0000000000001-x.json", body)
    assert observations(run) == [stored]
    assert len(judgements.damaged(run)) == 1 and "is damaged" in judgements.damaged(run)[0]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"verdict": "keep"}', b'{"verdict": "shred", "reason": "", "at": 1}'])
def test_a_damaged_verdict_hides_no_other(run: Run, body: bytes) -> None:
    decided = decide(run, "keep")
    run.objects.put(f"{run.path}/verdicts/9999999999999-x.json", body)
    assert verdict(run) == decided and verdicts(run) == [decided] and len(judgements.damaged(run)) == 1
    with pytest.raises(LoupeError):
        judgements.verdict_at(run.objects, f"{run.path}/verdicts/9999999999999-x.json")


def test_a_field_of_a_later_loupe_is_passed_over(run: Run) -> None:
    stored = observe(run, SEEN)
    (path,) = judgements.paths(run, "observations")
    later = sealed(run.objects.get_json(path) | {"mood": "good"})
    run.objects.put(path, json.dumps(later).encode())
    assert observations(run) == [stored]


def test_the_specification_lists_the_fields() -> None:
    told = (Path(__file__).parents[1] / "docs/store.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (observation|verdict) \| (\w+) \| \S", told, re.MULTILINE)
    kinds = {"observation": Observation, "verdict": Verdict}
    assert rows == [(name, field.name) for name, kind in kinds.items() for field in fields(kind)]
    for limit in (judgements.TEXT_LENGTH, judgements.MOST_TAGS, judgements.TAG_LENGTH):
        assert f"{limit:,}" in told
