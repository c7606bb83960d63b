"""Recipe files, several at once, asked for by upload: each is checked, and every error names its file."""

from collections.abc import Sequence

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app import sections
from app.access import actions, roles
from app.edge import plain
from app.jobs import joblist
from app.retrain.later import later
from precompute import batches
from precompute.recipe import Recipe, toml
from store.errors import BadInput, LoupeError

LARGEST = 200_000  # bytes of a recipe
MOST = 1000  # runs asked for at once


def draw() -> None:
    """A folded place for files; nothing where one may not ask for runs."""
    if roles.may("re-train"):
        sections.folded("Ask for runs by their recipe files", ":material/upload_file:", "queue.upload", ask)


def ask() -> None:
    version = st.session_state.setdefault("queue.files.version", 0)
    files = st.file_uploader(
        "Recipes, as many as you like; a file may hold a grid of values",
        ["toml"],
        accept_multiple_files=True,
        key=f"queue.files.{version}",
    )
    recipes, problems = checked(files or [])
    for problem in problems:
        st.error(plain(problem), icon=":material/error:")
    at = later("queue.later")
    label = f"Ask for {len(recipes)} run{'s' * (len(recipes) != 1)}" if recipes else "Ask for them"
    if st.button(label, key="queue.enqueue", type="primary", disabled=not recipes, icon=":material/playlist_add:"):
        send(recipes, at)
        st.session_state["queue.files.version"] = version + 1
        joblist.jobs_at.clear()
        st.rerun()


def send(recipes: Sequence[Recipe], at: float | None) -> None:
    """Asks for all of them, or, where one is refused, for none: who mends that one asks for all again."""
    for recipe in recipes:
        actions.harmless(recipe)
    for recipe in recipes:
        actions.retrain(recipe, at=at)


def checked(files: Sequence[UploadedFile]) -> tuple[list[Recipe], list[str]]:
    """The recipes in these files, and a sentence for each file that holds none."""
    recipes: list[Recipe] = []
    problems: list[str] = []
    for file in files:
        try:
            recipes += parsed(file.name, file.getvalue())
        except LoupeError as error:
            problems.append(f"{error} Nothing of this file is asked for.")
        if len(recipes) > MOST:
            return [], [f"These files hold more than {MOST:,} runs, the most that can be asked for at once."]
    return recipes, problems


def parsed(name: str, body: bytes) -> list[Recipe]:
    """The recipes in one file; raises BadInput that names it."""
    if len(body) > LARGEST:
        raise BadInput(f"{name} has {len(body):,} bytes; a recipe of at most {LARGEST:,} was expected.")
    return batches.expanded(toml(body, name), name)
