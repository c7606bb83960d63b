"""The Network page in a browser: 4,224 dots, a click on one, a pattern, and all of it back by the address."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from store.objects import connect
from store.runs import open_run
from tests.browser.conftest import settled
from tests.browser.test_browser import go_to, open_page
from tests.worlds_network import make_network_world

pytestmark = pytest.mark.browser
VGG = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)  # filters of the layers of VGG-16
PAINTED = """canvas => { const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    return new Set(new Uint32Array(pixels.buffer)).size }"""


def click(canvas: Locator, place: int) -> None:
    x, y = canvas.evaluate("(canvas, place) => canvas.where(place)", place)
    canvas.click(position={"x": x, "y": y})


def test_filters_and_patterns_are_selected_and_come_back(
    page: Page, serve: Callable[[Path], str], tmp_path: Path
) -> None:
    run = open_run(connect(str(tmp_path / "store")), make_network_world(tmp_path / "store", images=80, filters=VGG))
    paths = run.artifact("activations-0a").read("strongest", 3)[..., 0]
    first = run.artifact("patterns-0a").read("filters", 3, 0)
    image = next(image for image, path in enumerate(paths) if (path == first)[first >= 0].all())
    open_page(page, f"{serve(tmp_path / 'store')}/network?images={image}", "Network")
    canvas = page.locator(".filters canvas")
    expect(canvas).to_have_attribute("aria-label", re.compile("^4,224 filters of 13 convolution layers"))
    assert canvas.evaluate(PAINTED) > 13, "dots of thirteen layers"

    place = sum(VGG[:7]) + 1  # the second filter of the eighth layer
    click(canvas, place)
    expect(page.get_by_text("One filter: l8:1")).to_be_visible()
    settled(page)
    assert "filters=7.1" in page.url
    canvas.press("PageDown")
    expect(page.locator(".filters .tip")).to_contain_text("layer 9 (features.24), filter 1")
    canvas.press("Enter")
    expect(page.get_by_text("One filter: l9:1")).to_be_visible()

    row = page.locator(".patterns .row").first
    row.locator("button.path").click()
    expect(page.locator(".patterns .row.selected")).to_have_count(1)
    settled(page)
    chosen = [tuple(map(int, word.split("."))) for word in page.url.split("filters=")[1].split("&")[0].split("-")]
    count = sum(all(path[layer] == item for layer, item in chosen) for path in paths)
    assert len(chosen) > 1 and row.locator("dd").first.inner_text() == str(count)
    row.locator("button.picture").last.click()
    settled(page)
    before = page.url
    go_to(page, "Embedding")
    go_to(page, "Network")
    assert page.url == before
    page.reload()
    expect(page.locator(".patterns .row.selected")).to_have_count(1)
    expect(page.get_by_role("alert")).to_have_count(0)
