"""The page of Remove and retrain: the chart and the tables are the stored cells, and every state is told."""

import json
import tomllib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from app import reading
from app.access import actions
from app.roar import charts, companions, larger, published, shown, stored, tabled
from app.selection import Selection
from precompute.recipe import Recipe
from precompute.roar.cells import NONE
from precompute.wanted import Roar
from store.objects import connect
from store.runs import dataset, open_run
from store.shards import Artifact
from tests import visits
from tests.worlds import make_world
from tests.worlds_roar import ASKED, IMAGES, add_grid, make_grid, shard

PAGE = "app/views/roar.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grids")
    make_grid(folder)
    return folder


def opened(folder: Path, monkeypatch: pytest.MonkeyPatch, **address: str) -> AppTest:
    return visits.opened(folder, monkeypatch, PAGE, **address)


def texts(page: AppTest) -> str:
    blocks = [*page.markdown, *page.caption, *page.info, *page.error, *page.warning]
    return "\n".join(str(block.value).replace("\\", "") for block in blocks)


def chart(page: AppTest) -> list[pd.DataFrame]:
    (found,) = [item.proto for item in page.get("vega_lite_chart")]
    return [pa.ipc.open_stream(item.data.data).read_pandas() for item in found.datasets]


def with_columns(tables: list[pd.DataFrame], *names: str) -> list[pd.DataFrame]:
    return [table for table in tables if set(names) <= set(table.columns)]


def frame(page: AppTest, *names: str) -> pd.DataFrame:
    (found,) = with_columns([item.value for item in page.dataframe], *names)
    return found


def grid(folder: Path) -> stored.Grid:
    found = stored.grid(open_run(connect(str(folder)), "world-0123456789"))
    assert found
    return found


def test_a_dot_is_a_training_a_line_their_median_and_a_band_their_range(
    visit: Callable[..., AppTest], made: Path
) -> None:
    page = visit()
    dots = next(table for table in with_columns(chart(page), "form") if len(table))
    cells = [item for item in grid(made).results.values() if item.cell.replacement == "mean" and item.cell.retrained]
    assert len(dots) == len(cells) == 4 * 2 * 3
    own = dots[(dots.ranking == "Random") & (dots.removed == 0.3)]
    expected = [1 - (round(IMAGES * 0.25 * 0.3) + seed + 1) / IMAGES for seed in range(3)]
    assert own.accuracy.tolist() == pytest.approx(expected)
    assert set(dots[dots.form == "collapsed"].ranking) == {"Integrated gradients"}
    (medians,) = with_columns(chart(page), "lowest", "accuracy", "highest")
    line = medians[(medians.ranking == "Random") & (medians.removed == 0.3)].iloc[0]
    assert [line.lowest, line.accuracy, line.highest] == pytest.approx(sorted(expected))


def test_controls_are_dashed_in_the_legend_too(visit: Callable[..., AppTest]) -> None:
    (found,) = [json.loads(item.proto.spec) for item in visit().get("vega_lite_chart")]
    (line,) = [layer["encoding"] for layer in found["layer"] if "strokeDash" in layer["encoding"]]
    colour, dash = line["color"], line["strokeDash"]
    assert colour["legend"] == dash["legend"] and colour["sort"] == dash["sort"], "drawn as one"
    looks = dict(zip(dash["scale"]["domain"], dash["scale"]["range"], strict=True))
    assert colour["scale"]["domain"] == dash["scale"]["domain"]
    assert looks["Random"] == [5, 3] and looks["Integrated gradients"] == [1, 0]


def test_one_training_far_from_the_others_moves_the_range_and_not_the_line(made: Path) -> None:
    point = grid(made).point("random", 0.3, "mean", True)
    assert point
    far = replace(point.results[0], confusion=np.rot90(point.results[0].confusion))
    moved = replace(point, results=(far, *point.results[1:]))
    low, middle, high = moved.range(with_collapsed=True)
    assert low < min(point.accuracies) - 0.5
    assert min(point.accuracies) <= middle <= high <= max(point.accuracies)


