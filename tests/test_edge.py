"""Foreign text at the edge: letter by letter, whatever Markdown or the browser would make of it."""

import re

import pytest

from app.edge import JOINER, plain


def shown(text: str) -> str:
    """What a reader of Markdown shows of escaped text."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", plain(text))


@pytest.mark.parametrize("text", ["- item", "+ item", "1. item", "12) item", "===", "---", "said\n- item", "    code"])
def test_the_beginning_of_a_line_makes_no_list_heading_or_code(text: str) -> None:
    assert not re.search(r"^(\s*[-+=]|\s*\d+[.)]|    )", plain(text), re.MULTILINE)
    assert shown(text) == re.sub(r"^ +", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("text", ["http://e.vil", "HTTPS://e.vil", "see www.e.vil", "ada@example.org"])
def test_an_address_becomes_no_link(text: str) -> None:
    found = shown(text)
    assert not re.search(r"https?://|www\.|\w@\w", found, re.IGNORECASE)
    assert found.replace(JOINER, "") == text


@pytest.mark.parametrize(
    "text", ["&lt;b&gt;", "**b** <b>x</b> [l](u) $x$ :red[y] `z` ~~q~~ | \\", "0.5 s", "-5", "", "s3://b/c"]
)
def test_all_else_is_shown_as_it_is(text: str) -> None:
    assert shown(text) == text
    assert not re.search(r"(?<!\\)[&*<$`\[]", plain(text))
