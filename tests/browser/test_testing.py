"""The Testing page in a browser: a person turns hue and image, draws a region, and comes back by the address."""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Locator, Page, expect

from precompute.making import make
from store.objects import connect
from tests import tiny
from tests.browser.conftest import served, settled
from tests.browser.test_browser import go_to, open_page
from tests.preloaded import TRUE_PROBES

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("testing")
    make(connect(str(folder / "store")), tiny.colour_recipe(folder))
    with served(folder / "store", **{TRUE_PROBES: "1"}) as found:
        yield found


def slider(page: Page, name: str) -> Locator:
    return page.get_by_role("slider", name=re.compile(f"^{name}"))


def slide(page: Page, name: str, key: str, times: int) -> None:
    for _ in range(times):
        slider(page, name).press(key)
    settled(page)


def bars(page: Page) -> Locator:
    """The rows of paired bars; their titles say the class and its probabilities."""
    return page.locator(".loupe-bars")


def now(page: Page, name: str) -> Locator:
    """The prediction after the edits, if there are any, where it is this one."""
    return page.locator("p").filter(has_text=re.compile(f"(^|→ ){name}[^→]*(right|wrong)[^→]*$"))


def said(page: Page) -> list[str]:
    return [str(bar.get_attribute("title")) for bar in bars(page).all()]


def opened(page: Page, address: str, more: str = "") -> None:
    """The page, when all curves are there."""
    open_page(page, f"{address}/testing?images=4{more}", "Testing")
    all_curves(page)


def all_curves(page: Page) -> None:
    expect(page.get_by_text("Of its range").or_(page.get_by_text("withstands")).first).to_be_visible(timeout=30_000)


def test_hue_and_rotation_change_the_bars_and_the_address_brings_them_back(page: Page, address: str) -> None:
    opened(page, address)
    expect(bars(page)).to_have_count(3)
    before = said(page)
    slide(page, "Hue", "PageUp", 12)
    slide(page, "Rotation", "ArrowRight", 5)
    expect(now(page, "blue")).to_be_visible()
    expect(page.locator("figcaption").filter(has_text=re.compile("edited true .+ → blue"))).to_be_visible()
    after = said(page)
    assert len(after) == 3 and after != before
    assert "rotation%3A5%2Chue%3A120" in page.url
    page.reload()
    expect(now(page, "blue")).to_be_visible()
    all_curves(page)
    expect(bars(page)).to_have_count(3)
    assert said(page) == after
    go_to(page, "Overview")
    assert "hue%3A120" in page.url
    page.reload()
    go_to(page, "Testing")
    expect(now(page, "blue")).to_be_visible()
    expect(slider(page, "Hue")).to_have_value("120")
    page.get_by_role("button", name="Undo all").click()
    expect(now(page, "green")).to_be_visible()
    expect(slider(page, "Hue")).to_have_value("0")
    settled(page)
    assert "edits" not in page.url
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_button_sets_the_slider_to_the_flip_and_a_link_has_it_all(page: Page, address: str) -> None:
    opened(page, address)
    flip = page.get_by_role("button", name=re.compile("→ blue$")).first
    label = str(flip.text_content())
    flip.click()
    expect(now(page, "blue")).to_be_visible()
    assert float(slider(page, "Hue").input_value()) == pytest.approx(
        float(label.split("°")[0].replace("−", "-")), rel=0.01
    )
    page.get_by_role("button", name="Take away").click()
    link = page.get_by_test_id("stCode").text_content()
    assert link and link.startswith(f"{address}/testing?") and "run=tiny" in link and "epoch=4" in link
    page.goto(link)
    expect(now(page, "blue")).to_be_visible()


def test_a_region_is_removed_where_it_is_drawn(page: Page, address: str) -> None:
    opened(page, address)
    page.get_by_text("Remove a region").click()
    settled(page)
    frame = page.locator(".region .frame")
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    assert box
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 3, box["y"] + box["height"] - 3, steps=5)
    page.mouse.up()
    expect(page.get_by_text("A region is removed")).to_be_visible()
    settled(page)
    assert "region%3A0" in page.url
    for _ in range(2):  # folded away, and out again
        page.get_by_text("Remove a region").click()
        settled(page)
    expect(page.locator(".region .box")).to_be_visible()
    expect(page.get_by_text("A region is removed")).to_be_visible()
    assert "region%3A0" in page.url
    page.get_by_role("button", name="Take away").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Edited image").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_the_child_is_killed_and_the_next_edit_works(page: Page, address: str) -> None:
    opened(page, address)
    os.kill(child_of(address), signal.SIGSTOP)
    slider(page, "Noise").press("PageUp")
    page.wait_for_timeout(500)
    os.kill(child_of(address), signal.SIGKILL)
    expect(page.get_by_text("killed by signal 9")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    slider(page, "Hue").press("End")
    expect(now(page, "")).to_be_visible()
    expect(page.get_by_text("killed by signal 9")).to_have_count(0)
    all_curves(page)


def child_of(address: str) -> int:
    """The process that runs networks for the server at an address, as soon as there is one."""
    port = int(address.rpartition(":")[2])
    listening = (item for item in psutil.net_connections("tcp") if item.status == psutil.CONN_LISTEN)
    server = psutil.Process(next(item.pid for item in listening if item.laddr.port == port))
    for _ in range(300):
        found = [item.pid for item in server.children(recursive=True) if "precompute.probe" in item.cmdline()]
        if found:
            return found[-1]
        time.sleep(0.1)
    raise AssertionError("the server has no child that runs networks")
