"""Large shards: encoded piece by piece, read by anyone, never looked through as a whole for one chunk."""

import tracemalloc
from dataclasses import replace
from pathlib import Path
from threading import Barrier, current_thread

import numpy as np
import pytest
import zarr

from store import shards, soundness, spool
from store.arrays import Array
from store.errors import Corrupt, NoSpace
from store.objects import Objects, connect
from store.schema import KINDS, layout
from store.shards import Artifact
from store.together import each, spans

SIZES = {"epoch": 3, "explained": 2, "image": 50, "y": 7, "x": 7}


@pytest.fixture
def artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """Maps of which every shard counts as large, cut into chunks of 8 images, encoded 3 chunks at a time."""
    monkeypatch.setattr(spool, "LARGE", 1)
    monkeypatch.setattr(spool, "PIECE", 3 * 8 * 49 * 2)
    monkeypatch.setattr(soundness, "READ_WHOLE", 1)
    monkeypatch.setattr(soundness, "ENDS", 64)
    return maps(connect(str(tmp_path)))


def maps(objects: Objects) -> Artifact:
    array = Array(
        *(getattr(KINDS["saliency"]["maps"], name) for name in ("dimensions", "dtype", "meaning", "chunked")), 400
    )
    return shards.create(
        objects, "runs/r/saliency", {"maps": layout(array, SIZES)}, {"kind": "saliency", "promised": [0, 1]}
    )


def values(epoch: int) -> np.ndarray:
    return np.random.default_rng(epoch).normal(size=(1, 2, 50, 7, 7)).astype(np.float16)


def test_zarr_alone_reads_what_was_encoded_in_pieces(artifact: Artifact) -> None:
    assert artifact.write(0, {"maps": values(0)}) and artifact.write(1, {"maps": values(1)})
    plain = zarr.open_array(f"{artifact.objects.local}/{artifact.path}/maps", mode="r")
    for epoch in (0, 1):
        np.testing.assert_array_equal(plain[epoch], values(epoch)[0])
        np.testing.assert_array_equal(artifact.read("maps", epoch, 1, 17), values(epoch)[0, 1, 17])
    assert artifact.verify() == []


def test_a_last_block_that_is_not_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "LARGE", 1)
    layouts = {"label": layout(Array(("image",), "int32", "class", "image", 4), {"image": 10}, block=8)}
    artifact = shards.create(connect(str(tmp_path)), "datasets/d", layouts, {"kind": "images", "promised": [0, 1]})
    for index, numbers in enumerate((np.arange(8), np.arange(8, 10))):
        artifact.write(index, {"label": numbers.astype(np.int32)})
    np.testing.assert_array_equal(artifact.read_blocks("label"), np.arange(10))


def test_a_second_writer_finds_the_same_bytes(artifact: Artifact) -> None:
    assert artifact.write(0, {"maps": values(0)})
    assert shards.find(artifact.objects, artifact.path).write(0, {"maps": values(0)})
    assert not shards.find(artifact.objects, artifact.path).write(0, {"maps": values(1)})


@pytest.mark.parametrize("how", ["end", "short", "another"])
def test_damage_to_a_large_shard_is_seen_at_once(artifact: Artifact, how: str) -> None:
    for epoch in (0, 1):
        artifact.write(epoch, {"maps": values(epoch)})
    files = [Path(f"{artifact.objects.local}/{artifact.key('maps', epoch)}") for epoch in (0, 1)]
    data = files[0].read_bytes()
    spoilt = {
        "end": data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
        "short": data[:-1],
        "another": files[1].read_bytes(),
    }
    files[0].write_bytes(spoilt[how])
    with pytest.raises(Corrupt, match="verify"):
        shards.find(artifact.objects, artifact.path).read("maps", 0, 0, 0)


def test_a_flipped_bit_is_seen_where_it_is_read(artifact: Artifact) -> None:
    artifact.write(0, {"maps": values(0)})
    file = Path(f"{artifact.objects.local}/{artifact.key('maps', 0)}")
    data = bytearray(file.read_bytes())
    data[100] ^= 1  # in the first chunk
    file.write_bytes(data)
    fresh = shards.find(artifact.objects, artifact.path)
    np.testing.assert_array_equal(fresh.read("maps", 0, 1, 40), values(0)[0, 1, 40])
    with pytest.raises(Corrupt, match="verify"):
        fresh.read("maps", 0, 0, 0)
    assert [line for line in fresh.verify() if "checksum" in line]


def test_marks_of_an_earlier_loupe_are_compared_as_a_whole(artifact: Artifact) -> None:
    artifact.write(0, {"maps": values(0)})
    artifact.known.clear()
    (mark,) = [artifact.mark(artifact.mark_key(0))]
    assert mark is not None
    artifact.known[0] = {"maps": {name: mark["maps"][name] for name in ("size", "blake2b", "e_tag")}}
    np.testing.assert_array_equal(artifact.read("maps", 0), values(0)[0])
    assert artifact.problems(0) == []


def test_neither_values_nor_bytes_are_held(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """24 MB of maps, filled, encoded and stored in a few."""
    monkeypatch.setattr(spool, "LARGE", 2**20)
    monkeypatch.setattr(spool, "PIECE", 2**20)
    sizes = SIZES | {"image": 120, "y": 224, "x": 224}
    facts = {"kind": "saliency", "promised": [0, 1]}
    artifact = shards.create(
        connect(str(tmp_path)), "runs/r/s", {"maps": layout(KINDS["saliency"]["maps"], sizes)}, facts
    )
    tracemalloc.start()
    values = spool.room((1, 2, 120, 224, 224), np.float16)
    for image in range(120):
        values[:, :, image] = image
    artifact.write(0, {"maps": values})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert values.nbytes > 24e6 and peak < 8e6
    assert artifact.read("maps", 0, 1, 77, 5, 5) == 77


def test_an_object_store_is_asked_many_things_at_once(artifact: Artifact) -> None:
    """Each waits until all four are asked; a folder is asked one after the other."""
    waiting, remote = Barrier(4, timeout=20), replace(artifact.objects, local=None)
    assert each(remote, lambda item: (waiting.wait() >= 0, item), range(4)) == [(True, item) for item in range(4)]
    threads = each(artifact.objects, lambda _: current_thread(), range(4))
    assert set(threads) == {current_thread()}


def test_indices_with_gaps_are_read_in_their_order(artifact: Artifact) -> None:
    for epoch in (0, 1):
        artifact.write(epoch, {"maps": values(epoch)})
    found = artifact.read("maps", (1, 0, 1), 0, 7)
    np.testing.assert_array_equal(found, [values(epoch)[0, 0, 7] for epoch in (1, 0, 1)])
    assert [(span.start, span.stop) for span in spans([4, 5, 9, 1, 2])] == [(4, 6), (9, 10), (1, 3)]


def test_no_room_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "allocate", full)
    monkeypatch.setattr(spool, "LARGE", 1)
    with pytest.raises(NoSpace, match="TMPDIR"):
        spool.room((10, 10), np.float16)
