"""From a map to what the checks say of its technique, to the evidence, and to what it is; and every formula can be set."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.methods.table import PARTS
from tests.browser.conftest import settled
from tests.worlds_reliability import make_judged

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)


def test_a_map_leads_to_its_card_its_evidence_and_its_method(
    page: Page, serve: Callable[[Path], str], tmp_path: Path
) -> None:
    make_judged(tmp_path / "store")
    page.goto(f"{serve(tmp_path / 'store')}/saliency")
    badge = page.locator("a.badge").nth(1)
    expect(badge).to_contain_text("1 of 2 checks")
    assert "Randomisation: fails (|ρ| 0.90)" in str(badge.get_attribute("title"))
    with page.context.expect_page() as opened:
        badge.click()
    card = opened.value
    first = card.locator(".card").first
    expect(first).to_have_attribute("aria-label", "Grad-CAM: passes 1 of 2 checks")
    expect(first.locator(".row.fails .title")).to_have_text("Randomisation")
    expect(first.locator("svg path.own").first).to_be_attached()
    settled(card)
    card.locator("a[data-name=randomisation]").first.click()
    expect(card.get_by_role("radio", name="layers drawn anew")).to_be_checked()
    card.close()

    with page.context.expect_page() as opened:
        page.locator(".name b a", has_text="Grad-CAM").first.click()
    methods = opened.value
    expect(methods).to_have_url(re.compile("about=grad-cam"))
    expect(methods.locator(".katex").first).to_be_visible()
    for part, entries in PARTS.items():
        methods.get_by_role("radio", name=part, exact=True).click()
        settled(methods)
        formulas = sum(bool(entry.formula) for entry in entries.values())
        expect(methods.locator(".katex")).to_have_count(formulas + (part != "Techniques"))
        expect(methods.locator(".katex-error")).to_have_count(0)
    methods.close()
