"""Each action asks who wants it before it does anything, and leaves who did what in the trail."""

import ast
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app import reading
from app.access import actions, roles
from app.access.roles import Person
from precompute import queue as queues
from store import judgements, runs, trail
from store.errors import BadInput, Busy, Forbidden, Missing
from store.judgements import Observation
from store.objects import connect
from store.runs import Run
from tests import tiny
from tests.worlds import make_world

pytestmark = pytest.mark.filterwarnings("ignore")
ROOT = Path(__file__).parent.parent


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A finished run in a store of its own, with an empty queue beside it."""
    monkeypatch.setenv("LOUPE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("LOUPE_QUEUE", str(tmp_path / "queue.sqlite"))
    monkeypatch.delenv("LOUPE_READ_ONLY", raising=False)
    return runs.open_run(connect(str(tmp_path / "store")), make_world(tmp_path / "store"))


@pytest.fixture
def be(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes the session somebody's: "engineer" is one, nobody else."""

    def become(name: str) -> None:
        monkeypatch.setattr(roles, "person", lambda: Person(name, name == "engineer", True))

    return become


def acts(run: Run, folder: Path, job: str) -> dict[str, Callable[[], Any]]:
    """A call of every action there is."""
    return {
        "retrain": lambda: actions.retrain(tiny.recipe(folder, name="again"), parent=run.id, hypothesis="less grass"),
        "cancel": lambda: actions.cancel(job),
        "retry": lambda: actions.retry(job),
        "forget": lambda: actions.forget(job),
        "delete_run": lambda: actions.delete_run(run),
        "thin": lambda: actions.thin(run, (0, 3)),
        "observe": lambda: actions.observe(run, Observation(text="grass", by="engineer")),
        "decide": lambda: actions.decide(run, "keep", "it looks at the deer"),
    }


