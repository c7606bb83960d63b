"""The command line as a person uses it, in processes of its own: what it prints, how it exits, what bad input costs.

The first test and that of the question before a deletion start true ones, the others find the libraries loaded.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from precompute import repairing, terminal
from precompute.making import make
from precompute.repairing import asked_for
from store import runs
from store.errors import BadInput
from store.objects import connect
from store.seals import sealed
from tests import tiny
from tests.preloaded import completed

COMMAND = [sys.executable, "-m", "precompute"]

RECIPE = """
name = "tiny"
[data]
set = "{data}"
options = {options}
[model]
network = "gap"
options = {{ width = 4 }}
weights = "{weights}"
[training]
epochs = 1
batch_size = 16
[artifacts.saliency]
techniques = ["grad-cam"]
"""


ENVIRONMENT = {"COLUMNS": "500", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}


def loupe(*words: str | Path, store: Path) -> subprocess.CompletedProcess:
    return completed(["precompute", *map(str, words), "--store", str(store)], env=ENVIRONMENT)


def write(folder: Path, *, data: str = "npz", options: str, weights: str = "") -> Path:
    text = RECIPE.format(data=data, options=options, weights=weights).replace('weights = ""\n', "")
    path = folder / "tiny.toml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("made")
    run = make(connect(str(folder / "store")), tiny.recipe(folder, training__epochs=1))
    return folder / "store", run.id


@pytest.fixture
def copy(made: tuple[Path, str], tmp_path: Path) -> tuple[Path, str]:
    shutil.copytree(made[0], tmp_path / "store")
    return tmp_path / "store", made[1]


def test_a_recipe_is_run_and_its_result_named(tmp_path: Path) -> None:
    images = tiny.write_images(tmp_path)
    words = ["run", write(tmp_path, options=f'{{ path = "{images}" }}'), "--store", tmp_path / "store"]
    found = subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, timeout=600, env=ENVIRONMENT, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    run_id = runs.run_ids(connect(str(tmp_path / "store")))[0]
    assert run_id in found.stdout
    assert "test accuracy" in found.stdout
    assert f"LOUPE_STORE={tmp_path / 'store'} make serve" in found.stdout
    assert loupe("verify", run_id, store=tmp_path / "store").returncode == 0


def test_what_was_left_out_of_the_data_is_said_at_the_end(
    made: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = SimpleNamespace(attributes={"notes": ["1 of 9 files is damaged [x.jpg]."]})
    monkeypatch.setattr(terminal, "dataset", lambda *names: data)
    monkeypatch.setenv(terminal.OPEN_AT, "http://localhost:8501")
    terminal.report(runs.open_run(connect(str(made[0])), made[1]))
    said = " ".join(capsys.readouterr().out.split())
    assert "1 of 9 files is damaged [x.jpg]." in said
    assert said.endswith("To look at it: http://localhost:8501")


@pytest.mark.parametrize(
    ("data", "options", "weights", "words"),
    [
        ("npz", '{ path = "nowhere.npz" }', "", ["nowhere.npz"]),
        ("folder", '{ root = "nowhere" }', "", ["nowhere"]),
        ("cub", '{ root = "." }', "", ["images.txt"]),
        ("npz", '{ path = "squares.npz" }', "weights.pt", ["features.0.weight", "something.else", "Name the network"]),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_no_run(
    data: str, options: str, weights: str, words: list[str], tmp_path: Path
) -> None:
    import torch

    tiny.write_images(tmp_path)
    torch.save({"something.else": torch.zeros(3)}, tmp_path / "weights.pt")
    options = options.replace("squares.npz", str(tmp_path / "squares.npz"))
    recipe = write(tmp_path, data=data, options=options, weights=str(tmp_path / weights) if weights else "")
    found = loupe("run", recipe, store=tmp_path / "store")
    assert found.returncode == 1
    assert "Traceback" not in found.stdout + found.stderr
    for word in words:
        assert word in found.stdout
    assert runs.run_ids(connect(str(tmp_path / "store"))) == []


def test_verify_names_damage_and_repair_mends_it(copy: tuple[Path, str]) -> None:
    store, run_id = copy
    artifact = runs.open_run(connect(str(store)), run_id).of_kind("saliency")[0]
    shard = store / artifact.key("maps", 1)
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    found = loupe("verify", run_id, store=store)
    assert found.returncode == 1
    assert artifact.key("maps", 1) in found.stdout
    assert f"1 problem. To mend: python -m precompute verify {run_id} --repair" in found.stdout
    assert loupe("verify", run_id, "--repair", store=store).returncode == 0
    assert shard.read_bytes() == whole


def test_repair_of_a_copied_run_makes_no_other(copy: tuple[Path, str]) -> None:
    store, run_id = copy
    (store / "runs" / run_id).rename(store / "runs/copied-1")
    run = runs.open_run(connect(str(store)), "copied-1")
    shard = store / run.of_kind("saliency")[0].key("maps", 1)
    shard.write_bytes(b"")
    found = loupe("verify", run.id, "--repair", store=store)
    assert found.returncode == 1 and f"is run {run_id} under another name" in found.stdout
    assert runs.run_ids(run.objects) == ["copied-1"] and shard.read_bytes() == b"" and run.summarised()
    (store / "runs/copied-1").rename(store / "runs" / run_id)
    assert asked_for(runs.open_run(run.objects, run_id))


def test_repair_where_the_recipe_makes_another_run_changes_nothing(
    copy: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repairing, "determined", lambda recipe: "tiny-0123456789")
    with pytest.raises(BadInput, match="recipe makes run tiny-0123456789"):
        asked_for(runs.open_run(connect(str(copy[0])), copy[1]))


def test_repair_mends_what_a_later_recipe_asked_for_and_lost_images(copy: tuple[Path, str], tmp_path: Path) -> None:
    store, run_id = copy
    tiny.write_images(tmp_path)
    later = tiny.recipe(tmp_path, training__epochs=1, artifacts__saliency__techniques=["grad-cam", "grad-cam++"])
    run = make(connect(str(store)), later)
    assert run.id == run_id
    added = next(item for item in run.of_kind("saliency") if item.attributes["technique"] == "grad-cam++")
    (store / added.key("maps", 1)).write_bytes(b"")
    shutil.rmtree(store / "datasets")
    assert loupe("verify", run_id, store=store).returncode == 1
    found = loupe("verify", run_id, "--repair", store=store)
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_store_that_cannot_be_made_is_one_sentence() -> None:
    found = loupe("ls", store=Path("/proc/nope"))
    assert found.returncode == 1
    assert "Traceback" not in found.stdout + found.stderr


def test_delete_asks_and_keeps_images_another_run_shows(copy: tuple[Path, str]) -> None:
    store, run_id = copy
    found = subprocess.run(
        [*COMMAND, "delete", run_id, "--store", str(store)], input="n\n", capture_output=True, text=True, check=False
    )
    assert found.returncode == 1
    assert runs.run_ids(connect(str(store))) == [run_id]
    twin = json.loads((store / f"runs/{run_id}/zarr.json").read_text())
    twin["attributes"] = sealed(twin["attributes"] | {"uuid": "other"})
    (store / "runs/twin").mkdir()
    (store / "runs/twin/zarr.json").write_text(json.dumps(twin))
    assert loupe("delete", run_id, "--yes", store=store).returncode == 0
    assert len(list((store / "datasets").iterdir())) == 2  # evaluated images, and thumbnails of the training images
    assert loupe("delete", "twin", "--yes", store=store).returncode == 0
    assert not (store / "datasets").exists() or not list((store / "datasets").iterdir())


def test_a_store_of_a_newer_schema_is_refused_and_unharmed(copy: tuple[Path, str]) -> None:
    store, run_id = copy
    path = store / f"runs/{run_id}/zarr.json"
    text = path.read_text().replace('"schema": 1', '"schema": 99')
    path.write_text(text)
    found = loupe("show", run_id, store=store)
    assert found.returncode == 1
    assert "newer Loupe" in found.stdout
    assert "newer Loupe" in loupe("ls", store=store).stdout
    assert path.read_text() == text


def test_no_space_left_says_so_and_what_was_finished_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills in the middle of epoch 1: the run says why, epoch 0 can be read, and it goes on when there is room."""
    from store.errors import NoSpace
    from store.objects import Objects

    objects, recipe, create = (
        connect(str(tmp_path / "store")),
        tiny.recipe(tmp_path, training__epochs=1),
        Objects.create,
    )

    def full(self: Objects, path: str, data: bytes) -> bool:
        if "/weights/float32/c/1" in path:
            raise NoSpace("No space is left at here.")
        return create(self, path, data)

    monkeypatch.setattr(Objects, "create", full)
    with pytest.raises(NoSpace):
        make(objects, recipe)
    run = runs.all_runs(objects)[0][0]
    assert run.status().state == "failed"
    assert "No space" in run.status().reason
    assert np.isfinite(run.of_kind("evaluation")[0].read("logits", 0)).all()
    monkeypatch.setattr(Objects, "create", create)
    assert make(objects, recipe).verify() == []


