"""The pages of a run without labels and without training: none invents a class, an accuracy, or an error."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from app import reading, selection
from app.overview import unlabelled
from app.report.__main__ import main as write_report
from app.runs import beside, comparison, side_by_side
from app.saliency import stored, strips
from app.testing import picture
from precompute.making import make
from store.objects import connect
from store.runs import Run
from tests.test_pages import PAGES, opened, shows, sound, words
from tests.test_samples import recipe

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unlabelled")
    make(connect(str(folder)), recipe())
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    shows(folder, monkeypatch)
    found, problems = reading.all_runs()
    assert not problems
    return found[0]


@pytest.mark.parametrize("page", PAGES)
def test_page_of_a_run_that_was_not_trained(run: Run, page: str) -> None:
    app = opened(page, images="1")
    sound(app)
    said = words(app).lower()
    assert "nan" not in said.split() and "nan%" not in said
    assert len(app.title) == 1


def test_overview_shows_what_images_are_taken_for_and_no_accuracy(run: Run) -> None:
    app = opened()
    said = words(app)
    assert "no label" in said and "Made up." in said and "recognised" not in said
    evaluation = reading.evaluation(run)
    assert evaluation
    rows = unlabelled.likeliest_frame(run, evaluation, 0).to_pylist()
    chances = evaluation.read("logits", 0)
    assert [row["image"] for row in rows] == [0, 1, 2, 3, 4, 5]
    for row, each in zip(rows, chances, strict=True):
        best = np.argsort(-each)
        assert [row[name].split()[0] for name in ("taken for", "then", "third")] == ["abc"[number] for number in best]


def test_saliency_explains_what_is_predicted_and_has_no_cases(run: Run) -> None:
    app = opened("app/views/saliency.py", explained="true")
    sound(app)
    said = words(app)
    assert "no cases of right and wrong" in said and "Missed" not in said
    explained = next(item for item in app.segmented_control if item.key == "explained")
    assert explained.options == ["predicted", "chosen"] and explained.value == "predicted"


def test_side_by_side_maps_explain_what_is_predicted(run: Run) -> None:
    evaluation = reading.evaluation(run)
    assert evaluation
    item = comparison.Side("A", run, evaluation, (0,), 0, False)
    found = side_by_side.together([item, item])
    assert found is not None
    asked = beside.Asked(*side_by_side_layer(item), "true", True)
    held = [side_by_side.of_layer(item, asked.layer)] * 2
    panel = side_by_side.panel([item, item], found, 0, asked, held)
    shown = beside.strip_of(panel, stored.held, [])
    assert {cell.state for row in shown.rows for cell in row.cells} <= {"map", "flat"}
    assert "the class each run predicts" in shown.note and shown.caption.startswith("Image 0\nunlabelled\n")


def side_by_side_layer(item: comparison.Side) -> tuple[str, tuple[str, ...]]:
    """A layer that the run holds maps at, and the techniques that apply there."""
    layer = next(iter(stored.layers(item.run, item.evaluation)))
    return layer, tuple(name for name, held in side_by_side.of_layer(item, layer).items() if not held.obstacle)


def test_testing_offers_no_true_class(run: Run) -> None:
    app = opened("app/views/testing.py", images="1", explains="true")
    sound(app)
    explained = next(item for item in app.segmented_control if item.key == "word.explains")
    assert explained.options == ["before", "after", "chosen"] and explained.value == "before"


def test_retrain_says_that_nothing_was_trained(run: Run) -> None:
    assert "Nothing was trained in this run" in words(opened("app/views/retrain.py"))


def test_report_is_written(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_report([run.id])
    text = next(tmp_path.glob("*.html")).read_text()
    assert "What the images are taken for" in text and "Confusion" not in text and "Accuracy" not in text
    assert ": unlabelled → " in text and "nan %" not in text


def test_no_label_is_never_the_last_class(run: Run) -> None:
    names = reading.class_names(run)
    assert names[-1] == names[np.int32(-1)] == "unlabelled"
    assert names == ("a", "b", "c") and names[2] == "c" and names[:2] == ("a", "b") and names.index("c") == 2
    evaluation = reading.evaluation(run)
    assert evaluation
    data = reading.dataset(evaluation)
    assert not reading.labelled(data) and reading.of_class(data, 3).tolist() == [0, 0, 0]
    assert picture.of_data(data, 0).label is None


def test_the_run_shown_first_is_the_latest_that_was_trained() -> None:
    pretrained, old, older = (SimpleNamespace(epochs=epochs) for epochs in (0, 3, 5))
    assert selection.default_run([pretrained, old, older]) is old  # type: ignore[list-item]
    assert selection.default_run([pretrained]) is pretrained  # type: ignore[list-item]


def test_the_next_likeliest_classes_are_named() -> None:
    chances = np.array([0.1, 0.4, 0.05, 0.25, 0.15, 0.05])
    assert strips.runners_up("abcdef", chances).splitlines() == [f"{name}%" for name in ("d 25", "e 15", "a 10", "c 5")]
