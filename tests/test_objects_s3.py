"""The store at an S3 address: the same contract, against a server on this machine."""

import os
import uuid
from collections.abc import Iterator

import numpy as np
import pytest

from store import runs
from store.errors import LoupeError
from store.objects import Objects, connect
from tests.s3 import BUCKET, s3
from tests.store_contract import StoreContract, again, finished, values

pytestmark = pytest.mark.s3


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    """The environment of an S3 server of our own."""
    with s3() as environment:
        yield environment


@pytest.fixture
def credentials(server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person puts into the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def objects(credentials: None) -> Objects:
    """An empty prefix in the bucket."""
    return connect(f"s3://{BUCKET}/{uuid.uuid4().hex}")


class TestS3(StoreContract):
    """The contract, in a bucket."""


def test_two_prefixes_are_two_stores(credentials: None) -> None:
    one, other = (connect(f"s3://{BUCKET}/{uuid.uuid4().hex}/") for _ in range(2))
    one.put("a", b"1")
    assert other.get("a") is None
    assert [stat.path for stat in one.under("")] == ["a"]


def test_the_environment_names_the_store(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(objects)
    monkeypatch.setenv("LOUPE_STORE", objects.address)
    run = runs.open_run(connect(), "demo-1")
    np.testing.assert_array_equal(run.artifact("evaluation-1").read("loss", 1), values(1)["loss"][0])
    run.summarise()
    assert run.verify() == []


def test_an_unchanged_shard_is_not_fetched_to_be_checked(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tag an object store gives is compared instead: a progression would otherwise read every shard twice."""
    _, artifact = finished(objects)
    reader = again(artifact)
    reader.marked()
    monkeypatch.setattr(Objects, "get", lambda *_: pytest.fail("fetched"))
    reader.check("logits", 2)


def test_a_bucket_that_is_not_there(credentials: None) -> None:
    with pytest.raises(LoupeError, match="s3://nobody/x does not answer as it should"):
        connect("s3://nobody/x").put("a", b"")
