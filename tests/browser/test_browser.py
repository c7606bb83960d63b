"""What only a browser can tell: that pages are drawn, that clicks arrive, that the address holds what is selected."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from precompute.making import make
from store import runs
from store.objects import connect
from tests import tiny
from tests.browser.conftest import EPOCHS, Site, served, settled
from tests.store_contract import damage
from tests.worlds import make_world

pytestmark = pytest.mark.browser


def open_page(page: Page, address: str, title: str) -> None:
    """Opens an address and waits for the page of that title."""
    page.goto(address)
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    settled(page)


def go_to(page: Page, title: str) -> None:
    """Changes the page as a person does, in the sidebar."""
    page.get_by_test_id("stSidebar").get_by_role("link", name=title).click()
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    settled(page)


def epoch_slider(page: Page) -> Locator:
    return page.get_by_role("slider").first


def choose(page: Page, box: str, option: str) -> None:
    page.get_by_label(box, exact=True).first.click()
    page.get_by_role("option", name=option, exact=True).click()
    settled(page)


def cells(page: Page) -> Locator:
    """The maps of all strips."""
    return page.locator("button.cell:has(canvas)")


def drawn(cell: Locator) -> bool:
    """Whether a cell's canvas holds more than one colour."""
    script = """cell => { const canvas = cell.querySelector('canvas'), context = canvas.getContext('2d');
        const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
        return new Set(new Uint32Array(pixels.buffer)).size > 1 }"""
    return bool(cell.evaluate(script))


def test_overview_opens(page: Page, site: Site) -> None:
    open_page(page, site.address, "Overview")
    expect(page.locator("svg g.mark-symbol, svg g.mark-rect").first).to_be_attached()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert page.title()


def test_saliency_opens(page: Page, site: Site) -> None:
    open_page(page, f"{site.address}/saliency", "Saliency")
    expect(cells(page).first).to_be_visible()
    # of what is not stored the network is asked, and this world has no weights
    expect(page.get_by_role("alert").filter(has_not_text="weights")).to_have_count(0)
    assert drawn(cells(page).last)


def test_one_epoch_holds_on_all_pages_and_in_the_address(page: Page, site: Site) -> None:
    open_page(page, site.address, "Overview")
    epoch_slider(page).press("ArrowLeft")
    settled(page)
    assert "epoch=2" in page.url
    go_to(page, "Saliency")
    expect(epoch_slider(page)).to_have_attribute("aria-valuetext", "2")
    assert "epoch=2" in page.url
    page.reload()
    settled(page)
    expect(epoch_slider(page)).to_have_attribute("aria-valuetext", "2")


def test_the_address_restores_what_was_selected(page: Page, site: Site) -> None:
    open_page(page, f"{site.address}/saliency", "Saliency")
    choose(page, "Class", "kind 2")
    epoch_slider(page).press("ArrowLeft")
    settled(page)
    page.get_by_role("radio", name="per map").click()
    settled(page)
    other = page.context.new_page()
    open_page(other, page.url, "Saliency")
    expect(epoch_slider(other)).to_have_attribute("aria-valuetext", str(EPOCHS - 1))
    expect(other.get_by_text("of kind 2, and taken for it")).to_be_visible()
    expect(other.get_by_role("radio", name="per map")).to_be_checked()


def test_an_empty_store_says_what_to_do(page: Page, tmp_path: Path) -> None:
    """By a server that has to load everything itself, as a person's."""
    with served(tmp_path / "store", true=True) as address:
        page.goto(address)
        expect(page.get_by_text("make demo")).to_be_visible()
        make_world(tmp_path / "store")
        expect(page.get_by_role("heading", name="Overview", exact=True)).to_be_visible()


def test_a_damaged_shard_is_an_error_and_no_picture(page: Page, serve: Callable[[Path], str], tmp_path: Path) -> None:
    run = runs.open_run(connect(str(tmp_path / "store")), make_world(tmp_path / "store", epochs=EPOCHS))
    damage(run.artifact("saliency-grad-cam"), "flipped", "maps", 2)
    open_page(page, f"{serve(tmp_path / 'store')}/saliency", "Saliency")
    expect(page.get_by_text("is not what was written").first).to_be_visible()
    expect(page.get_by_text("--repair").first).to_be_visible()


def test_a_map_is_enlarged_by_a_click_and_by_the_keyboard(page: Page, site: Site) -> None:
    open_page(page, f"{site.address}/saliency", "Saliency")
    page.get_by_role("gridcell", name="Grad-CAM, epoch 1").first.click()
    expect(page.get_by_text("Grad-CAM, epoch 1", exact=True)).to_be_visible()
    assert "epoch=1" in page.url
    settled(page)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Grad-CAM, epoch 0", exact=True)).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_text("Grad-CAM, epoch 0", exact=True)).to_have_count(0)


def test_a_cell_of_the_confusion_matrix_opens_its_images_and_they_go_to_the_other_page(page: Page, site: Site) -> None:
    open_page(page, site.address, "Overview")
    page.locator('svg path[aria-label*="predicted class: kind 0; true class: kind 1"]').first.click(force=True)
    expect(page.get_by_text("kind 1, taken for kind 0")).to_be_visible()
    picture = page.get_by_role("button", name="kind 1 → kind 0").first
    number = picture.get_attribute("aria-label").removeprefix("image ").split(":")[0]
    picture.click()
    settled(page)
    assert f"images={number}" in page.url
    go_to(page, "Saliency")
    expect(page.get_by_text(f"Image {number}").last).to_be_visible()


def test_a_newer_epoch_is_announced_and_moves_nothing(page: Page, serve: Callable[[Path], str], tmp_path: Path) -> None:
    make_world(tmp_path / "store", epochs=EPOCHS, finished=1)
    open_page(page, serve(tmp_path / "store"), "Overview")
    expect(epoch_slider(page)).to_have_attribute("aria-valuetext", "1")
    make_world(tmp_path / "store", epochs=EPOCHS, finished=2)
    notice = page.get_by_role("button", name="Show epoch 2")
    expect(notice).to_be_visible()
    expect(epoch_slider(page)).to_have_attribute("aria-valuetext", "1")
    notice.click()
    expect(epoch_slider(page)).to_have_attribute("aria-valuetext", "2")


def test_an_image_of_ones_own_is_explained_at_every_epoch(
    page: Page, serve: Callable[[Path], str], tmp_path: Path
) -> None:
    """By the probe, from the weights of a run that was really trained."""
    make(connect(str(tmp_path / "store")), tiny.recipe(tmp_path))
    Image.new("RGB", (40, 30), "tomato").save(tmp_path / "mine.png")
    open_page(page, f"{serve(tmp_path / 'store')}/saliency", "Saliency")
    page.get_by_text("Your own image").click()
    page.locator('input[type="file"]').set_input_files(tmp_path / "mine.png")
    own = page.locator(".st-key-strip-own").get_by_role("grid")
    expect(own.locator("button.cell:has(canvas)")).to_have_count(3)
    expect(page.get_by_role("alert")).to_have_count(0)
