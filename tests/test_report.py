"""The report: everything there is to say about a run, in two files that need nothing else; what people wrote stays text."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.judgement.verdicts import when
from app.reliability import badges
from app.report import __main__ as report
from app.report import document, gathered, markup, svg
from store import trail
from store.judgements import decide, observe
from store.objects import connect
from store.runs import Run, create_run, open_run
from tests import worlds
from tests.test_judging import SEEN, vars_of
from tests.worlds import make_world
from tests.worlds_reliability import LAST, LAYER, make_judged

EVIL = "<script>alert('x')</script>\" onload=\"alert(1)"
VOID = {"meta", "img", "br"}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("LOUPE_STORE", str(tmp_path / "store"))
    return open_run(connect(str(tmp_path / "store")), make_world(tmp_path / "store"))


class Reader(HTMLParser):
    """Checks that elements are nested, and collects them, their attributes and their text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def read(run: Run, *chosen: int) -> Reader:
    return Reader(document.page(gathered.gather(run, chosen)))


def test_the_page_needs_nothing_else_and_runs_nothing(run: Run) -> None:
    observe(run, SEEN)
    page = read(run)
    names = {name for name, _ in page.seen}
    assert not names & {"script", "link", "iframe", "object", "base", "form"}
    for name, attributes in page.seen:
        assert not [key for key in attributes if key.startswith("on") or key in ("href", "srcset", "action")], name
        assert attributes.get("src", "data:").startswith("data:image/png;base64,") or "src" not in attributes
    assert not re.search(r"url\(|@import|https?:", document.STYLE)
    assert all(attributes.get("alt") for name, attributes in page.seen if name == "img")


