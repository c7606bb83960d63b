"""The probe of a worker, asked through the queue by a host that has no torch."""

import base64
import io
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from precompute import frames, queue
from precompute.frames import Message
from store.errors import LoupeError, Missing
from store.objects import connect
from store.workers import workers

LOOKS = "looks"  # the queue of what visitors wait for, and
LOOK = "look"  # its workflow
POLL_SECONDS = 0.1
NO_WORKER = (
    "No network can be run here: PyTorch is not installed on this host, and no worker is running. What is stored is shown. "
    "Start a worker where PyTorch is: python -m precompute worker"
)


class Remote:
    """Asks as one asks a child process; a worker answers. What was asked is deleted from the queue with the answer."""

    alive = True

    def __init__(self) -> None:
        self.queue = queue.connect()

    def ask(self, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray], seconds: float) -> Message:
        """The answer; raises Missing where nobody could give one, LoupeError where none came in time."""
        if not any(worker.alive for worker in workers(connect())):
            raise Missing(NO_WORKER)
        job, client = self.send(packed(header, arrays), seconds), self.queue.client
        try:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                with queue.reached(self.queue.address):
                    status = client.list_workflows(workflow_ids=[job], load_input=False)[0]
                if status.status == "SUCCESS":
                    return unpacked(str(status.output))
                if status.status not in ("ENQUEUED", "PENDING"):
                    raise LoupeError("The worker could not answer. Try again.")
                time.sleep(POLL_SECONDS)
            raise LoupeError(f"No worker answered within {seconds:g} s; they may be busy. Try again.")
        finally:
            with suppress(LoupeError), queue.reached(self.queue.address):
                client.cancel_workflow(job)
                client.delete_workflow(job)

    def send(self, message: str, seconds: float) -> str:
        options: Any = {
            "workflow_name": LOOK,
            "queue_name": LOOKS,
            "app_version": queue.VERSION,
            "workflow_timeout": seconds,
        }
        with queue.reached(self.queue.address):
            return self.queue.client.enqueue(options, message).workflow_id

    def kill(self) -> None:
        """There is nothing to end here."""


def packed(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """A message of frames.py as text."""
    buffer = io.BytesIO()
    frames.write(buffer, header, arrays)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def unpacked(text: str) -> Message:
    """Raises LoupeError for a text that is no message."""
    try:
        message = frames.read(io.BytesIO(base64.b64decode(text, validate=True)))
    except (ValueError, TypeError) as error:  # it is no base 64
        raise LoupeError(f"A message of the probe was expected in the queue, not {text[:40]!r}.") from error
    if message is None:
        raise LoupeError("An empty message came through the queue.")
    return message
