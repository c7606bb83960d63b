"""VATUN's story on real digits, walked through the Workbench: an ambiguous image, its edited versions, its patterns, its class."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from precompute.making import make
from precompute.recipe import parse
from store.objects import connect
from store.runs import Run, dataset
from tests import tiny
from tests.browser.conftest import served, settled
from tests.browser.test_browser import go_to, open_page

pytestmark = pytest.mark.browser
EPOCH = 1


@dataclass(frozen=True)
class World:
    """A network that was trained for a moment, and the app over it."""

    address: str
    run: Run


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("vatun")
    recipe = tiny.fields(
        folder,
        data={"set": "mnist5000"},
        training__epochs=EPOCH,
        training__batch_size=64,
        training__learning_rate=0.1,
        evaluation={"images": 8, "train_images": 100},
        artifacts__embedding={"perplexities": [10]},
        artifacts__network={"support": 3, "permutations": 0},
        artifacts__simulation={"changes": ["rotation", "brightness", "fgsm"]},
    )
    run = make(connect(str(folder / "store")), parse(recipe))
    with served(folder / "store") as address:
        yield World(address, run)


def ambiguous(run: Run) -> tuple[int, int]:
    """The wrongly taken image that lies nearest to the centre of the class it is taken for, among those with a pattern; and
    its true class."""
    evaluation = run.of_kind("evaluation")[0]
    labels = dataset(run.objects, evaluation.attributes["dataset"]).read_blocks("label")
    taken = evaluation.read("logits", EPOCH).argmax(1)
    points = run.of_kind("embedding")[0].read("points", EPOCH)
    paths = run.of_kind("activations")[0].read("strongest", EPOCH)[..., 0]
    patterns = run.of_kind("patterns")[0].read("filters", EPOCH)
    patterns = patterns[(patterns >= 0).any(1)]
    has = ((patterns < 0) | (paths[:, None] == patterns)).all(2).any(1)
    far = [
        np.linalg.norm(points[image] - points[labels == taken[image]].mean(0))
        if taken[image] != labels[image] and has[image] and (labels == taken[image]).any()
        else np.inf
        for image in range(len(labels))
    ]
    return int(np.argmin(far)), int(labels[np.argmin(far)])


def said(page: Page) -> dict[str, str]:
    """What the address says."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def test_the_story_of_vatun_and_every_selection_outlives_it(page: Page, world: World) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    image, true = ambiguous(world.run)
    open_page(page, f"{world.address}/workbench", "Workbench")
    main = page.get_by_test_id("stMain")
    height, room = main.evaluate("main => [main.scrollHeight, main.clientHeight]")
    assert height <= room, "the page does not scroll"

    # an ambiguous dot, near another class's centre
    canvas = page.locator(".cloud canvas")
    x, y = canvas.evaluate("(canvas, image) => canvas.where(image)", image)
    canvas.click(position={"x": x, "y": y})
    expect(page.locator("strong").filter(has_text="wrong: it is")).to_have_count(2)
    settled(page)
    assert said(page)["images"] == str(image)
    pair, curves = page.locator(".pair"), page.locator(".curves")
    before = pair.get_attribute("data-stamp"), curves.get_attribute("data-shown")

    # its edited versions: every view shows the edit
    page.get_by_role("slider", name=re.compile("^Rotation")).press("PageUp")
    expect(page.get_by_text("Edited", exact=True)).to_be_visible()
    expect(page.locator(".curves .setting")).to_have_count(1)
    settled(page)
    assert said(page)["edits"].startswith("rotation:")
    assert pair.get_attribute("data-stamp") != before[0] and curves.get_attribute("data-shown") != before[1]

    # its patterns
    page.locator(".patterns button.path").first.click()
    expect(page.locator(".patterns .row.selected")).to_have_count(1)
    expect(page.get_by_text(re.compile(r"^Ringed: \d+ images? with l\d+:"))).to_be_visible()

    # its class's curve
    line = page.locator(".curves .chart .plot").first.locator("path.line, path.strong")
    spot = line.nth(0 if true == 0 else true - 1).evaluate(SPOT)
    page.locator(".curves .chart .plot").first.click(position={"x": spot[0], "y": spot[1]})
    settled(page)
    address = said(page)
    assert {"images", "edits", "filters"} <= set(address)
    assert "class" in address or page.get_by_label("Class", exact=True).first.input_value() == "0"

    # a change of page, a reload and a link keep all of it
    for title in ("Network", "Testing", "Embedding"):
        page.locator(f".st-key-quarter-{title.lower()}").get_by_role("link", name="Open").click()
        expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        go_to(page, "Workbench")
        assert said(page).items() >= address.items()
    link = page.url
    page.reload()
    expect(page.locator(".patterns .row.selected")).to_have_count(1)
    settled(page)
    assert said(page) == address
    page.goto("about:blank")
    page.goto(link)  # as somebody else who got it
    expect(page.get_by_text(f"dashed: image {image}")).to_be_visible()
    expect(page.get_by_text(re.compile("^Ringed:"))).to_be_visible()
    settled(page)
    assert said(page) == address
    expect(page.get_by_role("alert")).to_have_count(0)


SPOT = """path => { const box = path.ownerSVGElement.getBoundingClientRect();
    const { x, y } = path.getPointAtLength(path.getTotalLength() * 0.98);
    return [x * box.width - 1, y * box.height]; }"""
