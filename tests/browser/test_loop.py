"""The whole loop as a person walks it: look at a run, train it again with another optimizer, compare, judge, take away."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from precompute.making import make
from store import judgements
from store.objects import connect
from store.runs import Run, all_runs
from tests import tiny
from tests.browser.conftest import PATIENCE, ROOT, served, settled
from tests.browser.test_browser import choose, go_to, open_page
from tests.browser.test_runs import tick
from tests.preloaded import Process

pytestmark = pytest.mark.browser
EPOCHS, TRAINED, TESTED = 16, 1500, 60  # long enough to be watched
HYPOTHESIS = "Adam finds the squares sooner"
OBSERVATION = "It looks at the square and at nothing else."
REASON = "As good as its parent, after fewer epochs."


@contextmanager
def working(store: Path) -> Iterator[None]:
    """A worker process on the store's own queue."""
    environment = os.environ | {"LOUPE_STORE": str(store), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    child = Process(["precompute", "worker"], env=environment, out=store.parent / "worker.log")
    try:
        yield
    finally:
        child.terminate()
        child.wait(30)


def test_a_person_walks_the_whole_loop(page: Page, tmp_path: Path) -> None:
    """What issue 3 asks for, in the order in which a person does it."""
    store = tmp_path / "store"
    tiny.write_images(tmp_path, train=TRAINED, test=TESTED)
    parent = make(connect(str(store)), tiny.recipe(tmp_path, training__epochs=EPOCHS))
    with working(store), served(store) as address:
        open_page(page, address, "Overview")
        ask_for_a_training(page, parent)
        watch_it_train(page)
        compare_with_the_parent(page)
        go_to(page, "Overview")
        observe_and_decide(page)
        reports = export(page, tmp_path)
    child = next(run for run in all_runs(connect(str(store)))[0] if run.id != parent.id)
    check(child, parent, *reports)


def ask_for_a_training(page: Page, parent: Run) -> None:
    """Another optimizer, with an expectation."""
    go_to(page, "Re-train")
    expect(page.get_by_text("This very run exists already")).to_be_visible()
    page.get_by_role("textbox", name="Your name").fill("Ada")
    page.get_by_role("textbox", name="What do you expect").fill(HYPOTHESIS)
    page.keyboard.press("Tab")
    choose(page, "Optimizer", "adam")
    expect(page.get_by_text("sgd → adam")).to_be_visible()
    expect(page.get_by_text(f"Measured in {parent.id}")).to_be_visible()
    expect(page.get_by_text("Asked for by Ada.")).to_be_visible()
    page.get_by_role("button", name="Train", exact=True).click()


def watch_it_train(page: Page) -> None:
    """From the page it was asked for to Overview, where it grows: a newer epoch is announced, then shown when asked for."""
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_role("heading", name="Overview", exact=True)).to_be_visible()
    expect(page.locator(".st-key-live")).to_contain_text("can be looked at")
    notice = page.get_by_role("button", name="Show epoch")
    expect(notice).to_be_visible()
    expect(page.locator(".st-key-live")).to_have_count(0, timeout=5 * PATIENCE)  # trained to its end
    expect(page.get_by_label(f"Epoch (0 to {EPOCHS})").first).to_be_visible()


def compare_with_the_parent(page: Page) -> None:
    """Both rows are ticked: the comparison opens below them."""
    go_to(page, "Runs")
    tick(page, 0)
    tick(page, 1)
    expect(page.get_by_role("heading", name="2 runs compared")).to_be_visible()
    expect(page.get_by_role("heading", name="Hyperparameters that differ")).to_be_visible()
    expect(page.locator("button.cell canvas").first).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def observe_and_decide(page: Page) -> None:
    """An observation and a verdict on the run one looks at."""
    expect(
        page.locator("svg path[aria-label*='predicted class']").first
    ).to_be_visible()  # drawn above: nothing moves now
    page.get_by_text("Judgement: verdict").click()
    settled(page)
    page.get_by_text("Leave an observation on the run as a whole").click()
    settled(page)
    page.get_by_label("Observation", exact=True).fill(OBSERVATION)
    page.keyboard.press("Tab")
    settled(page)
    page.get_by_role("button", name="Save the observation").click()
    expect(page.get_by_test_id("stText").get_by_text(OBSERVATION)).to_be_visible()
    settled(page)
    page.get_by_role("radio", name="Keep").click()
    page.get_by_label("Reason", exact=True).fill(REASON)
    page.keyboard.press("Tab")
    settled(page)
    page.get_by_role("button", name="Leave the verdict").click()
    expect(page.get_by_test_id("stText").get_by_text(REASON)).to_be_visible()


def export(page: Page, folder: Path) -> tuple[Path, Path]:
    """The report as a page and as data."""
    found = []
    for kind in ("HTML", "JSON"):
        with page.expect_download() as download:
            page.get_by_role("button", name=kind, exact=True).click()
        found.append(folder / f"report.{kind.lower()}")
        download.value.save_as(found[-1])
    return found[0], found[1]


def check(child: Run, parent: Run, page: Path, data: Path) -> None:
    """What lies in the store and in the report is what the person did."""
    assert child.status().state == "finished"
    assert child.missing() == {}
    assert (child.recipe["training"]["optimizer"], child.epochs) == ("adam", EPOCHS)
    (asked,) = child.kept("lineage")
    assert (asked["parent"], asked["hypothesis"], asked["by"]) == (parent.id, HYPOTHESIS, "Ada")
    assert [(item.text, item.by) for item in judgements.observations(child)] == [(OBSERVATION, "Ada")]
    assert [(item.verdict, item.reason, item.by) for item in judgements.verdicts(child)] == [("keep", REASON, "Ada")]
    text = page.read_text(encoding="utf-8")
    assert all(said in text for said in (child.id, parent.id, HYPOTHESIS, OBSERVATION, REASON))
    assert json.loads(data.read_text(encoding="utf-8"))
