"""t-SNE as Loupe computes it against scikit-learn's, epochs that go on from each other against new ones, and the map's frames.

Features are those of the demo's network, trained here for some epochs, of its real digits. Both get the same principal
components and one thread. The divergence is computed alike for both, over all pairs, with Loupe's affinities. scikit-learn
has no stopping rule that suits: its time is that of the fewest iterations, of some tried, which bring it to Loupe's
divergence within 1 %, or of the most of them. Ratios: its seconds / Loupe's, above 1 Loupe is faster; its divergence /
Loupe's; a new map's seconds / those of one that goes on from the epoch before; frames a second / 20 with 50,000 dots.

    python -m benchmarks.embedding [--images 4000] [--epochs 4] [--quick]
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from precompute import train, tsne
from precompute.bench import open_bench, to_float
from precompute.embedding import last_read
from precompute.recipe import parse, read
from store.objects import connect
from tests.browser import chromium
from tests.browser.conftest import served

PERPLEXITY = 30
TRIED = (400, 600, 800, 1000)  # iterations of scikit-learn, whose first 250 are exaggerated
DOTS = 50_000
SMOOTH = 20  # frames a second that the issue asks for
SCRIPT = f"""
import numpy as np
from app.embedding.contours import overlap
from app.widgets import point_cloud as widget
random, n = np.random.default_rng(0), {DOTS}
kind = random.integers(0, 10, n)
places = np.clip(random.normal(size=(n, 2)) / 30 + random.random((10, 2))[kind] * 0.8 + 0.1, 0, 1)
lines = overlap(places, kind, 10).segments
cloud = widget.Cloud(places, kind, kind, random.random(n), kind, np.ones(n, bool), tuple("0123456789"),
                     ("#3f90da",) * 10, tuple("0123456789"), "dots", "benchmark", lines)
quiet = {{"on_pick": lambda _: None, "on_lasso": lambda _: None, "on_view": lambda _: None}}
widget.show(widget.marked(widget.pack(cloud), widget.Marks(focus=0, height=700)), n, key="map", **quiet)
"""
# Milliseconds between frames while the wheel turns, or the pointer drags
FRAMES = """async (canvas, drags) => {
  const at = { offsetX: 300, offsetY: 300, clientX: 600, clientY: 400, bubbles: true, cancelable: true, pointerId: 1 };
  const box = canvas.getBoundingClientRect(), times = [];
  canvas.setPointerCapture = () => {};
  const event = (kind, more) => new (kind === "wheel" ? WheelEvent : PointerEvent)(kind, { ...at, ...more });
  if (drags) canvas.dispatchEvent(event("pointerdown", { button: 0 }));
  for (let turn = 0; turn < 60; turn++) {
    const place = { clientX: box.x + 300 + 3 * turn, clientY: box.y + 300 + turn };
    canvas.dispatchEvent(drags ? event("pointermove", place) : event("wheel", { ...place, deltaY: turn < 30 ? -20 : 20 }));
    times.push(await new Promise((resolve) => requestAnimationFrame(() => setTimeout(() => resolve(performance.now())))));
  }
  if (drags) canvas.dispatchEvent(event("pointerup", { clientX: box.x + 480, clientY: box.y + 360 }));
  return times.slice(1).map((time, turn) => time - times[turn]);
}"""


def features(images: int, epochs: int) -> list[np.ndarray]:
    """What the last layer of the demo's network reads of its training images, (n, 64), after each epoch."""
    fields = read(Path("recipes/demo.toml")).model_dump()
    fields["training"] |= {"epochs": epochs, "precision": "float32"}
    with tempfile.TemporaryDirectory() as folder:
        bench = open_bench(connect(folder), parse(fields))
        bench.progress.say = lambda *_: None  # type: ignore[method-assign]
        learner, pixels = train.start(bench), train.TrainingImages(bench)
        every, found = to_float(bench.data.train.read(np.arange(images)), bench.device), []
        for _ in range(epochs):
            train.one_epoch(bench, learner, pixels)
            learner.network.eval()
            found.append(np.concatenate([last_read(learner.network, part).cpu().numpy() for part in every.split(250)]))
            learner.network.train()
    return found


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and its seconds of one core."""
    began = time.process_time()
    return function(), time.process_time() - began


def divergence(points: np.ndarray, reduced: np.ndarray) -> float:
    """Kullback and Leibler's over all pairs, in nats: van der Maaten and Hinton 2008, eq. 5."""
    joint = tsne.affinities(reduced, PERPLEXITY).P.tocoo()
    points = points.astype(float)
    total = sum((1 / (1 + ((points[:, None] - part) ** 2).sum(-1))).sum() for part in np.array_split(points, 20))
    apart = ((points[joint.row] - points[joint.col]) ** 2).sum(1)
    return float((joint.data * np.log(joint.data * (1 + apart) * (total - len(points)))).sum())


