"""A visitor's picture as a network takes it, decoded in a process of its own. No torch here.

A file made on purpose keeps a decoder busy for minutes, fills the memory or ends the process; here it costs its own visitor
some seconds. `python -m precompute.opening` reads one picture from stdin and answers on stdout, both as frames.py has it.
"""

import io
import os
import resource
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from precompute import frames
from precompute.decoding import decode, kept_share, square
from store.errors import BadInput, Busy, LoupeError

LIMIT_SECONDS = 20.0  # a progressive JPEG of decoding.MOST_PIXELS takes 2 to 9
LIMIT_BYTES = 2 * 1024**3  # that decoding one picture may take; the same JPEG takes 0.5 GB
TURNS = threading.BoundedSemaphore(2)  # pictures decoded at the same time, by all visitors
WAIT_SECONDS = 60.0  # for one's turn
COMMAND = (sys.executable, "-m", "precompute.opening")


def opened(data: bytes, name: str, size: int, channels: int) -> tuple[np.ndarray, list[str]]:
    """The picture (size, size, channels) uint8 as the network takes it, and what was changed. Raises BadInput."""
    picture, notes = decode(data, name)
    pixels = square(picture, size, kept_share(size))  # (size, size, 3)
    if channels == 1:
        if not grey(pixels):
            notes.append("Its colours are turned into grey values, as the network takes them.")
        pixels = np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    if picture.width != picture.height:
        notes.append(f"Of its {picture.width} × {picture.height} pixels the middle square is taken.")
    return pixels, notes


def grey(pixels: np.ndarray) -> bool:
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())


def apart(data: bytes, name: str, size: int, channels: int) -> tuple[np.ndarray, list[str]]:
    """As `opened`, in a process of its own. Raises BadInput also for a picture that takes too long or ends the decoder."""
    question = io.BytesIO()
    frames.write(question, {"name": name, "size": size, "channels": channels}, {"data": np.frombuffer(data, np.uint8)})
    answer = frames.read(io.BytesIO(run(question.getvalue(), name)))
    if answer is None:
        raise BadInput(f"{name} ends the program that decodes pictures. Save it anew with another program.")
    header, arrays = answer
    if "error" in header:
        raise BadInput(header["error"])
    return arrays["pixels"], header["notes"]


def run(question: bytes, name: str) -> bytes:
    """What the process says; b"" where it has died of it."""
    root = str(Path(__file__).resolve().parents[1])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    if not TURNS.acquire(timeout=WAIT_SECONDS):
        raise Busy("Many pictures are being decoded at this moment. Try again in a minute.")
    try:
        done = subprocess.run(
            COMMAND,
            input=question,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # decoders complain at length
            timeout=LIMIT_SECONDS,
            env=os.environ | {"PYTHONPATH": paths},
            check=False,
        )
        return done.stdout if done.returncode == 0 else b""
    except subprocess.TimeoutExpired as error:
        raise BadInput(
            f"{name} takes longer than {LIMIT_SECONDS:g} s to decode. Scale it down, or save it as a PNG."
        ) from error
    except OSError as error:
        raise LoupeError(f"The process that decodes pictures could not be started: {error}.") from error
    finally:
        TURNS.release()


def bounded() -> None:
    """Takes from this process what a picture should not need; where the system knows no such limit, time is one."""
    with suppress(ValueError, OSError):
        seconds = int(LIMIT_SECONDS) + 5  # should the web process have died
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        there = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (there + LIMIT_BYTES, there + LIMIT_BYTES))


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    bounded()
    message = frames.read(sys.stdin.buffer)
    if message is None:
        return
    asked, arrays = message
    try:
        pixels, notes = opened(arrays["data"].tobytes(), asked["name"], asked["size"], asked["channels"])
        frames.write(answers, {"notes": notes}, {"pixels": pixels})
    except LoupeError as error:
        frames.write(answers, {"error": str(error)}, {})
    except Exception as error:
        frames.write(answers, {"error": f"{asked['name']} cannot be used ({type(error).__name__}: {error})."}, {})


if __name__ == "__main__":
    main()
