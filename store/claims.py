"""Claims: who is computing what of a run at the moment, so that several processes share its work.

A claim spares work, nothing more: what makes a result right and whole are the marks of its artifact. So a claim may be
lost, or two processes may hold one for a moment, and nothing is spoilt. It ends when its holder has not renewed it for
half a minute. (Machines that share a store are expected to agree on the time to within some seconds. Where one's clock is
ahead, its claims end half a minute after another has first seen them unchanged; where it is behind, work is done twice.)
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from store.errors import LoupeError
from store.objects import Objects

LASTS_SECONDS = 30.0  # after its last renewal
RENEWED_EVERY = 5.0

PROCESS = uuid.uuid4().hex[:12]  # tells this process from an earlier one of the same number


@dataclass
class Claims:
    """What one maker holds of what lies under `path`. Renewed by a thread of its own, which ends with the process."""

    objects: Objects
    path: str  # runs/<id>/claims
    owner: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    held: set[str] = field(default_factory=set)
    seen: dict[str, tuple[Any, float]] = field(
        default_factory=dict
    )  # others' claims, and since when they are unchanged
    closed: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def take(self, name: str) -> bool:
        """Whether the claim is ours now: it was free, had run out, or was ours already."""
        if name in self.held:
            return True
        key = self.key(name)
        if not self.objects.create(key, self.body()):
            if self.lives(there := self.read(key) or {}) and not self.stale(name, there):
                return False
            self.objects.put(key, self.body())
            if (self.read(key) or {}).get("owner") != self.owner:  # somebody else was quicker
                return False
        self.held.add(name)
        if self.thread is None:
            self.thread = threading.Thread(target=self.renew, daemon=True, name="claims")
            self.thread.start()
        return True

    def release(self, name: str) -> None:
        """Gives one back; what another took over meanwhile stays his."""
        self.held.discard(name)
        if (self.read(self.key(name)) or {}).get("owner") == self.owner:
            self.objects.delete_each([self.key(name)])

    def close(self) -> None:
        """Gives everything back."""
        self.closed.set()
        for name in list(self.held):
            with suppress(LoupeError):  # it runs out by itself
                self.release(name)

    def renew(self) -> None:
        """Writes every claim anew, until closed."""
        while not self.closed.wait(RENEWED_EVERY):
            for name in list(self.held):
                with suppress(LoupeError):
                    self.objects.put(self.key(name), self.body())
                    if name not in self.held:  # released meanwhile
                        self.objects.delete_each([self.key(name)])

    def key(self, name: str) -> str:
        return f"{self.path}/{name}.json"

    def body(self) -> bytes:
        facts = {"owner": self.owner, "process": PROCESS, "host": socket.gethostname(), "pid": os.getpid()}
        return json.dumps(facts | {"until": time.time() + LASTS_SECONDS}).encode()

    def lives(self, claim: Mapping[str, Any]) -> bool:
        """Whether the claim's holder still holds it; one of a process of this machine that is gone holds nothing."""
        until, host, pid = claim.get("until", 0), claim.get("host"), claim.get("pid")
        if (
            host == socket.gethostname()
            and isinstance(pid, int)
            and (not alive(pid) or (pid == os.getpid() and claim.get("process") != PROCESS))
        ):
            return False
        return isinstance(until, int | float) and until > time.time()

    def stale(self, name: str, claim: Mapping[str, Any]) -> bool:
        """Whether the claim was not renewed for half a minute by this process's own clock."""
        sign, now = (claim.get("owner"), claim.get("until")), time.monotonic()
        if self.seen.get(name, (None, now))[0] != sign:
            self.seen[name] = (sign, now)
        return now - self.seen[name][1] > LASTS_SECONDS

    def read(self, key: str) -> dict[str, Any] | None:
        with suppress(LoupeError):  # half written by nobody, but anybody may damage it
            found = self.objects.get_json(key)
            return found if isinstance(found, dict) else None
        return None


def alive(pid: int) -> bool:
    """Whether a process of this number runs on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # somebody else's
        return True
    return True
