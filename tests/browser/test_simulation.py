"""The Simulation page in a browser: charts are drawn, a click on a line or the legend chooses a class, an image a focus."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import settled
from tests.worlds_simulation import make_simulated

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)


def test_a_click_on_a_line_chooses_its_class_everywhere(
    page: Page, serve: Callable[[Path], str], tmp_path: Path
) -> None:
    make_simulated(tmp_path / "store", changes=("rotation", "flip_vertical", "noise"))
    page.goto(f"{serve(tmp_path / 'store')}/simulation?along=noise")
    large = page.locator(".st-key-simulation-large")
    expect(large.locator(".mark-line path").first).to_be_visible()
    settled(page)

    large.locator('[aria-label*="class: kind 2"]').last.click(force=True)
    expect(page.get_by_text("n = 6 images of kind 2")).to_be_visible()
    expect(page).to_have_url(re.compile("class=kind"))
    settled(page)

    large.locator(".role-legend-label text", has_text="kind 1").click(force=True)
    expect(page.get_by_text("n = 6 images of kind 1")).to_be_visible()
    settled(page)

    dot = page.locator('.st-key-simulation-small-flip_vertical [aria-label*="class: kind 3"]').first
    dot.click(force=True)
    expect(page.get_by_text("n = 6 images of kind 3")).to_be_visible()
    expect(page).to_have_url(re.compile("along=flip_vertical"))
    settled(page)

    page.locator(".st-key-simulation-long").get_by_role("button").first.click()
    expect(page).to_have_url(re.compile("images="))
    settled(page)
    page.reload()
    settled(page)
    expect(page.get_by_text("n = 6 images of kind 3")).to_be_visible()
