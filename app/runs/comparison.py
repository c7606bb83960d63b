"""Two to four runs beside each other: which ones, at which epochs, and what a page says about them before any picture."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from app import address, reading
from app.edge import plain
from app.runs import comparison_charts
from app.selection import Selection
from store.runs import Run
from store.shards import Artifact

MOST = 4
LETTERS = "ABCD"
SECONDS = 2.0  # between two looks at a live run


@dataclass(frozen=True)
class Side:
    """One of the compared runs, with the epochs it has finished and the one it is shown at."""

    letter: str
    run: Run
    evaluation: Artifact
    epochs: tuple[int, ...]
    epoch: int
    live: bool

    @property
    def data(self) -> Artifact:
        """The images it was evaluated on."""
        return reading.dataset(self.evaluation)

    @property
    def colour(self) -> str:
        return comparison_charts.COLOURS[LETTERS.index(self.letter)]

    @property
    def name(self) -> str:
        return f"{self.letter}: {self.run.id}"


# Which runs: the address holds their ids


def ids() -> tuple[str, ...]:
    """The ids that the address names, at most four, whether they are in the store or not."""
    words = address.held("compare").split(",")
    return tuple(dict.fromkeys(word.strip() for word in words if word.strip()))[:MOST]


def choose(names: Sequence[str]) -> None:
    address.hold("compare", ",".join(names))


def compared(found: Sequence[Run]) -> list[Run]:
    """The runs that the address names; says so where some are not in the store."""
    by_id, wanted = {run.id: run for run in found}, ids()
    there = [by_id[name] for name in wanted if name in by_id]
    if absent := len(wanted) - len(there):
        which = "One run that the address names is" if absent == 1 else f"{absent} runs that the address names are"
        st.info(f"{which} not in this store.", icon=":material/info:")
        choose([run.id for run in there])
        address.held("compare")
    return there


# At which epoch


def sides(runs: Sequence[Run], now: Selection | None) -> tuple[list[Side], list[Run]]:
    """The compared runs at the selected epoch, and those that have no finished epoch yet."""
    made = [side(letter, run, now) for letter, run in zip(LETTERS, runs, strict=False)]
    return [item for item in made if item], [run for run, item in zip(runs, made, strict=True) if not item]


def side(letter: str, run: Run, now: Selection | None) -> Side | None:
    evaluation = reading.evaluation(run)
    epochs = reading.epochs(evaluation) if evaluation else ()
    if not evaluation or not epochs:
        return None
    live = reading.status(run).state == "running"
    return Side(letter, run, evaluation, epochs, pinned(run, epochs, wanted(run, now)), live)


def wanted(run: Run, now: Selection | None) -> int:
    """The epoch of the bar; the last one where the bar has none."""
    return now.epoch if now else run.epochs


def nearest(epochs: Sequence[int], goal: int) -> int:
    """The latest finished epoch that is not after the one wanted; the first where all are."""
    return max((epoch for epoch in epochs if epoch <= goal), default=epochs[0])


def pinned(run: Run, epochs: Sequence[int], goal: int) -> int:
    """The nearest epoch there was when this was first looked at: a live run's next one moves nothing by itself."""
    held = st.session_state.setdefault("compare.epochs", {})
    if held.get((run.uuid, goal)) not in epochs:
        held[run.uuid, goal] = nearest(epochs, goal)
    return held[run.uuid, goal]


def newer(shown: Sequence[Side], now: Selection | None) -> None:
    """Says which run is not shown at the selected epoch, and offers a newer epoch where there is one."""
    for item in shown:
        goal = wanted(item.run, now)
        best = nearest(reading.epochs(item.evaluation), goal)
        if item.epoch == goal:
            continue
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(f"{item.letter} holds no epoch {goal}; it is shown at epoch {item.epoch}.", width="content")
            if best != item.epoch and st.button(
                f"Show {item.letter} at epoch {best}",
                key=f"compare.newer.{item.letter}",
                type="tertiary",
                icon=":material/arrow_forward:",
                on_click=st.session_state["compare.epochs"].update,
                args=({(item.run.uuid, goal): best},),
            ):
                st.rerun()  # the pictures are outside of the fragment in which this stands


# In words


def legend(shown: Sequence[Side]) -> None:
    """Which letter, colour and line is which run; the charts need no legends of their own."""
    keys = [
        f'<span style="display:inline-flex;align-items:center;gap:.45rem;margin:0 1.4rem .2rem 0">{swatch(item)}'
        f"<b>{item.letter}</b> {html.escape(item.run.id)}, epoch {item.epoch}</span>"
        for item in shown
    ]
    st.html(f'<div style="font-size:.85rem">{"".join(keys)}</div>')


def swatch(item: Side) -> str:
    """A piece of the run's line, in its colour and dashes."""
    stops, at = [], 0
    for number, length in enumerate(comparison_charts.DASHES[LETTERS.index(item.letter)]):
        stops.append(f"{'transparent' if number % 2 else item.colour} {at}px {at + length}px")
        at += length
    line = f"repeating-linear-gradient(90deg,{','.join(stops)})"
    return f'<span style="display:inline-block;width:34px;height:3px;background:{line}"></span>'


def same_classes(shown: Sequence[Side]) -> bool:
    return len({item.run.classes for item in shown}) == 1


def named(shown: Sequence[Side]) -> str:
    """ "A", "A and B", "A, B and C"."""
    letters = [item.letter for item in shown]
    return " and ".join([", ".join(letters[:-1]), letters[-1]] if len(letters) > 1 else letters)


def waiting(runs: Sequence[Run]) -> None:
    for run in runs:
        live = reading.status(run).state == "running"
        more = " yet; it joins when its first one is there" if live else ", and nobody is computing one"
        st.caption(plain(f"{run.id} has no finished epoch{more}."))
