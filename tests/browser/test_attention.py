"""The Attention page in a browser: curves are drawn, a region drawn by pointer joins them, a dot chooses its epoch."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import settled
from tests.worlds_attention import make_attended

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)


def test_a_region_is_drawn_and_followed(page: Page, serve: Callable[[Path], str], tmp_path: Path) -> None:
    make_attended(tmp_path / "store")
    page.goto(f"{serve(tmp_path / 'store')}/attention")
    chart = page.locator(".st-key-attention-shares")
    expect(chart.locator(".mark-area path").first).to_be_visible()
    settled(page)

    frame = page.locator(".region .frame")
    frame.locator("img[src]").wait_for()
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    assert box
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.7 * box["height"], steps=5)
    page.mouse.up()
    expect(chart.locator(".role-legend-label text", has_text="your region")).to_be_visible()
    expect(page).to_have_url(re.compile("region=0.1"))
    settled(page)

    chart.locator('[aria-label*="name: head"][aria-label*="epoch: 1"]').last.click(force=True)
    expect(page.get_by_text("At epoch 1,").first).to_be_visible()
    settled(page)
    page.reload()
    settled(page)
    expect(chart.locator(".role-legend-label text", has_text="your region")).to_be_visible()
