"""How compared runs differ in numbers: curves over each other, confusion matrices subtracted, recipes field by field."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pyarrow as pa
import streamlit as st

from app import charts, ground, memory, reading, renewing, sections
from app.edge import plain, plain_errors
from app.overview import confusion, facts
from app.runs import comparison, comparison_charts, disagreement, lineage
from app.runs.comparison import Side
from app.selection import Selection
from store.runs import Run
from store.schema import MEASURES
from store.shards import Artifact

ACCURACY, LOSS, F1 = "accuracy", "loss", "f1"
TITLES = {ACCURACY: "test accuracy", LOSS: "cross entropy (nats)", F1: "F1"}
CHANGES = 5  # largest differences said in words


# Curves


def curves(shown: Sequence[Side], now: Selection | None) -> None:
    """Test accuracy, test loss and F1 of the chosen class. While a run is live this part alone grows."""
    live = any(item.live for item in shown)
    st.fragment(draw_curves, run_every=comparison.SECONDS if live else None)(shown, now, live)


def draw_curves(shown: Sequence[Side], now: Selection | None, live: bool) -> None:
    with plain_errors():
        renewing.shows_epochs(*((item.run, item.evaluation) for item in shown))
        comparison.newer(shown, now)
        chosen = now.classes[now.chosen] if now else reading.class_names(shown[0].run)[0]
        heads = {ACCURACY: "Accuracy by epoch", LOSS: "Loss by epoch", F1: f"F1 of {plain(chosen)} by epoch"}
        columns = st.container(key="halves.curves").columns(3, gap="medium")
        for column, (measure, head) in zip(columns, heads.items(), strict=True):
            with column:
                st.markdown(f"**{head}**")
                curve(shown, measure, chosen)
        st.caption("On the test images of each run. A ring marks the epoch at which a run is shown below.")
    if live and any(reading.status(item.run).state != "running" for item in shown if item.live):
        st.rerun()


def curve(shown: Sequence[Side], measure: str, chosen: str) -> None:
    able = [item for item in shown if measure != F1 or chosen in reading.class_names(item.run)]
    if lacking := [item for item in shown if item not in able]:
        st.caption(f"{comparison.named(lacking)} knows no class {plain(chosen)}.")
    if not able:
        return
    pairs = [part for item in able for part in (item.evaluation, reading.epochs(item.evaluation))]
    places = tuple(reading.class_names(item.run).index(chosen) if measure == F1 else 0 for item in able)
    names, marked = tuple(item.name for item in able), tuple(item.epoch for item in able)
    last = max(item.run.epochs for item in able)
    st.vega_lite_chart(
        curve_spec(measure, places, names, marked, last, *pairs),
        key=f"compare.{measure}",
        alt=f"Lines: {TITLES[measure]} by epoch of {', '.join(names)}.",
    )


@memory.remembered(300)
def curve_spec(
    measure: str,
    places: tuple[int, ...],
    names: tuple[str, ...],
    marked: tuple[int, ...],
    last: int,
    *pairs: Artifact | tuple[int, ...],
) -> dict:
    """pairs: for each run its evaluation and its finished epochs."""
    evaluations, epochs = pairs[::2], pairs[1::2]
    values = [values_of(*run, measure) for run in zip(evaluations, epochs, places, strict=True)]  # type: ignore[arg-type]
    table = comparison_charts.curve_table(names, epochs, values)  # type: ignore[arg-type]
    at, looks = dict(zip(names, marked, strict=True)), {name: comparison.LETTERS.index(name[0]) for name in names}
    return charts.spec(
        comparison_charts.curves(table, looks, at, last=last, title=TITLES[measure], share=measure != LOSS)
    )


def values_of(evaluation: Artifact, epochs: tuple[int, ...], place: int, measure: str) -> np.ndarray:
    """One measure at each epoch, (epoch,)."""
    if measure == F1:
        return reading.measured(evaluation, "by_class", epochs)[:, place, MEASURES.index("f1")]
    return reading.measured(evaluation, measure, epochs)[:, 1]


# Confusion


def matrices(shown: Sequence[Side]) -> None:
    """One confusion matrix minus another, at the selected epoch."""
    st.subheader("Difference of the confusion matrices")
    if not comparison.same_classes(shown):
        st.info("The runs have different classes, so only their curves can be compared.")
        return
    pairs = list(combinations(shown, 2))
    pair = pairs[0]
    if len(pairs) > 1:
        words = [f"{other.letter} − {one.letter}" for one, other in pairs]
        if st.session_state.get("compare.pair") not in words:
            st.session_state.pop("compare.pair", None)
        said = st.segmented_control("Which", words, default=words[0], required=True, key="compare.pair")
        pair = pairs[words.index(said or words[0])]
    draw_difference(*pair)


def draw_difference(one: Side, other: Side) -> None:
    dark = ground.is_dark()
    spec, share, changes = difference_spec(one.run, one.evaluation, one.epoch, other.evaluation, other.epoch, dark)
    what = f"{other.letter} − {one.letter}"
    st.vega_lite_chart(
        spec,
        key="compare.matrix",
        alt=f"Confusion matrix of {other.run.id} at epoch {other.epoch} minus that of {one.run.id} at epoch {one.epoch}. "
        f"Largest differences: {'; '.join(changes) or 'none'}.",
    )
    unit = "shares of the true class, because the evaluated images differ" if share else "numbers of images"
    st.caption(
        f"{what} in {unit}, {other.letter} at epoch {other.epoch}, {one.letter} at epoch {one.epoch}. Blue: more in "
        f"{other.letter}; orange: fewer. On the diagonal stands what is recognised."
    )
    if changes:
        st.caption(plain(f"Largest differences: {'; '.join(changes)}."))
    else:
        st.caption("No cell differs: both take the same number of images of each class for each class.")


@memory.remembered(200)
def difference_spec(
    run: Run, one: Artifact, epoch: int, other: Artifact, other_epoch: int, dark: bool
) -> tuple[dict, bool, list[str]]:
    """The chart, whether it is in shares, and the largest differences in words."""
    names = reading.class_names(run)
    apart, share = disagreement.difference(
        reading.measured(one, "confusion", epoch), reading.measured(other, "confusion", other_epoch)
    )
    order = confusion.class_order(one, epoch, len(names))
    cells = comparison_charts.difference_cells(apart, names, order, share=share)
    largest = cells.iloc[np.argsort(-cells.difference.abs().to_numpy(), kind="stable")[:CHANGES]]
    told = zip(largest["true class"], largest["taken for"], largest["said"], strict=True)
    said = [f"{true} → {taken} {value}" for true, taken, value in told]
    return charts.spec(comparison_charts.difference(cells, names, share=share, dark=dark)), share, said


# Recipes


def recipes(runs: Sequence[Run]) -> None:
    """The fields of the recipe that differ; folded below, what differs in versions and device."""
    st.subheader("Hyperparameters that differ")
    differing = lineage.differing([lineage.fields(run) for run in runs])
    if differing:
        facts.table(by_run(differing, "field"), "Fields of the recipe that differ, one column a run")
    else:
        st.caption("None: the recipes are the same field by field.")
    sections.folded("Provenance that differs", ":material/history:", "compare.provenance", provenance, runs)


def provenance(runs: Sequence[Run]) -> None:
    origins = [dict(facts.flattened(run.attributes.get("provenance", {}))) for run in runs]
    if apart := lineage.differing(origins):
        facts.table(by_run(apart, "fact"), "Provenance that differs, one column a run")
    else:
        st.caption("None: the same versions, device and configuration.")


def by_run(values: Mapping[str, Sequence[str]], head: str) -> pa.Table:
    """A row a name, a column a run under its letter."""
    width = len(next(iter(values.values())))
    columns = {head: list(values)}
    for place, letter in zip(range(width), comparison.LETTERS, strict=False):
        columns[letter] = [each[place] or "not set" for each in values.values()]
    if head == "field":
        columns["meaning"] = [facts.meaning(name) for name in values]
    return pa.table(columns)
