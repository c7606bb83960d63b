"""Cached reads: what comes out is what the world was made of, cannot be written to, and does not go stale."""

import io
import json
import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app import memory, outputs, reading
from precompute import cases
from store.errors import Corrupt, LoupeError
from store.objects import Objects, connect
from store.runs import Run, all_runs, open_run
from tests import worlds


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    worlds.make_world(tmp_path, epochs=3, classes=4, images=24)
    monkeypatch.setenv("LOUPE_STORE", str(tmp_path))
    [found] = reading.all_runs()[0]
    return found


def decoded(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_measures_are_those_of_the_stored_logits(run: Run) -> None:
    evaluation = reading.evaluation(run)
    data = reading.dataset(evaluation)
    labels = reading.labels(data)
    for epoch in reading.epochs(evaluation):
        expected = worlds.measures(worlds.logits_at(epoch, labels, 4), labels, 4)
        for name, value in expected.items():
            np.testing.assert_array_equal(reading.measured(evaluation, name, epoch), value)
        np.testing.assert_array_equal(reading.predicted(evaluation, epoch), expected["logits"].argmax(-1))
        chances = cases.probabilities(expected["logits"])
        np.testing.assert_allclose(outputs.chances_of(evaluation, epoch, np.array([7, 3])), chances[[7, 3]], rtol=1e-6)
    np.testing.assert_array_equal(labels, np.arange(24) % 4)


def test_several_epochs_are_stacked_in_order(run: Run) -> None:
    evaluation = reading.evaluation(run)
    each = [reading.measured(evaluation, "accuracy", epoch) for epoch in (0, 2, 3)]
    np.testing.assert_array_equal(reading.measured(evaluation, "accuracy", (0, 2, 3)), np.stack(each))
    of_image = reading.image_logits(evaluation, (0, 2, 3), 7)
    np.testing.assert_array_equal(
        of_image, np.stack([reading.measured(evaluation, "logits", epoch)[7] for epoch in (0, 2, 3)])
    )


def test_what_all_sessions_share_cannot_be_written_to(run: Run) -> None:
    evaluation = reading.evaluation(run)
    for values in (
        reading.measured(evaluation, "logits", 1),
        reading.labels(reading.dataset(evaluation)),
        reading.predicted(evaluation, 1),
    ):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 0


def test_recommended_cases_are_those_of_the_epoch(run: Run) -> None:
    evaluation = reading.evaluation(run)
    data = reading.dataset(evaluation)
    found = reading.recommended(evaluation, data, 1, 2)
    expected = cases.recommended(worlds.logits_at(1, reading.labels(data), 4), reading.labels(data), 2)
    np.testing.assert_array_equal(found.correct, expected.correct)
    np.testing.assert_array_equal(found.taken_for_it, expected.taken_for_it)
    np.testing.assert_array_equal(found.missed, expected.missed)


def test_what_images_are_taken_for_is_read_a_few_at_a_time(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As from all probabilities at once, without holding them."""
    monkeypatch.setattr(outputs, "VALUES", 1)
    monkeypatch.setattr(memory.OF_ALL_IMAGES, "kept", OrderedDict())
    evaluation = reading.evaluation(run)
    monkeypatch.setitem(evaluation.arrays, "logits", Rows(evaluation.array("logits"), 5))
    found, chances = outputs.taken(evaluation, 2), cases.probabilities(evaluation.read("logits", 2))
    np.testing.assert_array_equal(found.predicted, chances.argmax(-1))
    np.testing.assert_array_equal(np.stack([found.second, found.confidence], 1), np.sort(chances)[:, -2:])
    first = outputs.likeliest(evaluation, 2, 3)
    np.testing.assert_array_equal(first.classes, np.argsort(-chances, axis=1, kind="stable")[:, :3])
    np.testing.assert_array_equal(first.chances, np.sort(chances)[:, :0:-1])


def test_the_likeliest_classes_come_in_the_order_of_the_logits_and_equal_ones_in_their_own() -> None:
    logits = np.array([[1, 3, 3, 3], [2, 2, 2, 2], [np.nan, 0, 0, 1], [-np.inf, -1, 0, -1]], np.float32)
    assert outputs.first(logits, 2).tolist() == [[1, 2], [0, 1], [3, 1], [2, 1]]
    near = np.array([[-1000, -999, 0]], np.float32)  # the probabilities of two of them are rounded to 0
    assert outputs.first(near, 3).tolist() == [[2, 1, 0]]


class Rows:
    """An array whose chunks seem to hold so many images."""

    def __init__(self, array: Any, rows: int) -> None:
        self.array, self.shape, self.dtype, self.chunks = array, array.shape, array.dtype, (1, rows, array.shape[2])

    def __getitem__(self, selection: Any) -> Any:
        return self.array[selection]


# Images


@pytest.mark.parametrize("channels", [1, 3])
def test_small_images_keep_every_pixel(tmp_path: Path, channels: int) -> None:
    run = open_run(connect(str(tmp_path)), worlds.make_world(tmp_path, channels=channels))
    data = reading.dataset(reading.evaluation(run))
    wanted = (5, 2, 23)
    pixels = reading.pixels(data, wanted)
    sheet, side = reading.sheet(data, wanted)
    assert side == 12
    np.testing.assert_array_equal(decoded(sheet).reshape(12, 36, channels), np.concatenate(list(pixels), axis=1))
    np.testing.assert_array_equal(pixels[1], data.read_blocks("pixels")[2])


def test_large_images_shrink_and_keep_their_shape() -> None:
    assert reading.shrunk(np.zeros((200, 200, 3), np.uint8), 96).shape == (96, 96, 3)
    assert reading.shrunk(np.zeros((200, 100, 1), np.uint8), 96).shape == (96, 48, 1)


def test_no_image_makes_no_sheet(run: Run) -> None:
    assert reading.sheet(reading.dataset(reading.evaluation(run)), ())[0] == b""


# What changes


def test_all_kinds_of_artifacts_are_one_look_at_the_store(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object store takes tens of milliseconds for each, and a page asks for ten kinds, every two seconds."""
    looks, found = [], run.artifacts()
    monkeypatch.setattr(Run, "artifacts", lambda self: looks.append(self) or found)
    reading.by_kind.clear()
    for kind in ("evaluation", "saliency", "training", "no such kind"):
        assert list(reading.artifacts(run, kind)) == run.of_kind(kind)
        del looks[1:]  # of_kind's own
    assert len(looks) == 1


def test_runs_of_an_object_store_are_opened_together(tmp_path: Path) -> None:
    for name in ("a", "b"):
        worlds.make_world(tmp_path, epochs=1, name=name)
    remote, together = replace(connect(str(tmp_path)), local=None), threading.Barrier(2)

    def opener(objects: Objects, run_id: str) -> Run:
        together.wait(20)  # for the other: one after the other would never both be there
        return open_run(connect(str(tmp_path)), run_id)

    assert len(all_runs(remote, opener)[0]) == 2


def test_a_newly_finished_epoch_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_STORE", str(tmp_path))
    worlds.make_world(tmp_path, epochs=4, finished=1)
    [run] = reading.all_runs()[0]
    evaluation = reading.evaluation(run)
    assert reading.epochs(evaluation) == (0, 1)
    worlds.make_world(tmp_path, epochs=4, finished=2)
    reading.marks.clear()  # one second later
    assert reading.epochs(evaluation) == (0, 1, 2)
    assert reading.measured(evaluation, "accuracy", (0, 1, 2)).shape == (3, 2)


def test_a_run_made_anew_under_the_same_id_is_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_STORE", str(tmp_path))
    worlds.make_world(tmp_path, epochs=2, finished=1)
    [before] = reading.all_runs()[0]
    assert reading.epochs(reading.evaluation(before)) == (0, 1)
    connect(str(tmp_path)).delete(before.path)
    worlds.make_world(tmp_path, epochs=2, finished=2)
    reading.listed.clear()  # five seconds later
    reading.marks.clear()
    [after] = reading.all_runs()[0]
    assert after.uuid != before.uuid
    assert reading.epochs(reading.evaluation(after)) == (0, 1, 2)


def test_all_sessions_share_one_object_per_run(run: Run) -> None:
    reading.listed.clear()
    assert reading.all_runs()[0][0] is run


def test_a_writer_that_says_nothing_any_more_has_stopped(run: Run) -> None:
    said = {"state": "running", "doing": "training", "done": 1, "of": 4, "seconds_left": 30.0, "reason": ""}
    for at, state in ((2e9, "running"), (1e9, "stopped")):
        run.objects.put(f"{run.path}/status.json", json.dumps({**said, "at": at}).encode())
        reading.status.clear()
        assert reading.status(run).state == state


def test_a_run_that_cannot_be_opened_does_not_hide_the_others(run: Run) -> None:
    run.objects.put("runs/broken/zarr.json", b"{ half a")
    reading.listed.clear()
    found, problems = reading.all_runs()
    assert [item.id for item in found] == [run.id]
    assert len(problems) == 1
    assert "broken" in problems[0]


def test_a_damaged_shard_is_an_error_and_is_not_remembered(run: Run) -> None:
    evaluation = reading.evaluation(run)
    key = evaluation.key("logits", 2)
    whole = run.objects.get(key)
    run.objects.put(key, whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(Corrupt, match="repair"):
        reading.measured(evaluation, "logits", 2)
    run.objects.put(key, whole)
    assert reading.measured(evaluation, "logits", 2).shape == (24, 4)


def test_classes_of_one_name_are_told_apart(run: Run) -> None:
    assert reading.class_names(run) == ("kind 0", "kind 1", "kind 2", "kind 3")
    twice = replace(run, attributes={**run.attributes, "classes": ["a", "a", "b"]})
    assert reading.class_names(twice) == ("a (0)", "a (1)", "b (2)")


def test_an_address_nobody_can_open_is_a_plain_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    monkeypatch.setenv("LOUPE_STORE", str(file))
    with pytest.raises(LoupeError, match="LOUPE_STORE"):
        reading.store()


def test_what_is_remembered_for_seconds_is_made_anew_after_them(monkeypatch: pytest.MonkeyPatch) -> None:
    now, made = [100.0], []
    monkeypatch.setattr(memory.time, "monotonic", lambda: now[0])

    @memory.remembered(3, seconds=2)
    def at(name: str) -> float:
        made.append(name)
        return now[0]

    assert (at("a"), at("b")) == (100, 100)
    now[0] = 101.9
    assert at("a") == 100
    at.clear("a")
    assert (at("a"), at("b")) == (101.9, 100)
    now[0] = 102.0
    assert (at("a"), at("b")) == (101.9, 102)
    at.clear()
    assert at("b") == 102 and made == ["a", "b", "a", "b", "b"]


def test_what_is_to_be_forgotten_while_it_is_made_is_not_kept() -> None:
    said, made = ["before"], []

    @memory.remembered(3)
    def word() -> str:
        made.append(found := said[0])
        if found == "before":  # another visitor changes it meanwhile
            said[0] = "after"
            word.clear()
        return found

    assert [word(), word(), word()] == ["before", "after", "after"] and made == ["before", "after"]


def test_a_memory_holds_so_many_bytes_and_entries_and_always_the_last() -> None:
    room = memory.Memory(entries=3, bytes=100)

    @memory.remembered(room)
    def zeros(count: int) -> np.ndarray:
        made.append(count)
        return np.zeros(count, np.uint8)

    made: list[int] = []
    for count in (40, 41, 40, 42):  # 41 was used longest ago
        zeros(count)
    assert [value.size for value, *_ in room.kept.values()] == [40, 42] and room.weight == 82
    zeros(500)
    assert list(room.kept) == [(zeros.__wrapped__, 500)] and room.weight == 500
    for count in (1, 2, 3, 4):
        zeros(count)
    assert [value.size for value, *_ in room.kept.values()] == [2, 3, 4] and room.weight == 9
    assert memory.heavy({"mark": "bar", "datasets": {"table0": b"12", "table1": b"3"}}) == 3  # a chart's tables
    assert made == [40, 41, 42, 500, 1, 2, 3, 4]


def test_what_many_want_at_once_is_made_once_and_an_error_by_each() -> None:
    """As when many visitors come to a page nobody has seen yet: each read of a remote store is one for all of them."""
    room, together, made = memory.Memory(entries=3), threading.Barrier(8), []

    @memory.remembered(room)
    def slow(number: int) -> int:
        made.append(number)
        time.sleep(0.05)
        if number < 0:
            raise LoupeError("no such number")
        return number

    def one(number: int) -> object:
        together.wait()
        try:
            return slow(number)
        except LoupeError as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, [7] * 8)) == [7] * 8 and made == [7]
        assert list(pool.map(one, [-1] * 8)) == ["no such number"] * 8 and made == [7, *[-1] * 8]
    assert not room.turns


def test_nobody_waits_for_ever_for_what_somebody_else_is_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LONGEST_WAIT", 0.01)
    room, entered, leave = memory.Memory(entries=3), threading.Event(), threading.Event()

    @memory.remembered(room)
    def stuck(number: int) -> int:
        if not entered.is_set():
            entered.set()
            leave.wait(60)
        return number

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(stuck, 7)
        assert entered.wait(60) and stuck(7) == 7 and not first.done()
        leave.set()
        assert first.result(60) == 7
    assert not room.turns


def test_arrays_of_all_images_share_one_bound(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation, whole = reading.evaluation(run), 24 * 4 * 4
    for name, value in {"bytes": 3 * whole, "kept": OrderedDict(), "weight": 0}.items():
        monkeypatch.setattr(memory.OF_ALL_IMAGES, name, value)
    for epoch in reading.epochs(evaluation):
        reading.measured(evaluation, "logits", epoch), outputs.likeliest(evaluation, epoch, 3)
        reading.measured(evaluation, "confusion", epoch), reading.predicted(evaluation, epoch)
        assert 0 < memory.OF_ALL_IMAGES.weight <= 3 * whole
