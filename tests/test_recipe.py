"""Recipes: every wrong field is named with its value and what is allowed, and the run's id follows what determines its weights."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from precompute import catalogue
from precompute import recipe as recipes
from store.errors import BadInput, Missing
from tests import tiny

PRINTS = {"data": "d", "weights": ""}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"training__optimizer": "sgdx"}, ["training.optimizer", "'sgd', 'adam', 'adamw' or 'rmsprop'", "'sgdx'"]),
        (
            {"training__learning_rat": 1},
            ["training.learning_rat is not a field (is learning_rate meant?)", "optimizer"],
        ),
        ({"training__epochs": "three"}, ["training.epochs: must be a whole number, not 'three'"]),
        ({"training__augmentation": {"flip": 7}}, ["training.augmentation.flip: must be true or false, not 7"]),
        ({"artifacts__network": True}, ["artifacts.network: must be a section with fields of its own"]),
        ({"evaluation__images": "some"}, ['evaluation.images: must be "all" or a number', "'some'"]),
        ({"model__network": "resnet18"}, ['"torchvision/resnet18"', '"module:factory"']),
        ({"training__epochs": -3}, ["training.epochs", "greater than or equal to 0", "-3"]),
        ({"training__augmentation": {"shift": 2}}, ["training.augmentation.shift", "0.5", "2"]),
        ({"data__set": "mnist9"}, ["'mnist9'", "mnist5000", "cub"]),
        ({"data__options": {"paht": "x"}}, ["data.options.path is missing", "data.options.paht is not a field"]),
        ({"model__network": "vgg99"}, ["'vgg99'", "vgg16-small"]),
        ({"model__options": {"width": "wide"}}, ["model.options.width", "'wide'"]),
        ({"artifacts__saliency__techniques": ["grad-kam"]}, ["'grad-kam'", "grad-cam++"]),
        (
            {"artifacts__saliency__options": {"smooth-grad-cam++": {"draws": 0}}},
            ["draws", "greater than or equal to 1"],
        ),
        (
            {"artifacts__roar": {"options": {"integrated-gradients": {"stepz": 3}}}},
            ["artifacts.roar.options.integrated-gradients.stepz is not a field", "steps"],
        ),
        ({"artifacts__roar": {"options": {"gradient": {"channels": "signed"}}}}, ["gradient.channels", "magnitude"]),
        ({"evaluation__images": 0}, ["evaluation.images", '"all"', "0"]),
        ({"name": "Über Run"}, ["name: must be 1 to 40 small letters, digits and hyphens", "Über Run"]),
        ({"artefacts": {}}, ["artefacts is not a field", "artifacts"]),
    ],
)
def test_a_wrong_field_is_named_with_its_value_and_what_is_allowed(
    change: dict, words: list[str], tmp_path: Path
) -> None:
    with pytest.raises(BadInput) as caught:
        tiny.recipe(tmp_path, **change)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("no_such_module:images", r"Put no_such_module.py into the folder this is run from.*PYTHONPATH"),
        ("no_such_module.py:images", r"without \.py"),
        ("json:images", "has no attribute 'images'"),
    ],
)
def test_where_a_module_of_ones_own_has_to_lie_is_said(function: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        catalogue.resolve(function)


def test_a_missing_file_and_broken_toml_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(Missing, match=r"recipes/"):
        recipes.read(tmp_path / "none.toml")
    (tmp_path / "broken.toml").write_text("# mine\nname = birds\n")
    with pytest.raises(BadInput, match=r"not valid TOML.*line 2.*: name = birds; texts stand in quotes"):
        recipes.read(tmp_path / "broken.toml")


@pytest.mark.parametrize("path", sorted(Path("recipes").glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_that_comes_with_loupe_is_valid(path: Path) -> None:
    assert recipes.read(path).name


def test_defaults_are_written_out_so_that_a_later_one_changes_no_run(tmp_path: Path) -> None:
    recipe = recipes.parse(tiny.fields(tmp_path, model__options={}))
    assert recipe.model.options == {"width": 16}
    assert recipe.data.options["test_fraction"] == 0.2


def test_the_id_changes_with_what_determines_the_weights_and_with_nothing_else(tmp_path: Path) -> None:
    first = tiny.recipe(tmp_path).run_id(PRINTS, "float32")
    assert first == tiny.recipe(tmp_path).run_id(PRINTS, "float32")
    for same in ({"artifacts__saliency__techniques": ["cam"]}, {"evaluation__images": 2}, {"note": "why"}):
        assert tiny.recipe(tmp_path, **same).run_id(PRINTS, "float32") == first
    for other in ({"training__seed": 1}, {"training__augmentation": {"flip": True}}, {"model__options": {"width": 8}}):
        assert tiny.recipe(tmp_path, **other).run_id(PRINTS, "float32") != first
    assert tiny.recipe(tmp_path).run_id(PRINTS | {"data": "other"}, "float32") != first
    assert tiny.recipe(tmp_path).run_id(PRINTS, "bfloat16") != first


def test_the_id_is_the_same_in_every_process(tmp_path: Path) -> None:
    fields = tiny.fields(tmp_path, training__class_weights={"even": 2.0, "odd": 0.5})
    code = (
        "import json, sys; from precompute import recipe; "
        f"print(recipe.parse(json.loads(sys.argv[1])).run_id({PRINTS}, 'float32'))"
    )
    command, place = [sys.executable, "-c", code, json.dumps(fields)], Path(recipes.__file__).parents[1]
    said = {
        subprocess.run(
            command, env=os.environ | {"PYTHONHASHSEED": seed}, cwd=place, check=True, capture_output=True, text=True
        ).stdout.strip()
        for seed in "12"
    }
    assert said == {recipes.parse(fields).run_id(PRINTS, "float32")}


def test_a_recipe_read_back_from_the_store_is_the_same_run(tmp_path: Path) -> None:
    first = tiny.recipe(tmp_path)
    stored = json.loads(json.dumps(first.model_dump(mode="json")))
    assert recipes.parse(stored).run_id(PRINTS, "float32") == first.run_id(PRINTS, "float32")


@pytest.mark.parametrize(
    ("epochs", "keep", "kept"), [(3, 1, (0, 1, 2, 3)), (7, 3, (0, 3, 6, 7)), (2, 5, (0, 2)), (1, 1, (0, 1))]
)
def test_epoch_zero_and_the_last_are_always_kept(epochs: int, keep: int, kept: tuple[int, ...], tmp_path: Path) -> None:
    assert tiny.recipe(tmp_path, training__epochs=epochs, evaluation__keep=keep).kept_epochs() == kept


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"training__class_weights": {"cat": 0}}, "above 0 and at most 1000; these are not: cat = 0"),
        ({"training__class_weights": {"cat": float("nan")}}, "above 0"),
        ({"training__leave_out": [-1]}, "0 or more"),
    ],
)
def test_wrong_weights_and_numbers_are_named(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=said):
        tiny.recipe(tmp_path, **changes)


def test_the_order_and_the_number_of_times_something_is_left_out_do_not_matter(tmp_path: Path) -> None:
    one = tiny.recipe(tmp_path, training__leave_out=[5, 1, 5], training__class_weights={"b": 2, "a": 3, "c": 1})
    other = tiny.recipe(tmp_path, training__leave_out=[1, 5], training__class_weights={"a": 3, "b": 2})
    assert one.run_id(PRINTS, "float32") == other.run_id(PRINTS, "float32")
    assert one.run_id(PRINTS, "float32") != tiny.recipe(tmp_path).run_id(PRINTS, "float32")


def test_fields_that_came_later_leave_the_ids_of_earlier_runs_as_they_were() -> None:
    """The id was computed before class_weights and leave_out existed."""
    first = recipes.parse(tiny.fields(Path("x")))
    assert first.run_id({"data": "d", "weights": "w", "code": ""}, "float32") == "tiny-6daf01f7f7"
