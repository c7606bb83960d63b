"""Somebody who follows a link to a page: the app without a browser, and what stands on the page then."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit import error_util
from streamlit.testing.v1 import AppTest

from app import probe
from app.probe import Answer, Request
from app.testing import asking
from store.errors import LoupeError
from tests.test_pages import PAGES as PAGES
from tests.test_pages import flat
from tests.test_workbench_page import Oracle

ROOT = Path(__file__).parents[2]
SCRIPT = str(ROOT / "streamlit_app.py")
TEXTS = ("Markdown", "Caption", "Title", "Header", "Subheader", "Info", "Warning", "Error", "Success")

WAIT_SECONDS = 900  # by the clock; how long a page may compute, the fuzzer limits by processor time

Address = Mapping[str, str | Sequence[str]]


class Answering(Oracle):
    """A probe that answers what it can make up at once, and the rest never."""

    def known(self, requests: Sequence[Request]) -> dict[Request, Answer | LoupeError]:
        made_up = [
            request for request in requests if "shift" not in request.wants and set(named(request)) <= {"grad-cam"}
        ]
        return super().known(made_up)


def named(request: Request) -> list[str]:
    return [technique for technique, *_ in request.techniques]


class Visitor:
    """Opens pages in sessions of their own; which pages there are is asked once."""

    def __init__(self) -> None:
        probe.shared = Answering  # type: ignore[assignment]
        asking.ANSWER_SECONDS = 0
        st.set_option("client.showErrorDetails", "full")
        logging.getLogger("streamlit").setLevel(logging.CRITICAL)
        error_util._print_rich_exception = lambda error: None
        self.first = AppTest.from_file(SCRIPT, default_timeout=WAIT_SECONDS).run()

    def opened(self, page: str, address: Address) -> AppTest:
        app = AppTest.from_file(SCRIPT, default_timeout=WAIT_SECONDS)
        app._registered_pages = self.first._registered_pages
        app._bidi_component_manager = self.first._bidi_component_manager
        app.query_params.update({name: word if isinstance(word, str) else list(word) for name, word in address.items()})
        return app.switch_page(page).run()


def boxes(app: AppTest) -> list[str]:
    """What the page says of exceptions that nobody caught."""
    return [
        f"{item.message} | {' > '.join(str(line).strip() for line in item.stack_trace[-4:])}" for item in app.exception
    ]


def protos(app: AppTest) -> Iterator[Any]:
    for item in flat(app._tree):
        if (proto := getattr(item, "proto", None)) is not None:
            yield proto


def texts(app: AppTest) -> Iterator[tuple[str, bool]]:
    """All that Streamlit takes for Markdown, and whether it takes HTML in it, too."""
    for proto in protos(app):
        html = bool(getattr(proto, "allow_html", False)) or proto.DESCRIPTOR.name == "Html"
        for name in ("body", "label", "help"):
            if isinstance(said := getattr(proto, name, None), str) and said:
                yield said, html


def bound(app: AppTest) -> dict[str, list[str]]:
    """The words of the address that widgets of the page hold, and what each may be, where it is one of a few."""
    found: dict[str, list[str]] = {}
    for proto in protos(app):
        if key := getattr(proto, "query_param_key", ""):
            given = getattr(proto, "raw_values", None) or getattr(proto, "options", ())
            found[key] = [said for said in given if isinstance(said, str)]
    return found
