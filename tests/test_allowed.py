"""What a host runs and reads for others: what LOUPE_ALLOW names, nothing beside it."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from precompute import allowed, jobs, repairing
from precompute.__main__ import app
from precompute.making import make
from store.errors import BadInput, Forbidden
from store.objects import connect
from tests import tiny


@pytest.mark.parametrize(
    ("said", "name", "right"),
    [
        ("mynets", "mynets", True),
        (" other , mynets ", "mynets.deep", True),
        ("mynets.deep", "mynets", False),
        ("my", "mynets", False),
        ("", "mynets", False),
        (",", "", False),
    ],
)
def test_a_module_or_a_package_it_is_in(said: str, name: str, right: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_ALLOW", said)
    assert allowed.module(name) is right


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("photos", True),
        ("photos/birds/a", True),
        ("photos/../secret", False),
        ("photographs", False),
        (".", False),
        ("link", False),
    ],
)
def test_a_folder_and_what_is_in_it(path: str, right: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.setenv("LOUPE_ALLOW", f"mynets,{tmp_path}/photos")
    assert allowed.folder(str(tmp_path / path)) is right


def test_downloads_are_always_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOUPE_ALLOW", raising=False)
    assert allowed.folder("downloads") and not allowed.folder("downloads/../..")


def test_a_recipe_names_only_what_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tiny.recipe(tmp_path)
    monkeypatch.setenv("LOUPE_ALLOW", "")
    with pytest.raises(Forbidden, match=r"squares\.npz.*a worker would read it.*LOUPE_ALLOW="):
        allowed.check(recipe)
    monkeypatch.setenv("LOUPE_ALLOW", str(tmp_path))
    allowed.check(recipe)
    with pytest.raises(Forbidden, match=r"mynets:net.*run its code"):
        allowed.check(tiny.recipe(tmp_path, model={"network": "mynets:net"}))
    with pytest.raises(Forbidden, match=r"/etc/weights\.pt"):
        allowed.check(tiny.recipe(tmp_path, model={"network": "gap", "weights": "/etc/weights.pt"}))


def test_what_a_refusal_advises_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOUPE_ALLOW", "")
    recipe = tiny.recipe(tmp_path, data__options={"path": "squares.npz"})
    with pytest.raises(Forbidden) as caught:
        allowed.check(recipe)
    monkeypatch.setenv("LOUPE_ALLOW", str(caught.value).split("LOUPE_ALLOW='")[1].removesuffix("'."))
    allowed.check(recipe)


def test_data_of_a_run_that_is_there_may_be_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_ALLOW", "")
    run = make(connect(str(tmp_path / "store")), tiny.recipe(tmp_path, training__epochs=1))
    allowed.check(tiny.recipe(tmp_path, training__seed=1), [run])


def test_a_hosted_worker_refuses_what_is_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "HERE", jobs.Here(connect(str(tmp_path / "store")), "me", object(), hosted=True))  # type: ignore[arg-type]
    monkeypatch.setenv("LOUPE_ALLOW", "")
    said = jobs.advance("job", tiny.recipe(tmp_path).model_dump(mode="json"), {})
    assert said["state"] == "failed" and "a worker would read it" in said["reason"]
    assert not list(connect(str(tmp_path / "store")).under("runs"))


@pytest.mark.parametrize("weights", ["queue.sqlite", "a.PT", "a.ckpt", "secrets", "~", "~nobodyatall/a", "a\0b"])
def test_weights_that_may_be_a_file_are_one(weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_ALLOW", str(tmp_path))
    with pytest.raises(Forbidden):
        allowed.check(tiny.recipe(tmp_path, model={"network": "gap", "weights": weights}))


@pytest.mark.parametrize("weights", ["DEFAULT", "IMAGENET1K_V1", "package"])
def test_weights_by_name_are_no_file(weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_ALLOW", str(tmp_path))
    allowed.check(tiny.recipe(tmp_path, model={"network": "gap", "weights": weights}))


@pytest.mark.parametrize("options", [{"folders": ["/etc"]}, {"deep": {"root": "etc"}}, {"a": [{"b": ["x", "../y"]}]}])
def test_paths_are_found_however_deep(
    options: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUPE_ALLOW", "mynets")
    with pytest.raises(Forbidden, match="would read it"):
        allowed.check(tiny.recipe(tmp_path, data={"set": "mynets:birds", "options": options}))


def test_what_lies_in_a_store_is_not_trusted_with_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_ALLOW", "")
    tiny.write_images(tmp_path)
    run = make(connect(str(tmp_path / "store")), tiny.recipe(tmp_path, training__epochs=0))
    shutil.rmtree(tmp_path / "store" / run.path / "asked")
    run.keep("asked", {**run.recipe, "data": {"set": "os:getcwd", "options": {}}})
    found = ("verify", run.id, "--repair", "--store", str(tmp_path / "store"))
    with pytest.raises(Forbidden, match=r"os:getcwd.*LOUPE_ALLOW=os"):
        repairing.remade(run.objects, run.id)
    (tmp_path / "store" / run.path / "zarr.json").write_text("{}")
    seen = CliRunner().invoke(app, found)
    assert seen.exit_code and "LOUPE_ALLOW=os" in " ".join(f"{seen.output} {seen.exception}".split())


def test_a_module_that_is_not_there_is_said_before_anything_is_computed(tmp_path: Path) -> None:
    tiny.write_images(tmp_path)
    with pytest.raises(BadInput, match=r"'no_such:net' does not name a function.*Put no_such\.py into the folder"):
        make(connect(str(tmp_path / "store")), tiny.recipe(tmp_path, model={"network": "no_such:net"}))
