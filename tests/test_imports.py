"""Data flow one way, and so do imports: store <- precompute <- app, where the app takes only what needs no torch."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NO_TORCH = {
    f"precompute.{name}"
    for name in (
        "catalogue",
        "recipe",
        "cases",
        "frames",
        "decoding",
        "opening",
        "queue",
        "rows",
        "child",
        "remote",
        "batches",
        "allowed",
        "estimate",
        "edits",
        "mining",
        "wanted",
        "regions",
        "drift",
        "sanity",
        "sanity.cost",
        "sanity.likeness",
        "techniques",
        "entries",
        "completeness",
        "effort",
        "roar",
        "roar.cells",
        "roar.cost",
        "roar.tables",
    )
}
FILES = {package: sorted((ROOT / package).rglob("*.py")) for package in ("store", "precompute", "app")}


def imported(file: Path) -> Iterator[str]:
    """Every module a file imports, also inside functions; "from a import b" counts as a and as a.b."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively; packages are named in full here"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def top(names: Iterator[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def module_of(name: str) -> str | None:
    """The module of ours that an imported name is, None where it is something inside a module."""
    path = ROOT / Path(*name.split("."))
    return name if path.with_suffix(".py").exists() or (path / "__init__.py").exists() else None


@pytest.mark.parametrize("file", FILES["store"], ids=lambda file: str(file.relative_to(ROOT)))
def test_store_imports_no_other_package(file: Path) -> None:
    assert not top(imported(file)) & {"app", "precompute", "streamlit", "torch"}


@pytest.mark.parametrize("file", FILES["precompute"], ids=lambda file: str(file.relative_to(ROOT)))
def test_precompute_imports_no_app(file: Path) -> None:
    assert not top(imported(file)) & {"app", "streamlit"}


@pytest.mark.parametrize("file", FILES["app"], ids=lambda file: str(file.relative_to(ROOT)))
def test_app_imports_nothing_that_needs_torch(file: Path) -> None:
    assert not top(imported(file)) & {"torch", "torchvision", "captum"}
    modules = {module for name in imported(file) if (module := module_of(name)) and module.startswith("precompute.")}
    assert modules <= NO_TORCH


@pytest.mark.parametrize("name", sorted(NO_TORCH))
def test_what_the_app_takes_needs_no_torch_itself(name: str) -> None:
    place = ROOT / Path(*name.split("."))
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    assert not top(imported(file)) & {"torch", "torchvision", "captum", "streamlit"}
    modules = {module for name in imported(file) if (module := module_of(name)) and module.startswith("precompute.")}
    assert modules <= NO_TORCH
