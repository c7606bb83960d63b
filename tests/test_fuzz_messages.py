"""Messages to the probe and rows of the queue: a slice of `python -m tests.fuzz messages`, and what it found."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from precompute import frames, jobs, probe, remote
from precompute.queue import Queue
from store.errors import BadInput, LoupeError
from store.objects import Objects
from store.runs import Run
from tests import tiny
from tests.fuzz import messages, running

CASES = 40


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return messages.store_run(tmp_path_factory.mktemp("messages"))


def test_hostile_messages_are_answered_with_sentences(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "store_run", lambda folder: run)
    check = messages.messages(Path(run.objects.address))
    problems = {case: running.tried(check, 0, case) for case in range(CASES)}
    assert not {case: problem for case, problem in problems.items() if problem}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epoch": "1"}, "epoch: must be a whole number, not '1'"),
        ({"classes": None}, "classes: must be a list"),
        ({"epoch": -1}, "epoch"),
        ({"unheard": 1}, "unheard is not a field"),
        ({"techniques": {"eval": {}}}, "eval"),
        ({"techniques": {"smooth-grad-cam++": {"samples": "many"}}}, "smooth-grad-cam"),
        ({"along": ["hue"]}, "edits are missing"),
        ({"wants": ["shift"], "edits": {"settings": []}}, "shift is missing"),
        ({"wants": ["shift"], "edits": {"settings": []}, "shift": "[" * 9999}, "no JSON"),
        ({"edits": {"settings": [["hue", "much"]]}}, "'much' came"),
        ({"edits": {"settings": [["os.system", 1.0]]}}, "os.system"),
        ({"run": "../../etc"}, "etc"),
        ({"techniques": {"smooth-grad-cam++": {"samples": 16**5000}}}, "too many digits"),
    ],
    ids=lambda item: next(iter(item)) if isinstance(item, dict) else item,
)
def test_a_forged_request_is_a_sentence_that_names_the_field(run: Run, changes: dict[str, Any], words: str) -> None:
    header, arrays = probe.reply(messages.honest(run) | changes, {"image": messages.image()}, probe.Shelf())
    assert words in header["error"] and "could not be run" not in header["error"] and not arrays


def test_what_a_request_leaves_out_is_filled_in(run: Run) -> None:
    asked = {name: said for name, said in messages.honest(run).items() if name not in ("techniques", "seed", "wants")}
    assert probe.reply(asked, {"image": messages.image()}, probe.Shelf())[1].keys() == {"logits"}


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, "an image"),
        ({"image": np.zeros((16, 16, 1), np.float32)}, "uint8"),
        ({"image": np.zeros((16, 16), np.uint8)}, "height, width, channels"),
        ({"image": np.zeros((0, 0, 0), np.uint8)}, "1 to"),
        ({"image": np.zeros((16, 16, 3), np.uint8)}, "takes images of 1 channels, not of 3"),
    ],
)
def test_a_wrong_image_is_a_sentence(run: Run, arrays: dict[str, np.ndarray], words: str) -> None:
    assert words in probe.reply(messages.honest(run), arrays, probe.Shelf())[0]["error"]


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 5000,
        b"[1, 2]",
        b"{}",
        json.dumps({"arrays": [["image", "|O", [1]]]}).encode(),
        json.dumps({"arrays": [["image", "|u1", [10**30]]]}).encode(),
        json.dumps({"arrays": [["image", "|u1", [-1]]]}).encode(),
        json.dumps({"arrays": [["image", "nonsense", [1]]]}).encode(),
    ],
)
def test_noise_on_the_pipe_or_in_the_queue_is_a_loupe_error(header: bytes) -> None:
    data = frames.LENGTHS.pack(len(header), 8) + header + bytes(8)
    with pytest.raises(LoupeError):
        frames.read(io.BytesIO(data))
    with pytest.raises(LoupeError):
        remote.unpacked(base64.b64encode(data).decode())


@pytest.mark.parametrize(("recipe", "about"), [("words", {}), (None, {}), ([], {}), ({}, "words"), ({}, None)])
def test_a_job_of_wrong_arguments_fails_with_a_sentence(
    recipe: Any, about: Any, place: Queue, store: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs.HERE, "objects", store)
    monkeypatch.setattr(jobs.HERE, "client", place.client)
    with pytest.raises(BadInput, match="A job holds the fields of a recipe"):
        jobs.take_up("one", recipe, about)
    assert jobs.name_of(recipe)


def test_what_a_database_cannot_keep_is_left_out_of_what_is_said(place: Queue, tmp_path: Path) -> None:
    job = place.enqueue(tiny.recipe(tmp_path), by="A\0da", hypothesis="it\0 learns")
    assert (place.job(job).by, place.job(job).hypothesis) == ("Ada", "it learns")
