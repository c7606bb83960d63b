"""The documents are held to the code: commands exist, links resolve, examples run, tables agree."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from precompute import catalogue
from precompute.batches import expanded
from precompute.making import make
from precompute.recipe import parse
from store.objects import connect
from store.schema import KINDS
from tests import tiny, visits
from tests.worlds import make_world

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
STORE = (ROOT / "docs/store.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOLD = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)


def named(document: Path) -> str:
    return str(document.relative_to(ROOT))


# Commands and links


def test_every_make_target_named_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = set(re.findall(r"`make ([a-z]+)|^make ([a-z]+)", TOLD, re.MULTILINE))
    asked = {first or second for first, second in asked}
    assert {"demo", "test", "clean", "bench"} <= asked <= targets


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_make_alone_lists_what_there_is() -> None:
    said = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(r"make demo +\w", said) and re.search(r"make test +\w", said)


def test_every_precompute_command_named_is_there() -> None:
    """All of them are in the README, and all that any document names have help."""
    from typer.main import get_command

    from precompute.__main__ import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    asked = set(re.findall(r"python -m precompute ([a-z]+)", TOLD)) - {"probe"}
    assert asked == set(commands)
    for name, command in commands.items():
        assert command.help, f"{name} has no help"


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize(
    "document", [*DOCUMENTS, ROOT / "Makefile", *ROOT.glob("recipes/*"), *ROOT.glob(".ci/*")], ids=named
)
def test_nothing_of_one_machine(document: Path) -> None:
    assert not re.search(r"/(root|home|work|Users|mnt)/\w", document.read_text(encoding="utf-8"))


def test_every_benchmark_that_make_starts_knows_quick_and_needs_nothing_named() -> None:
    passed = re.search(r'case "\$\$file" in (.*?)\) continue', (ROOT / "Makefile").read_text()).group(1)  # type: ignore[union-attr]
    started = [file for file in ROOT.glob("benchmarks/*.py") if f"*/{file.name}" not in passed.split("|")]
    assert len(started) > 10
    for file in started:
        code = file.read_text(encoding="utf-8")
        assert '"--quick"' in code and not re.search(r'add_argument\(\s*f?"[^-]', code), file.name


def test_files_named_in_the_documents_are_there() -> None:
    files = set(re.findall(r"`((?:app|precompute|store|tests|docs|benchmarks|recipes)/[\w/.-]*)`", TOLD))
    assert not {file for file in files if not (ROOT / file).exists()}


def test_the_readme_names_everything_there_is() -> None:
    for table in (catalogue.DATASETS, catalogue.MODELS, catalogue.TECHNIQUES):
        assert all(f"`{name}`" in README for name in table)


def test_the_recipes_in_the_documents_are_right() -> None:
    for text in re.findall(r"```toml\n(?!\[auth\])(.*?)```", TOLD, re.DOTALL):
        assert expanded(tomllib.loads(text), "the document")


def test_viewers_need_no_torch() -> None:
    """requirements-viewer.txt holds all that the app and the store import, and requirements.txt holds that too."""
    lines = (ROOT / "requirements-viewer.txt").read_text().splitlines()
    installed = {re.split(r"==|\[", line)[0] for line in lines if "==" in line}
    ours = {"app", "store", "precompute", "PIL", *sys.stdlib_module_names}
    files = [*(ROOT / "app").rglob("*.py"), *(ROOT / "store").rglob("*.py")]
    imported = set().union(*map(imports, files)) - ours
    assert imported <= installed and "torch" not in installed
    assert "-r requirements-viewer.txt" in (ROOT / "requirements.txt").read_text()


def imports(file: Path) -> set[str]:
    """Packages that a file imports, anywhere in it."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {
        name.split(".")[0] for name in plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    }


# docs/store.md


def test_the_specification_lists_the_schema() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in STORE.splitlines() if line.count("|") == 6
    ]
    expected = [
        [kind, name, ", ".join(array.dimensions), array.dtype, array.meaning]
        for kind, arrays in KINDS.items()
        for name, array in arrays.items()
    ]
    assert rows[2:] == expected


