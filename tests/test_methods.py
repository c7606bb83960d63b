"""Methods: nothing the app can name is left out, what is cited can be found, and names lead to their entries."""

import re
from pathlib import Path
from string import ascii_lowercase
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from app.methods import address, link
from app.methods.checks import LIKENESS, REMOVAL, SANITY
from app.methods.entries import Method, Paper
from app.methods.glossary import GLOSSARY
from app.methods.measures import ATTENTION
from app.methods.papers import ARXIV, PAPERS, SLIPS
from app.methods.showing import cited, paragraphs, slip_words
from app.methods.table import METHODS, PARTS, found, part_of, searched
from app.methods.techniques import TECHNIQUES
from app.reliability.cards import ROWS
from precompute import catalogue
from precompute.entries import Entry
from precompute.roar.cells import CONTROLS, REPLACEMENTS
from precompute.sanity.likeness import spearman
from store import schema
from store.trust import TRUST
from tests import visits
from tests.worlds import make_world

ROOT = Path(__file__).parents[1]
PAGE = "app/views/methods.py"
LONGEST = 90  # characters of a title


# Nothing is left out


def test_every_technique_has_an_entry() -> None:
    assert set(TECHNIQUES) == set(catalogue.TECHNIQUES)
    for name, entry in catalogue.TECHNIQUES.items():
        assert TECHNIQUES[name].title == entry.title
        assert TECHNIQUES[name].formula and TECHNIQUES[name].limits and TECHNIQUES[name].papers, name


def test_every_check_has_an_entry() -> None:
    assert set(ROWS) <= set(METHODS)
    assert set(CONTROLS) | set(REPLACEMENTS) <= set(REMOVAL)
    kinds = {kind.removeprefix("sanity-") for kind in TRUST if kind.startswith("sanity-")}
    assert kinds <= set(SANITY) and "labels" in SANITY
    words = SANITY["shift"].here.casefold()
    assert all(mode in words for mode in schema.SHIFTS)
    assert all(order in SANITY["randomisation"].here.casefold() for order in ("cascading", "layer by layer"))
    assert {"spearman", "ssim"} <= set(LIKENESS) and spearman.__doc__


def test_every_measure_has_an_entry() -> None:
    assert {*schema.MEASURES, "accuracy", "loss", "confusion", "attention", "drift", "settling"} <= set(METHODS)
    assert {"centre-prior", "uniform-map"} <= set(ATTENTION) and "random-map" in SANITY
    assert {"deletion", "insertion", "infidelity", "sensitivity"} <= set(REMOVAL)
    changes = METHODS["changes"].symbols.casefold()
    for name, item in catalogue.TRANSFORMS.items():
        word = item.title.casefold().split()[-1]
        assert word in changes or f"{word}s" in changes, name
    assert "fgsm" in METHODS


def test_no_name_stands_twice() -> None:
    assert sum(map(len, PARTS.values())) == len(METHODS)
    titles = [method.title for method in METHODS.values()]
    assert len(set(titles)) == len(titles) and max(map(len, titles)) <= LONGEST


@pytest.mark.parametrize("name", METHODS)
def test_an_entry_answers_a_question_and_its_formula_is_whole(name: str) -> None:
    method = METHODS[name]
    assert method.answers[0].isupper() and method.answers[-1] in "?."
    bare = re.sub(r"\\[{}]", "", method.formula)
    assert bare.count("{") == bare.count("}") and "$" not in method.formula
    left, right = (len(re.findall(rf"\\{side}(?![a-z])", method.formula)) for side in ("left", "right"))
    assert left == right
    assert all(limit.endswith(".") for limit in method.limits)
    assert "!" not in method.text


# What is cited can be found


def test_every_paper_cited_is_known_and_every_known_one_is_cited() -> None:
    used = {key for method in METHODS.values() for key in method.papers} | {
        key for slip in SLIPS for key in slip.papers
    }
    named = {
        "saliencnn",
        "vatun",
        "loreth",
        "geirhos",
        "blok",
        "rudin",
        "zhou2021",
    }  # what SalienCNN cites, and the glossary
    assert used <= set(PAPERS) and set(PAPERS) <= used | named


@pytest.mark.parametrize("key", PAPERS)
def test_a_link_is_of_the_papers_year(key: str) -> None:
    paper = PAPERS[key]
    if paper.link.startswith(ARXIV):
        number = paper.link.removeprefix(ARXIV)
        assert re.fullmatch(r"\d{4}\.\d{4,5}", number)
        assert paper.year and 0 <= paper.year - (2000 + int(number[:2])) <= 2
    else:
        assert paper.link == "" or paper.link.startswith("https://")


