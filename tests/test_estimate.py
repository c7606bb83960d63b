"""Estimates of time and disk against sums done by hand."""

from pathlib import Path
from typing import Any

import pytest

from precompute.estimate import estimate, size, time
from precompute.recipe import Recipe, parse
from store.objects import connect
from store.runs import Run, open_run
from tests.worlds import make_world

EPOCHS, TRAINED, TESTED, SECONDS = 3, 4000, 24, 3.5  # of the world
RATES = {"evaluation": 2.0, "saliency": 10.0, "cases": 1.0, "training": 99.0}


@pytest.fixture
def parent(tmp_path: Path) -> Run:
    status = {"state": "finished", "done": 3, "of": 3, "rates": RATES}
    return open_run(connect(str(tmp_path)), make_world(tmp_path, epochs=EPOCHS, status=status))


def changed(parent: Run, section: str = "training", **changes: Any) -> tuple[Recipe, Recipe]:
    before = parse(dict(parent.recipe))
    fields = before.model_dump(mode="json")
    part = fields
    for name in section.split("."):
        part = part[name]
    part.update(changes)
    return before, parse(fields)


def test_the_same_again_takes_what_it_took(parent: Run) -> None:
    found = estimate(parent, *changed(parent))
    assert found.seconds == pytest.approx(EPOCHS * SECONDS + (EPOCHS + 1) * (2 + 10 + 1))
    artifacts = {item.kind: item for item in parent.artifacts().values() if item.attributes["arrays"]}
    sizes = [
        stat.size
        for item in artifacts.values()
        for array in item.attributes["arrays"]
        for stat in parent.objects.under(f"{item.path}/{array}/c")
    ]
    assert found.bytes == pytest.approx(sum(sizes) + saliency_bytes(parent), rel=0.02)
    assert parent.id in found.basis
    assert found.unknown == ()


def saliency_bytes(parent: Run) -> int:
    """Of the second technique; the list above holds one artifact of a kind."""
    other = sorted(item.path for item in parent.of_kind("saliency") if item.attributes["arrays"])[0]
    return sum(stat.size for stat in parent.objects.under(other) if "/c/" in stat.path)


def test_it_grows_with_the_epochs(parent: Run) -> None:
    found = estimate(parent, *changed(parent, epochs=10))
    assert found.seconds == pytest.approx(10 * SECONDS + 11 * 13)


def test_kept_epochs_are_what_is_looked_at(parent: Run) -> None:
    found = estimate(parent, *changed(parent, "evaluation", keep=3))
    assert found.seconds == pytest.approx(3 * SECONDS + 2 * 13)


def test_fewer_images_take_less(parent: Run) -> None:
    found = estimate(parent, *changed(parent, "evaluation", images=3))  # of each of four classes: 12 of 24
    assert found.seconds == pytest.approx(3 * SECONDS + 4 * (2 * (12 + 4000) / (24 + 4000) + 10 / 2 + 1))


def test_images_left_out_are_not_trained_on(parent: Run) -> None:
    found = estimate(parent, *changed(parent, leave_out=list(range(1000))))
    evaluated = 2 * (24 + 3000) / (24 + 4000)
    assert found.seconds == pytest.approx(3 * SECONDS * 0.75 + 4 * (evaluated + 10 + 1))


def test_noisy_copies_cost_a_pass_each(parent: Run) -> None:
    before, after = changed(parent, "artifacts.saliency", techniques=["grad-cam", "cam", "smooth-grad-cam++"])
    found = estimate(parent, before, after)
    draws = after.artifacts.saliency.of("smooth-grad-cam++")["draws"]
    assert found.seconds == pytest.approx(3 * SECONDS + 4 * (2 + (10 + 1) * (1 + draws)))


def test_without_maps_none_are_counted(parent: Run) -> None:
    found = estimate(parent, *changed(parent, "artifacts", saliency=None))
    assert found.seconds == pytest.approx(3 * SECONDS + 4 * 2)
    assert found.unknown == ()


def test_weights_that_are_there_are_not_trained_again(parent: Run) -> None:
    found = estimate(parent, *changed(parent), trained_already=True)
    assert found.seconds == pytest.approx(4 * 13)


