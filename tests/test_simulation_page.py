"""The Simulation page: the lines are the stored curves, what breaks and holds is what the ranks say, and every state is told."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from app import reading
from app.simulation import charts, stored, words
from app.simulation.charts import Drawn, Look
from app.simulation.stored import Hold, Withstood
from precompute.catalogue import CHANGES
from store.objects import connect
from store.runs import Run, dataset, open_run
from store.shards import Artifact
from tests import visits
from tests.worlds_simulation import make_simulated

PAGE = "app/views/simulation.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes of six images, all changes but saturation, at all epochs."""
    folder = tmp_path_factory.mktemp("simulated")
    make_simulated(folder, changes=[name for name in CHANGES if name != "saturation"] + ["-saturation"], channels=3)
    return folder


def opened(folder: Path, monkeypatch: pytest.MonkeyPatch, **address: str) -> AppTest:
    return visits.opened(folder, monkeypatch, PAGE, **address)


def run_of(folder: Path) -> Run:
    return open_run(connect(str(folder)), "world-0123456789")


def curve(folder: Path, name: str) -> Artifact:
    return run_of(folder).artifact(f"simulation-{name}")


def dataset_of(folder: Path) -> Artifact:
    run = run_of(folder)
    return dataset(run.objects, run.attributes["dataset"])


def labels(folder: Path) -> np.ndarray:
    return dataset_of(folder).read_blocks("label")


def texts(page: AppTest) -> str:
    blocks = [*page.markdown, *page.caption, *page.info, *page.error, *page.warning]
    return "\n".join(str(block.value).replace("\\", "").replace("\N{NO-BREAK SPACE}", " ") for block in blocks)


def chart(page: AppTest, key: str = "simulation.large") -> list[pd.DataFrame]:
    """The tables of a chart, by their number; `key` is its key where a click does something, else a word of its axis."""
    every = [item.proto for item in page.get("vega_lite_chart")]
    (found,) = [item for item in every if item.id.endswith(key) or f'"{key}"' in item.spec]
    tables = {item.name: pa.ipc.open_stream(item.data.data).read_pandas() for item in found.datasets}
    return [tables[f"table{number}"] for number in range(len(tables))]


def pictures(page: AppTest, key: str) -> list[dict[str, Any]]:
    (data,) = [item.proto.bytes for item in page.get("bidi_component") if item.key == key]
    return json.loads(data[4 : 4 + int.from_bytes(data[:4], "little")])["items"]


# The page


def test_a_line_a_class_is_the_stored_curve(visit: Callable[..., AppTest], made: Path) -> None:
    lines, strong, band, marks, *_ = chart(visit(**{"class": "kind 2"}))
    artifact = curve(made, "rotation")
    mean, quantiles = artifact.read("mean", 3), artifact.read("quantiles", 3)
    np.testing.assert_allclose(lines.score.to_numpy().reshape(4, -1), mean, atol=1e-6)
    assert strong["class"].unique().tolist() == ["kind 2"]
    np.testing.assert_allclose(band[["low", "high"]].to_numpy().T, quantiles[2, [0, 4]], atol=1e-6)
    assert marks.value.tolist() == [0]


def test_each_measure_is_what_it_says(made: Path) -> None:
    artifact, data, true = curve(made, "noise"), dataset_of(made), labels(made)
    rank, chance = artifact.read("rank", 2), artifact.read("chance", 2)
    slow = {
        "probability": lambda own: chance[own].mean(0),
        "first": lambda own: (rank[own] == 1).mean(0),
        "rank": lambda own: rank[own].mean(0),
        "overall": lambda own: artifact.read("mean_of_all", 2)[true[own][0]],
    }
    for measure in stored.MEASURES:
        expected = np.stack([slow[measure](np.flatnonzero(true == number)) for number in range(4)])
        np.testing.assert_allclose(stored.along(artifact, data, 2, measure), expected, atol=1e-6)
    own = rank[true == 1]
    np.testing.assert_allclose(stored.spread(artifact, data, 2, "rank", 1), np.quantile(own, (0.1, 0.9), axis=0))
    assert not len(stored.spread(artifact, data, 2, "first", 1))