def test_the_papers_in_the_code_are_those_of_the_page() -> None:
    """What a docstring of a technique or check cites, the Methods page cites, too."""
    folders = [ROOT / "precompute" / name for name in ("saliency", "sanity", "roar")]
    code = "\n".join(path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.py"))
    named = set(re.findall(r"arxiv\.org/abs/(\d{4}\.\d{4,5})", code))
    assert len(named) > 8
    assert named <= {paper.link.removeprefix(ARXIV) for paper in PAPERS.values()}


def test_the_papers_own_slips_are_named() -> None:
    said = "\n".join(map(slip_words, SLIPS))
    for words in ("Kindermans", "VGG\\-16" if "VGG\\-16" in said else "VGG-16", "recall", "11.35", "ddof 0"):
        assert words in said
    assert PAPERS["kindermans"].year == 2017 and PAPERS["adebayo"].year == 2018


def test_a_citation_has_its_parts() -> None:
    said = cited(Paper("Ash, Birch, Cedar", "On *leaves*", "Journal of Trees 3", 1999, "https://example.org/x"))
    assert said == "Ash, Birch, Cedar: *On \\*leaves\\**. Journal of Trees 3, 1999, [link](https://example.org/x)."
    assert cited(Paper("Ash", "X", "ICLR 2015", 2014, "")) == "Ash: *X*. ICLR 2015 (first in 2014)."
    assert cited(Paper("Ash", "X", "report", None, "")) == "Ash: *X*. report."
    assert paragraphs(Method("T", "Q?")) == []


# Links


def test_a_name_leads_to_its_entry() -> None:
    assert link("grad-cam++") == "[Grad\\-CAM\\+\\+](methods?about=grad-cam%2B%2B)" or (
        link("grad-cam++") == "[Grad-CAM++](methods?about=grad-cam%2B%2B)"
    )
    assert link("cam", "this") == "[this](methods?about=cam)"
    assert address("a b&c") == "methods?about=a%20b%26c"
    assert link("no such", "x [y](z)") == "x \\[y\\](z)", "what has no entry is no link"


def test_a_technique_that_somebody_added_has_what_the_catalogue_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalogue.TECHNIQUES, "new-cam", Entry("x:y", "NewCAM", "looks at what is new"))
    method = found("new-cam")
    assert method and (method.title, method.answers) == ("NewCAM", "Looks at what is new.")
    assert link("new-cam") == "[NewCAM](methods?about=new-cam)" and part_of("new-cam") == next(iter(PARTS))


def test_names_in_the_code_that_lead_somewhere_do() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "app").rglob("*.py"))
    named = set(re.findall(r"""(?:\blink|methods\.address)\(\s*"([\w+-]+)\"""", code))
    assert "spearman" in named and named <= set(METHODS)


def test_search_finds_all_words_wherever_they_are() -> None:
    assert "cam" in searched("POOLING linear") and "roar" not in searched("POOLING linear")
    assert not searched("pooling zebra")


# The page


def opened(folder: Path, monkeypatch: pytest.MonkeyPatch, **address: str) -> AppTest:
    return visits.opened(folder, monkeypatch, PAGE, **address)


def titles(page: AppTest) -> list[str]:
    return [item.value.replace("\\", "") for item in page.subheader]


def test_every_part_shows_its_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_world(tmp_path)
    page = opened(tmp_path, monkeypatch)
    for part, methods in PARTS.items():
        page.segmented_control(key="part").set_value(part).run()
        assert titles(page) == [method.title for method in methods.values()] and not page.exception
    page.segmented_control(key="part").set_value("Slips in the papers").run()
    assert "ddof 0" in "".join(item.value for item in page.markdown)
    page.segmented_control(key="part").set_value("References").run()
    assert page.markdown[-1].value.count("\n- ") == len(PAPERS) - 1
    page.segmented_control(key="part").set_value("Glossary").run()
    assert all(word in "".join(item.value for item in page.markdown).replace("\\", "") for word in GLOSSARY)


def test_the_entry_that_the_address_names_stands_in_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_world(tmp_path)
    page = opened(tmp_path, monkeypatch, about="roar")
    assert titles(page)[0] == METHODS["roar"].title and page.segmented_control(key="part").value == "Remove and retrain"
    assert titles(page).count(METHODS["roar"].title) == 1
    page.segmented_control(key="part").set_value("Attention").run()
    assert titles(page)[:2] == [METHODS["roar"].title, METHODS["attention"].title], "another part can be looked at"
    page.button(key="methods.close").click().run()
    assert titles(page)[0] == METHODS["attention"].title and "about" not in page.query_params


def test_a_technique_leads_to_its_card_of_the_same_run_and_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The browser keeps what widgets hold in the address, and adds the link's words even where they stand there already."""
    make_world(tmp_path)
    page = opened(tmp_path, monkeypatch, about="cam", epoch="1")
    (to_card,) = page.get("page_link")
    assert parse_qs(to_card.proto.query_string) == {"card": ["cam"]}
    page.switch_page("app/views/reliability.py").run()
    assert page.session_state["epoch"] == 1 and not page.exception


def test_words_are_looked_for_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_world(tmp_path)
    page = opened(tmp_path, monkeypatch, about="no [such](thing)")
    assert "Nothing here is called" in page.info[0].value and "\\[such\\]" in page.info[0].value
    page.text_input(key="find").set_value("baseline").run()
    assert METHODS["integrated-gradients"].title in titles(page) and METHODS["accuracy"].title not in titles(page)
    page.text_input(key="find").set_value("zebra").run()
    assert "No entry holds all of these words." in [item.value for item in page.caption]


def test_it_needs_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [title.value for title in opened(tmp_path, monkeypatch).title] == ["Methods"]


def test_words_of_the_glossary_are_in_order() -> None:
    assert list(GLOSSARY) == sorted(GLOSSARY) and all(word[0] in ascii_lowercase for word in GLOSSARY)
