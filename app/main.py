"""The pages, what happens once per process, and the edge that turns errors into sentences."""

import gc
import importlib
from pathlib import Path

import streamlit as st

from app import selection
from app.edge import plain_errors

HERE = Path(__file__).parent
VIEWS = HERE / "views"
SIDEBAR = 220  # pixels
# Streamlit leaves half a screen empty at the top, and puts columns under each other only on telephones
STYLE = """<style>
.stMainBlockContainer { padding: 3.4rem 3rem 4rem; }
@media (max-width: 1000px) {
    .stMainBlockContainer { padding: 3.4rem 1.2rem 3rem; }
    [class*="st-key-halves"] [data-testid="stHorizontalBlock"] { flex-direction: column; }
    [class*="st-key-halves"] [data-testid="stColumn"] { width: 100%; flex: 1 1 auto; }
    .st-key-play [data-testid="stMarkdownContainer"] { display: none; }
}
</style>"""


def pages() -> dict[str, list[st.Page]]:
    """Every page there is: a new one is a file in app/views and a line here."""
    return {
        "Learn": [
            st.Page(VIEWS / "overview.py", title="Overview", icon=":material/monitoring:", default=True),
            st.Page(VIEWS / "saliency.py", title="Saliency", icon=":material/center_focus_strong:"),
        ],
    }


@st.cache_resource(show_spinner=False)
def warm_up() -> None:
    """Imports all that pages import, so that no visitor waits for it."""
    for file in sorted(HERE.glob("*.py")):
        importlib.import_module(f"app.{file.stem}")


@st.cache_resource(show_spinner=False)
def freeze(page: str) -> None:
    """Takes all that there is out of the garbage collector's sight, once a page has been drawn for the first time.

    Streamlit collects all garbage after every rerun: among half a million imported objects that costs 100 ms and more.
    """
    gc.collect()
    gc.freeze()


def main() -> None:
    """Draws the app once: the bar, and the page below it where there is something to look at."""
    st.set_page_config(page_title="Loupe", page_icon=HERE / "loupe.svg", layout="wide", initial_sidebar_state=SIDEBAR)
    st.logo(HERE / "wordmark.svg", size="large", icon_image=HERE / "loupe.svg")
    st.html(STYLE)
    warm_up()
    page = st.navigation(pages())
    with plain_errors():
        if selection.bar():
            page.run()
            freeze(page.title)
