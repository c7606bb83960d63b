"""Every page in every state, without a browser: with data and without, live, failed, thinned, damaged, and badly addressed."""

import inspect
import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import epochs, news, probe, reading, selection, shell
from store.errors import LoupeError
from store.objects import connect
from store.runs import Run, open_run
from store.seals import sealed
from tests import visits, worlds

ROOT = Path(__file__).parent.parent
PAGES = [f"app/views/{file.name}" for file in sorted((ROOT / "app/views").glob("*.py"))]
OVERVIEW = "app/views/overview.py"
RUN = "world-0123456789"

pytestmark = pytest.mark.filterwarnings("ignore")


class PatientProbe:
    """Takes every question and never answers: these worlds have no weights."""

    def progress(self, visitor: str, requests: object) -> dict[object, object]:
        return {}

    def soon(self, visitor: str, requests: object, seconds: float) -> dict[object, object]:
        return {}

    def known(self, requests: object) -> dict[object, object]:
        return {}

    def warm(self) -> None: ...


def shows(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a store before the app, whose probe never answers."""
    monkeypatch.setenv("LOUPE_STORE", str(store))
    monkeypatch.setattr(probe, "shared", PatientProbe)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store of one's own."""
    shows(tmp_path, monkeypatch)
    return tmp_path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    worlds.make_world(folder)
    return folder


@pytest.fixture
def finished(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with one finished run, for tests that only look."""
    shows(made, monkeypatch)
    return made


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Those that were made so far, by what they hold."""
    return {}


@pytest.fixture
def shown(
    stores: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Puts a store of runs like this before the app. It is made once, for tests that only look."""

    def put(*names: str, damaged: bool = False, **about: object) -> None:
        key = repr((names, damaged, sorted(about.items())))
        if key not in stores:
            stores[key] = tmp_path_factory.mktemp("shown")
            for name in names or ("world",):
                run = worlds.make_world(stores[key], name=name, **about)
                if damaged:
                    connect(str(stores[key])).put(f"runs/{run}/status.json", b'{"state": "runn')
        shows(stores[key], monkeypatch)

    return put


def opened(page: str = OVERVIEW, **query: str) -> AppTest:
    """The app at a page, as somebody who follows a link sees it."""
    return visits.app("" if page == OVERVIEW else page, **query).run()


def later(app: AppTest) -> AppTest:
    """The app when cached listings have run out."""
    visits.later()
    return app.run()


def sound(app: AppTest) -> None:
    assert [item.message for item in app.exception] == []
    assert [item.value for item in app.error] == []


def words(app: AppTest) -> str:
    """All that is written on the page."""
    kinds = (app.title, app.subheader, app.markdown, app.caption, app.info, app.warning, app.error, app.code)
    return re.sub(r"\\(.)", r"\1", "\n".join(str(item.value) for kind in kinds for item in kind))


def epoch_of(app: AppTest) -> object:
    return next(slider for slider in app.select_slider if slider.key == "epoch").value


# With data and without


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("channels", [1, 3])
def test_page_shows_a_finished_run_and_each_widget_once(shown: Callable[..., None], page: str, channels: int) -> None:
    shown(channels=channels)
    app = opened(page)
    sound(app)
    assert len(app.title) == 1
    assert epoch_of(app) == 3
    kinds = (
        app.selectbox,
        app.select_slider,
        app.slider,
        app.button,
        app.text_input,
        app.number_input,
        app.button_group,
    )
    labels = Counter((type(item).__name__, item.key or item.label) for kind in kinds for item in kind)
    assert [name for name, count in labels.items() if count > 1] == []
    assert Counter(item.label.split(" ")[0] for item in (*app.selectbox, *app.select_slider))["Run"] == 1
    assert Counter(item.label.split(" ")[0] for item in (*app.selectbox, *app.select_slider))["Epoch"] == 1


@pytest.mark.parametrize("page", PAGES)
def test_empty_store_says_how_to_fill_it(folder: Path, page: str) -> None:
    app = opened(page)
    sound(app)
    assert "make demo" in words(app)
    assert not app.select_slider


def test_empty_store_of_another_place_says_that_the_commands_have_to_be_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "same LOUPE_STORE as the app" in words(opened("app/views/overview.py"))
    monkeypatch.delenv("LOUPE_STORE")
    monkeypatch.setattr(reading, "DEFAULT_ADDRESS", str(tmp_path / "artifacts"))
    assert "LOUPE_STORE" not in words(opened("app/views/overview.py"))


@pytest.mark.parametrize(
    ("origin", "more"), [("trained", ""), ("imported", " --on mine-0"), ("recorded", " --on mine-0")]
)
def test_a_run_that_was_trained_elsewhere_is_named_where_more_is_asked_of_it(
    tmp_path: Path, origin: str, more: str
) -> None:
    run = Run(connect(str(tmp_path)), "mine-0", {"origin": origin})
    assert shell.again(run).endswith(f"python -m precompute run RECIPE.toml{more}")


def test_overview_has_every_part(finished: Path) -> None:
    app = opened(epoch="1")
    said = words(app)
    assert len(app.get("vega_lite_chart")) == 3
    assert "n = 24 evaluated test images; training images: a fixed sample of 4,000." in said
    assert "95% interval" in said
    assert "Most frequent confusions" in said
    tables = [item.value for item in app.dataframe]
    assert list(tables[0].columns) == ["class", "n", "precision", "recall", "f1"]
    assert tables[0]["n"].tolist() == [6, 6, 6, 6]


def test_recipe_and_provenance_are_there_when_opened(finished: Path) -> None:
    app = opened()
    assert len(app.dataframe) == 1
    app.session_state["overview.recipe"] = app.session_state["overview.provenance"] = True
    app.run()
    sound(app)
    recipe, provenance = (item.value for item in app.dataframe[1:])
    meanings = dict(zip(recipe["field"], recipe["meaning"], strict=True))
    assert meanings["training.learning_rate"] == "largest step size of the schedule"
    assert "versions.torch" in provenance["fact"].tolist()


def test_many_classes_put_the_list_before_the_matrix(folder: Path) -> None:
    worlds.make_world(folder, classes=30, images=120)
    app = opened(epoch="0")
    sound(app)
    kinds = [item.type for item in flat(app.main)]
    assert kinds.index("button_group") < len(kinds) - 1 - kinds[::-1].index("vega_lite_chart")
    assert "scroll to zoom" in words(app)


def flat(block: object) -> list:
    """All elements of a page in the order in which they stand."""
    children = getattr(block, "children", None)
    return [block] if children is None else [leaf for child in children.values() for leaf in flat(child)]


def test_a_confusion_opens_its_images(finished: Path) -> None:
    app = opened(epoch="0")
    [pairs] = [item for item in app.button_group if item.key == "overview.pair"]
    assert pairs.value == (0, 2)  # the most frequent one is open at first
    assert "kind 0, taken for kind 2: 3 images at epoch 0" in words(app)
    pairs.select((3, 1)).run()
    assert "kind 3, taken for kind 1: 2 images at epoch 0" in words(app)
    assert app.query_params["cell"] == "3-1"
    sound(app)


# Live, failed, thinned


@pytest.mark.parametrize("page", PAGES)
def test_live_run_shows_what_is_there_and_moves_nothing(folder: Path, page: str) -> None:
    worlds.make_world(folder, epochs=5, finished=2)
    app = opened(page)
    sound(app)
    assert "training, epoch 2 of 5 can be looked at, about 40 s left" in words(app)
    assert epoch_of(app) == 2
    worlds.make_world(folder, epochs=5, finished=3)
    later(app)
    sound(app)
    assert epoch_of(app) == 2
    app.button(key="newest").click().run()
    assert epoch_of(app) == 3
    sound(app)


def test_run_without_a_finished_epoch_waits(folder: Path) -> None:
    worlds.make_world(folder, finished=-1)
    app = opened()
    sound(app)
    assert "No epoch of this run is finished yet: training, about 40 s left" in words(app)


@pytest.mark.parametrize("page", PAGES)
def test_failed_run_says_why_and_stays_readable(shown: Callable[..., None], page: str) -> None:
    reason = "the loss became NaN in epoch 3"
    shown(epochs=5, finished=2, status={"state": "failed", "reason": reason})
    app = opened(page)
    assert not app.exception
    assert reason in app.error[0].value
    assert len(app.title) == 1
    assert epoch_of(app) == 2


def test_run_whose_writer_is_gone_says_how_to_go_on(folder: Path) -> None:
    run_id = worlds.make_world(folder, epochs=5, finished=2)
    said = {"state": "running", "doing": "training", "done": 2, "of": 5, "seconds_left": 9.0, "reason": "", "at": 1e9}
    connect(str(folder)).put(f"runs/{run_id}/status.json", json.dumps(said).encode())
    app = opened()
    assert "Run its recipe 'world' again to go on" in app.warning[0].value
    assert "left" not in words(app)


def test_a_run_that_ends_while_its_page_is_drawn_shows_its_last_epoch(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The epochs are looked at, the last one is finished, and only then is it asked whether the run goes on."""
    looked = reading.epochs
    monkeypatch.setattr(reading, "epochs", lambda artifact: looked(artifact)[:-1])
    monkeypatch.setattr(
        reading, "epochs_now", lambda artifact: monkeypatch.setattr(reading, "epochs", looked) or looked(artifact)
    )
    assert opened().select_slider(key="epoch").options[-1] == "3"


@pytest.mark.parametrize("page", PAGES)
def test_thinned_epochs_are_those_of_the_slider(shown: Callable[..., None], page: str) -> None:
    shown(epochs=12, kept=(0, 5, 10, 12))
    app = opened(page, epoch="5")
    sound(app)
    slider = app.select_slider(key="epoch")
    assert slider.options == ["0", "5", "10", "12"]
    assert slider.value == 5


def test_single_epoch_needs_no_slider(folder: Path) -> None:
    worlds.make_world(folder, epochs=3, finished=0)
    app = opened()
    sound(app)
    assert not app.select_slider
    assert app.selectbox(key="epoch").value == 0


# The address


@pytest.mark.parametrize("page", PAGES)
def test_a_link_opens_what_it_names(shown: Callable[..., None], page: str) -> None:
    shown("world", "other")
    app = opened(page, **{"run": RUN, "epoch": "1", "class": "kind 2", "images": "7,3"})
    sound(app)
    selected = app.session_state["selection"]
    assert (selected.run.id, selected.epoch, selected.chosen, selected.images) == (RUN, 1, 2, (7, 3))
    assert selected.focus == 7


HOSTILE = [
    {
        "run": "../../etc/passwd",
        "epoch": "-1",
        "class": "<script>alert(1)</script>",
        "images": "1,2,x,99999999999999999999,-3,٣,1.5,,0x1",
    },
    {"run": "x" * 5000, "epoch": "1e9", "class": "999999", "images": "9" * 10_000, "cell": "9-9999"},
    {"run": "", "epoch": "NaN", "class": "", "images": "<img src=x onerror=alert(1)>", "cell": "a-b"},
    {
        "epoch": "",
        "cell": "1-1-1",
        "layer": "../secret",
        "explained": "nobody",
        "scale": "no",
        "opacity": "1e400",
        "colours": "jet",
    },
    {"epoch": "2.5", "cell": "٣-٣", "images": "-0", "opacity": "nan", "shown": "<script>"},
]


@pytest.mark.parametrize("query", HOSTILE, ids=range(len(HOSTILE)))
def test_nonsense_in_the_address_is_ignored(finished: Path, query: dict[str, str]) -> None:
    app = opened(**query)
    for page in [*PAGES, OVERVIEW]:
        app.switch_page(page).run()
        sound(app)
        selected = app.session_state["selection"]
        assert selected.epoch in selected.epochs
        assert selected.chosen in range(4)
        assert all(image in range(24) for image in selected.images)
        assert not any(word in words(app) for word in ("<script", "onerror", "passwd"))


def test_unknown_run_in_the_address_is_said(finished: Path) -> None:
    assert "not in this store" in opened(run="gone-0000000000").info[0].value


def test_the_selection_follows_to_the_other_pages(finished: Path) -> None:
    app = opened(epoch="1", images="4")
    app.selectbox(key="class").set_value(3).run()
    for page in [*PAGES, OVERVIEW]:
        app.switch_page(page).run()
        sound(app)
        selected = app.session_state["selection"]
        assert (selected.epoch, selected.chosen, selected.images) == (1, 3, (4,))


def test_another_run_keeps_epoch_and_class_and_drops_foreign_images(folder: Path) -> None:
    worlds.make_world(folder)
    worlds.make_world(folder, name="longer", epochs=5)
    worlds.make_world(folder, name="elsewhere", images=40, epochs=2)
    app = opened(run=RUN, epoch="3", images="4")
    app.selectbox(key="run").set_value("longer-0123456789").run()
    assert (app.session_state["selection"].epoch, app.session_state["selection"].images) == (3, (4,))
    app.selectbox(key="run").set_value("elsewhere-0123456789").run()
    sound(app)
    assert (app.session_state["selection"].epoch, app.session_state["selection"].images) == (2, ())


def test_playing_steps_through_the_epochs_and_stops_at_the_last(finished: Path) -> None:
    app = opened(epoch="3")
    app.button(key="play").click().run()
    assert epoch_of(app) == 0  # at the end it begins again
    assert app.session_state["playing"]
    app.button(key="play").click().run()
    assert not app.session_state["playing"]


def test_playing_waits_for_its_timer_however_long_the_page_takes(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part that plays is drawn with the page, too: a step taken then would change a slider that is drawn already."""
    app = opened(epoch="0")
    clock = itertools.count(step=10.0)
    monkeypatch.setattr(epochs, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    app.button(key="play").click().run()
    sound(app)
    app.run()
    sound(app)
    assert (epoch_of(app), app.session_state["playing"]) == (0, True)


def test_tray_is_bounded_and_each_image_is_in_it_once(finished: Path) -> None:
    app = opened(images=",".join(str(image) for image in [5, 5, *range(24)]))
    assert app.session_state["selection"].images == (5, 0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11)[: selection.TRAY]


# Errors


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("finished", [-1, 2, 3])
def test_a_damaged_status_hides_nothing(shown: Callable[..., None], page: str, finished: int) -> None:
    shown(damaged=True, finished=finished)
    app = opened(page)
    sound(app)
    assert (epoch_of(app) == finished) if finished >= 0 else "No epoch of this run is finished yet" in words(app)


@pytest.mark.parametrize("follow", [news.follow, news.no_epoch_yet, news.nothing_yet])
def test_a_live_line_that_cannot_be_read_is_an_error_in_its_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch, follow: Callable[..., None]
) -> None:
    said: list[str] = []

    def fail(*_: object) -> None:
        raise LoupeError("gone")

    for name in ("status", "all_runs", "store"):
        monkeypatch.setattr(reading, name, fail)
    monkeypatch.setattr(st, "error", lambda text, **_: said.append(text))
    alone = inspect.unwrap(follow)  # without its timer
    alone(*[None, None, 0, print][: len(inspect.signature(alone).parameters)])
    assert said == ["gone"]


def test_a_damaged_shard_is_named_where_its_picture_would_be(folder: Path) -> None:
    run_id = worlds.make_world(folder)
    run = open_run(connect(str(folder)), run_id)
    key = run.artifact("evaluation-0a").key("confusion", 3)
    run.objects.put(key, run.objects.get(key)[:-3])
    app = opened()
    assert not app.exception
    assert any("evaluation-0a" in item.value and "verify" in item.value for item in app.error)
    assert len(app.get("vega_lite_chart")) >= 2  # accuracy and loss are still there
    app.select_slider(key="epoch").set_value(2).run()
    sound(app)


def test_a_store_of_a_newer_loupe_is_refused_in_words(folder: Path) -> None:
    run_id = worlds.make_world(folder)
    path = folder / "runs" / run_id / "zarr.json"
    metadata = json.loads(path.read_text())
    metadata["attributes"]["schema"] = 99
    path.write_text(json.dumps(metadata))
    app = opened()
    assert not app.exception
    assert "newer Loupe" in app.warning[0].value


def test_names_from_outside_are_never_markdown(folder: Path) -> None:
    run_id = worlds.make_world(folder)
    path = folder / "runs" / run_id / "zarr.json"
    metadata = json.loads(path.read_text())
    metadata["attributes"]["classes"] = ["*a*", "[b](http://x)", ":red[c]", "$d$"]
    metadata["attributes"] = sealed(metadata["attributes"])
    path.write_text(json.dumps(metadata))
    app = opened(cell="1-2")
    sound(app)
    heading = next(item.value for item in app.subheader if "image" in item.value)
    assert "\\[b\\](http\N{WORD JOINER}\\://x)" in heading
    assert r"\:red\[c\]" in heading


# The process


def test_rendering_every_page_leaves_torch_out(finished: Path) -> None:
    script = f"""
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file({str(ROOT / "streamlit_app.py")!r}, default_timeout=300).run()
for page in {PAGES!r}:
    app.switch_page(page).run()
    assert not app.exception, page
assert "torch" not in sys.modules and "torchvision" not in sys.modules
import gc
assert gc.get_freeze_count() > 10_000
print("no torch")
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert "no torch" in done.stdout, done.stderr[-2000:]


def test_a_rerun_asked_for_before_an_epoch_was_chosen_does_not_take_it_back(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What renews itself on a page lets the browser say the epoch before once more; later it is a change of mind."""
    app = opened()
    app.select_slider(key="epoch").set_value(2).run()
    app.session_state["epoch.chosen"] = 2, 1, time.monotonic()
    app.select_slider(key="epoch").set_value(1).run()
    assert app.session_state["epoch"] == 2
    monkeypatch.setattr(epochs, "ECHO_SECONDS", 0.0)
    app.select_slider(key="epoch").set_value(1).run()
    assert app.session_state["epoch"] == 1


def test_until_a_page_is_drawn_the_browser_cannot_know_the_epoch_chosen(finished: Path) -> None:
    """On a busy server that takes longer than any time an echo is waited for."""
    app = opened()
    app.select_slider(key="epoch").set_value(2).run()
    app.session_state["epoch.chosen"], app.session_state["epoch.untold"] = (2, 1, time.monotonic() - 60), True
    app.select_slider(key="epoch").set_value(1).run()
    assert app.session_state["epoch"] == 2 and "epoch.untold" not in app.session_state
    app.session_state["epoch.chosen"] = 2, 1, time.monotonic() - 60
    app.select_slider(key="epoch").set_value(1).run()
    assert app.session_state["epoch"] == 1
