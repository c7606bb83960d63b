"""What a run says of how far it is: each step counts once, whoever looks how often."""

import time
from collections import Counter
from pathlib import Path

import pytest

from precompute.making import make
from precompute.progress import Progress
from store.objects import connect
from store.runs import Run, Status
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