def test_without_collapsed_trainings_there_is_a_gap_where_all_did(visit: Callable[..., AppTest]) -> None:
    page = visit(collapsed="false")
    (medians,) = with_columns(chart(page), "lowest", "accuracy", "highest")
    assert medians[medians.ranking == "Integrated gradients"].removed.max() == 0.3
    assert medians[medians.ranking == "Random"].removed.max() == 0.9


def test_the_address_says_what_stands_for_removed_pixels(visit: Callable[..., AppTest]) -> None:
    page = visit(way="Noisy linear (ROAD), not retrained")
    dots = next(table for table in with_columns(chart(page), "form") if len(table))
    assert len(dots) == 4 * 2
    assert "the run's own network" in texts(page)
    assert "pixels removed from both" not in texts(page) and "A dot is a training" not in texts(page)
    assert "the shape of the removed pixels" in texts(visit(way="Mask alone, retrained"))
    assert "Mean, retrained: trained for" in texts(visit(way="nonsense"))


def test_the_deviation_is_the_reports(visit: Callable[..., AppTest], made: Path) -> None:
    table = frame(visit(), "deviation", "collapsed")
    row = table[(table.ranking == "Random") & (table.removed == 90)].iloc[0]
    point = grid(made).point("random", 0.9, "mean", True)
    assert point
    assert row.deviation == pytest.approx(100 * np.std(point.accuracies, ddof=0))
    lost = table[(table.ranking == "Integrated gradients") & (table.removed == 90)].iloc[0]
    assert lost.collapsed == 3
    assert np.isnan(lost["without collapsed"])


def test_recall_and_precision_by_class_and_every_training(visit: Callable[..., AppTest], made: Path) -> None:
    page = visit(table="by class", ranking="Integrated gradients")
    classes = tuple(f"kind {number}" for number in range(4))
    table = frame(page, "removed", *classes)
    point = grid(made).point("integrated-gradients", 0.9, "mean", True)
    assert point
    assert table[table.removed == "90%"].iloc[0][list(classes)].tolist() == [100, 0, 0, 0]
    precise = frame(visit(table="by class", rate="precision"), "removed", *classes)
    assert precise[precise.removed == "90%"].iloc[0][classes[0]] == pytest.approx(25)
    assert precise[precise.removed == "90%"].iloc[0][list(classes[1:])].isna().all()
    trainings = frame(visit(table="every training"), "seed", "last loss")
    assert len(trainings) == 4 * 2 * 3 + 3
    assert trainings.collapsed.sum() == 3


def test_deletion_and_insertion_are_curves_with_a_spread(visit: Callable[..., AppTest], made: Path) -> None:
    page = visit(table="deletion and insertion")
    table = frame(page, "deletion", "deletion, sd", "sensitivity")
    assert table.deletion.tolist() == pytest.approx([0.5, 0.5])
    assert table.sensitivity.isna().tolist() == [False, True]
    _, deletion, insertion = (item.proto for item in page.get("vega_lite_chart"))
    falling, rising = (pa.ipc.open_stream(item.datasets[0].data.data).read_pandas() for item in (deletion, insertion))
    assert falling[falling.ranking == "Random"].probability.tolist() == [1, 0.75, 0.5, 0.25, 0]
    assert rising[rising.ranking == "Integrated gradients"].probability.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert (falling.high >= falling.low).all()
    artifact = companions.faithfulness(open_run(connect(str(made)), "world-0123456789"), "random")
    assert artifact
    assert companions.areas(artifact, "deletion").tolist() == pytest.approx([0.5] * 6)


