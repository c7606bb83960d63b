"""Judging as a person does it: a region drawn by pointer and by keys, an observation left, a report opened."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.report import __main__ as report
from store import judgements
from store.objects import connect
from store.runs import Run, open_run
from tests.browser.conftest import settled
from tests.worlds import make_world

pytestmark = pytest.mark.browser


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return open_run(connect(str(tmp_path / "store")), make_world(tmp_path / "store"))


def test_an_observation_with_a_region_is_left_and_led_back_to(
    page: Page, run: Run, tmp_path: Path, serve: Callable[[Path], str]
) -> None:
    address = serve(tmp_path / "store")
    page.goto(f"{address}/saliency?images=5&epoch=2&class=kind+1")
    focus = page.locator(".st-key-case-focus")
    focus.locator("button.cell.selected").first.click()
    settled(page)
    page.get_by_text("Leave an observation").click()
    frame = page.locator(".region .frame")
    frame.locator("img[src]").wait_for()
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    assert box
    x, y, width, height = box["x"], box["y"], box["width"], box["height"]
    page.mouse.move(x + 0.2 * width, y + 0.3 * height)
    page.mouse.down()
    page.mouse.move(x + 0.6 * width, y + 0.8 * height, steps=5)
    page.mouse.up()
    frame.press("ArrowRight")
    frame.press("Shift+ArrowUp")
    settled(page)
    page.get_by_label("Observation", exact=True).fill("It looks at the edge.")
    page.get_by_label("Tags").fill("edge, sky")
    settled(page)
    page.get_by_role("button", name="Save the observation").click()
    expect(page.get_by_test_id("stText").get_by_text("It looks at the edge.")).to_be_visible()
    (stored,) = judgements.observations(run)
    assert stored.region == pytest.approx((0.22, 0.3, 0.62, 0.78), abs=0.011)
    assert (stored.tags, stored.image, stored.epoch, stored.explained) == (("edge", "sky"), 5, 2, "kind 1")

    page.goto(f"{address}/?epoch=1&class=kind+2")
    settled(page)
    page.get_by_text("Judgement: verdict").click()
    settled(page)
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("heading", name="Saliency", exact=True)).to_be_visible()
    expect(page.get_by_test_id("stText").get_by_text("It looks at the edge.")).to_be_visible()
    settled(page)
    assert "epoch=2" in page.url and "images=5" in page.url and "kind+1" in page.url.replace("%20", "+")


def test_numbers_and_keys_make_and_clear_a_region(
    page: Page, run: Run, tmp_path: Path, serve: Callable[[Path], str]
) -> None:
    page.goto(f"{serve(tmp_path / 'store')}/saliency?images=5&class=kind+1")
    page.locator(".st-key-case-focus button.cell.selected").first.click()
    settled(page)
    page.get_by_text("Leave an observation").click()
    frame, said = page.locator(".region .frame"), page.locator(".region .said")
    frame.press("Enter")
    expect(said).to_have_text("left 35%, top 35%, right 65%, bottom 65%")
    for _ in range(30):
        frame.press("ArrowLeft")
    expect(said).to_have_text("left 0%, top 35%, right 30%, bottom 65%")
    page.locator(".region input").nth(2).fill("50")
    page.keyboard.press("Enter")
    expect(said).to_have_text("left 0%, top 35%, right 50%, bottom 65%")
    page.locator(".region input").nth(3).fill("900")
    page.keyboard.press("Enter")
    expect(said).to_have_text("left 0%, top 35%, right 50%, bottom 100%")
    frame.press("Delete")
    expect(said).to_have_text("No region")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_opens_alone_and_without_a_complaint(
    page: Page, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("LOUPE_STORE", str(tmp_path / "store"))
    judgements.observe(
        run, judgements.Observation("<script>alert(1)</script>", ("<b>",)), by="<img src=x onerror=alert(1)>"
    )
    assert report.main([run.id, "--out", str(tmp_path)]) == 0
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("dialog", lambda dialog: troubles.append(dialog.message))
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url) if "data:" not in request.url else None)
    page.set_content((tmp_path / f"{run.id}.html").read_text(encoding="utf-8"))
    expect(page.get_by_text("<script>alert(1)</script>")).to_be_visible()
    assert page.evaluate("document.images.length") > 10
    assert page.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    dark = "rgb(18, 20, 23)"
    assert (page.evaluate("getComputedStyle(document.body).backgroundColor") == dark) == (scheme == "dark")
    assert not troubles and not asked
