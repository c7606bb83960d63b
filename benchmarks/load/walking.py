"""A visit as people make one: pages in a shuffled order, some clicks on each, pauses to look, an address opened now and then.

Pauses are exponential, cut off at five times their mean, and never under 0.3 s. Of the steps on a page, a quarter only looks.
After 1 to 4 steps comes the next page: by the navigation, or, once in ten, by its address in a new session. Every page
comes once before any comes again.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

import websockets

from benchmarks.load.clicks import click
from benchmarks.load.speaking import Rerun, Visitor

SHORTEST = 0.3  # seconds of a pause
LOOKS, BY_ADDRESS = 0.25, 0.1
STEPS = 4  # on one page, at most


@dataclass(frozen=True)
class Walk:
    """What a visitor does: `think` is the mean of his pauses in seconds, `until` a time of time.monotonic()."""

    port: int
    pages: Sequence[str]
    images: int
    epochs: int
    think: float
    until: float
    note: Callable[[Rerun], None]

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.until

    def pause(self, random: Random) -> float:
        drawn = min(max(SHORTEST, random.expovariate(1 / self.think)), 5 * self.think)
        return max(0.0, min(drawn, self.until - time.monotonic()))


async def walk(number: int, plan: Walk, *, quiet: float = 0.0) -> None:
    """One visitor until the end, in as many sessions as he opens; he comes `quiet` seconds after the start."""
    random, page = Random(number), ""
    order = shuffled(plan.pages, random)
    await asyncio.sleep(quiet)
    while not plan.over:
        try:
            async with connected(plan.port) as connection:
                page = await session(Visitor(connection, page, address(random, plan), plan.note), order, random, plan)
        except (OSError, websockets.WebSocketException) as error:
            plan.note(Rerun(page, "opened", errors=[f"no connection: {type(error).__name__}: {error}"]))
            await asyncio.sleep(1)


def connected(port: int) -> websockets.connect:
    return websockets.connect(
        f"ws://127.0.0.1:{port}/_stcore/stream",
        subprotocols=["streamlit"],
        max_size=None,
        open_timeout=60,
        close_timeout=5,
        ping_interval=None,
    )


async def session(visitor: Visitor, order: Iterator[str], random: Random, plan: Walk) -> str:
    """From one address opened to the next; returns the page that is opened then."""
    found = await visitor.open()
    while not plan.over and not broken(found):
        for _ in range(random.randint(1, STEPS)):
            await visitor.rest(plan.pause(random))
            if plan.over:
                return ""
            if random.random() > LOOKS and (chosen := click(list(visitor.shown.values()), random)):
                found = await visitor.act(*chosen)
        page = next(order)
        if random.random() < BY_ADDRESS or page not in visitor.pages:
            return page
        found = await visitor.turn(page)
    return visitor.page


def broken(found: Rerun) -> bool:
    return any(error.startswith(("the connection", "no answer")) for error in found.errors)


def shuffled(pages: Sequence[str], random: Random) -> Iterator[str]:
    while True:
        yield from random.sample(pages, len(pages))


def address(random: Random, plan: Walk) -> dict[str, str]:
    """The words of an address that somebody was sent: with images and an epoch, or none at all."""
    words = {
        "images": ",".join(str(random.randrange(plan.images)) for _ in range(random.randint(1, 4))),
        "epoch": str(random.randint(0, plan.epochs)),
        "filters": f"{random.randrange(3)}.{random.randrange(16)}",
    }
    return {name: value for name, value in words.items() if random.random() < 0.5}


async def look_in(port: int) -> tuple[str, ...]:
    """One who comes and goes; returns the paths of all pages. When somebody comes, Streamlit lets go of expired sessions."""
    async with connected(port) as connection:
        visitor = Visitor(connection, "methods", {}, lambda found: None)
        await visitor.open()
        return tuple(visitor.pages)
