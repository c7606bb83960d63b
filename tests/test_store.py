"""The store in a local folder: the contract, and what only a folder can suffer."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import obstore
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.exceptions import GenericError

from store import runs, shards
from store.errors import BadInput, Corrupt, LoupeError, NoSpace
from store.objects import Objects, connect
from store.schema import BLOCK_VALUES, CHUNK_VALUES, KINDS, images_per_block, layout
from tests.store_contract import (
    EPOCHS,
    StoreContract,
    again,
    damage,
    evaluation,
    finished,
    make_images,
    make_run,
    values,
)

ROOT = Path(__file__).parents[1]


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return connect(str(tmp_path / "store"))


class TestLocalFolder(StoreContract):
    """The contract, in a folder."""


@pytest.mark.parametrize("how", ["flipped", "missing", "empty", "other epoch"])
def test_damage_is_seen_by_a_reader_who_has_read_before(objects: Objects, how: str) -> None:
    """A page keeps its artifacts open for days."""
    _, artifact = finished(objects)
    reader = again(artifact)
    reader.read("logits", 2)
    damage(artifact, how)
    with pytest.raises(Corrupt, match=r"evaluation-1/logits/c/2.*--repair"):
        reader.read("logits", 2)


def test_the_address_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_STORE", str(tmp_path / "there"))
    assert connect().local == tmp_path / "there"
    assert connect(f"file://{tmp_path}/here").local == tmp_path / "here"
    monkeypatch.delenv("LOUPE_STORE")
    monkeypatch.chdir(tmp_path)
    assert connect().local == tmp_path / "artifacts"


def test_addresses_nobody_can_open(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(BadInput, match="is a file"):
        connect(str(file))
    for address in ("nonsense://bucket", "s3://"):
        with pytest.raises(BadInput, match="LOUPE_STORE"):
            connect(address)


def test_deleting_leaves_no_folder_and_no_half_written_file(objects: Objects) -> None:
    run, artifact = finished(objects)
    folder = objects.local / run.path
    (objects.local / artifact.key("logits", 3)).with_name("0#1").write_bytes(b"a writer was killed here")
    runs.delete_run(objects, run.id)
    assert not folder.exists()


# No space left


def full_disk(*_: object, **__: object) -> None:
    raise GenericError(
        "Generic LocalFileSystem error: Unable to copy data to file: No space left on device (os error 28)"
    )


def test_no_space_left_is_said_and_loses_nothing(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = evaluation(make_run(objects))
    artifact.write(0, values(0))
    with monkeypatch.context() as patched:
        patched.setattr(obstore, "put", full_disk)
        with pytest.raises(NoSpace, match="free some space"):
            artifact.write(1, values(1))
    assert again(artifact).marked() == (0,)
    assert artifact.write(1, values(1))


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Objects]:
    """A file system of 400 kB; skipped where one may not be mounted."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("a small file system can be mounted by root on Linux only")
    yield connect(str(folder))
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_really_fills_up(tiny_disk: Objects) -> None:
    run = make_run(tiny_disk)
    sizes = {"epoch": 9, "measure": 1, "float32.value": 20_000}
    weights = run.add("weights", "weights", sizes, range(9), {"tensors": []})
    random = np.random.default_rng(0)
    with pytest.raises(NoSpace, match="No space is left"):
        for epoch in range(9):
            weights.write(epoch, {"float32": random.normal(size=(1, 20_000)).astype(np.float32)})
    marked = again(weights).marked()
    assert 0 < len(marked) < 9
    assert all("not finished" in problem for problem in weights.verify())
    assert again(weights).read("float32", marked[-1]).shape == (20_000,)


