"""One change in large: the line of each class, and what the chosen class withstands."""

import numpy as np
import streamlit as st

from app import reading
from app.edge import plain
from app.selection import Selection
from app.simulation import charts, words
from app.simulation.scene import Scene, choose_change, choose_measure, drawn, look, pick_class, withstood
from app.simulation.stored import MEASURES
from precompute.catalogue import CHANGES
from store.schema import UNLABELLED
from store.shards import Artifact

KEY = "simulation.large"


def controls(of: Scene) -> None:
    """Which change is shown in large, and by what measure. The address holds both."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        for key, label, options, now, choose in (
            ("simulation.along", "Along", {name: CHANGES[name].title for name in of.curves}, of.change, choose_change),
            (
                "simulation.by",
                "Measure",
                {name: item.title for name, item in MEASURES.items()},
                of.measure,
                choose_measure,
            ),
        ):
            st.session_state[key] = now
            st.segmented_control(
                label,
                options,
                format_func=options.get,
                required=True,
                key=key,
                on_change=lambda key=key, choose=choose: choose(st.session_state[key]),
                help=measures_help() if key == "simulation.by" else None,
            )


def measures_help() -> str:
    return "  \n".join(f"{item.title.capitalize()}: {item.help}." for item in MEASURES.values())


def draw(of: Scene) -> None:
    """The chart, what it was drawn from, and the sentence about the chosen class."""
    now, made = of.selection, drawn(of, of.change)
    seen = look(of, of.change, charts.HEIGHT, small=False)
    names = now.classes
    st.vega_lite_chart(
        charts.spec(seen, made),
        key=KEY,
        on_select=lambda: pick_class(KEY, names),
        selection_mode=[charts.PICK] if CHANGES[of.change].binary else [charts.PICK, charts.LEGEND],
        alt=alt(of, made),
    )
    st.caption(plain(said(of, made)))
    st.markdown(plain(words.verdict(withstood(of), of.who, of.count)))
    st.caption(of_focus(now, of.artifact, made))


def alt(of: Scene, made: charts.Drawn) -> str:
    place = list(made.points).index(CHANGES[of.change].identity)
    line = made.values[made.chosen]
    form = "{:.2f}" if of.measure == "rank" else "{:.0%}"
    ends = [form.format(float(line[at])) for at in (0, place, -1)]
    own = f"{ends[1]} unchanged, {ends[0]} at {made.points[0]:g}, {ends[2]} at {made.points[-1]:g}"
    own = "no image" if np.isnan(line).all() else own
    return f"{CHANGES[of.change].title}: {of.kind.axis} of {len(made.values)} classes. {of.who}: {own}."


def said(of: Scene, made: charts.Drawn) -> str:
    """What the chart shows, with the number of images behind it."""
    facts, now = of.artifact.attributes, of.selection
    band = " Band: 10 to 90% of its images." if len(made.spread) else ""
    many = ""
    if made.overall is not None:
        others = len(made.values) - 1
        thin = f"; thin: the {others} it is most confused with" if others else ""
        many = f" Grey: 10, 50 and 90% over all {len(now.classes)} classes{thin}."
    form = "Black or white marks" if CHANGES[of.change].binary else "Dashed"
    dashed = f" {form}: {made.own_name}." if made.own is not None else ""
    how = {
        "rotation": f" Corners of a turned image: {'mirrored' if facts['corners'] == 'reflect' else facts['corners']}.",
        "noise": f" The same pattern (seed {facts['seed']}) for every image and strength.",
        "fgsm": " The loss of the true class is raised.",
    }.get(of.change, "")
    thing = "dot" if CHANGES[of.change].binary else "line"
    who = f" of {of.who}" if of.measure != "overall" else ""
    count = words.images(of.behind)
    return f"Epoch {now.epoch} · n = {count}{who}.{band}{dashed}{many}{how} A click on a {thing} chooses its class."


def of_focus(now: Selection, artifact: Artifact, made: charts.Drawn) -> str:
    """Why the focus image has no line of its own, where one would be expected."""
    if now.focus is None or made.own is not None:
        return ""
    if reading.labels(now.data)[now.focus] == UNLABELLED:
        return f"Image {now.focus} has no label, so it is none of any class, and was not changed."
    if now.focus not in reading.measured(artifact, "number", now.epoch):
        few = artifact.attributes["images"]
        return f"Image {now.focus} is not among those that were changed: the recipe asks for {few} of each class."
    return ""
