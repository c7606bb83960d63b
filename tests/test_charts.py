"""Charts: the tables they are drawn from, by closed forms and slow definitions, and what the browser gets."""

import json
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra import numpy as arrays
from scipy.spatial.distance import pdist

from app import charts, ground, specifications
from app.overview import measures, zoomed
from app.sanity import charts as sanity_charts

MATRICES = some.integers(2, 7).flatmap(lambda side: arrays.arrays(np.int64, (side, side), elements=some.integers(0, 5)))


def table(made: dict, index: int) -> list[dict]:
    """The rows of one table as they are sent."""
    return pa.ipc.open_stream(made["datasets"][f"table{index}"]).read_all().to_pylist()


def names(matrix: np.ndarray) -> list[str]:
    return [f"class {index}" for index in range(len(matrix))]


def drawn(matrix: np.ndarray, cell: tuple[int, int] | None = None) -> dict:
    order, draw = np.arange(len(matrix)), zoomed.confusion_map if len(matrix) > charts.MANY else charts.confusion
    return charts.spec(
        draw(charts.cells(matrix, names(matrix), order), names(matrix), charts.chosen_cell(cell, names(matrix), order))
    )


# Over epochs


def test_every_epoch_and_split_is_one_bar_that_begins_at_zero() -> None:
    accuracy = np.array([[0.1, 0.2], [0.5, 0.4], [0.9, 0.8]])
    made = charts.spec(charts.accuracy_bars((0, 5, 10), accuracy, marked=5))
    assert table(made, 0) == [{"epoch": 5}]
    rows = [(row["epoch"], row["images"], row["value"]) for row in table(made, 1)]
    assert rows == [
        (0, "train", 0.1),
        (0, "test", 0.2),
        (5, "train", 0.5),
        (5, "test", 0.4),
        (10, "train", 0.9),
        (10, "test", 0.8),
    ]
    assert made["layer"][1]["encoding"]["y"]["scale"]["domain"] == [0, 1]


def test_the_band_of_the_marked_epoch_is_as_wide_as_its_bars() -> None:
    made = charts.spec(charts.accuracy_bars((0,), np.array([[0.1, 0.2]]), marked=0))
    assert made["layer"][0]["mark"]["width"] == {"band": 1}  # else a tenth is missing, on one side


@pytest.mark.parametrize("draw", [charts.accuracy_bars, charts.loss_lines])
def test_one_epoch_alone_is_not_marked(draw: Callable[..., alt.LayerChart]) -> None:
    alone, several = (charts.spec(draw(range(count), np.ones((count, 2)), marked=0)) for count in (1, 2))
    assert alone["layer"][0]["mark"]["opacity"] == 0 and several["layer"][0]["mark"]["opacity"] > 0


def test_every_class_of_a_small_matrix_is_named() -> None:
    made = drawn(np.eye(10, dtype=int))
    assert made["layer"][0]["encoding"]["x"]["axis"]["labelOverlap"] is False


def test_a_loss_that_is_no_number_is_left_out_of_the_lines() -> None:
    made = charts.spec(charts.loss_lines((0, 1, 2), np.array([[1.0, 2.0], [np.nan, np.inf], [0.5, np.nan]]), marked=0))
    assert [(row["epoch"], row["images"]) for row in table(made, 1)] == [(0, "train"), (0, "test"), (2, "train")]
    json.dumps({key: value for key, value in made.items() if key != "datasets"}, allow_nan=False)


@pytest.mark.parametrize("count", [1, 2, 13, 14, 100, 1000])
def test_an_axis_names_at_most_about_a_dozen_epochs(count: int) -> None:
    values = charts.epoch_axis(range(count)).to_dict()["values"]
    assert values[0] == 0
    assert 1 <= len(values) <= 13


def test_selecting_an_epoch_changes_a_table_and_nothing_else() -> None:
    made = charts.spec(charts.accuracy_bars((0, 1), np.array([[0.1, 0.2], [0.5, 0.4]]), marked=0))
    moved = charts.with_tables(made, {0: charts.marked_epoch(1)})
    assert table(moved, 0) == [{"epoch": 1}]
    assert table(made, 0) == [{"epoch": 0}]
    assert moved["datasets"]["table1"] == made["datasets"]["table1"]
    assert {**moved, "datasets": None} == {**made, "datasets": None}


