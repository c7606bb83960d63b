"""The probe seen from outside: one child process that owns torch, its pipes, and its end.

Whatever happens to the child (killed, stuck, out of memory) becomes an error message for the one who asked. No torch here.
"""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from precompute import frames
from precompute.frames import Message
from store.errors import LoupeError

COMMAND = (sys.executable, "-m", "precompute.probe")
START_SECONDS = 120.0  # importing torch on a busy machine


class Child:
    """One process and its pipes. Not for two threads at once."""

    def __init__(self, command: Sequence[str]) -> None:
        root = str(Path(__file__).resolve().parents[1])
        paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        env = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": paths}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        if self.process.stdin is None or self.process.stdout is None:
            raise OSError("no pipes")
        self.questions, self.output = self.process.stdin, self.process.stdout
        self.answers: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self.asked = 0
        threading.Thread(target=self.listen, daemon=True, name="probe-pipe").start()
        self.receive(START_SECONDS)

    def listen(self) -> None:
        """Reads answers until the child is gone; None marks the end."""
        with suppress(LoupeError, OSError, ValueError), self.output:
            while (message := frames.read(self.output)) is not None:
                self.answers.put(message)
        self.answers.put(None)

    def receive(self, seconds: float) -> Message:
        try:
            message = self.answers.get(timeout=seconds)
        except queue.Empty:
            self.kill()
            raise LoupeError(f"The network gave no answer within {seconds:g} s and was stopped. Try again.") from None
        if message is None:
            ending = self.ending()
            raise LoupeError(f"The process that runs the network ended ({ending}). Try again: a new one is started.")
        return message

    def ask(self, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray], seconds: float) -> Message:
        self.asked += 1
        with suppress(OSError):  # where it is gone, `receive` knows how it ended
            frames.write(self.questions, {**header, "id": self.asked}, arrays)
        answer, found = self.receive(seconds)
        if answer["id"] != self.asked:
            self.kill()
            raise LoupeError("The process that runs the network answered another question and was stopped. Try again.")
        return answer, found

    def ending(self) -> str:
        """How it ended; one that closed its pipe but lives on, or sends noise, is killed."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(2)
        self.kill()
        code = self.process.returncode
        memory = ", as happens where memory runs out" if code == -signal.SIGKILL else ""
        return f"killed by signal {-code}{memory}" if code < 0 else f"exit status {code}"

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)
        with suppress(OSError):  # what it never read cannot be flushed
            self.questions.close()
