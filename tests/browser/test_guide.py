"""The guide in a browser: all steps by clicking, and none of it again once it is finished."""

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from app.guide.findings import CASES
from app.guide.place import COOKIE
from app.guide.steps import STEPS
from tests.browser.conftest import served, settled
from tests.browser.test_browser import open_page
from tests.worlds_network import make_network_world

pytestmark = pytest.mark.browser


def test_a_visitor_is_led_through_all_steps_and_left_alone_then(page: Page, tmp_path: Path) -> None:
    make_network_world(tmp_path / "store", images=40)
    with served(tmp_path / "store", script="tests/browser/silent.py") as address:
        open_page(page, address, "Overview")
        press(page, "Start")
        # Maps for the predicted class are stored: nothing is asked of the network, which is silent here
        page.get_by_role("radio", name="predicted", exact=True).click()
        settled(page)
        panel = page.locator(".st-key-guide")
        for number, step in enumerate(STEPS, 1):
            expect(panel).to_contain_text(f"Guide: {step.title} step {number} of {len(STEPS)}")
            expect(page.get_by_role("heading", name=step.place, exact=True)).to_be_attached()
            assert f"guide={number}" in page.url
            if number <= len(CASES):
                case = page.locator(f".st-key-case-{CASES[number - 1]}")
                expect(case).to_be_in_viewport()
                case.locator("button.cell:has(canvas)").last.click()
                settled(page)
                expect(panel).to_contain_text("done")
                assert not covered(panel), "it stays in view"
            press(page, "Next" if number < len(STEPS) else "Finish")
        expect(panel).to_have_count(0)
        assert {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}[COOKIE] == "6"
        open_page(page, address, "Overview")
        expect(page.get_by_text("New here?")).to_have_count(0)


def press(page: Page, name: str) -> None:
    page.locator("[class*='st-key-guide']").get_by_role("button", name=name).first.press("Enter")
    settled(page)


def covered(panel: Locator) -> bool:
    box = panel.bounding_box()
    return box is None or box["y"] < 0
