"""What a run says of how far it is: each step counts once, whoever looks how often."""

import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from precompute.artifacts import worth
from precompute.bench import open_bench
from precompute.making import begin, make
from precompute.progress import Progress
from precompute.roar.grid import typical
from store.objects import connect
from store.runs import Run, Status
from store.shards import Artifact
from tests import tiny


def test_steps_are_counted_once_and_end_where_they_were_planned(tmp_path: Path) -> None:
    said: list[Status] = []
    make(connect(str(tmp_path / "store")), tiny.recipe(tmp_path, training__epochs=4), said.append)
    counts = [status.done for status in said]
    assert counts == sorted(counts)
    assert all(status.done <= status.of for status in said)
    assert counts[-1] == said[-1].of


def progress(tmp_path: Path, **measured: float) -> Progress:
    """Of ten epochs and twenty maps, of which as much as is given was measured, in seconds for one."""
    known = Progress(Run(connect(str(tmp_path)), "none", {}), leads=False)
    known.planned = Counter({"training": 10, "maps": 20})
    for kind, seconds in measured.items():
        known.seconds[kind], known.timed[kind], known.finished[kind] = seconds, 1, 1
    return known


def test_nothing_is_said_of_the_time_left_before_the_first_epoch_is_timed(tmp_path: Path) -> None:
    assert progress(tmp_path, maps=0.01).seconds_left() is None
    assert progress(tmp_path, maps=1, training=10).seconds_left() == pytest.approx(19 + 90)
    again = progress(tmp_path, maps=1)
    again.earlier = {"training": 7.0}
    assert again.seconds_left() == pytest.approx(19 + 70)


def test_a_step_that_takes_longer_than_the_others_did_eats_no_time_of_theirs(tmp_path: Path) -> None:
    known = progress(tmp_path, maps=1, training=10)
    known.current, known.began = "maps", time.monotonic() - 1000
    assert known.seconds_left() == pytest.approx(18 + 90)


def test_a_long_first_epoch_tells_how_much_of_it_is_done_and_what_is_left(tmp_path: Path) -> None:
    known = progress(tmp_path)
    with known.step("training", "training epoch 1 of 10"):
        known.began = time.monotonic() - 5
        known.tick(0.5)
        assert (known.words(), known.seconds_left()) == (
            "training epoch 1 of 10",
            None,
        )  # a short step says nothing of itself
        known.began = time.monotonic() - 100
        known.tick(0.25)
        assert known.words() == "training epoch 1 of 10, 25% done"
        assert known.seconds_left() == pytest.approx(300 + 9 * 400, rel=1e-3)
        known.tick()
        assert known.share == 0.25
    assert known.words() == "training epoch 1 of 10"


def test_steps_that_never_were_are_not_taken_to_last_as_long_as_a_training(tmp_path: Path) -> None:
    known = progress(tmp_path, training=1000)
    known.planned["simulation"] = 18
    assert known.seconds_left() == pytest.approx(9 * 1000)
    known.seconds["maps"], known.timed["maps"], known.finished["maps"] = 90, 2, 2
    assert known.seconds_left() == pytest.approx(9 * 1000 + 18 * 45 + 18 * 45)


def test_cells_of_remove_and_retrain_count_as_the_trainings_that_they_are(tmp_path: Path) -> None:
    known = progress(tmp_path, training=13.7, maps=4)
    known.planned["roar"], known.worth = 55, {"roar": 10.0}
    assert known.seconds_left() == pytest.approx(9 * 13.7 + 19 * 4 + 55 * 137)
    known.earlier["roar"] = 150.0
    assert known.seconds_left() == pytest.approx(9 * 13.7 + 19 * 4 + 55 * 150)


def test_what_a_cell_is_worth_follows_from_its_images_and_epochs(tmp_path: Path) -> None:
    asked = {"techniques": ["gradient"], "controls": ["random"], "fractions": [0.5], "seeds": 2, "epochs": 3}
    recipe = tiny.recipe(tmp_path, artifacts__roar={**asked, "not_retrained": []}, training__epochs=6)
    bench = open_bench(connect(str(tmp_path / "store")), recipe)
    train, test = len(bench.data.train.labels), len(bench.data.test.labels)
    look = (1 + test / train) / 3  # at all images, forward alone: a third of an epoch with its way back
    begin(bench)
    assert bench.progress.worth["roar"] == pytest.approx(3 + look), "each cell is a training of three epochs"
    assert bench.progress.worth.keys() <= {"roar", "ranking", "faithfulness"}
    assert worth(open_bench(connect(str(tmp_path / "store")), tiny.recipe(tmp_path))) == {}


