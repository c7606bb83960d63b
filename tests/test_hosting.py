"""docs/hosting.md is held to the code: its arithmetic to the store's arrays, its settings and commands to what reads them."""

import re
import tomllib
from math import ceil, prod
from pathlib import Path

import numpy as np
import pytest
import torch

from app import launch
from precompute import bench
from precompute.wanted import Saliency
from store.schema import KINDS, images_per_block

ROOT = Path(__file__).parent.parent
TOLD = (ROOT / "docs/hosting.md").read_text(encoding="utf-8")
IMAGES, CLASSES, EPOCHS = 50_000, 1_000, 101
SIZES = {
    "image": IMAGES,
    "class": CLASSES,
    "true": CLASSES,
    "predicted": CLASSES,
    "split": 2,
    "measure": 3,
    "explained": 2,
    "y": 7,
    "x": 7,
    "case": CLASSES * Saliency().cases,
}
VALUES = {"float32": 25_557_032 + 53_120, "int64": 53}  # of ResNet-50; tests/test_hosting.py::test_resnet holds them


def rows() -> dict[str, list[int]]:
    """Bytes an epoch, objects an epoch, bytes in all, by artifact, as the table says."""
    table = TOLD[TOLD.index("<!-- imagenet:") :]
    found = re.findall(r"^\| \**(\w+)[^|]*\|[^|]*\| ([\d,]+) \| (\d+) \| ([\d,]+) \|$", table, re.MULTILINE)
    return {name: [int(number.replace(",", "")) for number in numbers] for name, *numbers in found}


@pytest.mark.parametrize(
    ("kind", "times"), [("weights", 1), ("training", 1), ("evaluation", 1), ("saliency", 4), ("cases", 4)]
)
def test_the_arithmetic_is_that_of_the_store(kind: str, times: int) -> None:
    each = [
        prod((SIZES | {"value": VALUES.get(name, 0)})[dimension] for dimension in array.dimensions[1:])
        * np.dtype(array.dtype).itemsize
        for name, array in KINDS[kind].items()
        if name != "completeness"  # only of techniques of the input
    ]
    if kind == "training":
        each = [24, 8]  # its own measures
    assert rows()[kind] == [times * sum(each), times * (len(each) + 1), EPOCHS * times * sum(each)]


def test_the_sums_are_right() -> None:
    found = rows()
    total = found.pop("sum")
    columns = [sum(column) for column in zip(*found.values(), strict=True)]
    assert total == columns
    assert f"{columns[1] * EPOCHS + columns[1]:,}" in TOLD and f"{columns[2] / 1e9:.1f} GB" in TOLD


def test_the_images_are_right() -> None:
    block = images_per_block(224, 3)
    blocks = ceil(IMAGES / block)
    assert f"{IMAGES * 224 * 224 * 3:,} bytes in {blocks} blocks of at most {block}" in TOLD
    assert f"4 × {blocks} + 4 = {4 * blocks + 4:,}" in TOLD


def test_resnet() -> None:
    torchvision = pytest.importorskip("torchvision")
    network = torchvision.models.resnet50()
    buffers = list(network.buffers())
    floats = sum(buffer.numel() for buffer in buffers if buffer.is_floating_point())
    assert sum(item.numel() for item in network.parameters()) + floats == VALUES["float32"]
    assert sum(buffer.numel() for buffer in buffers if not buffer.is_floating_point()) == VALUES["int64"]


def test_every_setting_named_is_read_somewhere() -> None:
    code = "".join(
        file.read_text(encoding="utf-8")
        for part in ("app", "precompute", "store")
        for file in (ROOT / part).rglob("*.py")
    )
    named = set(re.findall(r"LOUPE_[A-Z_]+", TOLD))
    assert named and all(name in code for name in named)
    assert set(re.findall(r"LOUPE_[A-Z_]*[A-Z]", code)) <= named


def test_runs_are_made_where_there_is_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("LOUPE_COMMIT", raising=False)
    assert bench.provenance(torch.device("cpu"))["commit"] == "unknown"
    monkeypatch.setenv("LOUPE_COMMIT", "1234567")
    assert bench.provenance(torch.device("cpu"))["commit"] == "1234567"


def test_every_way_to_start_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_READ_ONLY", "1")
    commands = re.findall(r"app\.launch (--serve[-\w .]*)", TOLD)
    commands += re.findall(r'make serve ARGS="([^"]*)"', TOLD)
    assert len(commands) >= 4
    for command in commands:
        launch.parsed(["--serve", *command.rstrip("`.").replace("--serve", "").split()])


def test_the_example_of_sign_in_is_complete() -> None:
    (text,) = re.findall(r"```toml\n(\[auth\].*?)```", TOLD, re.DOTALL)
    wanted = {"redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url"}
    assert set(tomllib.loads(text)["auth"]) == wanted
