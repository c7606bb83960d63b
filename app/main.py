"""The pages, what happens once per process, and the edge that turns errors into sentences."""

import gc
import importlib
from base64 import b64encode
from copy import copy
from pathlib import Path

import streamlit as st

from app import charts, epochs, interactions, reading, renewing, selection, theme
from app.access import entrance
from app.edge import plain_errors
from app.guide import panel

HERE = Path(__file__).parent
VIEWS = HERE / "views"
SIDEBAR = 220  # pixels
NEED_NO_RUN = ("queue", "methods", "guide")  # pages that have something to say about an empty store, and
NEED_NO_EPOCH = ("runs", "retrain", "queue", "methods", "guide")  # about one with runs of which no epoch is finished
# As addresses, which Streamlit would make of the files anew in every run
LOUPE, WORDMARK = (
    f"data:image/svg+xml;base64,{b64encode((HERE / f'{name}.svg').read_bytes()).decode()}"
    for name in ("loupe", "wordmark")
)
# Streamlit leaves half a screen empty at the top, and puts columns under each other only on telephones
# It cuts formulas off at the top, writes white on the light blue of a dark theme, and hides choices that find no room
STYLE = """<style>
.stMainBlockContainer { padding: 3.4rem 3rem 4rem; }
.stMainBlockContainer:has([class*="st-key-halves-workbench"]) { padding: 2.4rem 2rem 0; }
*:has(> .st-key-unseen) { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.katex-display { padding: 0.3em 0; }
[data-testid^="stBaseButton-primary"]:enabled, [data-baseweb="tag"] { color: light-dark(#ffffff, #121417); }
[data-testid="stButtonGroup"] [role="radiogroup"] button { min-height: 2.5rem; }
[data-testid="stCaptionContainer"] code { color: light-dark(#000000, #ffffff); font-size: 0.85em; }
[class*="st-key-wide"] { overflow-x: auto; }
[class*="st-key-wide"] td { white-space: nowrap; }
@media (max-width: 1000px) {
    .stMainBlockContainer { padding: 3.4rem 1.2rem 3rem; }
    [data-testid="stButtonGroup"] > [role="radiogroup"] { flex-wrap: wrap; row-gap: 0.25rem; mask-image: none; }
    [class*="st-key-halves"] > div > [data-testid="stHorizontalBlock"] { flex-direction: column; }
    [class*="st-key-halves"] > div > div > [data-testid="stColumn"] { width: 100%; flex: 1 1 auto; }
    [class*="st-key-wide"] table { font-size: 0.8rem; }
    [class*="st-key-wide"] :is(th, td) { padding: 0.35rem 0.25rem; }
    :is([class*="st-key-inside-"], .st-key-testing-compact) { height: auto; flex: none; overflow: visible; }
    :has(> :is([class*="st-key-inside-"], .st-key-testing-compact)) { height: auto; flex: none; }
    :has(> [class*="st-key-inside-"]) { max-height: 21rem; overflow: auto; padding-bottom: 1rem; }
    .st-key-play [data-testid="stMarkdownContainer"] { display: none; }
    .st-key-bar > div > [data-testid="stHorizontalBlock"] { flex-wrap: wrap; }
    .st-key-bar > div > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"]:first-child { flex: 1 0 100%; }
}
</style>"""


def pages() -> dict[str, list[st.Page]]:
    """Every page there is, for one run of the script: Streamlit marks in them which may be drawn."""
    return {section: [copy(page) for page in some] for section, some in made_pages().items()}


@st.cache_resource(show_spinner=False)
def made_pages() -> dict[str, list[st.Page]]:
    """Made once: to find all their files takes 3 ms. A new one is a file in app/views and a line here."""
    return {
        "Learn": [
            st.Page(VIEWS / "overview.py", title="Overview", icon=":material/monitoring:", default=True),
            st.Page(VIEWS / "saliency.py", title="Saliency", icon=":material/center_focus_strong:"),
            st.Page(VIEWS / "runs.py", title="Runs", icon=":material/account_tree:", url_path="runs"),
        ],
        "Test": [
            st.Page(VIEWS / "workbench.py", title="Workbench", icon=":material/grid_view:", url_path="workbench"),
            st.Page(VIEWS / "embedding.py", title="Embedding", icon=":material/scatter_plot:", url_path="embedding"),
            st.Page(VIEWS / "testing.py", title="Testing", icon=":material/tune:", url_path="testing"),
            st.Page(VIEWS / "network.py", title="Network", icon=":material/hub:", url_path="network"),
            st.Page(
                VIEWS / "simulation.py", title="Simulation", icon=":material/stacked_line_chart:", url_path="simulation"
            ),
        ],
        "Trust": [
            st.Page(VIEWS / "sanity.py", title="Sanity", icon=":material/fact_check:", url_path="sanity"),
            st.Page(VIEWS / "roar.py", title="Remove and retrain", icon=":material/ink_eraser:", url_path="roar"),
            st.Page(VIEWS / "reliability.py", title="Reliability", icon=":material/verified:", url_path="reliability"),
            st.Page(VIEWS / "attention.py", title="Attention", icon=":material/my_location:", url_path="attention"),
        ],
        "Act": [
            st.Page(VIEWS / "retrain.py", title="Re-train", icon=":material/model_training:", url_path="retrain"),
            st.Page(VIEWS / "queue.py", title="Queue", icon=":material/list_alt:", url_path="queue"),
        ],
        "Help": [
            st.Page(VIEWS / "guide.py", title="Guide", icon=":material/explore:", url_path="guide"),
            st.Page(VIEWS / "methods.py", title="Methods", icon=":material/menu_book:", url_path="methods"),
        ],
    }


def stands_alone(path: str) -> bool:
    """Whether a page can be shown although there is no epoch to look at."""
    return path in NEED_NO_RUN or (path in NEED_NO_EPOCH and bool(reading.all_runs()[0]))


@st.cache_resource(show_spinner=False)
def warm_up() -> None:
    """Imports all that pages import, so that no visitor waits for it."""
    for file in sorted(HERE.rglob("*.py")):
        if file.parent != VIEWS and not file.stem.startswith("__"):
            importlib.import_module(".".join(("app", *file.relative_to(HERE).with_suffix("").parts)))
    renewing.install()
    theme.install()
    charts.trusted()
    importlib.import_module("dbos")  # half a second, when the queue is first asked


@st.cache_resource(show_spinner=False)
def freeze() -> None:
    """Takes all that there is out of the garbage collector's sight, once the first page has been drawn.

    Else a collection looks through half a million imported objects, for 100 ms and more. Not again later: what other visitors
    hold by then would never be collected, though they leave.
    """
    gc.collect()
    gc.freeze()


def main() -> None:
    """Draws the app once: the bar, and the page below it where there is something to look at."""
    st.set_page_config(page_title="Loupe", page_icon=LOUPE, layout="wide", initial_sidebar_state=SIDEBAR)
    st.logo(WORDMARK, size="large", icon_image=LOUPE)
    st.html(STYLE)
    warm_up()
    inside = entrance.entered()
    page = st.navigation(pages(), position="sidebar" if inside else "hidden", expanded=True)
    if not inside:
        return
    with plain_errors():
        entrance.who()
    with plain_errors(), interactions.recorded(page.title):
        found = selection.bar(quiet=page.url_path in NEED_NO_RUN)
        panel.draw(page.url_path)
        if found or stands_alone(page.url_path):
            page.run()
            freeze()
    epochs.told()
