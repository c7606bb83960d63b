"""What a host runs and reads for others: what LOUPE_ALLOW names, nothing beside it."""

from pathlib import Path

import pytest

from precompute import allowed, jobs
from precompute.making import make
from store.errors import Forbidden
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
