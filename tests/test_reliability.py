"""Reliability: verdicts follow the numbers and their controls, what is missing says why, and badges lead to the card."""

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import main, reading
from app.methods.table import METHODS
from app.reliability import badges, pages
from app.reliability.cards import ROWS, TITLES, cards
from app.reliability.parts import FAILS, MISSING, NOT, PASSES, TOLD, Card, Row, median, two
from store.objects import connect
from store.runs import Run, open_run
from store.shards import Artifact
from tests import visits
from tests.worlds import make_world
from tests.worlds_reliability import GOOD, LAST, SUBJECTS, make_judged

ROOT = Path(__file__).parents[1]
PAGE = "app/views/reliability.py"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_judged(tmp_path_factory.mktemp("judged"))


def maps(run: Run, technique: str) -> Artifact:
    return next(item for item in run.of_kind("saliency") if item.attributes["technique"] == technique)


def card_of(run: Run, technique: str, epoch: int = LAST) -> Card:
    return cards(run, run.artifact("evaluation-0a"), epoch, [maps(run, technique)])[0]


def rows(found: Card) -> dict[str, Row]:
    return {row.name: row for row in found.rows}


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


# Verdicts


def test_what_is_good_passes_and_says_by_which_numbers(run: Run) -> None:
    found = card_of(run, "cam")
    states = {row.name: row.state for row in found.checked}
    assert states == dict.fromkeys(("randomisation", "stability", "roar"), PASSES)
    assert found.words == "passes 3 of 3 checks"
    there = rows(found)
    assert there["shift"].state == TOLD and there["shift"].words.startswith("Unchanged by construction")
    assert "ρ 1.00; logits differ by 3e-06" in there["shift"].words
    assert "ρ 0.10" in there["randomisation"].words and "edge detector 1.00" in there["randomisation"].words
    assert "below 0.50" in there["randomisation"].rule
    assert there["randomisation"].figure == "|ρ| 0.10", "the larger of both, without its sign"
    said = "64% right on average, random, blurred 79% (2 trainings a share, 400 test images)"
    assert said in plain(there["roar"].words)
    assert all(row.rule and row.figure for row in found.checked), "no verdict without its numbers"


def test_what_is_bad_fails(run: Run) -> None:
    found = card_of(run, "integrated-gradients")
    states = {row.name: row.state for row in found.checked}
    failing = ("shift", "randomisation", "stability", "roar")
    assert states == {"completeness": PASSES, **dict.fromkeys(failing, FAILS)}
    assert "1 collapsed training left out" in rows(found)["roar"].words
    assert card_of(run, "integrated-gradients", epoch=2).rows[2].state == FAILS, "at epoch 2 sums are missed by a fifth"


def test_the_rule_is_made_of_the_controls(run: Run) -> None:
    """Grad-CAM here answers as the edge detector does."""
    there = rows(card_of(run, "grad-cam"))
    assert there["randomisation"].state == FAILS and there["stability"].state == PASSES
    assert there["roar"].state == MISSING and "Name it in [artifacts.roar]" in there["roar"].words


def test_a_map_of_the_input_that_stays_has_passed_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SUBJECTS, ("integrated-gradients", "input"), GOOD)
    there = rows(card_of(make_judged(tmp_path, grid=False), "integrated-gradients"))
    assert there["shift"].state == PASSES


def test_where_networks_differ_there_is_no_verdict(tmp_path: Path) -> None:
    there = rows(card_of(make_judged(tmp_path, largest=4.0, grid=False), "cam"))
    assert there["shift"].state == TOLD and there["shift"].words.startswith("No verdict, because the networks differ")
    assert there["roar"].state == MISSING


def test_numbers_of_another_epoch_say_so(run: Run) -> None:
    assert rows(card_of(run, "cam", epoch=1))["stability"].words.endswith("After epoch 3.")
    there = rows(card_of(run, "cam", epoch=2))
    assert all(there[name].words.endswith("After epoch 3.") for name in ("roar", "seeds"))
    assert not rows(card_of(run, "cam"))["roar"].words.endswith("After epoch 3.")


def test_what_is_not_there_yet_or_does_not_apply_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_judged(tmp_path, done=False, grid=False)
    there = rows(card_of(run, "cam"))
    assert {there[name].words for name in ("shift", "randomisation", "stability")} == {"Still being computed."}
    assert there["completeness"].state == NOT
    assert card_of(run, "cam").words == "not checked yet"
    inapplicable = card_of(run, "grad-cam++")
    assert {row.state for row in inapplicable.rows} == {NOT} and "has no gradients" in inapplicable.rows[0].words
    assert inapplicable.words == "does not apply"
    said: list[str] = []
    monkeypatch.setattr(pages.st, "info", said.append)
    pages.summary([card_of(run, "cam"), inapplicable])
    assert "not finished yet" in said[0], "not that a section is to be added to the recipe"


