"""Real browsers among the visitors: Chromium clicks its way through the pages, and what its console says counts."""

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from playwright.async_api import Error, Page, async_playwright

from benchmarks.load.walking import Walk
from tests.browser import chromium

ROOT, APP = "#root", '[data-testid="stApp"]'
LINK = '[data-testid="stSidebarNavLink"]'
DONE = f'{APP}[data-test-connection-state="CONNECTED"][data-test-script-state="notRunning"]'
HARMLESS = ("_stcore/health", "_stcore/host-config")  # the client looks for its base path by trying
PATIENCE = 60_000  # milliseconds
GRACE = 30.0  # seconds for what was asked for before the end
NO_CLICK = 3_000  # after which something that is covered, or gone by now, is left
CLICKED = (  # what a browser clicks at beside the navigation; nothing that asks for a training, judges or deletes
    '[data-testid="stBidiComponentRegular"] canvas',
    '[data-testid="stBidiComponentRegular"] button',
    '[data-testid="stVegaLiteChart"] canvas, [data-testid="stVegaLiteChart"] svg',
    '[data-testid="stExpander"] summary',
    '[data-testid="stButtonGroup"] button',
    '[data-testid="stCheckbox"] label',
)


@dataclass
class Seen:
    """What the browsers met."""

    errors: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # from a click in the navigation until all is there
    clicks: int = 0


@asynccontextmanager
async def browser() -> Any:
    path = chromium.find()
    if not path:
        raise SystemExit(chromium.ADVICE)
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield found
        with suppress(Error, TimeoutError):
            async with asyncio.timeout(GRACE):
                await found.close()


async def browse(number: int, count: int, plan: Walk, seen: Seen) -> None:
    """`count` windows, each with a person of its own."""
    if not count:
        return
    async with browser() as found:
        await asyncio.gather(*[person(found, number + n, plan, seen) for n in range(count)])


async def person(found: Any, number: int, plan: Walk, seen: Seen) -> None:
    random = Random(number)
    page = await found.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: seen.errors.append(f"console: {error}"))
    page.on("response", lambda answer: trouble(answer.status, answer.url, seen.errors))
    try:
        async with asyncio.timeout(plan.until - time.monotonic() + GRACE):
            await page.goto(f"http://127.0.0.1:{plan.port}/?images=3,17")
            while not plan.over:
                await step(page, random, plan, seen)
    except TimeoutError:
        seen.errors.append(f"browser: still waiting for an answer {GRACE:.0f} s after the end")
    except Error as error:
        seen.errors.append(f"browser: {str(error).splitlines()[0]}")


def trouble(status: int, url: str, errors: list[str]) -> None:
    if status >= 400 and not url.endswith(HARMLESS):
        errors.append(f"{status} for {url.rsplit('/', 1)[-1]}")


async def step(page: Page, random: Random, plan: Walk, seen: Seen) -> None:
    """Another page by the navigation, and some clicks on it."""
    if await page.locator(ROOT).count() and not await page.locator(APP).count():
        seen.errors.append(f"the browser shows nothing at all at {page.url.split('/', 3)[-1]}")
        await page.reload()
    links = page.locator(LINK)
    await links.first.wait_for()
    link = links.nth(random.randrange(await links.count()))
    goal = await link.get_attribute("href")
    began = time.monotonic()
    await link.click()
    await page.wait_for_selector(f'{LINK}[aria-current="page"][href="{goal}"]')  # a busy server takes seconds to begin
    await settled(page)
    seen.seconds.append(time.monotonic() - began)
    for _ in range(random.randint(1, 5)):
        await asyncio.sleep(plan.pause(random))
        if plan.over:
            return
        await act(page, random, seen)
        if await page.locator('[data-testid="stException"]').count():
            seen.errors.append(f"an exception is shown at {page.url.split('/', 3)[-1]}")
        if await page.get_by_text("Connection error").count():
            seen.errors.append("the browser lost its connection")


async def act(page: Page, random: Random, seen: Seen) -> None:
    """A click at something, or a key at a slider; what is covered or gone by now is left."""
    with suppress(Error):
        if random.random() < 0.3 and (count := await page.get_by_role("slider").count()):
            await (
                page.get_by_role("slider")
                .nth(random.randrange(count))
                .press(random.choice(("ArrowLeft", "ArrowRight")), timeout=NO_CLICK)
            )
        else:
            await hit(page, random)
        seen.clicks += 1
        await settled(page)


async def hit(page: Page, random: Random) -> None:
    for selector in random.sample(CLICKED, len(CLICKED)):
        places = page.locator(selector)
        if count := await places.count():
            place = places.nth(random.randrange(count))
            box = await place.bounding_box(timeout=NO_CLICK)
            if box and box["width"] > 4 and box["height"] > 4:
                spot = {"x": random.uniform(1, box["width"] - 2), "y": random.uniform(1, box["height"] - 2)}
                return await place.click(position=spot, timeout=NO_CLICK)
    return None


async def settled(page: Page) -> None:
    """Until the server is done; the debounce of widgets first."""
    await page.wait_for_timeout(200)
    await page.wait_for_selector(DONE)
