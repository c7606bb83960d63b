"""A mark in a corner that gives a class away: the region curve and the patterns expose it."""

import numpy as np
import pytest

from app.reliability.cards import cards
from precompute.regions import interval
from store.runs import Run, dataset
from store.shards import Artifact
from tests.shortcut import CORNER, make_shortcut


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_shortcut(tmp_path_factory.mktemp("shortcut"))


@pytest.fixture(scope="module")
def labels(run: Run) -> np.ndarray:
    return dataset(run.objects, run.attributes["dataset"]).read_blocks("label")


def test_the_network_takes_the_shortcut(run: Run) -> None:
    (found,) = run.of_kind("evaluation")
    assert found.read("by_class", run.epochs)[0].min() > 0.95, "the marked class is recognised"


@pytest.mark.parametrize("technique", ["cam", "grad-cam"])
def test_the_region_curve_exposes_it(run: Run, labels: np.ndarray, technique: str) -> None:
    """Most evidence for the marked class comes to lie in the corner, and next to none of that for the others."""
    (found,) = [item for item in run.of_kind("attention") if item.attributes["technique"] == technique]
    share = np.stack([found.read("share", epoch, 0)[:, 0] for epoch in (0, run.epochs)])  # (2, N)
    area = found.read("control", 0, 0)[0, 0]
    assert area == pytest.approx(CORNER[2] * CORNER[3])
    before, after = interval(share[:, labels == 0].T).T
    _, _, others = interval(share[1, labels != 0])
    assert after[1] > 2 * area and after[1] > before[2], "the intervals do not touch"
    assert others < area


@pytest.mark.parametrize("technique", ["cam", "grad-cam"])
def test_the_card_exposes_it(run: Run, technique: str) -> None:
    """Its row of attention names the class, the corner and a share far above that of maps that know nothing."""
    (evaluation,) = run.of_kind("evaluation")
    (maps,) = [item for item in run.of_kind("saliency") if item.attributes["technique"] == technique]
    row = cards(run, evaluation, run.epochs, [maps])[0].rows[-1]
    assert row.name == "attention" and "of the evidence in corner" in row.words
    assert "Most out of the ordinary is marked: " in row.words
    assert row.chart and "images of marked" in row.chart.alt
    own, below = (np.array(values, float) for values in (row.chart.own, row.chart.below))  # (epoch,)
    nulls = np.array([line.values for line in row.chart.nulls], float)  # (control, epoch)
    assert own[-1] > 2 * CORNER[2] * CORNER[3] and own[-1] > 1.5 * own[0]
    assert below[-1] > 2 * nulls[:, -1].max(), "and so does its interval"


def test_the_patterns_expose_it(run: Run, labels: np.ndarray) -> None:
    """Patterns of filters that most marked images and no others have end in filters that look into the corner."""
    (patterns,), (activations,) = run.of_kind("patterns"), run.of_kind("activations")
    counts = patterns.read("by_class", run.epochs)  # (pattern, class)
    pure = (counts[:, 0] >= 0.6 * (labels == 0).sum()) & (counts[:, 1:].sum(1) == 0)
    assert pure.any() and (patterns.read("lift", run.epochs)[pure] > 1.5).all()
    for filters in patterns.read("filters", run.epochs)[pure]:
        layer = int(np.flatnonzero(filters >= 0)[-1])
        assert in_the_corner(activations, run.epochs, layer, int(filters[layer]))


def in_the_corner(activations: Artifact, epoch: int, layer: int, number: int) -> bool:
    """Whether a filter answers most to the corner on most of the images that it answers to most."""
    offset = activations.attributes["layers"][layer]["offset"]
    maps = activations.read("top_map", epoch, offset + number).astype(float)  # (rank, h, w)
    height, width = (round(share * cells) for share, cells in zip(CORNER[2:], maps.shape[1:], strict=True))
    return float((maps[:, :height, :width].max((1, 2)) == maps.max((1, 2))).mean()) > 0.7