def test_the_reports_figures_stand_beside_ours_where_they_are_about_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ASKED | {
        "fractions": published.FRACTIONS,
        "seeds": 5,
        "techniques": ("integrated-gradients",),
        "not_retrained": (),
    }
    make_grid(tmp_path, asked=asked, classes=10, images=40)
    monkeypatch.setattr(tabled, "comparable", lambda *given: (True, ""))
    table = tabled.deviations(grid(tmp_path), ("mean", True), report=True)
    own = table[table.ranking == "Integrated gradients"]
    assert own["report: deviation"].tolist() == list(published.DEVIATION["integrated-gradients"])
    drawn = table[table.ranking == "Random"]
    np.testing.assert_allclose(drawn["report: mean"], [98.7, 97.8, 96.4, 91.0, 75.7], atol=0.06)
    each = tabled.by_class(grid(tmp_path), ("mean", True), "random", "recall", published.CLASSES, report=True)
    assert each[each[""] == "report"][list(published.CLASSES)].to_numpy().tolist() == [
        list(row) for row in published.RECALL["random"]
    ]
    assert len(each) == 5 * 4
    page = opened(tmp_path, monkeypatch, table="by class")
    assert any("(report)" in str(name) for item in with_columns(chart(page), "ranking") for name in item.ranking)
    assert "hold recall" in texts(page)
    assert charts.GREY in page.dataframe[0].proto.arrow_data.styler.styles


def test_the_report_is_compared_with_its_own_test_images_alone(made: Path) -> None:
    run, own = open_run(connect(str(made)), "world-0123456789"), grid(made)
    digits = replace(
        run,
        attributes=run.attributes | {"classes": list(published.CLASSES), "recipe": {"model": {"network": "roar-cnn"}}},
    )
    whole = replace(
        own, artifact=replace(own.artifact, attributes=own.artifact.attributes | {"used": [60_000, 10_000]})
    )
    assert tabled.comparable(digits, whole, 28) == (True, "")
    assert tabled.comparable(run, whole, 28) == (False, "")
    for few, side in ((own, 28), (whole, 32)):
        said, why = tabled.comparable(digits, few, side)
        assert not said and "10,000 test images of 28 pixels" in why


def test_a_run_of_something_else_shows_no_report(visit: Callable[..., AppTest]) -> None:
    page = visit()
    assert not any("(report)" in str(name) for item in with_columns(chart(page), "ranking") for name in item.ranking)
    assert "report: mean" not in frame(page, "deviation").columns


def test_cells_of_other_options_are_not_mixed_in(tmp_path: Path) -> None:
    run = open_run(connect(str(tmp_path)), make_world(tmp_path, summarise=False))
    for name, done, steps, ties in (("first", True, 50, 1), ("second", True, 16, 0), ("last", False, 50, 0)):
        options = {"integrated-gradients": {"steps": steps}, "grad-cam": {}}
        add_grid(run, Roar(**ASKED), lambda cell, done=done: done, lambda cell: False, {}, f"roar-{name}",
                 options=options, ties=ties)  # fmt: skip
    assert {cell.technique for cell in grid(tmp_path).results} == {NONE, "grad-cam", "random", "random-blurred"}


def test_a_cell_is_read_once_and_a_grid_that_did_not_grow_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = make_grid(tmp_path, done=lambda cell: cell.seed == 0, status={"state": "running"})
    run, read = open_run(connect(str(tmp_path)), run_id), Counter[tuple[str, object]]()
    plain = Artifact.read
    monkeypatch.setattr(
        Artifact,
        "read",
        lambda item, name, at, *rest: read.update((name, index) for index in at) or plain(item, name, at, *rest),
    )
    first = stored.grid(run)
    assert first and set(read.values()) == {1} and len(read) == 4 * len(first.results)
    assert stored.grid(run) is first
    later = next(index for index in first.artifact.promised if index not in first.artifact.marked())
    first.artifact.write(later, shard(first.asked[later], len(run.classes), False))
    reading.marks.clear()
    again = stored.grid(run)
    assert again and len(again.results) == len(first.results) + 1
    assert set(read.values()) == {1} and len(read) == 4 * len(again.results)


def test_a_grid_under_way_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = {"state": "stopped", "doing": "", "done": 1, "of": 2, "seconds_left": None}
    make_grid(
        tmp_path,
        done=lambda cell: cell.technique in (NONE, "random") and cell.seed == 0,
        obstacles={"grad-cam": "Grad-CAM needs a map larger than one position; conv1 gives just one."},
        status=status,
    )
    page = opened(tmp_path, monkeypatch)
    said = texts(page)
    assert "8 of " in said and "cells are finished" in said
    assert "run the recipe again" in said
    assert "was left out. Grad-CAM needs a map larger than one position" in said
    drawn = next(table for table in with_columns(chart(page), "form") if len(table))
    assert set(drawn.ranking) == {"Random"}