def test_the_specification_reads_a_run_without_loupe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = make_world(tmp_path, epochs=3, finished=2)
    code = re.findall(r"```python\n(.*?)```", STORE, re.DOTALL)[0].replace(
        "artifacts/runs/demo-0123456789", str(tmp_path / "runs" / run_id)
    )
    found: dict[str, Any] = {}
    exec(code, found)
    assert found["finished"] == [0, 1, 2]
    assert found["raw"].shape[0] == 24 and np.isfinite(found["raw"]).all()
    assert "store" not in found and "kind 0" in capsys.readouterr().out


# CONTRIBUTING.md


def examples(label: str) -> dict[str, str]:
    """Blocks of code by the name in the comment before them: <!-- file: name -->."""
    return dict(re.findall(rf"<!-- {label}: ([\w.]+) -->\n```python\n(.*?)```", CONTRIBUTING, re.DOTALL))


@pytest.fixture
def contributed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loupe with every example added: its modules can be imported, its lines are in the tables."""
    for name, code in examples("file").items():
        module = ModuleType(name)
        exec(code, vars(module))
        monkeypatch.setitem(sys.modules, name, module)
        package, _, last = name.rpartition(".")
        monkeypatch.setattr(import_module(package), last, module, raising=False)
    for name, code in examples("table").items():
        module_name, _, table = name.rpartition(".")
        module = import_module(module_name)
        for key, value in eval(f"{{{code}}}", vars(module) | dict(sys.modules.items()) | new_modules()).items():
            monkeypatch.setitem(getattr(module, table), key, value)


def new_modules() -> dict[str, ModuleType]:
    return {name.rpartition(".")[2]: sys.modules[name] for name in examples("file")}


def test_there_is_an_example_of_each_kind() -> None:
    assert set(examples("table")) == {
        "precompute.catalogue.DATASETS",
        "precompute.catalogue.MODELS",
        "precompute.catalogue.TECHNIQUES",
        "store.schema.KINDS",
        "precompute.artifacts.KINDS",
    }
    assert len(examples("file")) == 4 and len(examples("page")) == 1


def test_the_examples_make_a_run_and_a_page(contributed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {
        "data": {"set": "stripes"},
        "model": {"network": "plain", "options": {"width": 4}},
        "artifacts__saliency__techniques": ["hires-cam", "grad-cam"],
    }
    run = make(connect(str(tmp_path / "store")), parse(tiny.fields(tmp_path, **changes)))
    assert run.missing() == {} and run.verify() == []
    (confidence,) = run.of_kind("confidence")
    assert ((confidence.read("mean", 2) >= 0.5) & (confidence.read("mean", 2) <= 1)).all(), "of two classes"
    maps = {item.attributes["technique"]: item.read("maps", 2) for item in run.of_kind("saliency")}
    assert set(maps) == {"hires-cam", "grad-cam"} and (maps["hires-cam"] >= 0).all()
    shown = page_of(tmp_path / "store", tmp_path, monkeypatch)
    assert [title.value for title in shown.title] == ["Confidence"]
    assert not shown.exception and not shown.error and not shown.info


def test_the_example_page_says_when_there_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_world(tmp_path / "store")
    shown = page_of(tmp_path / "store", tmp_path, monkeypatch)
    assert not shown.exception and "holds no confidence" in shown.info[0].value


def page_of(store: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The app with the example's page as its only one."""
    from app import main

    ((name, code),) = examples("page").items()
    (folder / f"{name}.py").write_text(code)
    monkeypatch.setenv("LOUPE_STORE", str(store))
    monkeypatch.setattr(main, "pages", lambda: {"Learn": [st.Page(folder / f"{name}.py", title=name, default=True)]})
    return AppTest.from_string("from app.main import main\nmain()", default_timeout=visits.PATIENCE).run()
