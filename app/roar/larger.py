"""A grid that is still to be asked for: what it would hold, what it would cost, and the button or the command."""

import json
from typing import Any

import streamlit as st

from app import sections, shell
from app.access import actions, entrance, roles
from app.edge import plain
from app.news import duration
from app.retrain import retraining, sending
from precompute.catalogue import TECHNIQUES
from precompute.estimate import removal
from precompute.recipe import Recipe, parse
from precompute.roar import cost
from precompute.roar.cells import CONTROLS, REPLACEMENTS, cells
from precompute.wanted import Roar
from store.errors import BadInput
from store.runs import Run, dataset

FRACTIONS = tuple(step / 10 for step in range(1, 10))
NAMES = {name: entry.title for table in (TECHNIQUES, CONTROLS, REPLACEMENTS) for name, entry in table.items()}
GIVEN = ("techniques", "controls", "fractions", "seeds", "retrained", "not_retrained", "epochs")  # that the form shows


def form(run: Run, now: Roar | None) -> None:
    """Fields, filled as the run's grid is or as the report's, with what they come to."""
    start = now or Roar(controls=("random",), not_retrained=())
    with st.container(horizontal=True, gap="medium"):
        said: dict[str, Any] = {
            "techniques": several("Techniques", tuple(TECHNIQUES), start.techniques, run, "techniques"),
            "controls": several("Controls", tuple(CONTROLS), start.controls, run, "controls"),
        }
    with st.container(horizontal=True, gap="medium"):
        said["fractions"] = several("Shares removed", FRACTIONS, start.fractions, run, "fractions")
        said["seeds"] = st.number_input("Trainings a point", 1, 100, start.seeds, key=key(run, "seeds"), width=150)
        usual = start.epochs or run.recipe["training"]["epochs"] or 10
        said["epochs"] = st.number_input("Epochs of each", 1, 10_000, usual, key=key(run, "epochs"), width=150)
    ways = tuple(REPLACEMENTS)
    with st.container(horizontal=True, gap="medium"):
        said["retrained"] = several("Retrained on", ways, start.retrained, run, "retrained")
        said["not_retrained"] = several("Looked at without", ways[:-1], start.not_retrained, run, "not_retrained")
    kept = {name: value for name, value in start.model_dump().items() if name not in GIVEN}
    ask(run, kept | said)


def key(run: Run, name: str) -> str:
    return f"roar.larger.{name}.{run.id}"


def several(label: str, options: tuple[Any, ...], chosen: tuple[Any, ...], run: Run, name: str) -> list[Any]:
    return st.multiselect(
        label,
        sorted({*options, *chosen}) if name == "fractions" else options,
        list(chosen),
        format_func=lambda item: f"{item:.0%}" if name == "fractions" else NAMES.get(item, item),
        key=key(run, name),
    )


def ask(run: Run, wanted: dict[str, Any]) -> None:
    """Its number of trainings, its cost, and the ways to ask for it."""
    try:
        asked = parse(retraining.start(run) | {"artifacts": artifacts(run, wanted)}, "this grid")
    except BadInput as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    grid: Roar = asked.artifacts.roar  # type: ignore[assignment]  # just put there
    every = cells(grid)
    trainings = sum(cell.retrained for cell in every)
    st.markdown(
        f":material/timer: **{trainings} trainings and {len(every) - trainings} looks without retraining, {price(run, asked)}**"
    )
    st.caption(
        "Cells that this run holds already are taken over. Several workers share the rest, and any may be stopped."
    )
    reason = roles.refusal("re-train", roles.person())
    if run.origin == "trained":
        entrance.signature("Asked for")
        if st.button("Ask for it", key="roar.ask", type="primary", icon=":material/grid_on:", disabled=bool(reason)):
            st.session_state[f"sent.{run.id}"] = actions.retrain(asked)
            sending.waiting.clear()
        if reason:
            st.caption(plain(reason))
    sections.folded("The same from a terminal", ":material/terminal:", f"roar.toml.{run.id}", command, run, grid)


def artifacts(run: Run, wanted: dict[str, Any]) -> dict[str, Any]:
    """All that the run was first asked for, with this grid."""
    return retraining.start(run)["artifacts"] | {"roar": wanted}


def price(run: Run, asked: Recipe) -> str:
    """Time on the machine that trained the run, and disk."""
    grid, facts = asked.artifacts.roar, dataset(run.objects, run.attributes["dataset"]).attributes
    if grid is None:
        return ""
    trained = max(int(facts.get("train_images", 0)) - len(asked.training.leave_out), 0)
    train, test = cost.used(grid, facts, trained, len(run.classes))
    space = retraining.size(cost.stored(grid, train, test, int(facts["size"])))
    parts = removal(run, facts, asked, trained)
    if not parts:
        return f"time not known, about {space} of disk"
    return f"about {duration(sum(parts.values()))} for one process like the one that trained the run, about {space} of disk"


def command(run: Run, grid: Roar) -> None:
    lines = [
        f"{name} = {toml(value)}" for name, value in grid.model_dump(mode="json").items() if value not in (None, {})
    ]
    st.code("[artifacts.roar]\n" + "\n".join(lines), language="toml")
    st.caption("This in the run's recipe, in place of a section of that name. Then, in one terminal or several:")
    st.code(shell.again(run), language="bash")


def toml(value: Any) -> str:
    """A value of JSON as TOML writes it; tables in a line, where a name may have any signs."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)} = {toml(item)}" for name, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)