def test_a_measure_is_drawn_as_the_address_says(visit: Callable[..., AppTest], made: Path) -> None:
    lines, *_ = chart(visit(along="noise", measure="first", epoch="2"))
    expected = stored.along(curve(made, "noise"), dataset_of(made), 2, "first")
    np.testing.assert_allclose(lines.score.to_numpy().reshape(4, -1), expected)


def test_the_number_of_images_is_printed_and_every_change_has_a_small_chart(visit: Callable[..., AppTest]) -> None:
    page = visit()
    assert "n = 6 images of kind 0" in texts(page) and "Saturation: grey images have none." in texts(page)
    small = {
        item.proto.id.rsplit(".", 1)[-1] for item in page.get("vega_lite_chart") if "simulation.small" in item.proto.id
    }
    assert small == set(CHANGES) - {"saturation"}


def test_the_focus_image_and_the_testing_views_value_are_marked(visit: Callable[..., AppTest], made: Path) -> None:
    _, _, _, marks, own, _ = chart(visit(along="brightness", images="7", edits="brightness:0.4"))
    assert marks[["value", "mark"]].to_numpy().tolist() == [[1, "unchanged"], [0.4, "Testing"]]
    np.testing.assert_allclose(own.score, curve(made, "brightness").read("chance", 3)[7], atol=1e-6)
    assert own.image.unique().tolist() == ["image 7 (kind 3)"]


def test_a_flip_is_paired_dots(visit: Callable[..., AppTest], made: Path) -> None:
    dots, ends, *_ = chart(visit(along="flip_vertical", **{"class": "kind 1"}))
    mean = curve(made, "flip_vertical").read("mean", 3)
    assert dots.state.tolist() == ["unchanged", "flipped"] * 4
    np.testing.assert_allclose(ends[["start", "end"]].to_numpy(), mean, atol=1e-6)
    assert ends["class"][ends.strong].tolist() == ["kind 1"]


def test_images_that_hold_and_break_are_those_of_the_ranks(visit: Callable[..., AppTest], made: Path) -> None:
    page = visit(along="noise", **{"class": "kind 1"})
    long, first = ([item["image"] for item in pictures(page, f"simulation.{key}")] for key in ("long", "first"))
    artifact, points = curve(made, "noise"), np.array(CHANGES["noise"].points())
    until = {
        int(image): points[np.argmax(artifact.read("rank", 3)[image] > 1)]
        for image in np.flatnonzero(labels(made) == 1)
    }
    assert set(long) | set(first) == set(until) and not set(long) & set(first)
    assert min(until[image] for image in long) >= max(until[image] for image in first)
    assert until[first[0]] == min(until.values())
    captions = {item["image"]: item["caption"] for item in pictures(page, "simulation.first")}
    assert captions == {image: words.number("noise", until[image]) for image in first}


def test_the_sentence_is_about_the_chosen_class(visit: Callable[..., AppTest]) -> None:
    first, last = (texts(visit(**{"class": f"kind {number}"})) for number in (0, 3))
    assert "Of the 6 images of kind 0, 6 are recognised unchanged." in first
    assert "does not withstand horizontal flip and vertical flip" in first
    assert "withstands rotation" in last and "at every point: at least 80%" in last


def test_how_the_training_images_are_spread(visit: Callable[..., AppTest]) -> None:
    page = visit(along="brightness")
    assert "Mean luma of 113 training images of kind 0 that were measured:" in texts(page)
    bars, marks = chart(page, "mean luma")
    assert bars.images.sum() == 113 and bars.images.argmax() == 7
    assert marks.label.tolist() == ["unchanged", "0×", "2×"] and marks.level.tolist() == pytest.approx([0.4, 0, 0.8])
    assert "most often 105° to 120°" in texts(visit(along="hue"))
    assert "cannot be measured. In training, images were not changed in this way." in texts(visit(along="rotation"))


