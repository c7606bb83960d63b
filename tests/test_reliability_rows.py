"""Rows of a reliability card: what Remove and Retrain compares, and which class's attention stands out."""

import re
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student

from app import reading
from app.reliability import attention_row, ranked, removal_rows, sanity_rows
from app.reliability.parts import FAILS, MISSING, NOT, PASSES, TOLD
from app.reliability.sources import Source, Sources, sources
from app.roar.stored import Grid, Point, Result
from precompute.roar.cells import Cell
from store.runs import Run
from store.schema import CONTROLS
from store.shards import Artifact
from tests.worlds_reliability import LAST, confusion, make_judged


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_judged(tmp_path_factory.mktemp("judged"), grid=False)


def source_of(run: Run, technique: str) -> Sources:
    maps = next(item for item in run.of_kind("saliency") if item.attributes["technique"] == technique)
    return next(sources(run, run.artifact("evaluation-0a"), LAST, [maps]))


# Remove and retrain: what is compared


def point(fraction: float, *accuracies: float) -> Point:
    cells = [Cell("t", fraction, seed, "mean", True) for seed in range(len(accuracies))]
    loss = np.zeros(1)
    found = [Result(cell, confusion(value), value, loss, 1.0) for cell, value in zip(cells, accuracies, strict=True)]
    return Point("t", fraction, tuple(found))


def test_curves_are_compared_where_both_have_points_and_without_collapses() -> None:
    own = [point(0.1, 0.9, 0.8), point(0.5, 0.25, 0.25), point(0.9, 0.6, 0.25)]
    other = [point(0.1, 0.95, 0.93), point(0.5, 0.9, 0.9), point(0.9, 0.7, 0.72), point(0.95, 0.1)]
    expected = [[0.85, 0.9, 0.94, 0.93], [0.6, 0.6, 0.71, 0.7]]
    np.testing.assert_allclose(removal_rows.means(removal_rows.shared(own, other)), np.mean(expected, axis=0))
    assert not removal_rows.shared(own[1:2], other)


def test_one_look_has_a_verdict_only_beyond_the_error_of_its_images() -> None:
    def verdict(own: float, other: float, *more: float) -> tuple[str, str, str]:
        return removal_rows.verdict([(point(0.5, own, *more), point(0.5, other, *more))], "Random", "look")

    state, said, rule = verdict(0.80, 0.81)
    assert state == TOLD and said.startswith("No verdict") and "(1 look a share, 400 test images)" in said
    half = 1.96 * np.sqrt(0.8 * 0.2 / 400 + 0.81 * 0.19 / 400)
    assert float(re.findall(r"more than ([\d.]+)%", rule)[0]) / 100 == pytest.approx(half, abs=0.001)
    assert (verdict(0.5, 0.8)[0], verdict(0.8, 0.5)[0]) == (PASSES, FAILS)
    assert verdict(1, 1)[0] == TOLD, "no errors in 400 images do not prove that there are none"


def test_a_verdict_on_other_maps_is_none_on_these(run: Run) -> None:
    cam, integrated = source_of(run, "cam"), source_of(run, "integrated-gradients")
    same: dict[str, object] = {
        "layer": "auto",
        "options": {"integrated-gradients": {"steps": 50, "channels": "magnitude"}},
    }
    assert not ranked.unlike(cam, same) and not ranked.unlike(integrated, same)
    options = {"integrated-gradients": {"steps": 16}}
    assert ranked.unlike(integrated, same | {"options": options}) == "pixels were ranked with steps 16 (here 50)"
    assert not ranked.unlike(integrated, same | {"layer": "features.3"}), "it explains the input whatever the layer"
    lower = same | {"layer": "features.3"}
    assert "ranked at layer features.3, these are at features.4" in ranked.unlike(cam, lower)
    grid = Grid(SimpleNamespace(attributes=lower), {})  # type: ignore[arg-type]
    curves = {"cam": [point(0.5, 0.1, 0.1)], "random-blurred": [point(0.5, 0.9, 0.9)]}
    row = removal_rows.judged(cam, "roar", "mean", curves, grid)
    assert row.state == TOLD and row.words.startswith("No verdict on these maps") and row.chart
    coarse: Any = SimpleNamespace(attributes={**cam.maps.attributes, "height": 3, "width": 3})
    assert "6 × 6, these are 3 × 3" in ranked.coarser(replace(cam, maps=coarse)) and not ranked.coarser(cam)


def test_a_check_that_cannot_be_made_says_why(run: Run) -> None:
    stopped: Any = SimpleNamespace(attributes={"obstacle": "No first layer."})
    row = sanity_rows.shift(replace(source_of(run, "cam"), shift=Source(stopped, None)))
    assert (row.state, row.words) == (NOT, "No first layer.")


# Attention: the largest of many


@pytest.fixture
def shares(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Sources]:
    """Attention of CAM with other labels (image,) and shares (image, region)."""

    def put(labels: np.ndarray, values: np.ndarray) -> Sources:
        monkeypatch.setattr(reading, "labels", lambda _: labels)
        stored = {"share": np.stack([np.full_like(values, np.nan), values] if (labels < 0).all() else [values] * 2)}
        stored["control"] = np.full((len(CONTROLS), *values.shape), 0.2)

        def measured(artifact: Artifact, name: str, epochs: object) -> np.ndarray:
            return np.stack([stored[name]] * len(epochs)) if isinstance(epochs, tuple) else stored[name]

        monkeypatch.setattr(reading, "measured", measured)
        return source_of(run, "cam")

    return put


def standing(of: Sources) -> attention_row.Extreme | None:
    assert of.attention.artifact
    return attention_row.standing_out(of, of.attention.artifact, LAST, ("box", "drawn: corner"))


def test_the_class_that_stands_out_does_so_among_all(shares: Callable[..., Sources]) -> None:
    rng, labels = np.random.default_rng(3), np.arange(60) % 4
    values = rng.normal(0.2, 0.03, (60, 2))
    values[labels == 2, 1] += 0.1
    values[5] = np.nan
    found = standing(shares(labels, values))
    assert found and (found.region, found.chosen, found.among) == ("drawn: corner", 2, 8)
    own = values[labels == 2, 1]
    half = student.ppf(1 - 0.025 / 8, len(own) - 1) * own.std(ddof=1) / np.sqrt(len(own))
    np.testing.assert_allclose((found.low, found.mean, found.high), (own.mean() - half, own.mean(), own.mean() + half))


def test_chance_alone_stands_out_in_few_of_many_runs(shares: Callable[..., Sources]) -> None:
    rng, labels = np.random.default_rng(0), np.arange(400) % 20
    found = [standing(shares(labels, rng.normal(0.2, 0.03, (400, 2)))) for _ in range(60)]
    assert sum(item is not None for item in found) <= 6, "uncorrected about two in three runs have one"


def test_images_without_labels_are_seen_by_the_predicted_class(shares: Callable[..., Sources]) -> None:
    values = np.full((10, 2), 0.4) + 0.01 * np.arange(10)[:, None]
    row = attention_row.looks(shares(np.full(10, -1), values))
    assert row.state == TOLD and "of the predicted class" in row.words and "nan" not in f"{row.words}{row.chart}"
    assert attention_row.looks(shares(np.full(10, -1), np.full((10, 2), np.nan))).state == MISSING
