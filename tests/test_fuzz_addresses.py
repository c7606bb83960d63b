"""Addresses that anybody may write: a slice of the fuzzer, and what it found."""

import json
from pathlib import Path

import pytest
import streamlit as st

from app import address, probe, selection
from tests import worlds
from tests.fuzz import addresses, visitor
from tests.fuzz.full import RUN

pytestmark = pytest.mark.filterwarnings("ignore")


def test_hostile_words_come_to_a_default_or_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worlds.make_world(tmp_path)
    monkeypatch.setenv("LOUPE_STORE", str(tmp_path))
    monkeypatch.setattr(probe, "shared", probe.shared)  # put back afterwards: the visitor brings another
    monkeypatch.setattr(visitor.asking, "ANSWER_SECONDS", 0)
    guest = visitor.Visitor()
    for page, words in (
        ("app/views/overview.py", {"run": "../../etc", "cell": "1-2-3", "epoch": "1e999", "images": "3,<b>,-1,99,²"}),
        ("app/views/saliency.py", {"class": addresses.MARKUP[0], "layer": "features.4\0", "opacity": ["nan", "inf"]}),
        ("app/views/runs.py", {"compare": f"{RUN}," * 300, "find": addresses.MARKUP[3], "order": "$x$"}),
        ("app/views/methods.py", {"about": addresses.MARKUP[1], "find": "[" * 3000, "part": "9" * 5000}),
        ("app/views/methods.py", {"part": ""}),
        ("app/views/sanity.py", {"check": ""}),
    ):
        assert addresses.defects(words, guest, page, []) == []


def test_a_word_that_is_too_long_is_not_cut_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut after 200 characters, these named image 0 and image 12."""
    monkeypatch.setattr(st, "query_params", words := {"images": "0" * 250 + "7", "edits": "blur:1," * 1000})
    monkeypatch.setattr(st, "session_state", {})
    address.held("images")
    assert selection.tray() == (7,)
    words["images"] = "1," * 99 + "123"
    address.held("images")
    assert set(selection.tray()) == {1, 123}
    assert address.held("edits") == "" and "edits" not in words


def test_the_fuzzer_would_see_living_markup() -> None:
    for text in ("**zq7**", "<img src=x onerror=alert('zq7')>", "a [zq7](javascript:alert(1))", "$zq7^2$", "`zq7`"):
        assert addresses.ALIVE.search(text), text
    for text in (r"\*\*zq7\*\*", r"\<img src\=x onerror\=alert\('zq7'\)\>", r"\$zq7^2\$", "plain zq7"):
        assert not addresses.ALIVE.search(text), text
    assert json.loads(addresses.cut({"a": "x" * 300})) == {"a": ["x" * 40, 300]}
