"""The whole under load: websocket sessions that speak Streamlit's protocol as browsers do and walk over all pages, two real
browsers among them, while a worker trains runs in the same store.

Makes a store like the demo's (once, some minutes) or takes a copy of one, starts the app and the workers as hosting does,
and tells times by page, errors, memory and processor time. With `--leak` the same visits come again and again, and the
app's garbage is collected after each round: what still grows once caches are full is a leak.

    python -m benchmarks.load [--sessions 20] [--minutes 10] [--store local|s3] [--workers 1] [--on STORE]
    python -m benchmarks.load --leak 8 --minutes 1
"""

import argparse
import asyncio
import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psutil
from rich.console import Console

from benchmarks.load import figures, site
from benchmarks.load.browsers import Seen, browse
from benchmarks.load.figures import Notes, Sample
from benchmarks.load.walking import Walk, look_in, walk
from store.objects import connect

EVERY = 5.0  # seconds between two looks at the memory
ARRIVE = 10.0  # seconds within which all visitors come
KEPT, KEPT_OF_LEAK = 120, 2  # seconds for which sessions are kept after their visitors left: Streamlit's default, ours


def processes(app: site.App, crew: Sequence, me: psutil.Process) -> dict[str, list[psutil.Process]]:
    """The app, its probe, the workers with what they started, and what makes the load."""

    def family(pid: int) -> list[psutil.Process]:
        return psutil.Process(pid).children(recursive=True) if psutil.pid_exists(pid) else []

    hired = [one for child in crew if child.poll() is None for one in (psutil.Process(child.pid), *family(child.pid))]
    return {"app": [psutil.Process(app.process.pid)], "probe": family(app.process.pid), "workers": hired, "load": [me]}


class Measured:
    """One app under load, and what was noted."""

    def __init__(self, asked: argparse.Namespace, app: site.App, crew: Sequence, folder: Path) -> None:
        self.asked, self.app, self.crew, self.folder = asked, app, crew, folder
        self.notes, self.seen, self.me = Notes(), Seen(), psutil.Process()
        self.watched = psutil.Process(app.process.pid)

    def sample(self) -> Sample:
        return self.notes.sample(processes(self.app, self.crew, self.me), self.watched)

    async def sampled(self) -> None:
        while True:
            await asyncio.to_thread(self.sample)
            await asyncio.sleep(EVERY)

    async def round(self, plan: Walk) -> None:
        """All visitors, from the first to come to the last to leave."""
        paths = plan.pages or await look_in(self.app.port)
        plan = replace(plan, pages=paths, until=time.monotonic() + 60 * self.asked.minutes)
        watch = asyncio.create_task(self.sampled())
        count, arrive = self.asked.sessions, min(ARRIVE, 60 * self.asked.minutes / 4)
        walks = [walk(number, plan, quiet=arrive * number / max(1, count)) for number in range(count)]
        await asyncio.gather(*walks, browse(1000, self.asked.browsers, plan, self.seen))
        watch.cancel()

    async def emptied(self, seconds: float) -> dict:
        """Waits until sessions have expired, and has the garbage collected; returns what is still there."""
        await asyncio.sleep(seconds + 3)
        await look_in(self.app.port)
        await asyncio.sleep(KEPT_OF_LEAK + 2)
        return await asyncio.to_thread(self.app.collect, self.folder)


def processor(measured: Measured) -> dict[str, float]:
    of = processes(measured.app, measured.crew, measured.me)
    return {name: sum(map(figures.spent, some)) for name, some in of.items()}


async def once(measured: Measured, plan: Walk, console: Console) -> dict[str, float]:
    """One measurement: before, during, and after all have left."""
    before, cpu = measured.sample(), processor(measured)
    await measured.round(plan)
    used = {name: seconds - cpu.get(name, 0.0) for name, seconds in processor(measured).items()}
    during = measured.notes.samples[1:]
    console.print("All have left; waiting until their sessions expire …")
    held = await measured.emptied(KEPT)
    after = measured.sample()
    minutes = figures.by_minute(during)
    words = ["before", *(f"minute {n}" for n in range(1, len(minutes) + 1)), "after, collected"]
    console.print(figures.times_table(measured.notes))
    console.print(figures.memory_table([before, *minutes, after], words))
    half = [one for one in during if one.at > during[-1].at / 2]
    asked = len(measured.notes.asked)
    found = figures.summary(measured.notes) | {
        "load: MB before": round(before.of["app"]),
        "load: MB at most": round(max(one.of["app"] for one in during)),
        "load: MB after": round(after.of["app"]),
        "load: MB per 1,000 reruns, second half": round(figures.growth(half), 2),
        "load: app's ms of processor a rerun": round(1e3 * used["app"] / max(1, asked), 1),
        "load: app's share of a core": round(used["app"] / (60 * measured.asked.minutes), 3),
    }
    seconds = 60 * measured.asked.minutes
    console.print("processor time, in cores: " + ", ".join(f"{name} {used[name] / seconds:.2f}" for name in used))
    console.print(f"sessions kept after all: {held.get('sessions')}, threads {held.get('threads')}")
    return found


