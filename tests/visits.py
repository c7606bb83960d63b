"""The app without a browser, as somebody who follows a link to one of its pages finds it."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import reading

SCRIPT = Path(__file__).parents[1] / "streamlit_app.py"
PATIENCE = 300  # seconds: the first run of a process imports all that a page needs, and a machine may be busy


def app(page: str = "", **address: str) -> AppTest:
    """The app at a page of app/views and at an address, not run yet; without a page at its first one."""
    made = AppTest.from_file(str(SCRIPT), default_timeout=PATIENCE)
    for name, value in address.items():
        made.query_params[name] = value
    return made.switch_page(page) if page else made


def opened(folder: Path, monkeypatch: pytest.MonkeyPatch, page: str, **address: str) -> AppTest:
    """The same when it has run over the store at `folder`, without an exception."""
    monkeypatch.setenv("LOUPE_STORE", str(folder))
    found = app(page, **address).run()
    assert not found.exception
    return found


def later() -> None:
    """As if seconds had gone by: what is looked at every now and then is looked at anew."""
    for looked in (reading.listed, reading.by_kind, reading.marks, reading.status, reading.judged):
        looked.clear()
