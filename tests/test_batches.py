"""Batches: folders and grids of recipes, and the time of day they begin at."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from precompute import batches
from store.errors import BadInput, Missing
from tests import tiny

NOON = datetime.fromisoformat("2026-11-21T12:00:00+01:00")


def test_a_grid_stands_for_every_combination(tmp_path: Path) -> None:
    fields = tiny.fields(tmp_path) | {"grid": {"training.optimizer": ["sgd", "adam"], "training.seed": [0, 1, 2]}}
    found = batches.expanded(fields, "here")
    assert [(item.training.optimizer, item.training.seed) for item in found] == [
        ("sgd", 0), ("sgd", 1), ("sgd", 2), ("adam", 0), ("adam", 1), ("adam", 2)
    ]  # fmt: skip
    assert [item.name for item in found][::3] == ["tiny-sgd-0", "tiny-adam-0"]
    assert all(item.training.learning_rate == 0.05 for item in found)


def test_a_grid_reaches_into_sections_that_the_recipe_leaves_out(tmp_path: Path) -> None:
    fields = tiny.fields(tmp_path) | {"grid": {"training.augmentation.shift": [0, 0.25]}}
    assert [item.training.augmentation.shift for item in batches.expanded(fields, "here")] == [0, 0.25]


def test_names_stay_names_whatever_the_values_are(tmp_path: Path) -> None:
    values = ["grad-cam++", "Ä" * 60]
    fields = tiny.fields(tmp_path) | {"note": "", "grid": {"note": values}}
    names = [item.name for item in batches.expanded(fields, "here")]
    assert names == ["tiny-grad-cam", "tiny"]


@pytest.mark.parametrize("grid", [{}, [], {"training.seed": []}, {"training.seed": 3}, "all"])
def test_a_grid_that_is_none_is_an_error(grid: object, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="grid must list values"):
        batches.expanded(tiny.fields(tmp_path) | {"grid": grid}, "here")


def test_a_wrong_value_in_a_grid_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"grid: training\.optimizer.*'sgdd'"):
        batches.expanded(tiny.fields(tmp_path) | {"grid": {"training.optimizer": ["sgd", "sgdd"]}}, "here")
    with pytest.raises(BadInput, match="leads to no section"):
        batches.expanded(tiny.fields(tmp_path) | {"grid": {"name.first": ["a"]}}, "here")


def test_a_grid_too_large_to_be_meant_is_refused(tmp_path: Path) -> None:
    fields = tiny.fields(tmp_path) | {"grid": {"training.seed": list(range(40)), "training.epochs": list(range(1, 40))}}
    with pytest.raises(BadInput, match="more than 1000 points"):
        batches.expanded(fields, "here")


def test_a_folder_gives_its_recipes_in_order_and_all_or_nothing(tmp_path: Path) -> None:
    text = '[data]\nset = "mnist5000"\n[model]\nnetwork = "gap"\n'
    for name in "ba":
        (tmp_path / f"{name}.toml").write_text(f'name = "{name}"\n{text}')
    (tmp_path / "notes.txt").write_text("no recipe")
    assert [item.name for item in batches.read([tmp_path])] == ["a", "b"]
    (tmp_path / "c.toml").write_text("name = ")
    (tmp_path / "d.toml").write_text('name = "d"')
    with pytest.raises(BadInput, match=r"c\.toml is not valid TOML.*d\.toml.*data is missing.*Nothing was enqueued"):
        batches.read([tmp_path])


def test_an_empty_folder_or_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="holds no recipe"):
        batches.read([tmp_path])
    with pytest.raises(Missing, match="There is no recipe"):
        batches.read([tmp_path / "none.toml"])


@pytest.mark.parametrize(
    ("clock", "hours"), [("22:00", 10), ("12:30", 0.5), ("11:59", 24 - 1 / 60), ("12:00", 24), ("9:05", 21 + 5 / 60)]
)
def test_the_next_time_a_clock_shows_it(clock: str, hours: float) -> None:
    assert batches.next_time(clock, NOON) == (NOON + timedelta(hours=hours)).timestamp()


@pytest.mark.parametrize("clock", ["24:00", "22", "22:60", "ten", "-1:00", "22:00:00"])
def test_what_is_no_time_of_day_is_said(clock: str) -> None:
    with pytest.raises(BadInput, match="time of day"):
        batches.next_time(clock)


def test_a_folder_named_like_a_recipe_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(BadInput, match=r"folder\.toml cannot be read"):
        batches.read([tmp_path])