async def leaking(measured: Measured, plan: Walk, console: Console) -> dict[str, float]:
    """The same visits again and again; memory after each round, when nobody is there."""
    rests: list[Sample] = []
    held: dict = {}
    for number in range(measured.asked.leak):
        await measured.round(plan)
        before, held = held, await measured.emptied(KEPT_OF_LEAK)
        rests.append(measured.sample())
        more = "; ".join(figures.more_of(before, held)) if number else ""
        console.print(
            f"round {number + 1}: {rests[-1].of['app']:.0f} MB, {held.get('sessions')}. {more}", highlight=False
        )
        console.print("    " + figures.parts(held.get("memory", {})), highlight=False)
        for place in held.get("places", [])[:25]:
            console.print(f"    {place}", markup=False, highlight=False, soft_wrap=True)
    console.print(figures.times_table(measured.notes))
    console.print(figures.memory_table(rests, [f"after round {n}" for n in range(1, len(rests) + 1)]))
    full = rests[min(2, len(rests) - 2) :]
    return figures.summary(measured.notes) | {
        "load: MB after the first round": round(rests[0].of["app"], 1),
        "load: MB after the last round": round(rests[-1].of["app"], 1),
        "load: MB per 1,000 reruns once caches are full": round(figures.growth(full), 2),
        "load: files more": rests[-1].files - full[0].files,
        "load: threads more": rests[-1].threads - full[0].threads,
    }


def complain(measured: Measured, console: Console) -> int:
    """Says all that went wrong; returns how much that was."""
    errors, logged = measured.notes.errors() + measured.seen.errors, measured.app.complaints()
    figures.counted(errors, console, "errors")
    figures.counted(logged, console, "tracebacks in the app's log")
    figures.counted(measured.notes.said(), console, "sentences in a red frame, which pages may say")
    p50, p95, _ = figures.quantiles(measured.seen.seconds)
    console.print(
        f"{measured.asked.browsers} browsers: {measured.seen.clicks} clicks, {len(measured.seen.seconds)} pages turned to, "
        f"p50 {p50:,.0f} ms, p95 {p95:,.0f} ms, {len(measured.seen.errors)} errors"
    )
    return len(errors) + len(logged)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=10.0, help="of the visits, or of each round with --leak")
    parser.add_argument("--store", choices=("local", "s3"), default="local", help="s3: an S3 server on this machine")
    parser.add_argument("--workers", type=int, help="that train beside; 1, and with --leak none")
    parser.add_argument("--browsers", type=int, default=2)
    parser.add_argument("--think", type=float, default=4.0, help="mean pause of a visitor in seconds")
    parser.add_argument("--on", metavar="STORE", help="folder of a store; a copy of it is used")
    parser.add_argument("--logs", metavar="FOLDER", help="where the logs of the app and the workers are kept")
    parser.add_argument("--leak", type=int, default=0, metavar="ROUNDS", help="so many rounds of the same visits")
    asked = parser.parse_args()
    asked.workers = (0 if asked.leak else 1) if asked.workers is None else asked.workers
    return asked


def main() -> None:
    asked, console = parsed(), Console(width=None if os.isatty(1) else 132)
    source = asked.on or str(site.made())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = stack.enter_context(site.place(source, asked.store, folder))
        images, epochs = site.facts(connect(settings["LOUPE_STORE"]))
        app = stack.enter_context(site.app(settings, folder, KEPT_OF_LEAK if asked.leak else None))
        crew = stack.enter_context(site.workers(asked.workers, settings, folder))
        measured = Measured(asked, app, crew, folder)
        plan = Walk(app.port, (), images, epochs, asked.think, 0.0, measured.notes.reruns.append)
        found = asyncio.run((leaking if asked.leak else once)(measured, plan, console))
        wrong = complain(measured, console)
        for log in folder.glob("*.log") if asked.logs else ():
            shutil.copy(log, asked.logs)
    name = f"load, {asked.store}, {asked.sessions} sessions"
    print(json.dumps({key.replace("load", name, 1): value for key, value in found.items()} | {f"{name}: wrong": wrong}))


if __name__ == "__main__":
    main()