def test_controls_and_the_address_agree(visit: Callable[..., AppTest]) -> None:
    page = visit(along="blur", measure="rank")
    assert page.segmented_control(key="simulation.along").value == "blur"
    page.segmented_control(key="simulation.along").set_value("noise").run()
    page.segmented_control(key="simulation.by").set_value("first").run()
    assert (page.query_params["along"], page.query_params["measure"]) == ("noise", "first")
    page.button(key="simulation.small.hue.open").click().run()
    page.switch_page("app/views/overview.py").run()
    page.switch_page(PAGE).run()
    assert page.query_params["along"] == "hue" and page.segmented_control(key="simulation.by").value == "first"


def test_an_address_that_makes_no_sense_shows_the_page(visit: Callable[..., AppTest]) -> None:
    page = visit(along="warp", measure="luck", edits="rotation:x")
    assert page.segmented_control(key="simulation.along").value == "rotation" and not page.error


# States


def test_a_run_without_curves_names_the_section_of_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_simulated(tmp_path, changes=())
    page = opened(tmp_path, monkeypatch)
    assert "nothing is trained twice" in texts(page) and "[artifacts.simulation]" in page.code[0].value


def test_another_epoch_that_has_curves_is_one_click_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_simulated(tmp_path, changes=("blur",), promised=(3,))
    page = opened(tmp_path, monkeypatch, epoch="1")
    assert "No curves at epoch 1. The recipe asks for the last epoch alone" in texts(page)
    [button] = [item for item in page.button if item.label == "Show epoch 3"]
    button.click().run()
    assert page.session_state["epoch"] == 3 and chart(page)


def test_what_is_there_is_shown_while_the_rest_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_simulated(tmp_path, changes=("blur", "noise"), done=())
    page = opened(tmp_path, monkeypatch)
    assert "0 of 2 changes have been simulated" in texts(page)
    make_simulated(tmp_path / "live", changes=("blur", "noise"), done=(), finished=2)
    live = opened(tmp_path / "live", monkeypatch)
    assert "0 of 2 changes have been simulated. Curves follow" in texts(live), "not the time left for all of the run"
    run = run_of(tmp_path)
    make_simulated(tmp_path, changes=("blur",))
    assert run.artifact("simulation-blur").missing() == ()
    reading.marks.clear()  # what is finished is looked at once a second
    page = opened(tmp_path, monkeypatch)
    assert "1 of 2 changes have been simulated" in texts(page) and chart(page)


def test_an_epoch_at_which_nothing_is_recognised_says_so(visit: Callable[..., AppTest]) -> None:
    page = visit(epoch="0")
    assert "None of the 6 images of kind 0 is recognised unchanged" in texts(page)
    assert "so none can hold or break" in texts(page)


def test_few_images_of_a_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_simulated(tmp_path, changes=("blur",), each=2)
    page = opened(tmp_path, monkeypatch, images="20")
    assert "Image 20 is not among those that were changed: the recipe asks for 2 of each class." in texts(page)
    assert "n = 2 images of kind 0" in texts(page)


def test_of_many_classes_the_chosen_one_and_its_confusions_have_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_simulated(tmp_path, changes=("blur",), classes=30, images=90)
    page = opened(tmp_path, monkeypatch, **{"class": "kind 7"})
    lines, strong, _, _, _, overall = chart(page)
    assert lines["class"].iloc[0] == strong["class"].iloc[0] == "kind 7" and lines["class"].nunique() <= 6
    mean = curve(tmp_path, "blur").read("mean", 3)
    np.testing.assert_allclose(
        overall[["low", "middle", "high"]].to_numpy().T, np.quantile(mean, (0.1, 0.5, 0.9), axis=0), atol=1e-6
    )
    assert "over all 30 classes" in texts(page)


# Words and charts


def test_a_reach_is_the_stretch_around_the_identity() -> None:
    found = Withstood("rotation", (-180, -90, 0, 90, 180), 2, 10, (0.9, 0.7, 1.0, 0.8, 0.9))
    assert found.reach == (0, 180) and not found.whole and found.least == 0
    assert Withstood("blur", (0, 5, 10), 0, 10, (1, 0.9, 0.1)).least == 0.5
    assert Withstood("blur", (0, 5, 10), 0, 10, (1, 0.9, 0.85)).whole


