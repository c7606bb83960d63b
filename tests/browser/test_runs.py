"""The Runs page in a browser: rows are ticked, the comparison opens, grows with a live run, and a run is deleted."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from store import runs
from store.objects import connect
from tests import families
from tests.browser.conftest import settled

pytestmark = pytest.mark.browser
ROW = 35  # pixels


def tick(page: Page, row: int) -> None:
    """Clicks the box of a row of the table, which is a canvas: what it holds for screen readers tells when it is drawn, and
    whether the row is ticked."""
    box = page.locator(f"canvas tr[aria-rowindex='{row + 2}']").first
    expect(box).to_have_attribute("aria-selected", re.compile("true|false"))
    before = box.get_attribute("aria-selected")
    page.get_by_test_id("stDataFrame").first.click(position={"x": 17, "y": ROW * (row + 1) + ROW // 2})
    expect(box).to_have_attribute("aria-selected", "false" if before == "true" else "true")
    settled(page)


def test_two_ticks_open_the_comparison_and_the_address_opens_it_again(
    page: Page, serve: Callable[[Path], str], tmp_path: Path
) -> None:
    first, _, third = families.make_family(tmp_path / "store")
    address = serve(tmp_path / "store")
    page.goto(f"{address}/runs?run={first.id}&epoch=2")
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    settled(page)
    tick(page, 0)
    expect(page.get_by_role("heading", name="runs compared")).to_have_count(0)
    tick(page, 2)
    expect(page.get_by_role("heading", name="2 runs compared")).to_be_visible()
    assert f"compare={third.id}%2C{first.id}" in page.url or f"compare={third.id},{first.id}" in page.url
    expect(page.locator("button.cell canvas").first).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="2 runs compared")).to_be_visible()
    settled(page)
    tick(page, 1)  # the ticks from the address are in the table
    expect(page.get_by_role("heading", name="3 runs compared")).to_be_visible()
    tick(page, 1)
    expect(page.get_by_role("heading", name="2 runs compared")).to_be_visible()
    page.locator("button.cell").first.click()
    expect(page.locator(".thumbnails .marked")).to_have_count(1)
    assert "images=" in page.url


def test_a_live_run_grows_while_one_watches_and_nothing_jumps(
    page: Page, serve: Callable[[Path], str], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    whole = families.make_run(store, "whole", epochs=6)
    live = families.make_run(store, "live", epochs=6, finished=2, seed=1)
    page.goto(f"{serve(store)}/runs?run={whole.id}&epoch=4&compare={whole.id},{live.id}")
    expect(page.get_by_text("B holds no epoch 4; it is shown at epoch 2.")).to_be_visible()
    settled(page)
    points = page.get_by_test_id("stVegaLiteChart").first.locator("svg g.mark-symbol path")
    expect(points.nth(1)).to_be_visible()  # drawn
    before = points.count()
    families.make_run(store, "live", epochs=6, finished=4, seed=1)
    expect(page.get_by_role("button", name="Show B at epoch 4")).to_be_visible()
    expect(points).to_have_count(before + 2)
    expect(page.get_by_text("it is shown at epoch 2")).to_be_visible()
    page.get_by_role("button", name="Show B at epoch 4").click()
    expect(page.get_by_text("B holds no epoch")).to_have_count(0)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_deleting_asks_first_and_takes_the_run_off_the_page(
    page: Page, serve: Callable[[Path], str], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    first, second, third = families.make_family(store)
    page.goto(f"{serve(store)}/runs?run={first.id}&compare={second.id}")
    page.get_by_role("button", name=f"Delete {second.id}").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"Re-trained from it: {third.id}.")
    assert len(runs.run_ids(connect(str(store)))) == 3
    dialog.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("2 runs.")).to_be_visible()
    assert runs.run_ids(connect(str(store))) == sorted([first.id, third.id])
    assert "compare" not in page.url
