"""The worker's side of live questions: what a network makes of a picture, for hosts that have no torch.

A child process answers, as in the app, so that nobody waits for a training step to end. What visitors ask is deleted once
it is answered, at the latest after ten minutes.
"""

import time
from contextlib import suppress

from dbos import DBOS

from precompute.child import COMMAND, Child
from precompute.queue import Queue, reached, seconds
from precompute.remote import LOOK, LOOKS, packed, unpacked
from precompute.rows import listed
from store.errors import LoupeError

LIMIT_SECONDS = 30.0
KEPT_SECONDS = 600.0  # of a question whose host is gone

store_address = ""  # the worker's own store, whatever a message says
children: list[Child] = []  # one, once somebody asked


@DBOS.workflow(name=LOOK)
def look_job(message: str) -> str:
    """Answers one question; what goes wrong is the answer."""
    try:
        header, arrays = unpacked(message)
        answer, found = child().ask({**header, "store": store_address}, arrays, LIMIT_SECONDS)
    except (LoupeError, OSError) as error:
        return packed({"error": str(error)}, {})
    return packed(answer, found)


def child() -> Child:
    if not (children and children[0].alive):
        for dead in children:
            dead.kill()
        children[:] = [Child(COMMAND)]
    return children[0]


def listen(address: str) -> None:
    """Begins to answer about the runs in the store at `address`."""
    global store_address
    store_address = address
    DBOS.register_queue(LOOKS, worker_concurrency=1, polling_interval_sec=0.1)


def tidy(place: Queue) -> None:
    """Deletes what nobody came back for."""
    client, old = place.client, time.time() - KEPT_SECONDS
    with suppress(LoupeError), reached(place.address):
        left, damaged = listed(client, LOOK, load_input=False, load_output=False)
        late = [item.workflow_id for item in left if (seconds(item.created_at) or 0.0) < old]
        client.delete_workflows(late + damaged)


def end() -> None:
    for item in children:
        item.kill()
