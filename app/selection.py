"""What is selected: run, epoch, class and images. The bar on top of every page shows it, the address holds it, and
nothing else in the app asks for it again. `app.main` draws the bar; a page calls `current()`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import news, reading
from app.address import WORDS, forget_unless, held, hold, pinned
from app.edge import plain, plain_errors
from app.epochs import choose_epoch, epoch_slider
from app.judgement import verdicts
from app.widgets.thumbnails import Thumbnail, thumbnails
from store.runs import Run
from store.shards import Artifact

TRAY = 12  # images the tray holds; the one chosen longest ago leaves first
THUMBNAIL = 96  # pixels of a thumbnail as sent; the gallery shares them


@dataclass(frozen=True)
class Selection:
    """What every page shows. Epochs are those finished when the bar was drawn, so that all parts of a page agree."""

    run: Run
    evaluation: Artifact
    data: Artifact  # the evaluated images
    epochs: tuple[int, ...]
    epoch: int
    chosen: int  # index of the class
    images: tuple[int, ...]  # the tray, focus first
    filters: tuple[
        tuple[int, int], ...
    ] = ()  # layer and filter within it, by increasing layer: one, or those of a pattern

    @property
    def classes(self) -> tuple[str, ...]:
        return reading.class_names(self.run)

    @property
    def focus(self) -> int | None:
        return self.images[0] if self.images else None


def current() -> Selection:
    """The selection the bar was drawn with."""
    return st.session_state["selection"]


def at_hand() -> Selection | None:
    """The selection, for pages that also stand where there is nothing to select yet."""
    return st.session_state.get("selection")


def run_at_hand() -> Run | None:
    """The run in the bar, also where no epoch of it is finished."""
    return st.session_state.get("selection.run")


# What widgets call back


def choose_class(chosen: int) -> None:
    st.session_state["class"] = chosen


def focus(image: int) -> None:
    """Puts an image in front of the tray."""
    choose_images([image, *(other for other in tray() if other != image)])


def drop(image: int) -> None:
    choose_images([other for other in tray() if other != image])


def choose_images(images: Sequence[int]) -> None:
    """Replaces the tray, focus first."""
    hold("images", ",".join(str(image) for image in list(dict.fromkeys(images))[:TRAY]))


def tray() -> tuple[int, ...]:
    """The images held, as far as they are numbers: anybody may write into an address."""
    words = st.session_state.get("held.images", "").split(",")
    return tuple(int(word) for word in words if word.isascii() and word.isdigit())


def picked(chart: str, name: str = "pick") -> dict[str, Any]:
    """The fields of the mark just clicked in a chart whose selection of that name toggles, {} if there is none.

    The browser says nothing when what is selected is clicked again; toggled, each click changes the list by one.
    """
    rows, key = [dict(row) for row in st.session_state[chart]["selection"].get(name) or []], f"before.{chart}.{name}"
    before = st.session_state.get(key, [])
    st.session_state[key] = rows
    changed = [row for row in rows if row not in before] or [row for row in before if row not in rows]
    return changed[-1] if changed else {}


def choose_filters(filters: Sequence[tuple[int, int]]) -> None:
    """Selects one filter, or those of a pattern; none to select nothing."""
    hold("filters", "-".join(f"{layer}.{number}" for layer, number in sorted(set(filters))))


def filters_in_address() -> tuple[tuple[int, int], ...]:
    """The filters held, at most one a layer, as far as they are ones: anybody may write into an address."""
    pairs = [word.split(".") for word in held("filters").split("-")]
    numbers = [pair for pair in pairs if len(pair) == 2 and all(part.isascii() and part.isdigit() for part in pair)]
    return tuple(sorted({int(layer): int(number) for layer, number in numbers}.items()))


# The bar


def bar(*, quiet: bool = False) -> Selection | None:
    """Draws the bar and returns what it selects; None, having said why, where there is nothing to look at yet.

    `quiet`: of an empty store the page itself speaks.
    """
    st.session_state.pop("selection", None)
    st.session_state.pop("selection.run", None)
    found, problems = reading.all_runs()
    for problem in problems:
        st.warning(plain(problem), icon=":material/warning:")
    if not found:
        if not quiet:
            news.nothing_yet()
        return None
    top = st.container(key="bar", gap="small")
    places = top.columns((5, 8, 4), vertical_alignment="bottom")
    st.session_state["selection.run"] = run = choose_run(places[0], found)
    evaluation = reading.evaluation(run)
    for problem in reading.unread(run):
        st.warning(plain(problem), icon=":material/warning:")
    epochs = reading.epochs(evaluation) if evaluation else ()
    if not evaluation or not epochs:
        news.no_epoch_yet(run)
        return None
    epoch = epoch_slider(places[1], run, epochs)
    chosen = class_box(places[2], run)
    data = reading.dataset(evaluation)
    images = images_in_address(data)
    for word in WORDS:
        held(word)
    selected = Selection(run, evaluation, data, epochs, epoch, chosen, images, filters_in_address())
    st.session_state["selection"] = selected
    show_tray(top, selected)
    news.of_run(run, evaluation, epochs, epoch, choose_epoch)
    return selected


def choose_run(place: DeltaGenerator, found: Sequence[Run]) -> Run:
    by_id = {run.id: run for run in found}
    latest = default_run(found)
    if st.query_params.get("run", latest.id) not in by_id and "run" not in st.session_state:
        st.info("The run that the address names is not in this store; this is the latest one.", icon=":material/info:")
    first = pinned("run", latest.id, by_id)
    forget_unless("run", by_id)
    row = place.container(horizontal=True, wrap=False, vertical_alignment="bottom", gap="small", key="bar.run")
    row.selectbox(
        "Run",
        list(by_id),
        index=list(by_id).index(first),
        key="run",
        on_change=keep_epoch,
        bind="query-params",
        persist_state="session",
    )
    run = by_id[st.session_state["run"]]
    with row, plain_errors():
        verdicts.badge(run)
    return run


def default_run(found: Sequence[Run]) -> Run:
    """The latest run, of those where something was trained if there are any: `make demo` makes one to look at only, too."""
    return next((run for run in found if run.epochs), found[0])


def keep_epoch() -> None:
    """Assigning a bound widget's value writes it to the address, where the other run's latest epoch would be left out."""
    if "epoch" in st.session_state:
        choose_epoch(st.session_state["epoch"])


def class_box(place: DeltaGenerator, run: Run) -> int:
    names = reading.class_names(run)
    if st.session_state.setdefault("class.names", names) != names:
        st.session_state["class.names"] = names
        forget_unless("class", ())
    forget_unless("class", range(len(names)))
    return place.selectbox(
        "Class",
        range(len(names)),
        format_func=names.__getitem__,
        key="class",
        bind="query-params",
        persist_state="session",
    )


# The tray


def images_in_address(data: Artifact) -> tuple[int, ...]:
    """The tray, without what the data set does not have."""
    if st.session_state.setdefault("images.of", data.path) != data.path:
        choose_images(())  # numbers mean other images in another data set
    st.session_state["images.of"] = data.path
    said, count = held("images"), len(reading.labels(data))
    choose_images([image for image in tray() if image < count])
    if st.session_state["held.images"] != said:
        held("images")
    return tray()


def show_tray(top: DeltaGenerator, selected: Selection) -> None:
    if not selected.images:
        return
    labels = reading.labels(selected.data)
    items = [
        Thumbnail(image, "", f"image {image}, {selected.classes[labels[image]]}", image == selected.focus)
        for image in selected.images
    ]
    with top:
        thumbnails(
            reading.sheet(selected.data, selected.images, THUMBNAIL),
            items,
            key="tray",
            pixels=44,
            on_pick=focus,
            on_drop=drop,
        )
