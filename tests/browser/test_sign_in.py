"""Sign-in with a real provider, server and browser; forged requests are refused where the action is, and leave no trace."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from precompute import queue, recipe
from store import runs, trail
from store.objects import connect
from tests import oidc
from tests.browser.conftest import ROOT, served, settled, until
from tests.browser.visitor import Visitor, signed_in, visitor
from tests.worlds import make_world

pytestmark = pytest.mark.browser
ACTS = ("re-train", "cancel", "judge", "delete")
CHANGES = re.compile(r"^(re-train|send|train|cancel|retry|delete|thin|keep|reject|save|observe)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Host:
    """An app that asks for sign-in, over a store with one run and a queue with one job, which `victim` asked for."""

    address: str
    store: Path
    run: str
    job: str
    queue: queue.Queue


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("host")
    run = make_world(folder / "store")
    asked = queue.connect(str(folder / "queue.sqlite"))
    demo = recipe.read(ROOT / "recipes/demo.toml")
    job = asked.enqueue(demo.model_copy(update={"name": "victim"}), by="victim")
    settings = {
        "LOUPE_QUEUE": str(folder / "queue.sqlite"),
        "LOUPE_ENGINEERS": "someone@example.org, engineer@example.org",
        "LOUPE_ENGINEER_CLAIM": "roles=engineer",
        "CARELESS_JOB": job,
    }
    with oidc.running() as provider:
        (folder / "secrets.toml").write_text(oidc.settings(provider), encoding="utf-8")
        options = ("--secrets.files", str(folder / "secrets.toml"))
        with served(folder / "store", *options, script="tests/browser/careless.py", **settings) as address:
            yield Host(address, folder / "store", run, job, asked)


@pytest.fixture(scope="module")
def signed(host: Host) -> Callable[[str], dict[str, str]]:
    """The cookies of somebody who has signed in."""
    return cache(lambda name: signed_in(host.address, name))


def test_who_is_not_signed_in_sees_a_button_and_nothing_else(page: Page, host: Host) -> None:
    for place in ("", "/saliency"):
        page.goto(host.address + place)
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        settled(page)
        assert host.run not in page.content()
        assert page.get_by_test_id("stSidebar").count() == 0
        assert page.get_by_role("dialog").count() == 0


def test_a_viewer_signs_in_sees_the_pages_and_no_button_that_changes_anything_and_signs_out(
    page: Page, host: Host
) -> None:
    page.goto(host.address)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="viewer", exact=True).click()
    expect(page.get_by_role("heading", name="Overview", exact=True)).to_be_visible()
    expect(page.get_by_text("viewer@example.org")).to_be_visible()
    assert page.get_by_label("Your name").count() == 0
    for link in page.get_by_test_id("stSidebarNavLink").all():
        link.click()
        expect(page.get_by_test_id("stMain").get_by_role("heading").first).to_be_visible()
        settled(page)
        assert [text for text in page.get_by_role("button").all_inner_texts() if CHANGES.search(text)] == []
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    until(page, lambda: "_streamlit_user" not in {cookie["name"] for cookie in page.context.cookies()})


@pytest.mark.parametrize("name", ["viewer", "impostor"])
@pytest.mark.parametrize("act", ACTS)
def test_a_forged_click_is_refused_at_the_action(
    host: Host, signed: Callable[[str], dict[str, str]], name: str, act: str
) -> None:
    before = everything(host)
    answer = click(host, signed(name), act)
    assert [error for error in answer.errors if error.startswith("Only engineers may")] == answer.errors != []
    assert everything(host) == before


def test_a_click_without_sign_in_reaches_nothing(host: Host, signed: Callable[[str], dict[str, str]]) -> None:
    before, cookies = everything(host), signed("viewer")
    with visitor(host.address, cookies) as session:
        buttons = session.open().buttons.values()
    stranger = {"_streamlit_xsrf": cookies["_streamlit_xsrf"]}
    for known in (stranger, cookies | {"_streamlit_user": cookies["_streamlit_user"][:-4] + "AAAA"}):
        with visitor(host.address, known) as session:
            assert set(session.open(pressed=buttons).buttons) == {"sign-in.None"}
    assert everything(host) == before


def test_an_engineers_requests_are_carried_out_and_the_trail_names_them(
    host: Host, signed: Callable[[str], dict[str, str]]
) -> None:
    for name, act in (("engineer", "re-train"), ("member", "cancel"), ("engineer", "judge"), ("engineer", "delete")):
        answer = click(host, signed(name), act)
        assert answer.errors == []
        assert f"done: {act}" in answer.words
        if act == "judge":
            assert [item["by"] for item in verdicts(host)] == ["Engineer@Example.org"]
    assert {job.name: (job.by, job.state) for job in host.queue.jobs()} == {
        "demo": ("Engineer@Example.org", "waiting"),
        "victim": ("victim", "cancelled"),
    }
    left = [(entry.action, entry.by, *entry.what.values()) for entry in trail.trail(connect(str(host.store)))]
    assert [entry[:3] for entry in left] == [
        ("delete", "Engineer@Example.org", host.run),
        ("cancel", "member@example.org", host.job),
    ]
    assert runs.run_ids(connect(str(host.store))) == []


def click(host: Host, cookies: dict[str, str], act: str) -> Visitor:
    """What the server answers when somebody's browser sends the click of that careless button."""
    with visitor(host.address, cookies) as session:
        button = session.open().buttons[f"careless.{act}"]
        return session.open(pressed=[button])


def everything(host: Host) -> object:
    """All objects of the store, and all jobs."""
    objects = sorted((stat.path, stat.size) for stat in connect(str(host.store)).under(""))
    return objects, host.queue.jobs()


def verdicts(host: Host) -> list[dict[str, object]]:
    objects = connect(str(host.store))
    return [objects.get_json(stat.path) for stat in objects.under(f"runs/{host.run}/verdicts")]
