"""An edit in the Testing page, from the key that moves a slider to the new picture, maps and bars on the screen.

Makes its own store of two networks with random weights, VGG-16 for 32 × 32 and EfficientNet-lite0 for 224 × 224, starts
the app, and moves sliders in headless Chromium while the curves of the edit before are still computed. Beside it the
seconds until all curves are there. Needs requirements-dev.txt and a chromium; the last line is one JSON object.

    python -m benchmarks.testing [--quick]
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from precompute.making import make
from precompute.recipe import parse
from store.objects import connect
from tests.browser import chromium
from tests.browser.conftest import served

NETWORKS = {"vgg16-small": 32, "efficientnet-lite0": 224}
LIMITS = {"vgg16-small": 150, "efficientnet-lite0": 400}  # ms, median
MOVED = ("Hue (°)", "Brightness (×)", "Rotation (°)", "Noise (% of the range)")
PAUSE = 0.6  # seconds between two edits: the curves have begun, and are not there
# In the page: moves a slider by a key, and tells how long it takes until picture, maps and bars are new and painted
MOVE = """([label, key]) => new Promise((done, fail) => {
  const inside = (item) => [item, ...(item.shadowRoot ? every(item.shadowRoot) : [])];
  const every = (root) => [...root.querySelectorAll("*")].flatMap(inside);
  const items = every(document), named = (name) => items.find((item) => item.classList?.contains(name));
  const pair = named("pair"), sliders = named("sliders"), stamp = pair.dataset.stamp, answered = sliders.dataset.answered;
  const slider = items.find((item) => item.getAttribute?.("aria-label") === label), began = performance.now();
  slider.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const look = () => {
    if (performance.now() - began > 20000) return fail(new Error("no new picture within 20 s"));
    if (pair.dataset.stamp === stamp || sliders.dataset.answered === answered) return requestAnimationFrame(look);
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
  };
  requestAnimationFrame(look);
})"""


def store_of(folder: Path) -> dict[str, str]:
    """Makes both runs: addresses of their pages by network."""
    found = {}
    for network, side in NETWORKS.items():
        random, path = np.random.default_rng(0), folder / f"{network}.npz"
        coarse = random.integers(0, 256, (20, 8, 8, 3), np.uint8)
        pixels = coarse.repeat(side // 8, 1).repeat(side // 8, 2)
        labels = np.arange(20) % 10
        np.savez(path, train_x=pixels, train_y=labels, test_x=pixels, test_y=labels)
        recipe = {
            "name": network,
            "data": {"set": "npz", "options": {"path": str(path)}},
            "model": {"network": network},
            "training": {"epochs": 0},
            "artifacts": {"saliency": {"techniques": ["grad-cam"]}},
        }
        found[network] = f"testing?run={make(connect(str(folder / 'store')), parse(recipe)).id}&images=4"
    return found


def edit(page: Page, edits: int) -> list[float]:
    """Milliseconds of each edit."""
    seconds = []
    for number in range(edits):
        seconds.append(
            page.evaluate(MOVE, [MOVED[number % len(MOVED)], "ArrowRight"])
        )  # no edit twice: it would be known
        time.sleep(PAUSE)
    return seconds


def curves(page: Page) -> float:
    """Seconds until all curves are there."""
    began = time.perf_counter()
    page.get_by_text("curves are there").wait_for(state="detached", timeout=120_000)
    return time.perf_counter() - began


def measure(page: Page, address: str, edits: int) -> tuple[list[float], float]:
    page.goto(address)
    page.locator(".pair canvas").first.wait_for(timeout=120_000)
    page.get_by_role("slider", name="Hue").wait_for()
    edit(page, 3)
    found = edit(page, edits)
    return found, curves(page)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer edits")
    edits = 12 if parser.parse_args().quick else 60
    ratios: dict[str, float] = {}
    path_of_browser = chromium.find() or sys.exit(chromium.ADVICE)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path_of_browser, args=["--no-sandbox", "--disable-gpu"])
        pages = store_of(Path(name))
        with served(Path(name) / "store", true=True, OMP_NUM_THREADS="2") as site:
            for network, path in pages.items():
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                found, seconds = measure(page, f"{site}/{path}", edits)
                page.close()
                median = statistics.median(found)
                print(
                    f"{network}: {len(found)} edits, median {median:.0f} ms, 90th percentile {np.percentile(found, 90):.0f} ms "
                    f"(limit {LIMITS[network]}); all curves after the last {seconds:.1f} s"
                )
                ratios |= {f"{network} edit ms": round(median, 1), f"{network} curves s": round(seconds, 2)}
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()