def test_the_verdict_follows_the_numbers() -> None:
    firm = Withstood("hue", (-180, 0, 180), 1, 8, (0.9, 1, 1))
    part = Withstood("noise", (0, 25, 50), 0, 8, (1, 0.875, 0.25))
    weak = Withstood("flip_vertical", (0, 1), 0, 8, (1, 0.5))
    said = words.verdict((firm, part, weak), "cat", 9).replace("\N{NO-BREAK SPACE}", " ")
    assert said == (
        "Of the 9 images of cat, 8 are recognised unchanged. The class withstands hue at every point: at least 80% of these "
        "stay recognised. In part: noise up to 25% of the range. The class does not withstand vertical flip: fewer than 80% "
        "are left."
    )
    assert words.verdict((), "cat", 0) == "No image of cat was changed."


def test_what_never_breaks_is_said() -> None:
    assert words.broken("noise", Hold(3, np.nan, np.inf, 0, 0.6)) == "never"
    assert words.broken("flip_vertical", Hold(3, 1, 1, 2, 0.1)) == "flipped"
    assert (
        words.hold_words("rotation", Hold(3, -22.5, 0.1, 1, 0.1), ("cat", "dog")) == "image 3: taken for dog at −22.5°"
    )


def test_the_quantile_of_a_histogram() -> None:
    assert words.quantile(np.array([1, 1, 2]), np.array([0, 1, 2, 3]), 0.5) == 2
    assert words.quantile(np.array([0, 4]), np.array([0.0, 1, 2]), 0.25) == 1.25


@pytest.mark.parametrize("name", ["rotation", "noise", "flip_vertical"])
@pytest.mark.parametrize("small", [False, True])
def test_every_chart_is_vega_lite_with_all_its_tables(name: str, small: bool) -> None:
    points = np.array(CHANGES[name].points())
    values = np.tile(np.linspace(1, 0.5, len(points)), (2, 1))
    for measure in ("probability", "rank"):
        look = Look(name, measure, ("it's", 'a "b"'), ("#000000", "#111111"), 2, 200, small, False)
        made = charts.spec(look, Drawn(points, values, 1, values))
        used = {layer["data"]["name"] for layer in made["layer"]}
        assert used <= set(made["datasets"]) and all(made["datasets"].values())


@pytest.mark.parametrize("name", ["rotation", "flip_vertical"])
def test_another_class_builds_no_chart_anew(name: str) -> None:
    """Ten charts took 1.5 s to build whenever a class was chosen."""
    points = np.array(CHANGES[name].points())
    values = np.tile(np.linspace(1, 0.5, len(points)), (2, 1))
    colours = {"cat": "#aa0001", "dog": "#aa0002", "owl": "#aa0003"}
    charts.spec(
        Look(name, "first", ("x", "y"), ("#000000", "#111111"), 3, 200, False, False), Drawn(points, values, 1, values)
    )
    before = charts.lines_form.cache_info().misses + charts.dots_form.cache_info().misses
    for pair, chosen in ((("cat", "dog"), 0), (("dog", "owl"), 1)):
        shades = tuple(colours[item] for item in pair)
        made = charts.spec(
            Look(name, "first", pair, shades, 3, 200, False, False), Drawn(points, values, chosen, values)
        )
        said = json.dumps({key: value for key, value in made.items() if key != "datasets"})
        assert f'"domain": {json.dumps(pair)}' in said and f'"range": {json.dumps(shades)}' in said
        assert f'"color": "{shades[chosen]}"' in said and "@c" not in said
    assert charts.lines_form.cache_info().misses + charts.dots_form.cache_info().misses == before


def test_the_legend_has_room_for_long_names() -> None:
    assert charts.columns(("cat", "dog")) == 5
    assert charts.columns(("Golden winged Warbler", "Cerulean Warbler")) == 3
    assert charts.columns(("x" * 200,)) == 1
