"""The queue under fire: many clients enqueue at once, workers are killed with -9 at random, one for good.

Afterwards every run must be finished and whole, no step's result twice, and the weights those of an undisturbed run.
Also: the artifacts of one run shared by three workers against one worker alone.

    python -m benchmarks.queue [--quick] [--database postgres|sqlite]
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch

from precompute import queue
from precompute.making import make
from precompute.recipe import Recipe
from store import runs
from store.objects import Objects, connect
from store.weights import tensors
from tests import tiny
from tests.postgres import postgres
from tests.s3 import BUCKET, s3

ROOT = Path(__file__).parents[1]
LONGEST = 1200.0  # seconds a trial may take


def start(environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A worker process."""
    with log.open("ab") as out:
        command = [sys.executable, "-m", "precompute", "worker"]
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)


@dataclass
class Crew:
    """Worker processes over one store and one queue."""

    store: str
    address: str
    log: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    kills: int = 0

    def hire(self) -> None:
        environment = os.environ | {
            "LOUPE_STORE": self.store,
            "LOUPE_QUEUE": self.address,
            "OMP_NUM_THREADS": "1",
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        self.processes.append(start(environment, self.log))

    def kill(self, number: int, *, again: bool = True) -> None:
        """Ends one as a power cut would; `again`: another takes its place."""
        victim = self.processes.pop(number)
        victim.kill()
        victim.wait()
        self.kills += 1
        if again:
            self.hire()

    def dismiss(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()


@contextmanager
def crew(store: str, address: str, count: int, log: Path) -> Iterator[Crew]:
    """So many workers, dismissed in the end."""
    hired = Crew(store, address, log)
    try:
        for _ in range(count):
            hired.hire()
        yield hired
    finally:
        hired.dismiss()


def harass(hired: Crew, place: queue.Queue, every: tuple[float, float], over: threading.Event, most: int) -> None:
    """Kills one after the other at random moments once a job is under way, `most` in all; where there are several, the first
    is never replaced."""
    moments = random.Random(0)
    while not any(job.run for job in place.jobs()) and not over.wait(0.1):
        pass
    while hired.kills < most and not over.wait(moments.uniform(*every)):
        again = hired.kills > 0 or len(hired.processes) == 1
        hired.kill(moments.randrange(len(hired.processes)), again=again)


def recipes(folder: Path, count: int, epochs: int) -> list[Recipe]:
    """Small runs that differ in their seed only, on 240 images."""
    tiny.write_images(folder, train=240)
    return [
        tiny.recipe(folder, name=f"run-{seed}", training__seed=seed, training__epochs=epochs) for seed in range(count)
    ]


def enqueue(address: str, asked: Sequence[Recipe], clients: int) -> None:
    """All recipes at once, from several clients of their own."""
    places = [queue.connect(address) for _ in range(clients)]
    with ThreadPoolExecutor(clients) as pool:
        list(
            pool.map(
                lambda pair: places[pair[0] % clients].enqueue(pair[1], by=f"client {pair[0] % clients}"),
                enumerate(asked),
            )
        )


def wait(place: queue.Queue, count: int, show: bool = False) -> float:
    """Until all have ended; returns the seconds that took."""
    began = time.monotonic()
    while time.monotonic() - began < LONGEST:
        states = Counter(job.state for job in place.jobs())
        if show:
            print(f"\r{time.monotonic() - began:6.0f} s  {dict(states)}      ", end="", flush=True)
        if sum(states[state] for state in ("finished", "failed", "cancelled")) >= count:
            return time.monotonic() - began
        time.sleep(0.5)
    raise TimeoutError(f"Not all jobs ended within {LONGEST:.0f} s: {states}.")


def defects(objects: Objects, place: queue.Queue, undisturbed: Objects, asked: Sequence[Recipe]) -> list[str]:
    """Everything that is not as it must be after a trial, one sentence each."""
    found = [f"{job.name} is {job.state}: {job.reason}" for job in place.jobs() if job.state != "finished"]
    torch.set_num_threads(1)  # as the workers: other threads, other bits
    names = {run.recipe["name"]: run for run in runs.all_runs(objects)[0]}
    for job in place.jobs():
        numbers = [step["function_id"] for step in place.client.list_workflow_steps(job.id)]
        found += [f"{job.name}: step {number} is there {n} times" for number, n in Counter(numbers).items() if n > 1]
    for recipe in asked:
        run, twin = names.get(recipe.name), make(undisturbed, recipe)
        if run is None or run.missing():
            found.append(f"{recipe.name} is not complete")
            continue
        found += run.verify()
        found += [
            f"{recipe.name}: epoch {epoch} differs"
            for epoch in recipe.kept_epochs()
            if weights(run, epoch) != weights(twin, epoch)
        ]
    return found


def weights(run: runs.Run, epoch: int) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in tensors(run.artifact("weights"), epoch).items()}


def fire(folder: Path, address: str, count: int, clients: int, workers: int, *, epochs: int = 6, show: bool = False,
         every: tuple[float, float] = (2.0, 5.0), most: int = 10_000) -> dict[str, float]:  # fmt: skip
    """One trial; raises AssertionError that lists what went wrong."""
    asked, store = recipes(folder, count, epochs), str(folder / "store")
    place, over = queue.connect(address), threading.Event()
    with crew(store, address, workers, folder / "workers.log") as hired:
        enqueue(address, asked, clients)
        killer = threading.Thread(target=harass, args=(hired, place, every, over, most))
        killer.start()
        try:
            seconds = wait(place, count, show)
        finally:
            over.set()
            killer.join()
        kills = hired.kills
    wrong = defects(connect(store), place, connect(str(folder / "undisturbed")), asked)
    assert not wrong, "\n".join(wrong)
    return {"runs": count, "workers": workers, "kills": kills, "seconds": round(seconds, 1)}


def shared(folder: Path, address: str, store: str, workers: int, recipe: Recipe) -> tuple[float, dict[str, bytes]]:
    """Seconds of one run by so many workers that are there already, and every object of it that is computed."""
    place, objects = queue.connect(address), connect(store)
    with crew(store, address, workers, folder / f"workers-{workers}.log") as hired:
        while sum(worker.alive for worker in queue.workers(objects)) < workers:
            assert all(process.poll() is None for process in hired.processes), hired.log.read_text()
            time.sleep(0.2)
        before = len(place.jobs())
        place.enqueue(recipe)
        seconds = wait(place, before + 1, show=True)
    run = next(run for run in runs.all_runs(objects)[0] if run.recipe["name"] == recipe.name)
    assert not run.verify(), run.verify()
    return seconds, {
        stat.path.split("/", 2)[2]: objects.get(stat.path) or b""
        for stat in objects.under(run.path)
        if "/c/" in stat.path
    }


def sharing(folder: Path) -> dict[str, float]:
    """One run by one worker and by three, over S3 and PostgreSQL: seconds of each, and whether all bytes are the same."""
    tiny.write_images(folder, train=480, test=900)
    smooth = {"smooth-grad-cam++": {"draws": 6}}
    saliency = {
        "techniques": ["grad-cam++", "smooth-grad-cam++"],
        "layers": ["auto"],
        "precision": "float32",
        "options": smooth,
    }
    recipe = tiny.recipe(
        folder, name="shared", training__epochs=5, model__options={"width": 16}, artifacts__saliency=saliency
    )
    with s3() as environment, postgres() as server:
        os.environ.update(environment)
        found = {count: shared(folder, server.address, f"s3://{BUCKET}/{count}", count, recipe) for count in (1, 3)}
    (one, alone), (three, together) = found[1], found[3]
    other = [name for name in alone.keys() | together.keys() if alone.get(name) != together.get(name)]
    assert all(name.startswith("training/measures") for name in other), other  # which hold seconds
    return {
        "one_worker_seconds": round(one, 1),
        "three_workers_seconds": round(three, 1),
        "ratio": round(one / three, 2),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="8 recipes instead of 50")
    options.add_argument("--database", choices=("postgres", "sqlite"), default="postgres")
    options.add_argument("--share", action="store_true", help="only: one run by one worker and by three")
    asked = options.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if asked.share:
            print(json.dumps(sharing(folder)))
            return
        if asked.database == "postgres":
            address = stack.enter_context(postgres()).address
            result = fire(folder, address, 8 if asked.quick else 50, 5, 3, show=True)
        else:
            result = fire(
                folder, str(folder / "queue.sqlite"), 3 if asked.quick else 10, 5, 1, every=(6.0, 12.0), show=True
            )
    print("\nall runs finished, whole, no step twice, weights as undisturbed")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
