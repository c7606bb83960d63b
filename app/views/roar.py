"""Remove and retrain: does a saliency technique find what matters?"""

import streamlit as st

from app import absent, ground, methods, reading, renewing, sections, selection, specifications
from app.address import KEPT, one_of
from app.edge import plain, plain_errors
from app.news import duration
from app.retrain import sending
from app.roar import companions, larger, shown, stored, tabled
from app.roar.charts import drawn, of_grid, words
from app.roar.stored import Grid, named
from app.selection import Selection
from precompute.roar.cells import REPLACEMENTS
from precompute.wanted import Roar
from store.runs import Run

SECTION = '[artifacts.roar]\ntechniques = ["integrated-gradients"]\ncontrols = ["random"]\nseeds = 2'
LOOK_SECONDS = 5
COLLAPSED = "Whether the medians and ranges of the chart are over all trainings. The tables give the means of both."
# Words of the address and of the page alike
TABLES = ("spread", "by class", "what is removed", "every training", "deletion and insertion")


def page() -> None:
    now = selection.current()
    st.title("Remove and retrain")
    st.caption(
        "How much accuracy is left when the pixels that a technique calls important are gone, and the network is trained again?"
    )
    if reason := stored.obstacle(now.run):
        st.info(plain(reason), icon=":material/block:")
    grid = stored.grid(now.run)
    if grid is None:
        if not reason:
            below = "Or ask for one below." * (now.run.origin == "trained")
            spared = "the network itself is not"  # the grid trains networks of its own
            absent.not_asked_for(now.run, "grid of Remove and Retrain", SECTION, below, spared=spared)
    else:
        held(now, grid)
    sections.folded(
        "A larger grid" if grid else "A grid", ":material/grid_on:", f"roar.larger.{now.run.id}", ask, now.run, grid
    )
    sending.sent(now.run)


def held(now: Selection, grid: Grid) -> None:
    """What is there, and how far the rest is."""
    for name, reason in grid.obstacles.items():
        st.caption(f"{methods.link(name, named(name))} was left out. {plain(reason)}")
    if grid.done < len(grid.asked):
        underway(now.run, grid)
    if not any(cell.fraction for cell in grid.results):
        return
    way, with_collapsed = controls(grid)
    report, differs = tabled.comparable(now.run, grid, now.data.attributes["size"])
    of = drawn(grid, way, with_collapsed=with_collapsed, report=report)
    if of.curves:
        how = {"with_collapsed": with_collapsed, "report": report, "dark": ground.is_dark()}
        st.vega_lite_chart(specifications.kept(of_grid, grid, way, **how), alt=words(of))
    st.caption(plain(said(grid, way, report)))
    if differs:
        st.caption(plain(differs))
    methods.row(terms(grid, way))
    with plain_errors():
        tables(now, grid, way, report=report)


def underway(run: Run, grid: Grid) -> None:
    status = reading.status(run)
    running = status.state == "running"
    left = f", about {duration(status.seconds_left)} left for the whole run" if running and status.seconds_left else ""
    rest = "" if running else " Nobody computes them now: run the recipe again, in as many processes as you like."
    st.info(f"{grid.done} of {len(grid.asked)} cells are finished{left}.{rest}", icon=":material/hourglass:")
    if running:
        st.fragment(watch, run_every=LOOK_SECONDS)(run, grid.done)


def watch(run: Run, count: int) -> None:
    """Draws the page again when another cell is finished."""
    with plain_errors():
        renewing.shows_work(run)
        found = stored.grid(run)
        if found and found.done != count:
            st.rerun()


def controls(grid: Grid) -> tuple[tuple[str, bool], bool]:
    """Which replacement, retrained or not, and whether collapsed trainings count in medians and ranges. The address holds both."""
    words = {titled(way): way for way in grid.ways}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        way = one_of("Removed pixels become", list(words), "way", help=help_of())
        with_collapsed = st.toggle("With collapsed trainings", value=True, key="collapsed", help=COLLAPSED, **KEPT)
    return words[way], with_collapsed


def titled(way: tuple[str, bool]) -> str:
    return f"{REPLACEMENTS[way[0]].title}, {'retrained' if way[1] else 'not retrained'}"


def help_of() -> str:
    return "  \n".join(f"{item.title}: {item.help}." for item in REPLACEMENTS.values())


def said(grid: Grid, way: tuple[str, bool], report: bool) -> str:
    """What the chart shows, and how it was made."""
    facts = grid.artifact.attributes
    train, test = facts["used"]
    epochs = f"{facts['epochs']} epoch{'s' * (facts['epochs'] > 1)}"
    how = f"trained for {epochs} on {train:,} images" if way[1] else "the run's own network"
    lost = "from both" if way[1] else "from these alone: the network was never trained on such images"
    text = f"{titled(way)}: {how}, {test:,} test images, pixels removed {lost}. "
    text += f"Ranked by the map of the {facts['explained']} class at the last epoch. "
    if way[1]:
        text += "A dot is a training, a cross one that collapsed; line and band: their median and their range. "
    else:
        text += "A dot is one look, so there is no range. "
    text += "Dashed lines are controls, the dotted one is always naming the largest class."
    if report and way == ("mean", True):
        text += " Grey: what follows of the report's tables, of 60,000 training images and 10 epochs."
    if way[0] == "mask":
        text += " The image is not there at all: this accuracy comes from the shape of the removed pixels."
    return text


def terms(grid: Grid, way: tuple[str, bool]) -> dict[str, str]:
    """What the Methods page explains, with the words that lead there."""
    method = "roar" if way[1] else "road"
    first = {method: "Remove and retrain" if way[1] else "Without retraining", way[0]: REPLACEMENTS[way[0]].title}
    return first | {"collapse": "Collapsed trainings"} | {name: named(name) for name in grid.techniques}


def tables(now: Selection, grid: Grid, way: tuple[str, bool], *, report: bool) -> None:
    """One of them, as the address says."""
    said = one_of("Tables", TABLES, "table", label_visibility="collapsed")
    if said == "spread":
        tabled.draw_deviations(grid, way, report=report)
    elif said == "by class":
        tabled.draw_by_class(grid, way, now.classes, report=report)
    elif said == "what is removed":
        shown.draw(now, grid)
    elif said == "every training":
        tabled.draw_trainings(grid, way)
    else:
        companions.draw(now.run, grid)


def ask(run: Run, grid: Grid | None) -> None:
    larger.form(run, asked_for(run) if grid else None)


def asked_for(run: Run) -> Roar | None:
    """The section of the recipe that made the grid, where it is known."""
    found = [fields["artifacts"].get("roar") for fields in run.kept("asked")]
    grids = [Roar(**fields) for fields in found if fields]
    return max(grids, key=lambda item: (len(item.fractions) * item.seeds, len(item.techniques)), default=None)


page()