# Confusion


@given(MATRICES)
@settings(max_examples=40, deadline=None)
def test_cells_are_the_matrix_without_its_zeros(matrix: np.ndarray) -> None:
    order = np.random.default_rng(0).permutation(len(matrix))
    cells = charts.cells(matrix, names(matrix), order)
    rebuilt = np.zeros_like(matrix)
    for row in cells.itertuples():
        rebuilt[row.true, row.predicted] = row.images
        assert order[row.row] == row.true
        assert order[row.column] == row.predicted
        assert row.share == row.images / matrix[row.true].sum()
        assert (row.kind == "right") == (row.true == row.predicted)
    assert np.array_equal(rebuilt, matrix)
    assert len(cells) == np.count_nonzero(matrix)


@given(MATRICES)
@settings(max_examples=60, deadline=None)
def test_top_confusions_are_the_largest_cells_off_the_diagonal(matrix: np.ndarray) -> None:
    side = range(len(matrix))
    wrong = [
        (true, guess, int(matrix[true, guess]))
        for true in side
        for guess in side
        if true != guess and matrix[true, guess]
    ]
    assert charts.top_confusions(matrix, 4) == sorted(wrong, key=lambda item: -item[2])[:4]


def test_classes_that_are_confused_with_each_other_become_neighbours() -> None:
    """Blocks of three classes, shuffled: clustering puts each block together again."""
    random = np.random.default_rng(3)
    blocks = np.kron(np.eye(8, dtype=np.int64), np.full((3, 3), 9)) + random.integers(0, 2, (24, 24))
    shuffled = random.permutation(24)
    order = charts.clustered(blocks[np.ix_(shuffled, shuffled)])
    found = (shuffled[order] // 3).reshape(8, 3)
    assert sorted(order) == list(range(24))
    assert all(len(set(block)) == 1 for block in found)


@pytest.mark.parametrize(
    "matrix", [np.zeros((30, 30), np.int64), np.eye(25, dtype=np.int64), np.ones((1, 1), np.int64)]
)
def test_clustering_takes_matrices_without_confusions(matrix: np.ndarray) -> None:
    assert sorted(charts.clustered(matrix)) == list(range(len(matrix)))


def test_few_classes_get_numbers_and_many_get_none() -> None:
    few, many = np.full((10, 10), 3), np.eye(200, dtype=np.int64) * 20 + np.eye(200, k=1, dtype=np.int64)
    assert "text" in json.dumps(drawn(few)["layer"])
    made = drawn(many)
    assert '"type": "text"' not in json.dumps(made["layer"])
    assert len(table(made, 0)) == np.count_nonzero(many)  # not 40,000
    assert any(param["name"] == "zoom" for param in made["params"])


def test_rows_of_many_classes_are_named_by_their_places() -> None:
    order, called = np.array([2, 0, 1]), ["kind 0", 'a "b" \\', "<x> \u2028"]
    said = zoomed.labels(called, order)
    listed, _, rest = said.partition("[datum.value]")
    assert json.loads(listed) == ["<x> \u2028", "kind 0", 'a "b" \\'] and listed.isascii() and rest == ' || ""'
    made = charts.filled(drawn(np.eye(30, dtype=np.int64)), {zoomed.LABELS: said})
    for layer in made["layer"]:
        assert layer["transform"][0]["calculate"].endswith("- 0.5")  # a whole number is the middle of a cell
    axes = [made["layer"][0]["encoding"][side] for side in "xy"]
    assert all(item["axis"]["labelExpr"] == said and item["axis"]["tickMinStep"] == 1 for item in axes)
    assert [item["scale"]["domain"] for item in axes] == [[-0.5, 29.5], [29.5, -0.5]]


@pytest.mark.parametrize("side", [4, 30])
def test_the_chosen_cell_is_a_table_of_its_own(side: int) -> None:
    matrix = np.eye(side, dtype=np.int64)
    [row] = table(drawn(matrix, (2, 1)), 1)
    assert (row["true"], row["predicted"]) == (2, 1)
    order = np.arange(side)
    none = charts.with_tables(drawn(matrix, (2, 1)), {1: charts.chosen_cell(None, names(matrix), order)})
    assert table(none, 1) == []


def test_colours_are_those_of_the_theme() -> None:
    theme = tomllib.loads((Path(__file__).parent.parent / ".streamlit/config.toml").read_text(encoding="utf-8"))[
        "theme"
    ]
    assert tuple(theme["chartCategoricalColors"]) == charts.PETROFF


# Of linear RGB: what the colour-blind see (Machado, Oliveira and Fernandes, 2009), and Oklab (Ottosson, 2020)
SEEN = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
CONES = [[0.41222, 0.53633, 0.05145], [0.2119, 0.6807, 0.1074], [0.0883, 0.28172, 0.62998]]
OKLAB = [[0.21045, 0.79362, -0.00407], [1.978, -2.42859, 0.45059], [0.0259, 0.78277, -0.80868]]


def linear(colour: str) -> np.ndarray:
    share = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def contrast(*colours: str) -> float:
    low, high = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in colours)
    return (high + 0.05) / (low + 0.05)