def test_a_check_that_the_network_does_not_allow_is_greyed_with_the_reason(tmp_path: Path) -> None:
    run = make_judged(tmp_path, done=False, grid=False)
    facts = {"evaluation": "evaluation-0a", "obstacle": "No layer could take a shift back."}
    run.add("sanity-shift-0c", "sanity-shift", {}, (), facts)
    there = rows(card_of(open_run(run.objects, run.id), "cam"))["shift"]
    assert (there.state, there.words) == (NOT, "No layer could take a shift back.")


def test_what_is_damaged_says_so_and_the_rest_stays(tmp_path: Path) -> None:
    run = make_judged(tmp_path, grid=False)
    artifact = run.artifact("sanity-shift-0b")
    (chunk,) = [stat.path for stat in run.objects.under(f"{artifact.path}/spearman/c")]
    run.objects.put(chunk, b"no chunk")
    there = rows(card_of(open_run(run.objects, run.id), "cam"))
    assert there["shift"].state == MISSING and "precompute" in there["shift"].words
    assert there["stability"].state == PASSES


def test_charts_hold_the_numbers_and_the_nulls(run: Run) -> None:
    there = rows(card_of(run, "cam"))
    cascade = there["randomisation"].chart
    assert cascade and cascade.own == pytest.approx((0.7, 0.4, 0.1), abs=1e-6) and cascade.rule == 0.5
    assert {line.name: line.values[-1] for line in cascade.nulls} == {"random map": 0, "edge detector": 1}
    curve = there["roar"].chart
    assert curve and curve.own == pytest.approx((0.91, 0.61, 0.41)) and curve.below == pytest.approx((0.9, 0.6, 0.4))
    assert curve.nulls[0].name == "random, blurred", "first the one it is judged by"
    seeds = there["seeds"].chart
    assert seeds and seeds.own == pytest.approx([0.01] * 3)
    json.dumps([chart.__dict__ for chart in (seeds,)], allow_nan=False, default=vars)


def test_attention_is_told_with_its_controls_and_the_class_that_stands_out(run: Run) -> None:
    row = rows(card_of(run, "cam"))["attention"]
    assert row.state == TOLD and not row.rule, "it is about the network"
    assert (
        "of the evidence in the box" in row.words and "uniform map 10%" in plain(row.words) and "in corner" in row.words
    )
    assert "Most out of the ordinary is kind " in row.words


# Names


def test_every_row_has_a_method_and_a_page(run: Run) -> None:
    assert set(ROWS) <= set(METHODS) and set(TITLES) == set(ROWS)
    for technique in ("cam", "integrated-gradients", "grad-cam++"):
        assert tuple(rows(card_of(run, technique))) == tuple(ROWS), "the same rows in the same order"
    text = Path(main.__file__).read_text(encoding="utf-8")
    for word, file in pages.PAGES.items():
        assert (ROOT / file).is_file() and f'"{Path(file).name}"' in text
        assert f'url_path="{word}"' in text or Path(file).stem == word


def test_numbers_in_words() -> None:
    values = (1.0, 0.9999, 0.9961, 0.123, -0.5, -0.001, np.nan)
    assert [two(value) for value in values] == ["1.00", ">0.999", "0.996", "0.12", "−0.50", "0.00", "–"]
    assert median(np.array([np.nan, 1, 3])) == 2 and np.isnan(median(np.array([np.nan])))


# Badges


def test_a_badge_has_the_numbers_and_leads_to_the_card(run: Run) -> None:
    badge = badges.badge(run, run.artifact("evaluation-0a"), LAST, maps(run, "grad-cam"))
    assert (badge.words, badge.short, badge.icon) == ("passes 1 of 2 checks", "1 of 2 checks", "rule")
    assert "Randomisation: fails (|ρ| 0.90)" in badge.help
    found = urlsplit(badge.address)
    words = {name: values[0] for name, values in parse_qs(found.query).items()}
    assert found.path == "reliability"
    assert words == {"run": run.id, "epoch": "3", "card": "grad-cam", "layer": "features.4, 6 × 6"}


def test_a_badge_of_what_was_not_checked(tmp_path: Path) -> None:
    run_id = make_world(tmp_path)
    bare = open_run(connect(str(tmp_path)), run_id)
    badge = badges.badge(bare, bare.artifact("evaluation-0a"), LAST, maps(bare, "cam"))
    assert badge.words == "not checked yet" and badge.icon == badges.UNCHECKED
    reason = badges.badge(bare, bare.artifact("evaluation-0a"), LAST, maps(bare, "grad-cam++"))
    assert "has no gradients" in reason.help