def test_other_trouble_in_writing_is_a_sentence(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError("Permission denied (os error 13)")

    monkeypatch.setattr(obstore, "put", refused)
    with pytest.raises(LoupeError, match=r"The store at .* does not answer as it should: Permission denied"):
        objects.put("a", b"")


# Killed in the middle

WRITER = """
import sys
from store.objects import connect
from tests.store_contract import EPOCHS, evaluation, make_run, values
artifact = evaluation(make_run(connect(sys.argv[1])))
print("ready", flush=True)
for epoch in range(EPOCHS + 1):
    artifact.write(epoch, values(epoch))
print("done", flush=True)
"""


def writer(folder: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, env=environment)
    assert child.stdout and child.stdout.readline() == b"ready\n"
    return child


def test_killed_at_random_moments_no_epoch_is_torn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "LEFTOVER_SECONDS", 0.2)
    uninterrupted = writer(tmp_path / "whole")
    began = time.monotonic()
    uninterrupted.communicate()
    seconds = time.monotonic() - began
    for attempt, moment in enumerate(np.random.default_rng().uniform(0, seconds, 3)):
        folder = tmp_path / f"killed{attempt}"
        child = writer(folder)
        time.sleep(moment)
        child.kill()
        child.communicate()
        artifact = evaluation(make_run(connect(str(folder))))
        for epoch in artifact.marked():
            for name, value in values(epoch).items():
                np.testing.assert_array_equal(artifact.read(name, epoch), value[0], err_msg=f"killed after {moment} s")
        assert all("not finished" in problem for problem in artifact.verify()), f"killed after {moment} s"
        assert all(artifact.write(epoch, values(epoch)) for epoch in range(EPOCHS + 1))
        assert artifact.verify() == []
        assert stored(folder) == stored(tmp_path / "whole")


def stored(folder: Path) -> dict[Path, bytes]:
    """Every shard of a store; names with a # are what a killed writer left half written, which nobody ever reads."""
    files = (file for file in folder.rglob("*") if "c" in file.parts and file.is_file() and "#" not in file.name)
    return {file.relative_to(folder): file.read_bytes() for file in files}


# Read without Loupe


def test_zarr_alone_reads_a_run(objects: Objects) -> None:
    import zarr

    run, _ = finished(objects)
    run.summarise()
    group = zarr.open_group(str(objects.local / run.path), mode="r")
    array = group["evaluation-1/logits"]
    assert array.metadata.dimension_names == ("epoch", "image", "class")
    np.testing.assert_array_equal(array[2], values(2)["logits"][0])
    images = zarr.open_group(str(objects.local / "datasets/digits-1"), mode="r")
    assert images["pixels"].shape == (7, 6, 6, 1)


# Layout


@given(st.sampled_from([(kind, name) for kind, arrays in KINDS.items() for name in arrays]), st.data())
@settings(max_examples=300, deadline=None)
def test_layouts_fit(which: tuple[str, str], data: st.DataObject) -> None:
    """Whatever the sizes: chunks divide shards, shards cover the array, one shard per index, and chunks stay small."""
    array = KINDS[which[0]][which[1]]
    sizes = {name: data.draw(st.integers(1, 3000), name) for name in array.dimensions}
    side = data.draw(st.integers(1, 600))
    block = images_per_block(side, 3) if array.dimensions[0] == "image" else 1
    found = layout(array, sizes | ({"y": side, "x": side, "channel": 3} if which[1] == "pixels" else {}), block=block)
    assert all(shard % chunk == 0 for shard, chunk in zip(found.shard, found.chunk, strict=True))
    assert found.shard[0] == block
    assert all(shard >= size for shard, size in zip(found.shard[1:], found.shape[1:], strict=True))
    assert found.shards == -(-found.shape[0] // block)
    if array.chunked:
        axis = array.dimensions.index(array.chunked)
        smallest = np.prod(found.chunk) // found.chunk[axis]
        assert np.prod(found.chunk) <= max(array.chunk_values, smallest)


@given(st.integers(1, 2000), st.sampled_from([1, 3]))
@settings(deadline=None)
def test_blocks_of_images_are_neither_tiny_nor_huge(side: int, channels: int) -> None:
    count = images_per_block(side, channels)
    values = side * side * channels
    assert 1 <= count <= max(4096, CHUNK_VALUES // values)
    assert count == 1 or count * values <= BLOCK_VALUES


def test_several_blocks_of_images(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last block may be shorter; a selection may cross blocks, in any order."""
    artifact = make_images(objects)
    sizes = {"image": 10, "y": 6, "x": 6, "channel": 1}
    layouts = {name: layout(KINDS["images"][name], sizes, block=4) for name in ("label",)}
    artifact = shards.create(objects, "datasets/blocks", layouts, {"kind": "images", "promised": [0, 1, 2]})
    numbers = np.arange(10, dtype=np.int32)
    for index in range(3):
        assert artifact.write(index, {"label": numbers[index * 4 : index * 4 + 4]})
    np.testing.assert_array_equal(artifact.read_blocks("label"), numbers)
    np.testing.assert_array_equal(artifact.read_blocks("label", [9, 0, 5, 5]), [9, 0, 5, 5])
    np.testing.assert_array_equal(artifact.read_blocks("label", slice(3, 6)), [3, 4, 5])
