"""What a run says of how far it is: each step counts once, whoever looks how often."""

from pathlib import Path

from precompute.making import make
from store.objects import connect
from store.runs import Status
from tests import tiny


def test_steps_are_counted_once_and_end_where_they_were_planned(tmp_path: Path) -> None:
    said: list[Status] = []
    make(connect(str(tmp_path / "store")), tiny.recipe(tmp_path, training__epochs=4), said.append)
    counts = [status.done for status in said]
    assert counts == sorted(counts)
    assert all(status.done <= status.of for status in said)
    assert counts[-1] == said[-1].of