def test_badges_stand_beside_every_map_of_a_strip(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened(Path(run.objects.address), monkeypatch, "app/views/saliency.py")
    (data,) = [item.proto.bytes for item in page.get("bidi_component") if item.key == "strip.case.correct"]
    header = json.loads(data[12 : 12 + int.from_bytes(data[8:12], "little")])  # after the epoch, the row and the length
    found = {row["title"]: row for row in header["rows"]}
    assert found["CAM"]["about"] == f"methods?about=cam&run={run.id}"
    assert [item["words"] for item in found["CAM"]["badges"]] == ["3 of 3 checks"]
    assert "Randomisation: fails" in found["Grad-CAM"]["badges"][0]["help"] and not found["Grad-CAM++"]["badges"]


# The page


def opened(folder: Path, monkeypatch: pytest.MonkeyPatch, view: str = PAGE, **address: str) -> AppTest:
    return visits.opened(folder, monkeypatch, view, **address)


@pytest.fixture
def visit(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    return lambda **address: opened(Path(run.objects.address), monkeypatch, **address)


def texts(page: AppTest) -> str:
    blocks = [*page.markdown, *page.caption, *page.info, *page.error, *page.warning]
    return plain("\n".join(str(block.value).replace("\\", "") for block in blocks))


def drawn(page: AppTest) -> dict[str, list[dict[str, object]]]:
    """The rows of each card, by technique."""
    items = [item for item in page.get("bidi_component") if str(item.key).startswith("reliability.")]
    return {item.key.removeprefix("reliability."): json.loads(item.proto.json)["rows"] for item in items}


def test_the_page_has_a_card_a_technique_with_the_same_rows(visit: Callable[..., AppTest]) -> None:
    page = visit()
    found = drawn(page)
    assert list(found) == ["cam", "grad-cam", "grad-cam++", "integrated-gradients"]
    titles = [[row["title"] for row in rows] for rows in found.values()]
    assert all(each == titles[0] for each in titles)
    assert found["cam"][3]["state"] == TOLD and str(found["cam"][3]["about"]).startswith("methods?about=")
    assert "has no gradients" in str(found["grad-cam++"][0]["words"])


def test_the_overview_names_every_verdict_with_its_number(visit: Callable[..., AppTest]) -> None:
    said = texts(visit())
    assert "3 of 3" in said and ":material/cancel: |ρ| 0.90" in said and "[CAM](methods?about=cam&run=" in said


def test_the_card_that_the_address_names_comes_first(visit: Callable[..., AppTest]) -> None:
    assert next(iter(drawn(visit(card="grad-cam")))) == "grad-cam"
    assert next(iter(drawn(visit(card="no such")))) == "cam"


def test_evidence_is_a_click_away(visit: Callable[..., AppTest]) -> None:
    page = visit(epoch="1")  # a word of the address that a widget holds
    page.session_state["reliability.go"], page.session_state["check"] = "sanity", "stability"
    page.run()
    assert not page.exception and [title.value for title in page.title] == ["Sanity"]
    assert page.segmented_control(key="check").value == "stability"
    assert page.session_state["epoch"] == 1


def test_a_row_opens_its_page_where_its_numbers_are(
    run: Run, visit: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visit(**{"class": "kind 1"})
    links = {row["name"]: urlsplit(str(row["href"])) for row in drawn(page)["cam"] if row["name"]}
    words = {name: {key: value[0] for key, value in parse_qs(link.query).items()} for name, link in links.items()}
    assert all(
        found["run"] == run.id and found["epoch"] == "3" and found["class"] == "kind 1" for found in words.values()
    )
    assert {name: words[name]["check"] for name in ("shift", "randomisation", "stability", "last-epochs")} == {
        "shift": "input shift", "randomisation": "layers drawn anew", "stability": "stability", "last-epochs": "stability"
    }  # fmt: skip
    assert words["applies"]["layer"] == words["attention"]["layer"] == "features.4, 6 × 6"
    assert words["attention"]["evidence"] == "CAM" and words["roar"]["way"] == "Mean, retrained"
    held: dict[str, object] = {}
    monkeypatch.setattr(pages.st, "session_state", held)
    pages.opening(card_of(run, "integrated-gradients"))("attention")
    assert held == {"layer": "input", "evidence": "integrated-gradients", "reliability.go": "attention"}


@pytest.mark.parametrize(
    ("view", "key", "word"), [("roar", "way", "Mean, retrained"), ("attention", "evidence", "CAM")]
)
def test_the_words_of_such_a_link_are_understood(
    run: Run, monkeypatch: pytest.MonkeyPatch, view: str, key: str, word: str
) -> None:
    page = opened(Path(run.objects.address), monkeypatch, pages.PAGES[view], **{key: word})
    found = [*page.segmented_control, *page.selectbox]
    assert next(item.options for item in found if item.key == key).count(word) == 1


def test_a_run_without_checks_names_the_sections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_world(tmp_path)
    said = texts(opened(tmp_path, monkeypatch))
    assert "[artifacts.sanity]" in said and "not trained twice" in said


def test_a_run_without_maps_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = open_run(connect(str(tmp_path)), make_world(tmp_path, summarise=False))
    for item in run.of_kind("saliency"):
        run.objects.delete_each([stat.path for stat in run.objects.under(item.path)])
    reading.by_kind.clear()
    assert "holds no saliency maps" in texts(opened(tmp_path, monkeypatch))
