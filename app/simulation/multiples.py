"""All changes at a glance: a small chart each, as many in a row as there is room for."""

import streamlit as st

from app.edge import plain
from app.simulation import charts
from app.simulation.scene import Scene, choose_change, drawn, look, pick_class
from precompute.catalogue import CHANGES

WIDTH = 208  # pixels of one


def draw(of: Scene, height: int) -> None:
    with st.container(horizontal=True, gap="small"):
        for name in of.curves:
            with st.container(width=WIDTH):
                one(of, name, height)


def one(of: Scene, name: str, height: int) -> None:
    """A change's chart under its name, which shows it in large."""
    key, names, item = f"simulation.small.{name}", of.selection.classes, CHANGES[name]
    with st.container(gap=None, key=f"{key}.box"):
        st.button(
            f"**{plain(item.title)}**" if name == of.change else plain(item.title),
            key=f"{key}.open",
            type="tertiary",
            help=f"Shows {item.title} in large",
            on_click=choose_change,
            args=(name,),
        )
        st.vega_lite_chart(
            charts.spec(look(of, name, height, small=True), drawn(of, name)),
            key=key,
            on_select=lambda: pick_class(key, names, name),
            selection_mode=charts.PICK,
            alt=f"{item.title}: {of.kind.axis} of the classes, {of.who} strong.",
        )
