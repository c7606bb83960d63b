"""An S3 server on this machine, in a process of its own, for as long as a test or a benchmark needs one."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import boto3

BUCKET = "loupe"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


@contextmanager
def s3() -> Iterator[dict[str, str]]:
    """A server with one bucket: what a person puts into the environment to use it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, child)
        boto3.client(
            "s3",
            endpoint_url=address,
            region_name=CREDENTIALS["AWS_REGION"],
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        ).create_bucket(Bucket=BUCKET)
        yield CREDENTIALS | {"AWS_ENDPOINT": address, "AWS_ALLOW_HTTP": "true"}
    finally:
        child.kill()
        child.wait()


def wait_for(address: str, child: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if child.poll() is not None:
            raise RuntimeError("The S3 server ended by itself.")
        try:
            urllib.request.urlopen(f"{address}/moto-api/data.json", timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(f"no S3 server at {address}")
