"""The store at an S3 address: the same contract, against a server on this machine."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator

import boto3
import numpy as np
import pytest

from store import runs
from store.errors import LoupeError
from store.objects import Objects, connect
from tests.store_contract import StoreContract, again, finished, values

pytestmark = pytest.mark.s3
BUCKET = "loupe"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of an S3 server of our own, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, child)
        yield address
    finally:
        child.kill()
        child.wait()


def wait_for(address: str, child: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert child.poll() is None, "the S3 server ended by itself"
        try:
            urllib.request.urlopen(f"{address}/moto-api/data.json", timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(f"no S3 server at {address}")


@pytest.fixture
def credentials(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person puts into the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "ACCESS_KEY_ID": "key",
        "SECRET_ACCESS_KEY": "secret",
        "REGION": "us-east-1",
        "ENDPOINT": server,
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    client = boto3.client(
        "s3", endpoint_url=server, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
    )
    client.create_bucket(Bucket=BUCKET)


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
