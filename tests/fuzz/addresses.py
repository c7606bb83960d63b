"""Addresses that anybody may write: every page with hostile words, which must come to nothing but a sentence or a default."""

import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from app.address import WORDS
from store.objects import Objects
from tests.fuzz.full import IMAGES, OTHER, RUN, make_full
from tests.fuzz.visitor import PAGES, Address, Visitor, bound, boxes, texts

Random = np.random.Generator
# Words that a page or the bar looks at itself; those of widgets are found by looking at the pages
HELD = (*WORDS, "run", "images", "filters", "cell", "region", "compare", "about", "card", "find", "nothing")
TOKEN = "zq7"  # stands in everything that would become something else than text
MARKUP = (
    f"<img src=x onerror=alert('{TOKEN}')>", f"<script>{TOKEN}</script>", f"</style><b>{TOKEN}</b>", f"**{TOKEN}**",
    f"[{TOKEN}](javascript:alert(1))", f"![{TOKEN}](http://127.0.0.1/{TOKEN}.png)", f"${TOKEN}^2$", f":red[{TOKEN}]",
    f":material/{TOKEN}:", f"# {TOKEN}", f"`{TOKEN}`", f"</textarea>'\"><svg onload={TOKEN}>",
    f"&lt;b&gt;{TOKEN}", f"https://{TOKEN}.example",
)  # fmt: skip
ALIVE = re.compile(
    rf"(?<!\\)<[a-z/!][^>]*{TOKEN}|(?<!\\)<(?:img|script|svg)\b|(?<!\\)<b>[^<]*{TOKEN}|(?<!\\)\*\*{TOKEN}|(?<!\\)\]\(javascript|(?<!\\)\$"
    rf"{TOKEN}|(?<!\\):red\[|(?<!\\)`{TOKEN}|^# {TOKEN}|:material/{TOKEN}|https?://{TOKEN}",
    re.MULTILINE,
)
NUMBERS = (
    "0", "-1", "-0", "1e9", "1e999", "nan", "inf", "-inf", "0.5", "1.0", "3.0000001", "0x10", "1_000", "٣",
    "²", "½", "1,5",
    "9" * 30, "9" * 5000, "-9" * 40, "2147483648", "9223372036854775808", " 1", "+1", "true", "True",
    "null", "None", "[]",
)  # fmt: skip
PLACES = (
    "../../etc", "..", ".", "/etc/hostname", "../../../etc/hostname", "%2e%2e%2fetc", "..%2f..",
    "runs/../..", "\\\\host\\c",
    "file:///etc/hostname", "~root", "a\0b", ".hidden", "con", "world-0123456789/../other-0123456789",
    "C:\\x", "world\n",
)  # fmt: skip
ODD = ("", " ", "\0", "\x1b[31m", "\u202eabc", "\ufeff", "\u200b", "é", "é", "𝔘𝔫𝔦", "👩‍👩‍👧", "\U0010ffff",
       "a" * 300, "%", "%zz", "+", "&", "=", "#", ";",
       "{}", "{0}", "{x.__class__}", "%s%n", "' OR 1=1 --", "\r\nSet-Cookie: x", "'", '"', "\\", ",", "-",
       "/", ":", ".", "_", "~")  # fmt: skip
GRAMMAR = (
    "0-1", "9-9", "-1--1", "1-2-3", "99999999999-1", "0.1/0.2/0.5/0.6", "-1/-1/9/9", "nan/0/1/1",
    "inf/0/1/1", "0/0/0/0", "1/2/3",
    "1e400/0/1/1", "0.1-1.2-2.3", "0.99999999999", "1.2-1.3", "-1.-1", "0.0", "0.4_0.62_3.5", "nan_0_1",
    "1e308_1e308_1e308", "0_0_0",
    "region:0.1/0.2/0.5/0.6", "region:nan/nan/nan/nan", "fgsm:4,target:2", "fgsm:1e999", "rotation:nan",
    "blur:-5,blur:7", "target:-1",
    "brightness:1e308,contrast:-1e308,hue:inf", "rotation:90,flip_horizontal:1", "flip_vertical:maybe",
    "noise:", ":::", "fgsm:4:5",
    "crop:0.5", "edges:1", "blur:9999999999", "rotation:" + "9" * 400, "0,1,2", "5", "5,5,5", "39,40,-1",
    "99", "grad-cam", "cam",
    "features.4", "input", "kind 1", "kind 6", RUN, OTHER, f"{RUN},{OTHER}", f"{RUN}," * 30,
    "integrated-gradients", "whatever",
)  # fmt: skip


def long(random: Random) -> str:
    """Lists of thousands, and texts of up to 100,000 characters."""
    count, text = (
        int(random.choice((300, 3000, 100_000))),
        str(random.choice(("a", "1,", "0.1-", "<b>", "é", "9", "../", "blur:1,", "["))),
    )
    return (text * count)[:100_000]


