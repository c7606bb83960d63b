"""Tables of the Sanity page: techniques lead to what they are, and signed numbers have a minus and are still sorted as numbers."""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from app import methods
from app.sanity import words


def draw(table: pd.DataFrame, column_config: Mapping[str, object] | None = None) -> None:
    """A row a technique: cells of `methods.cell` in the column Technique; all that is no whole number gets two decimals."""
    numbers = [name for name in table.columns if table[name].dtype.kind == "f"]
    st.dataframe(
        table.style.format(words.signed, subset=numbers),
        hide_index=True,
        column_config={"Technique": methods.column("Technique"), **(column_config or {})},
        width="stretch",
        height="content",
        placeholder="–",
        alt=f"{len(table)} techniques and controls: {', '.join(table.columns[1:])}",
    )
