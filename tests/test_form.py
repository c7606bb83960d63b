"""The form made from a schema: which widget a field gets, what is changed, put back and refused."""

import json
from typing import Annotated, Any, Literal

import pytest
import streamlit as st
from pydantic import BaseModel, Field, TypeAdapter
from streamlit.testing.v1 import AppTest

from app.retrain.fields import Leaf, leaves
from app.retrain.form import WIDGETS, Form, ends, step
from precompute.recipe import Recipe, Training, parse
from tests import visits

DEMO = {"name": "demo", "data": {"set": "mnist5000"}, "model": {"network": "gap"}}
START = parse(DEMO).model_dump(mode="json")
CHOICES = {"artifacts.saliency.techniques": ("cam", "grad-cam"), "data.set": ("mnist5000", "npz")}


class Extended(Training):
    warmup: float = Field(0, ge=0, le=5, description="epochs in which the learning rate grows")
    layers: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict, description="weights by name")
    left: tuple[Annotated[int, Field(ge=0)], ...] = Field((), description="numbers")


class Copy(Recipe):
    training: Extended = Field(default_factory=Extended)


def recipe_form(model: type[BaseModel] = Recipe) -> Form:
    return Form("run", model, START, tuple(leaves(model, CHOICES)))


def leaf(form: Form, name: str) -> Leaf:
    return next(item for item in form.fields if item.name == name)


def typed(values: dict[str, Any], model: type[BaseModel] = Recipe) -> Form:
    """The form after a browser has sent these values."""
    form = recipe_form(model)
    for name, value in values.items():
        st.session_state[form.key(leaf(form, name))] = value
    return form


@pytest.fixture(autouse=True)
def fresh_session() -> None:
    st.session_state.clear()


def drawn() -> AppTest:
    def page() -> None:
        import json

        import streamlit as st

        from tests import test_form

        form = test_form.recipe_form(test_form.Copy)
        form.draw_all([item for item in form.fields if item.widget != "weights"])
        st.text(json.dumps(form.draft()["training"]))

    return AppTest.from_function(page, default_timeout=visits.PATIENCE).run()


def test_each_field_has_the_widget_its_annotation_asks_for() -> None:
    found = {item.name: item.widget for item in leaves(Copy, CHOICES | {"training.layers": ("a",)})}
    assert found["training.optimizer"] == "choice"
    assert found["training.learning_rate"] == found["training.epochs"] == "number"
    assert found["training.augmentation.flip"] == "toggle"
    assert found["artifacts.saliency"] == "switch"
    assert found["artifacts.saliency.techniques"] == "several"
    assert found["evaluation.images"] == found["data.set"] == "open choice"
    assert found["training.left"] == "numbers"
    assert found["training.layers"] == "weights"
    assert found["data.options"] == "json"
    assert set(found.values()) <= {*WIDGETS, "weights"}


def test_no_field_of_the_recipe_is_left_out() -> None:
    def names(section: dict[str, Any], path: str = "") -> set[str]:
        return {
            name
            for key, value in section.items()
            for name in (names(value, f"{path}{key}.") if isinstance(value, dict) and value else {f"{path}{key}"})
        }

    asked = parse(DEMO | {"data": {"set": "mnist5000"}}).model_dump(mode="json")
    listed = {item.name for item in leaves(Recipe, {})}
    missing = {name for name in names(asked) if not any(name == item or name.startswith(f"{item}.") for item in listed)}
    assert missing == set()


def test_a_field_added_to_the_schema_appears_with_its_range() -> None:
    app = drawn()
    added = app.number_input(key="form.run.training.warmup")
    assert (added.label, added.min, added.max, added.value) == ("Warmup", 0, 5, 0)
    assert "epochs in which the learning rate grows (at least 0, at most 5)" in added.help.replace("\\", "")
    assert json.loads(added.set_value(2.5).run().text[0].value)["warmup"] == 2.5


def test_a_field_that_counts_for_nothing_is_not_to_be_typed_into() -> None:
    app = drawn()
    assert app.number_input(key="form.run.training.step_epochs").disabled
    app.selectbox(key="form.run.training.schedule").set_value("step").run()
    assert not app.number_input(key="form.run.training.step_epochs").disabled
    assert not app.number_input(key="form.run.training.momentum").disabled


def test_the_kept_epochs_are_asked_for_in_words() -> None:
    assert drawn().number_input(key="form.run.evaluation.keep").label == "Keep every n-th epoch"


def test_nothing_is_changed_at_first() -> None:
    app = drawn()
    assert not app.exception
    assert json.loads(app.text[0].value) == START["training"]
    assert recipe_form().checked()[0] == parse(DEMO)