def listed(random: Random) -> str:
    sign = str(random.choice([",", "-", "/", "_"]))
    return sign.join(str(number) for number in random.integers(-3, 60, int(random.choice((2, 5, 12, 40, 3000)))))


def changed(random: Random) -> str:
    """One of the words above with some characters put in, left out or put in another place."""
    signs = list(str(random.choice(GRAMMAR + NUMBERS[:10])))
    for _ in range(int(random.integers(1, 4))):
        at = int(random.integers(0, len(signs) + 1))
        part = str(random.choice(("", "0", "-", ".", ",", ":", "/", "_", "\0", "e", "é", " ", "<", "$")))
        signs[at : at + int(random.integers(0, 3))] = [part]
    return "".join(signs)


def one_of(words: tuple[str, ...]) -> Callable[[Random], str]:
    return lambda random: words[int(random.integers(len(words)))]


KINDS: dict[str, tuple[float, Callable[[Random], str]]] = {
    "markup": (3, one_of(MARKUP)), "number": (3, one_of(NUMBERS)), "place": (2, one_of(PLACES)), "odd": (2,
    one_of(ODD)),
    "grammar": (5, one_of(GRAMMAR)), "long": (1, long), "listed": (2, listed), "changed": (3, changed),
}  # fmt: skip


def word(random: Random, options: list[str]) -> str:
    """A hostile word, or one that the widget offers, as it is or with something behind it."""
    if options and random.random() < 0.3:
        return str(random.choice(options)) + (str(random.choice(("", "", " ", "x", ",x"))))
    weights = np.array([weight for weight, _ in KINDS.values()])
    _, made = list(KINDS.values())[int(random.choice(len(KINDS), p=weights / weights.sum()))]
    return made(random)


def address(random: Random, own: dict[str, list[str]], every: dict[str, list[str]]) -> Address:
    """One to four words, most of them such as the page looks at; now and then a word comes twice."""
    found: dict[str, str | list[str]] = {}
    for _ in range(int(random.integers(1, 5))):
        names = list(own) if own and random.random() < 0.6 else [*HELD, *every]
        name = names[int(random.integers(len(names)))]
        words = [
            word(random, every.get(name, [])) for _ in range(1 if random.random() < 0.9 else int(random.integers(2, 6)))
        ]
        found[name] = words[0] if len(words) == 1 else words
    if random.random() < 0.5:
        found.setdefault("images", str(int(random.integers(0, IMAGES))))
    return found


def named(said: str | Sequence[str]) -> set[int]:
    """The images that an address names, whatever else stands there; of words that come twice all."""
    words = ",".join([said] if isinstance(said, str) else said).split(",")
    return {int(item) for item in words if item.isascii() and item.isdigit() and len(item) < 4000}


def asked_for(paths: list[str], given: Address) -> list[str]:
    """Objects outside runs and data sets that were asked for, or whose path holds what the address said."""
    return [
        path
        for path in paths
        if ".." in path or path.startswith("/") or "\0" in path or TOKEN in path or "etc" in path.split("/")
    ]


def defects(given: Address, visitor: Visitor, page: str, paths: list[str]) -> list[str]:
    paths.clear()
    app = visitor.opened(page, given)
    found = boxes(app)
    found += [f"markup: {said[:200]!r}" for said, html in texts(app) if ALIVE.search(said)]
    found += [f"an object at {path}" for path in asked_for(paths, given)]
    if "selection" in app.session_state:
        now = app.session_state["selection"]
        wrong = set(now.images) - named(given.get("images", ""))
        if wrong:
            found.append(f"images {sorted(wrong)} are shown, and not named")
        said = given.get("run", RUN)
        if now.run.id not in (RUN, *([said] if isinstance(said, str) else said)):
            found.append(f"run {now.run.id} is shown, and not named")
    elif not app.title:
        found.append("there is nothing on the page")
    return found


def addresses(folder: Path) -> Callable[[Random], str]:
    """The fuzzer: opens a page at an address; finds exceptions, living markup, what is outside, and images not named."""
    make_full(folder)
    os.environ["LOUPE_STORE"] = str(folder)
    visitor = Visitor()
    paths: list[str] = []
    for name in ("get", "stat", "under", "folders"):
        watch(name, paths)
    own = {page: bound(visitor.opened(page, {"images": "7"})) for page in PAGES}
    every = {name: options for words in own.values() for name, options in words.items()}

    def check(random: Random) -> str:
        page = PAGES[int(random.integers(len(PAGES)))]
        given = address(random, own[page], every)
        if found := defects(given, visitor, page, paths):
            return f"{page} at {cut(given)}: " + "; ".join(found[:3])
        return ""

    return check


def watch(name: str, paths: list[str]) -> None:
    """Writes down every path that is asked for."""
    asked = getattr(Objects, name)

    def noting(self: Objects, path: str) -> object:
        paths.append(path)
        return asked(self, path)

    setattr(Objects, name, noting)


def cut(given: Address) -> str:
    return json.dumps({name: word if len(word) < 200 else [word[:40], len(word)] for name, word in given.items()})
