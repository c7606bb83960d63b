"""The map of features in a browser: dots are drawn, a click finds neighbours, the address brings all of it back."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from store import runs
from store.objects import connect
from tests.browser.conftest import settled
from tests.worlds import make_world

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)
COLOURS = """canvas => { const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    return new Set(new Uint32Array(pixels.buffer)).size }"""


def dot(page: Page, image: int) -> dict[str, float]:
    """Where an image is drawn, in pixels from the corner of the map."""
    x, y = page.locator(".cloud canvas").evaluate("(canvas, image) => canvas.where(image)", image)
    return {"x": x, "y": y}


def test_a_click_on_a_dot_shows_its_neighbours_and_a_lasso_takes_several(
    page: Page, serve: Callable[[Path], str], tmp_path: Path
) -> None:
    run = runs.open_run(connect(str(tmp_path / "store")), make_world(tmp_path / "store", perplexities=(5, 8)))
    page.goto(f"{serve(tmp_path / 'store')}/embedding")
    canvas = page.locator(".cloud canvas")
    expect(canvas).to_be_visible()
    settled(page)
    assert canvas.evaluate(COLOURS) > 8, "dots of four classes"

    canvas.hover(position=dot(page, 6))
    expect(page.locator(".cloud .tip")).to_contain_text("image")
    canvas.click(position=dot(page, 6))
    expect(page.get_by_text("Nearest by features")).to_be_visible()
    settled(page)
    image = int(page.url.split("images=")[1].split("&")[0])  # another may lie over it
    for other in run.artifact("features-0a").read("neighbours", 3, image):
        expect(page.get_by_role("button", name=f"image {other}:").first).to_be_visible()

    page.get_by_role("radio", name="correctness").click()
    page.get_by_role("radio", name="8", exact=True).click()
    settled(page)
    assert "colour=correctness" in page.url and "perplexity=8" in page.url
    page.reload()
    settled(page)
    expect(page.locator(".cloud .legend")).to_have_text("rightwrong")
    expect(page.get_by_text(f"Image {image}:").first).to_be_visible()

    page.get_by_role("button", name="Lasso").click()
    box = canvas.bounding_box()
    assert box
    corners = [(3, 3), (box["width"] - 3, 3), (box["width"] - 3, box["height"] - 3), (3, box["height"] - 3)]
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    page.mouse.down()
    for x, y in corners:
        page.mouse.move(box["x"] + x, box["y"] + y, steps=3)
    page.mouse.up()
    expect(page.get_by_text("24 images in the lasso")).to_be_visible()
    assert page.url.count("%2C") == 11


def test_list_zoom_and_contours_need_no_pointer_and_the_address_holds_the_view(
    page: Page, serve: Callable[[Path], str], tmp_path: Path
) -> None:
    make_world(tmp_path / "store", perplexities=(5,))
    page.goto(f"{serve(tmp_path / 'store')}/embedding")
    page.get_by_text("List of dots").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".cloud .list button").first).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nearest by features")).to_be_visible()

    canvas = page.locator(".cloud canvas")
    canvas.focus()
    for key in ("+", "+", "ArrowLeft"):
        page.keyboard.press(key)
    page.wait_for_url("**view=*")
    settled(page)
    before, flat = dot(page, 3), canvas.evaluate(COLOURS)
    page.reload()
    settled(page)
    after = dot(page, 3)
    assert abs(after["x"] - before["x"]) < 2 and abs(after["y"] - before["y"]) < 2
    page.get_by_text("Overlap").click()
    page.wait_for_url("**contours=true*")
    settled(page)
    expect(page.get_by_text("Inside a line").or_(page.get_by_text("No place of the map"))).to_be_visible()
    assert canvas.evaluate(COLOURS) >= flat and abs(dot(page, 3)["x"] - before["x"]) < 2
    canvas.focus()
    page.keyboard.press("0")
    page.wait_for_url(lambda url: "view=" not in url)
