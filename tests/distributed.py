"""One of two processes that train a network together, without the recorder and then with it: what test_recorder.py starts."""

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from precompute.recorder import Recorder
from tests.test_recorder import fresh, recipe


def trained(folder: Path, *, record: bool) -> None:
    """Writes the losses of three epochs, and the run they are recorded in."""
    model = DistributedDataParallel(fresh(3))
    optimizer, losses = torch.optim.SGD(model.parameters(), 0.1), []
    torch.manual_seed(dist.get_rank())
    recorder = Recorder(model, recipe(folder), optimizer=optimizer, store=str(folder / "store")) if record else None
    for _ in range(3):
        loss = model(torch.rand(8, 1, 16, 16)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if recorder:
            recorder.epoch(loss=loss)
    if recorder:
        recorder.close()
        (folder / f"run-{dist.get_rank()}").write_text(recorder.run_id)
    (folder / f"{'recorded' if record else 'plain'}-{dist.get_rank()}").write_text(repr(losses))


if __name__ == "__main__":
    dist.init_process_group("gloo")
    for record in (False, True):
        trained(Path(sys.argv[1]), record=record)
    dist.destroy_process_group()
    os._exit(0)  # PyTorch's threads may still want the interpreter's lock as it shuts down, and abort then
