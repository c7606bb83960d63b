"""A stretch of code that leaves the process around it as it was: random numbers, modes and settings of torch."""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch

Setting = tuple[Callable[[], Any], Callable[[Any], None], Any]  # how to read it, how to set it, its value meanwhile


def attribute(owner: Any, name: str, value: Any) -> Setting:
    return (lambda: getattr(owner, name), lambda before: setattr(owner, name, before), value)


SETTINGS: tuple[Setting, ...] = (
    (torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode, 0),
    attribute(torch.backends.cudnn, "enabled", True),
    attribute(torch.backends.cudnn, "benchmark", False),
    attribute(torch.backends.cudnn, "deterministic", True),
)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Inside: float32, gradients, no autocast, no inference mode. Afterwards everything is as it was, whatever happened."""
    python, numbers = random.getstate(), np.random.get_state()  # noqa: NPY002, the caller's may be the old one
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    before = [(put, read()) for read, put, _ in SETTINGS]
    with ExitStack() as stack:
        stack.callback(random.setstate, python)
        stack.callback(np.random.set_state, numbers)
        stack.enter_context(torch.random.fork_rng(devices))
        for (put, value), (_, _, meanwhile) in zip(before, SETTINGS, strict=True):
            stack.callback(put, value)
            put(meanwhile)
        stack.enter_context(torch.device("cpu"))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda") if torch.cuda.is_initialized() else ("cpu",):
            stack.enter_context(torch.autocast(kind, enabled=False))
        yield