def test_unknown_runs_and_hostile_ids_are_refused(tmp_path: Path) -> None:
    for word in ("nothing", "../../etc", "a/b"):
        found = loupe("show", word, store=tmp_path)
        assert found.returncode == 1
        assert "Traceback" not in found.stderr


# The queue


def asked(*words: str | Path, folder: Path) -> subprocess.CompletedProcess:
    return completed(["precompute", *map(str, words)], env=ENVIRONMENT | {"LOUPE_STORE": str(folder / "store")})


def test_enqueue_lists_what_waits_and_says_that_no_worker_is_there(tmp_path: Path) -> None:
    recipe = write(tmp_path, options='{ path = "squares.npz" }')
    recipe.write_text(recipe.read_text() + '[grid]\n"training.seed" = [3, 4]\n')
    done = asked("enqueue", recipe, "--by", "Ada", "--at", "23:59", "--priority", 1, folder=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "tiny-3" in done.stdout and "2 jobs, not before" in done.stdout and "No worker is running" in done.stdout
    again = asked("enqueue", recipe, "--at", "23:58", folder=tmp_path)
    assert again.stdout.count("asked for already: scheduled, not before") == 2
    listed = asked("jobs", folder=tmp_path).stdout
    assert listed.count("scheduled") == 2 and "Ada" in listed
    job = next(line.split()[0] for line in listed.splitlines() if "tiny-4" in line)
    assert "cancelled" in asked("jobs", "--cancel", job, folder=tmp_path).stdout
    assert "tiny-4" not in asked("jobs", "--forget", job, folder=tmp_path).stdout


def test_a_batch_with_a_mistake_enqueues_nothing(tmp_path: Path) -> None:
    (tmp_path / "batch").mkdir()
    write(tmp_path / "batch", options='{ path = "squares.npz" }')
    (tmp_path / "batch/wrong.toml").write_text('name = "wrong"\n')
    done = asked("enqueue", tmp_path / "batch", folder=tmp_path)
    assert (
        done.returncode == 1 and "wrong.toml: data is missing" in done.stdout and "Nothing was enqueued" in done.stdout
    )
    assert "No jobs" in asked("jobs", folder=tmp_path).stdout
    (tmp_path / "batch/wrong.toml").unlink()
    assert "1 job, as soon as" in asked("enqueue", tmp_path / "batch", folder=tmp_path).stdout


def test_a_job_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = asked("jobs", "--cancel", "nothing", folder=tmp_path)
    assert done.returncode == 1 and "0 jobs have an id that begins with 'nothing'" in done.stdout