def against_scikit_learn(values: np.ndarray) -> dict[str, float]:
    reduced = tsne.reduced(values, 0)
    tsne.lay_out(reduced[:100], 5, seed=0)  # imports
    ours, seconds = timed(lambda: tsne.lay_out(reduced, PERPLEXITY, seed=0).points)
    aim = divergence(ours, reduced)
    print(f"{len(values):,} images, {values.shape[1]} features, perplexity {PERPLEXITY}")
    say("Loupe", seconds, aim, tsne.trustworthiness(values, ours))
    for iterations in TRIED:
        other = TSNE(perplexity=PERPLEXITY, init="pca", random_state=0, max_iter=iterations, n_jobs=1)
        theirs, taken = timed(lambda: other.fit_transform(reduced.astype(np.float32)))  # noqa: B023  at once
        found = divergence(theirs, reduced)
        say(f"scikit-learn, {iterations} iterations", taken, found, tsne.trustworthiness(values, theirs))
        if found <= 1.01 * aim:
            break
    return {
        "embedding: scikit-learn's seconds / Loupe's, at equal divergence": taken / seconds,
        "embedding: scikit-learn's divergence / Loupe's": found / aim,
    }


def warm_against_cold(epochs: list[np.ndarray]) -> dict[str, float]:
    """A film of all epochs: how much sooner a map is there that goes on from the one before, and how good it is."""
    before, spent, worse = None, [], []
    for number, values in enumerate(epochs):
        reduced = tsne.reduced(values, 0)
        cold, seconds = timed(lambda: tsne.lay_out(reduced, PERPLEXITY, seed=0))  # noqa: B023  at once
        if before is not None:
            warm, taken = timed(lambda: tsne.lay_out(reduced, PERPLEXITY, seed=0, before=before))  # noqa: B023  at once
            spent.append(seconds / taken)
            worse.append(warm.divergence / cold.divergence)
            say(f"epoch {number + 1}, new", seconds, cold.divergence, tsne.trustworthiness(values, cold.points))
            trust = tsne.trustworthiness(values, warm.points)
            say(f"epoch {number + 1}, going on, moved {warm.move:.2f}", taken, warm.divergence, trust)
        before = (cold if before is None else warm).points
    return {
        "embedding: new map's seconds / going on": statistics.median(spent),
        "embedding: new map's divergence / going on": 1 / statistics.median(worse),
    }


def say(what: str, seconds: float, found: float, trust: float) -> None:
    print(f"  {what:34} {seconds:7.2f} s   divergence {found:.3f}   trustworthiness {trust:.4f}")


def frames() -> dict[str, float]:
    """Frames a second of the map with 50,000 dots in a browser, while it is zoomed and dragged."""
    from playwright.sync_api import sync_playwright

    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        script = Path(folder) / "dots.py"
        script.write_text(SCRIPT)
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=["--no-sandbox", "--disable-gpu"])
        with served(Path(folder) / "store", script=str(script)) as address:
            page = browser.new_page(viewport={"width": 1200, "height": 900})
            page.goto(address)
            canvas = page.locator(".cloud canvas")
            canvas.wait_for()
            page.wait_for_timeout(1500)
            for name, drags in (("zooming", False), ("dragging", True)):
                between = statistics.median(canvas.evaluate(FRAMES, drags))
                print(f"  {DOTS:,} dots, {name}: {between:.0f} ms a frame")
                found[f"embedding: frames a second {name} / {SMOOTH}"] = 1000 / between / SMOOTH
        browser.close()
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--images", type=int, default=4000)
    options.add_argument("--epochs", type=int, default=4)
    options.add_argument("--quick", action="store_true", help="1,000 images, 2 epochs")
    asked = options.parse_args()
    epochs = features(*((1000, 2) if asked.quick else (asked.images, asked.epochs)))
    ratios: Mapping[str, float]
    with threadpool_limits(1):
        ratios = against_scikit_learn(epochs[-1]) | warm_against_cold(epochs)
    print(json.dumps({name: round(value, 3) for name, value in (ratios | frames()).items()}))


if __name__ == "__main__":
    main()