def test_every_action_asks_first() -> None:
    """Also those that somebody adds: the first thing done is roles.demand, and `acts` above has them all."""
    tree = ast.parse((ROOT / "app/access/actions.py").read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    public = {node.name for node in functions} - {"queue", "connected", "idle", "harmless"}
    assert public == set(acts(None, ROOT, ""))  # type: ignore[arg-type]
    for node in functions:
        if node.name in public:
            first = node.body[1] if isinstance(node.body[0], ast.Expr) else node.body[0]
            assert "roles.demand(" in ast.unparse(first), f"actions.{node.name} does not ask who wants it"


def test_pages_change_nothing_but_by_an_action() -> None:
    """No file of the app but actions.py calls what writes."""
    writing = {
        "enqueue",
        "cancel",
        "retry",
        "forget",
        "delete_run",
        "thin",
        "observe",
        "decide",
        "delete",
        "put",
        "create",
    }
    files = [file for file in (ROOT / "app").rglob("*.py") if file.name not in ("actions.py", "interactions.py")]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in writing:
                owner = ast.unparse(node.func.value)
                assert owner == "actions" or owner not in ("runs", "judgements", "thinning", "queues", "objects"), (
                    f"{file.name} calls {owner}.{node.func.attr}"
                )


def test_a_viewer_is_refused_everything(run: Run, be: Callable[[str], None], tmp_path: Path) -> None:
    job = actions.queue().enqueue(tiny.recipe(tmp_path), by="somebody")
    before = contents(run), actions.queue().jobs()
    be("viewer")
    for act in acts(run, tmp_path, job).values():
        with pytest.raises(Forbidden, match="signed in as viewer"):
            act()
    assert (contents(run), actions.queue().jobs()) == before


def test_an_engineers_jobs_carry_their_name(run: Run, be: Callable[[str], None], tmp_path: Path) -> None:
    be("engineer")
    act = acts(run, tmp_path, "")
    job = act["retrain"]()
    found = actions.queue().job(job)
    assert (found.by, found.parent, found.hypothesis, found.state) == ("engineer", run.id, "less grass", "waiting")
    assert act["retrain"]() == job  # the same recipe is not asked for twice
    actions.cancel(job)
    assert actions.queue().job(job).state == "cancelled" and "engineer" in actions.queue().job(job).reason
    assert actions.retry(job) == job
    actions.cancel(job)
    actions.forget(job)
    with pytest.raises(Missing):
        actions.queue().job(job)
    left = [(entry.action, entry.by, entry.what) for entry in trail.trail(run.objects)]
    assert left == [(name, "engineer", {"job": job}) for name in ("forget", "cancel", "retry", "cancel")]


def test_what_failed_is_not_in_the_trail(run: Run, be: Callable[[str], None]) -> None:
    be("engineer")
    with pytest.raises((Missing, BadInput)):
        actions.cancel("no-such-job")
    assert trail.trail(run.objects) == []


def test_judgements_bear_the_name_of_the_session_and_no_other(
    run: Run, be: Callable[[str], None], tmp_path: Path
) -> None:
    be("engineer")
    act = acts(run, tmp_path, "")
    said = actions.observe(run, Observation(text="grass", by="somebody else", at=1.0, id="x"))
    assert said.by == "engineer" and said.at > 1e9 and judgements.observations(run) == [said]
    act["decide"]()
    latest = judgements.verdict(run)
    assert latest and (latest.verdict, latest.by) == ("keep", "engineer")


def test_deleting_says_who_and_what(run: Run, be: Callable[[str], None]) -> None:
    be("engineer")
    assert actions.delete_run(run) > 1000
    assert reading.all_runs()[0] == ()  # at once, not when the listing expires
    (entry,) = trail.trail(run.objects)
    assert (entry.action, entry.by, entry.what) == ("delete", "engineer", {"run": run.id, "uuid": run.uuid})
    assert abs(entry.at - time.time()) < 60


def test_a_run_that_is_being_made_stays(run: Run, be: Callable[[str], None]) -> None:
    be("engineer")
    run.say({"state": "running", "doing": "training"})
    for act in (lambda: actions.delete_run(run), lambda: actions.thin(run, (0, 3))):
        with pytest.raises(Busy, match="being made"):
            act()
    assert run.id in runs.run_ids(run.objects) and trail.trail(run.objects) == []


@pytest.mark.parametrize(
    ("allow", "fine"), [("", False), ("tests.other", False), ("tests", True), ("x, tests.nets", True)]
)
def test_with_sign_in_a_recipe_names_only_code_that_the_host_allows(
    run: Run, be: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allow: str, fine: bool
) -> None:
    be("engineer")
    recipe = tiny.recipe(tmp_path, model={"network": "tests.nets:wide"})
    monkeypatch.setenv("LOUPE_ALLOW", f"{allow},{tmp_path}")
    monkeypatch.setattr(roles, "sign_in", lambda: {"client_id": "x"})
    if fine:
        assert actions.retrain(recipe)
    else:
        with pytest.raises(Forbidden, match=r"LOUPE_ALLOW=tests\.nets"):
            actions.retrain(recipe)
        assert actions.queue().jobs() == []
        monkeypatch.setattr(roles, "sign_in", dict)  # on one's own machine
        assert actions.retrain(recipe)


def test_the_trail_is_latest_first_and_bounded(tmp_path: Path) -> None:
    objects = connect(str(tmp_path))
    assert trail.trail(objects) == []
    for number in range(5):
        trail.note(objects, "delete", "", {"run": str(number)})
        time.sleep(0.002)
    assert [entry.what["run"] for entry in trail.trail(objects, limit=3)] == ["4", "3", "2"]


def test_the_queue_is_that_of_the_environment(run: Run) -> None:
    assert actions.queue() is actions.queue()
    assert actions.queue().address == queues.address_of()


def contents(run: Run) -> list[tuple[str, int]]:
    return sorted((stat.path, stat.size) for stat in run.objects.under(""))
