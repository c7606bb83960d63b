"""The Sanity page in a browser: a click on a dot chooses its image, and a reload brings check and image back."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import settled
from tests.worlds_sanity import make_checked

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)


def test_a_click_on_a_dot_chooses_its_image(page: Page, serve: Callable[[Path], str], tmp_path: Path) -> None:
    make_checked(tmp_path / "store")
    page.goto(f"{serve(tmp_path / 'store')}/sanity?check=stability")
    dots = page.locator(".st-key-sanity-stability-dots")
    expect(dots.locator(".mark-symbol path").first).to_be_visible()
    settled(page)

    dots.locator('[aria-label*="technique: Gradient × input"][aria-label*="image: 15"]').first.click(force=True)
    expect(page).to_have_url(re.compile("images=15"))
    settled(page)
    page.reload()
    settled(page)
    expect(page.get_by_text("Under noise on the image")).to_be_visible()
    expect(page.locator(".st-key-tray")).to_be_visible()
