"""The Workbench's answer to a click with 10,000 images: from the pointer to the last of its views that is redrawn.

Makes its own store (tests/worlds_workbench.py): VGG-16 for 32 × 32 with random weights, which the Testing view asks, and
made-up features, maps, activations of 4,224 filters, patterns and curves. Starts the app, and clicks in headless Chromium
at dots, filters, patterns and lines, and moves a slider. A click is answered when the server is done, every view that it
changes has drawn it, and the browser has painted. Needs requirements-dev.txt and a chromium; the last line is one JSON
object.

    python -m benchmarks.workbench [--quick] [--store FOLDER]
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from playwright.sync_api import Locator, Page, sync_playwright

from tests.browser import chromium
from tests.browser.conftest import served
from tests.worlds_workbench import make_workbench

IMAGES, LIMIT = 10_000, 300  # images, and milliseconds that the median may take
PAUSE = 700  # milliseconds between two clicks: somebody looks
OFFSETS = (128, 256, 384, 640, 896, 1152, 1664, 2176)  # of the filters of layers, from the third on
WARM = 3  # clicks of each kind that are not counted
VIEWS = {"map": ".cloud canvas", "images": ".pair", "dots": ".filters canvas", "rows": ".patterns", "curves": ".curves"}
# What a click of each kind has to change, beside what the server says
CHANGES = {
    "dot": ("map", "images", "dots", "curves"),  # and the rows, where its patterns are others
    "filter": ("map", "dots"),
    "pattern": ("map", "dots", "rows"),
    "line": ("curves",),
    "slider": ("map", "images", "curves"),  # and the dots, where the path is another
}
# In the page: `loupe.answered` is the time from the next press or key until these views are new and painted
WATCH = """([views, wanted]) => {
  const inside = (root) => [...root.querySelectorAll("*")].flatMap(
    (item) => [item, ...(item.shadowRoot ? inside(item.shadowRoot) : [])]);
  const app = document.querySelector('[data-testid="stApp"]'), held = {};
  const search = (name) => (held[name] = inside(document).find((item) => item.matches?.(views[name])));
  const find = (name) => (held[name]?.isConnected ? held[name] : search(name));
  const says = (name) => find(name)?.dataset.shown ?? find(name)?.dataset.stamp;
  const before = Object.fromEntries(wanted.map((name) => [name, says(name)]));
  window.answered = new Promise((done, fail) => {
    const begin = ({ timeStamp }) => {
      ["pointerdown", "keydown"].forEach((kind) => window.removeEventListener(kind, begin, true));
      let late = wanted;
      const look = () => {
        late = late.filter((name) => [before[name], undefined].includes(says(name)));
        if (performance.now() - timeStamp > 60000) return fail(new Error(`no answer of ${late} within 60 s`));
        if (late.length || app.dataset.testScriptState === "running") return requestAnimationFrame(look);
        requestAnimationFrame(() => setTimeout(() => done(performance.now() - timeStamp)));
      };
      look();
    };
    ["pointerdown", "keydown"].forEach((kind) => window.addEventListener(kind, begin, true));
  });
}"""


def at(page: Page, canvas: Locator, number: int) -> None:
    """Clicks at a dot by its number."""
    x, y = canvas.evaluate("(canvas, number) => canvas.where(number)", number)
    canvas.click(position={"x": x, "y": y})


def dot(page: Page, number: int) -> None:
    at(page, page.locator(VIEWS["map"]), 38 + 101 * number)


def filter_(page: Page, number: int) -> None:
    at(page, page.locator(VIEWS["dots"]), OFFSETS[number % len(OFFSETS)] + number % 30)  # one that answers most to some


def pattern(page: Page, number: int) -> None:
    page.locator(".patterns button.path[aria-pressed=false]").first.click()


def line(page: Page, number: int) -> None:
    """Clicks at a line of another class."""
    plot = page.locator(".curves .chart .plot").nth(number % 2 * 3)
    lines = plot.locator("path.line")
    spot = lines.nth(number % lines.count()).evaluate(
        """(path) => { const box = path.ownerSVGElement.getBoundingClientRect();
        const { x, y } = path.getPointAtLength(path.getTotalLength() * 0.9);
        return [x * box.width, y * box.height]; }"""
    )
    plot.click(position={"x": spot[0], "y": spot[1]})


def slider(page: Page, number: int) -> None:
    page.get_by_role("slider", name="Rotation").press("ArrowLeft" if number % 20 > 10 else "ArrowRight")


KINDS: dict[str, Callable[[Page, int], None]] = {
    "dot": dot,
    "filter": filter_,
    "pattern": pattern,
    "line": line,
    "slider": slider,
}


def clicks(page: Page, kind: str, count: int) -> list[float]:
    """Milliseconds of each click but the first ones."""
    found = []
    for number in range(WARM + count):
        page.wait_for_timeout(PAUSE)
        page.evaluate(WATCH, [VIEWS, CHANGES[kind]])
        KINDS[kind](page, number)
        found.append(page.evaluate("window.answered"))
    return found[WARM:]


def measure(page: Page, address: str, count: int) -> dict[str, list[float]]:
    page.set_default_timeout(120_000)
    page.goto(address)
    for selector in VIEWS.values():
        page.locator(selector).first.wait_for()
    page.get_by_role("slider", name="Rotation").wait_for()
    page.wait_for_timeout(3000)
    return {kind: clicks(page, kind, count) for kind in KINDS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer clicks")
    parser.add_argument(
        "--store", type=Path, help="where the store is made, or was made before; else it is deleted again"
    )
    asked = parser.parse_args()
    browser_path = chromium.find() or sys.exit(chromium.ADVICE)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = asked.store or Path(name)
        if not (folder / "store/runs").exists():
            make_workbench(folder, images=IMAGES)
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        with served(folder / "store") as site:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            found = measure(page, f"{site}/workbench?images=7", 6 if asked.quick else 30)
    ratios: dict[str, float] = {}
    for kind, times in {**found, "any": [one for some in found.values() for one in some]}.items():
        median, late = statistics.median(times), float(np.percentile(times, 95))
        print(
            f"{kind:8} {len(times):3} clicks: median {median:4.0f} ms, 95th percentile {late:4.0f} ms (limit {LIMIT})"
        )
        ratios |= {f"workbench, {kind}: median ms": round(median, 1), f"workbench, {kind}: p95 ms": round(late, 1)}
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()