def test_changes_are_marked_and_put_back() -> None:
    app = drawn()
    app.selectbox(key="form.run.training.optimizer").set_value("adam").run()
    app = app.run()
    assert "changed" in app.selectbox(key="form.run.training.optimizer").label
    assert "changed" not in app.selectbox(key="form.run.training.schedule").label

    form = typed({"training.optimizer": "adam", "training.epochs": 20})
    assert [(item.name, before, now) for item, before, now in form.changes()] == [
        ("training.optimizer", "sgd", "adam"),
        ("training.epochs", 10, 20),
    ]
    form.put_back(leaf(form, "training.optimizer"))
    assert [item.name for item, *_ in form.changes()] == ["training.epochs"]
    assert form.checked()[0].training.epochs == 20


def test_widgets_values_become_the_recipes() -> None:
    form = typed(
        {
            "evaluation.images": "12",
            "artifacts.saliency.techniques": ["cam"],
            "training.left": "7 3,3",
            "model.weights": "  ",
            "data.options": '{"seed": 3}',
        },
        Copy,
    )
    recipe, problems = form.checked()
    assert problems == []
    assert recipe.evaluation.images == 12
    assert recipe.artifacts.saliency.techniques == ("cam",)
    assert recipe.training.left == (3, 7)
    assert recipe.model.weights is None
    assert recipe.data.options["seed"] == 3


def test_a_section_can_be_switched_off_and_on() -> None:
    assert typed({"artifacts.saliency": False, "artifacts.saliency.cases": 9}).checked()[0].artifacts.saliency is None
    st.session_state.clear()
    without = dict(START) | {"artifacts": {"saliency": None}}
    form = Form("run", Recipe, without, tuple(leaves(Recipe, CHOICES)))
    assert form.checked()[0].artifacts.saliency is None
    st.session_state[form.key(leaf(form, "artifacts.saliency"))] = True
    assert form.checked()[0].artifacts.saliency.cases == 3


@pytest.mark.parametrize(
    ("name", "forged"),
    [
        ("training.optimizer", "$HOME"),
        ("training.learning_rate", 0.0),
        ("training.learning_rate", float("nan")),
        ("training.learning_rate", float("inf")),
        ("training.epochs", 10**30),
        ("training.epochs", None),
        ("training.augmentation.flip", "perhaps"),
        ("artifacts.saliency.techniques", ["telepathy"]),
        ("training.left", "1, two"),
        ("training.left", "-1"),
        ("data.options", "{"),
        ("data.options", '{"seed": "x"}'),
        ("name", "../../etc"),
        ("evaluation.images", "0"),
    ],
)
def test_forged_values_are_refused_in_the_recipes_own_sentences(name: str, forged: object) -> None:
    recipe, problems = typed({name: forged}, Copy).checked()
    assert recipe is None
    assert problems
    assert any(name.split(".")[-1] in text or str(forged[0]) in text for text in problems)  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "value", "low", "high", "expected"),
    [
        ("training.learning_rate", 0.05, 0.0, 10.0, 0.01),
        ("training.learning_rate", 3e-4, 0.0, 10.0, 1e-4),
        ("training.learning_rate", 0.1, 0.0, 10.0, 0.01),
        ("training.weight_decay", 0.0, 0.0, 1.0, 1e-4),
        ("training.momentum", 0.9, 0.0, 1.0, 0.05),
        ("training.augmentation.rotate", 0.0, 0.0, 180.0, 5.0),
        ("training.augmentation.shift", 0.0, 0.0, 0.5, 0.02),
    ],
)
def test_the_step_suits_the_magnitude(name: str, value: float, low: float, high: float, expected: float) -> None:
    assert step(leaf(recipe_form(), name), value, low, high) == pytest.approx(expected)


def test_the_schema_takes_both_ends_of_every_number_field() -> None:
    for item in recipe_form().fields:
        if item.widget == "number":
            taken = TypeAdapter(Annotated[item.info.annotation, *item.info.metadata])
            assert all(taken.validate_python(end) == end for end in ends(item) if end is not None), item.name
    assert ends(leaf(recipe_form(), "training.momentum"))[1] > 0.999999


def test_a_literal_with_numbers_is_offered_as_words() -> None:
    class Small(BaseModel):
        size: Literal[1, 2] = 1

    (only,) = leaves(Small, {})
    assert only.words == ("1", "2")


def test_a_list_of_shares_is_read_as_fractions() -> None:
    class Small(BaseModel):
        shares: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.1, 0.5)

    (found,) = leaves(Small, {})
    assert found.typed([0.1, 0.5]) == "0.1, 0.5"
    assert found.meant("0.9, .3 0.3") == [0.3, 0.9]
    assert found.meant("0.9, half") == "0.9, half"
    assert found.meant("1e9") == "1e9"
