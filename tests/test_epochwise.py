"""What one image has at each epoch: as the store has it, and read once an epoch."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app import epochwise, memory, reading
from app.saliency import stored
from store.errors import Corrupt
from store.objects import connect
from store.runs import Run, open_run
from tests.worlds import make_world

CLASSES = (0, 0, 0)  # of three epochs


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for room in (epochwise.OF_ONE_IMAGE, memory.OF_ALL_IMAGES):
        monkeypatch.setattr(room, "kept", OrderedDict())
        monkeypatch.setattr(room, "weight", 0)
    return open_run(connect(str(tmp_path)), make_world(tmp_path, epochs=4))


@pytest.mark.parametrize("image", [0, 7])
def test_of_many_images_one_is_read_and_is_the_same(run: Run, image: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The values of all images are kept where these are few, and only those of one where they are many."""
    artifact = run.artifact("saliency-cam")
    few = [stored.stored(artifact, image, (0, 2, 3), CLASSES) for _ in range(2)]
    monkeypatch.setattr(stored, "KEPT_BYTES", 0)
    many = [stored.stored(artifact, image, epochs, CLASSES) for epochs in ((0, 1, 2), (0, 2, 3))]
    np.testing.assert_array_equal(many[1][0], few[0][0])
    assert few[0][1] == few[1][1] == many[1][1]
    assert epochwise.OF_ONE_IMAGE.weight > 0


def test_another_epoch_is_all_that_is_read(
    run: Run, reads: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "KEPT_BYTES", 0)
    artifact, evaluation = run.artifact("saliency-cam"), run.artifact("evaluation-0a")
    found: list[list[list[int]]] = []
    for epochs in ((0, 4), (0, 3, 4), (0, 4)):
        classes = tuple(artifact.read("explained_class", epoch, 0, 5) for epoch in epochs)
        stored.stored(artifact, 5, epochs, classes)
        reading.image_logits(evaluation, epochs, 5)
        del reads[: len(epochs)]  # of the classes
        found.append([list(read) for _, read in reads])
        reads.clear()
    assert found[0] and all(read == [0, 4] for read in found[0])
    assert found[1] and all(read == [3] for read in found[1])
    assert not found[2]


def test_damage_is_an_error_until_it_is_mended(run: Run) -> None:
    evaluation = run.artifact("evaluation-0a")
    file = Path(run.objects.local) / evaluation.key("logits", 2)
    sound = file.read_bytes()
    file.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(Corrupt):
            reading.image_logits(evaluation, (1, 2), 5)
    file.write_bytes(sound)
    np.testing.assert_array_equal(reading.image_logits(evaluation, (1, 2), 5), evaluation.read("logits", (1, 2), 5))