def test_what_people_wrote_stays_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Script in every place that somebody can write in."""
    monkeypatch.setenv("LOUPE_STORE", str(tmp_path))
    attributes = worlds.attributes

    def evil(*given: Any) -> dict[str, Any]:
        facts = attributes(*given)
        facts["classes"] = [f"{EVIL}{number}" for number in range(4)]
        facts["recipe"] |= {"note": EVIL, "data": {"set": EVIL, "options": {EVIL: EVIL}}}
        return facts | {"provenance": {EVIL: EVIL}, "network": EVIL, "fingerprints": {EVIL: EVIL}}

    monkeypatch.setattr(worlds, "attributes", evil)
    run = open_run(connect(str(tmp_path)), make_world(tmp_path, status={"state": EVIL, "reason": EVIL}))
    fields = {"text": EVIL, "tags": (EVIL[:40],), "technique": EVIL, "layer": EVIL, "explained": f"{EVIL}1"}
    for change in (fields, {"text": EVIL, "explained": f"{EVIL}1"}, {"text": EVIL, "evaluation": EVIL}):
        observe(run, replace(SEEN, **change), by=EVIL)
    for word in ("keep", "reject"):
        decide(run, word, EVIL, by=EVIL)
    run.keep("lineage", {"parent": EVIL, "hypothesis": EVIL, "by": EVIL, "at": 1.0, "job": EVIL})
    trail.note(run.objects, EVIL, EVIL, {"run": run.id, EVIL: EVIL})
    made = gathered.gather(run)
    text = document.page(made)
    page = Reader(text)
    assert "script" not in {name for name, _ in page.seen} and "<script" not in text
    assert not [key for _, attributes in page.seen for key in attributes if key == "onload"]
    assert "".join(page.said).count("<script>alert('x')</script>") >= 25
    assert json.loads(document.data(made))["observations"][0]["text"] == EVIL


def test_the_facts_are_those_of_the_store(run: Run) -> None:
    stored, decided = observe(run, SEEN, by="Ada"), decide(run, "reject", "It is wrong.", by="Ada")
    run.keep("lineage", {"parent": "p", "hypothesis": "less grass", "by": "Ada", "at": 1.0, "job": "j"})
    trail.note(run.objects, "thin", "Ada", {"run": run.id, "keep": [0, 3]})
    trail.note(run.objects, "thin", "Ada", {"run": "another", "keep": [0]})
    facts = json.loads(document.data(gathered.gather(run, (2,))))
    assert facts["run"] == run.id and facts["recipe"] == run.recipe and facts["provenance"]["commit"] == "0" * 40
    assert facts["observations"] == [json.loads(json.dumps(vars_of(stored)))]
    assert facts["verdicts"][0]["reason"] == decided.reason and facts["lineage"][0]["hypothesis"] == "less grass"
    assert [act["what"] for act in facts["trail"]] == [{"run": run.id, "keep": [0, 3]}]
    evaluation, measures = run.artifact("evaluation-0a"), facts["measures"]
    accuracy = evaluation.read("accuracy", [0, 1, 2, 3])
    np.testing.assert_allclose(measures["accuracy"]["evaluated images"], accuracy[:, 1])
    np.testing.assert_array_equal(measures["confusion"]["true_by_predicted"], evaluation.read("confusion", 3))
    assert measures["training"]["loss"][0] is None, "no training before epoch 1: not a number becomes null"
    assert {item["explained"] for item in facts["maps"]} == {"kind 2", "kind 1"}, "chosen, and observed"
    row = next(item for item in facts["maps"] if item["technique"] == "grad-cam")
    held = run.artifact("saliency-grad-cam").read("scale", [0, 1, 2, 3])[:, 0, row["image"]]
    assert row["scale"] >= held.max() * 0.99 or "absent" in row["states"]


def test_beside_a_map_stands_what_the_checks_say_of_its_technique(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUPE_STORE", str(tmp_path))
    run = make_judged(tmp_path, grid=False)
    observe(run, replace(SEEN, epoch=LAST))
    made = gathered.gather(run)
    facts = json.loads(document.data(made))
    badge = badges.of_technique(run, run.artifact("evaluation-0a"), LAST, "grad-cam", LAYER)
    (of,) = [item for item in facts["checks"] if item["technique"] == "grad-cam"]
    assert of["words"] == badge.words == f"passes {of['passed']} of {of['checked']} checks"
    lines = [f"{one['check']}: {one['verdict']} ({one['number']})" for one in of["each"]]
    assert badge.help.splitlines()[1:] == lines and len(lines) == 2
    said = Reader(document.page(made)).said
    beside = [item for item in facts["maps"] if item["technique"] == "grad-cam"] + facts["observations"]
    assert said.count(badge.words) == len(beside) == 4, "three cases and the observation"
    assert all(one["rule"] in said and one["number"] in said for one in of["each"])


def test_the_page_says_what_the_facts_say(run: Run) -> None:
    observe(run, SEEN, by="Ada")
    decide(run, "keep", "At first.", by="Ada")
    decided = decide(run, "reject", "At last.", by="Bob")
    said = "".join(read(run).said)
    for words in (SEEN.text, "corner", "Grad-CAM for kind 1 at features.4, image 5, epoch 2", "At first.", "At last."):
        assert words in said
    assert f"Bob, {when(decided.at)}" in said and said.index("At last.") < said.index("At first.")
    assert "10% to 60% from the left, 20% to 70% from the top." in said
    assert "a world that was never trained" in said and "training.learning_rate" in said


def test_without_a_choice_the_class_recognised_worst_is_shown(run: Run) -> None:
    recall = run.artifact("evaluation-0a").read("by_class", 3)[:, 1]
    assert {case.chosen for case in gathered.gather(run).cases} == {f"kind {int(np.argmin(recall))}"}


@pytest.mark.parametrize("finished", [None, 0])
def test_a_run_that_has_hardly_begun_has_a_report(run: Run, finished: int | None) -> None:
    if finished is None:
        facts = {**run.attributes, "uuid": "u"}
        made = create_run(run.objects, "empty-0123456789", {key: facts[key] for key in facts if key != "created"})
    else:
        store = connect(run.objects.address)
        made = open_run(store, make_world(Path(store.address), name="early", finished=0))
    page = read(made)
    assert "Measures" in page.said and json.loads(document.data(gathered.gather(made)))["run"] == made.id


def test_an_epoch_that_diverged_does_not_spoil_the_scale_of_the_others(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = gathered.stored.held

    def held(*asked: Any) -> Any:
        cells, problems = read(*asked)
        cells.maps[0] = np.inf if cells.states[0] == "map" else np.nan
        return cells, problems

    monkeypatch.setattr(gathered.stored, "held", held)
    rows = [row for case in gathered.gather(run, (1,)).cases for row in case.rows if "scale" in row.facts]
    assert any(row.facts["states"][0] == row.maps[0] == "diverged" for row in rows)
    assert all(row.facts["scale"] < 100 for row in rows)


def test_many_classes_are_listed_as_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_STORE", str(tmp_path))
    run = open_run(connect(str(tmp_path)), make_world(tmp_path, classes=30, images=90))
    said = "".join(read(run, *range(30)).said)
    assert "most frequent confusions" in said
    assert len({case.chosen for case in gathered.gather(run, range(30)).cases}) == gathered.CLASSES


# The command


def test_the_command_writes_both_files(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "reports"
    assert report.main([run.id, "--out", str(folder), "--class", "kind 2"]) == 0
    assert sorted(file.name for file in folder.iterdir()) == [f"{run.id}.html", f"{run.id}.json"]
    assert "Class kind 2" in (folder / f"{run.id}.html").read_text(encoding="utf-8")
    assert str(folder) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["gone-1"], "no run 'gone-1'"), (["../x"], "is no id"), (["RUN", "--class", "no such"], "no class 'no such'")],
)
def test_the_command_says_what_is_wrong(
    run: Run, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main([run.id if word == "RUN" else word for word in arguments]) == 1
    assert said in capsys.readouterr().err


# Its parts


def test_texts_and_attributes_are_escaped() -> None:
    made = markup.tag("p", "<&>\x00\x1b", markup.tag("b", 3), [markup.tag("br")], title='"<', class_=None, data_x="y")
    assert made == '<p title="&quot;&lt;" data-x="y">&lt;&amp;&gt;<b>3</b><br></p>'
    assert markup.text("a\ud800b") == "a?b"


def test_a_line_is_lifted_where_there_is_no_value() -> None:
    chart = svg.lines("t", [0, 1, 2, 3], {"a": [0.0, 1.0, None, 0.5]}, x_label="x", y_label="y", top=1.0)
    (path,) = re.findall(r'<path d="([^"]+)"', chart)
    right, floor = svg.WIDTH - svg.RIGHT, svg.HEIGHT - svg.BOTTOM
    assert path.startswith(f"M{float(svg.LEFT)} {float(floor)} L") and path.count("M") == 2
    middle = (svg.TOP + floor) / 2
    assert path.endswith(f"M{float(right)} {middle}")


@pytest.mark.parametrize("values", [[], [float("nan")], [None], [0.0], [1e300], [float("inf"), 1.0]])
def test_odd_values_make_a_chart_all_the_same(values: list[float | None]) -> None:
    chart = svg.lines("t", list(range(len(values))), {"a": values}, x_label="x", y_label="y")
    assert "nan" not in chart and "inf" not in chart
    Reader(chart)


@pytest.mark.parametrize(("value", "end"), [(0.9, 1), (1.0, 1), (1.1, 2), (2.3, 4), (47, 50), (0.03, 0.04), (81, 100)])
def test_axes_end_at_round_numbers(value: float, end: float) -> None:
    assert svg.nice(value) == pytest.approx(end)


def test_labels_do_not_lie_on_each_other() -> None:
    assert svg.apart([10.0, 12.0, None, 60.0]) == [10.0, 23.0, None, 60.0]