def test_a_look_at_a_cell_tells_nothing_of_the_trainings_that_follow(tmp_path: Path) -> None:
    known = progress(tmp_path, training=10, maps=1)
    known.planned["roar"], known.worth = 6, {"roar": 5.0}
    with known.step("roar", "a look", typical=False):
        pass
    assert known.seconds_left() == pytest.approx(9 * 10 + 19 + 5 * 50)
    cells_of = [{"retrained": ""}, {"retrained": "mean"}, {"retrained": ""}]
    grid = Artifact(known.run.objects, "grid", {"cells": cells_of, "promised": [0, 1, 2]})
    assert [typical(grid, index) for index in range(3)] == [False, True, False]
    looks = Artifact(known.run.objects, "grid", {"cells": cells_of, "promised": [0, 2]})
    assert typical(looks, 0), "where nothing else is promised"


def test_what_is_worth_some_training_tells_how_long_that_takes(tmp_path: Path) -> None:
    known = progress(tmp_path)
    known.planned = Counter({"training": 10, "ranking": 2, "roar": 4})
    known.finished = Counter({"training": 10, "ranking": 1})
    known.worth, known.earlier = {"ranking": 2.0, "roar": 5.0}, {"ranking": 8.0}
    assert known.seconds_left() == pytest.approx(8 + 4 * 5 * 4)


def test_the_first_epoch_of_a_process_counts_as_long_as_an_earlier_one_took(tmp_path: Path) -> None:
    known = progress(tmp_path)
    known.earlier = {"training": 40.0, "maps": 1.0}
    assert known.seconds_left() == pytest.approx(400 + 20)
    known.current, known.began = "training", time.monotonic() - 20
    known.tick(0.01)  # the first batch decodes the images
    assert known.seconds_left() == pytest.approx(380 + 20, rel=1e-3)
    known.tick(0.1)  # slower this time
    assert known.seconds_left() == pytest.approx(180 + 9 * 40 + 20, rel=1e-3)
    known.tick(1.0)
    assert known.words().endswith("99% done"), "the epoch is still to be stored"


def test_nothing_is_said_of_the_time_left_while_only_the_training_is_timed_and_over(tmp_path: Path) -> None:
    known = progress(tmp_path)
    known.earlier, known.finished["training"] = {"training": 40.0}, 10
    assert known.seconds_left() is None
    known.earlier["features"] = 3.0
    assert known.seconds_left() == pytest.approx(60)


def test_training_and_maps_tick_with_the_share_of_the_images_they_have_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: defaultdict[str, list[float]] = defaultdict(list)
    monkeypatch.setattr(Progress, "tick", lambda self, share=0.0: shares[self.current].append(share) if share else None)
    make(connect(str(tmp_path / "store")), tiny.recipe(tmp_path, training__epochs=1))
    assert shares["training"] == sorted(shares["training"])
    assert shares["training"][-1] == 1
    assert shares.keys() == {"training", "saliency", "cases"}
    assert shares["saliency"].count(1) == 2, "all maps of epochs 0 and 1"


def test_a_process_that_goes_on_keeps_the_rates_that_earlier_ones_measured(tmp_path: Path) -> None:
    objects, asked = connect(str(tmp_path / "store")), {"artifacts__embedding": {"perplexities": [3]}}
    made = make(objects, tiny.recipe(tmp_path, training__epochs=1))
    made.say(vars(made.status()) | {"rates": {"training": 1603.0}})
    said: list[Status] = []
    make(objects, tiny.recipe(tmp_path, training__epochs=1, **asked), said.append)  # its plan looks at the images
    assert said[0].doing == ""
    assert all(status.rates["training"] == 1603.0 for status in said)
    assert made.status().rates["embedding"] > 0