def test_what_was_never_measured_is_said(tmp_path: Path) -> None:
    run = open_run(connect(str(tmp_path)), make_world(tmp_path))  # no rates in its status
    found = estimate(run, *changed(run))
    assert found.seconds == pytest.approx(3 * SECONDS)
    assert found.unknown == ("evaluation", "maps", "maps of recommended cases")


def test_nothing_measured_is_not_known(tmp_path: Path) -> None:
    run = open_run(connect(str(tmp_path)), make_world(tmp_path, finished=0))
    found = estimate(run, *changed(run))
    assert found.seconds is None
    assert "training" in found.unknown


@pytest.mark.parametrize(
    ("section", "changes", "why"),
    [
        ("data", {"set": "cifar10", "options": {}}, "the data are others"),
        ("data.options", {"seed": 1}, "the data are others"),
        ("model", {"network": "roar-cnn", "options": {}}, "the network is another"),
    ],
)
def test_other_data_and_networks_cannot_be_estimated(
    parent: Run, section: str, changes: dict[str, Any], why: str
) -> None:
    before, after = changed(parent, section, **changes)
    found = estimate(parent, before, after)
    assert (found.seconds, found.bytes) == (None, None)
    assert why in found.basis
    assert found.unknown[0] == "training"


def test_attention_grows_with_the_maps_it_is_about(parent: Run) -> None:
    parent.say({"state": "finished", "rates": {**RATES, "attention": 0.5}})
    before, after = changed(parent, "artifacts", attention={})
    plain = estimate(parent, after, before).seconds
    found = estimate(parent, after, after)
    assert plain and found.seconds == pytest.approx(plain + 4 * 0.5) and found.unknown == ()
    fewer = parse(after.model_dump(mode="json") | {"evaluation": {"images": 3}})  # half of them
    less = estimate(parent, after, fewer).seconds
    assert less == pytest.approx(3 * SECONDS + 4 * (2 * (12 + 4000) / (24 + 4000) + 10 / 2 + 1 + 0.5 / 2))


def test_filters_and_patterns_take_time_for_each_epoch_looked_at(tmp_path: Path) -> None:
    rates = {**RATES, "activations": 6.0, "patterns": 0.5}
    run = open_run(
        connect(str(tmp_path)), make_world(tmp_path, epochs=EPOCHS, status={"state": "finished", "rates": rates})
    )
    plain = estimate(run, *changed(run)).seconds
    assert plain is not None
    for epochs, count in (("last", 1), ("kept", EPOCHS + 1)):
        found = estimate(run, *changed(run, "artifacts", network={"epochs": epochs}))
        assert found.seconds == pytest.approx(plain + count * 6.5) and found.unknown == ()


def test_a_simulation_grows_with_its_images_points_and_epochs(parent: Run) -> None:
    parent.say({"state": "finished", "rates": {"simulation": 3.0}})
    facts = {"train_images": TRAINED, "test_images": TESTED, "channels": 1}

    def seconds(few: Recipe, asked: Recipe) -> float:
        return time(parent, size(parent, facts, few), size(parent, facts, asked))[0]["simulation"]

    _, few = changed(parent, "artifacts", simulation={"images": 2, "changes": ["rotation", "hue", "flip_vertical"]})
    _, more = changed(parent, "artifacts", simulation={"images": 4, "changes": ["rotation"], "epochs": "kept"})
    assert seconds(few, few) == pytest.approx(2 * 3)  # rotation and a flip: grey images have no hue
    assert seconds(few, more) == pytest.approx((EPOCHS + 1) * 3 * (16 * 17) / (8 * (17 + 2) / 2))


def test_a_grid_costs_a_training_for_each_of_its_cells(parent: Run) -> None:
    asked = {"techniques": [], "controls": ["random"], "fractions": [0.5], "seeds": 2, "not_retrained": []}
    before, after = changed(parent, "artifacts", roar={**asked, "companions": 0})
    more = estimate(parent, before, after).seconds - estimate(parent, before, before).seconds
    each = EPOCHS * SECONDS + SECONDS / TRAINED * (TRAINED + TESTED) / 3  # a training, and a look at all images
    assert more == pytest.approx(4 * each)