def apart(palette: Sequence[str], sight: str) -> float:
    """The distance of the two colours that are most alike."""
    seen = np.array([OKLAB @ np.cbrt(CONES @ np.clip(SEEN[sight] @ linear(colour), 0, 1)) for colour in palette])
    return float(pdist(seen).min())


def test_colours_are_seen_on_a_dark_ground() -> None:
    theme = tomllib.loads((Path(__file__).parent.parent / ".streamlit/config.toml").read_text(encoding="utf-8"))[
        "theme"
    ]
    assert set(ground.LIFTED) < set(charts.PETROFF)
    assert all(contrast(colour, theme["dark"]["backgroundColor"]) >= 3.2 for colour in ground.replaced(charts.PETROFF))


@pytest.mark.parametrize("sight", SEEN)
def test_lifted_colours_are_told_apart_as_well_as_petroffs(sight: str) -> None:
    worst = min(apart(charts.PETROFF, other) for other in SEEN)
    assert apart(ground.replaced(charts.PETROFF), sight) >= worst


def test_a_chart_on_a_dark_page_has_the_lifted_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn_in(colour: str) -> alt.Chart:
        return alt.Chart(pd.DataFrame({"x": [1]})).mark_point(color=colour).encode(x="x:Q")

    purple = charts.PETROFF[4]
    for dark, colour in ((False, purple), (True, ground.LIFTED[purple]), (False, purple)):
        monkeypatch.setattr(ground, "is_dark", lambda dark=dark: dark)
        made = specifications.kept(drawn_in, purple)
        assert made["mark"]["color"] == colour
        assert charts.with_tables(charts.spec(drawn_in(purple)), {})["mark"]["color"] == colour


# The interval beside the accuracy


def test_interval_is_wilsons() -> None:
    assert measures.interval(0.5, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert measures.interval(1.0, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert measures.interval(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)


@given(some.integers(1, 5000), some.floats(0, 1))
def test_interval_holds_the_share_and_stays_between_zero_and_one(count: int, part: float) -> None:
    share = round(part * count) / count
    low, high = measures.interval(share, count)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1


def test_colours_and_dashes_of_the_sanity_page_have_one_legend() -> None:
    titles, control = ["one", "random"], [False, True]
    values = sanity_charts.down_table(titles, ["top"], np.full((2, 1, 3), 0.5), control)
    line, _ = sanity_charts.down(values, titles, control, "spearman", along="drawn anew").to_dict()["layer"]
    colour, dash = line["encoding"]["color"], line["encoding"]["strokeDash"]
    assert (colour["legend"], colour["sort"]) == (dash["legend"], dash["sort"])
    assert dash["scale"]["range"] == [[1, 0], [3, 3]]