def test_without_a_grid_the_page_names_the_way_to_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_world(tmp_path)
    page = opened(tmp_path, monkeypatch)
    assert "holds no grid" in texts(page)
    assert "the network itself is not trained twice" in texts(page) and "nothing is trained twice" not in texts(page)
    assert any("[artifacts.roar]" in item.value for item in page.code)
    titles = [item.label for item in page.expander]
    assert "A grid" in titles and "A larger grid" not in titles, "there is none to be larger than"


def test_a_reason_against_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = open_run(connect(str(tmp_path)), make_world(tmp_path, summarise=False))
    run.add("roar-0", "roar", {}, (), {"obstacle": "There are no training images, so there is nothing to retrain on."})
    run.summarise()
    assert "nothing to retrain on" in texts(opened(tmp_path, monkeypatch))


def test_the_first_pixels_of_an_image_are_gone(visit: Callable[..., AppTest], made: Path) -> None:
    page = visit(table="what is removed", **{"class": "kind 3"})
    assert "Image 3, kind 3, with 0%, 30%, 90%" in texts(page)  # every third is tested on
    (image,) = page.get("image")
    assert "Image 3, kind 3" in str(image.proto) and "Integrated gradients ranks first" in str(image.proto)
    run = open_run(connect(str(made)), "world-0123456789")
    data = dataset(run.objects, run.attributes["dataset"])
    now = Selection(run, run.of_kind("evaluation")[0], data, (3,), 3, 3, ())
    artifact = run.artifact("ranking-integrated-gradients")
    places = shown.order(now, artifact, 3)
    assert places is not None
    assert places.ravel().argmin() == 10 + 1  # the second of those tested on, after ten training images
    assert shown.order(now, artifact, 4) is None
    picture = shown.strip(now, places, 3, [0.0, 0.3]).astype(int)
    times = round(shown.SIDE / places.shape[0])
    first, second = (
        picture[::times, start][:, ::times, 0] for start in (slice(len(picture)), slice(-len(picture), None))
    )
    assert picture[:, len(picture), 3].max() == 0  # transparent between the two, in the dark theme too
    whole = data.read_blocks("pixels")[3, ..., 0]
    assert (first == whole).all()
    gone = places < round(0.3 * places.size)
    assert (second[~gone] == whole[~gone]).all()
    assert set(second[gone]) == {round(255 * data.attributes["mean"][0])}


def test_a_larger_grid_is_written_as_toml() -> None:
    grid = Roar(options={"grad-cam++": {}, "integrated-gradients": {"steps": 16, "baseline": "mean"}}, epochs=3)
    fields = {name: value for name, value in grid.model_dump(mode="json").items() if value is not None}
    text = "\n".join(f"{name} = {larger.toml(value)}" for name, value in fields.items())
    assert Roar(**tomllib.loads(text)) == grid


def test_a_larger_grid_has_a_price_and_is_asked_for(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened(made, monkeypatch)
    page.session_state["roar.larger.world-0123456789"] = True
    page.run()
    asked: list[Recipe] = []
    monkeypatch.setattr(actions, "retrain", lambda recipe, **_: asked.append(recipe) or "")
    page.multiselect(key="roar.larger.techniques.world-0123456789").set_value(["grad-cam"])
    page.multiselect(key="roar.larger.controls.world-0123456789").set_value(["random", "centre"])
    page.multiselect(key="roar.larger.fractions.world-0123456789").set_value([0.1, 0.5])
    page.number_input(key="roar.larger.seeds.world-0123456789").set_value(2)
    page.multiselect(key="roar.larger.not_retrained.world-0123456789").set_value([])
    page.run()
    assert "14 trainings and 0 looks" in texts(page)  # two seeds: three rankings, two shares, and the baseline
    assert "about " in texts(page)
    page.button(key="roar.ask").click().run()
    (recipe,) = asked
    grid = recipe.artifacts.roar
    assert isinstance(grid, Roar)
    assert (grid.techniques, grid.controls, grid.seeds) == (("grad-cam",), ("random", "centre"), 2)
