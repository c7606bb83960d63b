"""The theme of .streamlit/config.toml, which Streamlit else gathers anew in every run of every part: 0.5 ms of processor time."""

from collections.abc import Callable
from typing import Any

from streamlit.runtime import app_session

NAME = "_populate_theme_msg"  # Streamlit's; where it is called otherwise, nothing is changed


def install() -> None:
    """Has Streamlit gather it once. A theme that is changed later needs a new start."""
    gather = getattr(app_session, NAME, None)
    if gather and not hasattr(gather, "kept"):
        setattr(app_session, NAME, once(gather))


def once(gather: Callable[..., None]) -> Callable[..., None]:
    """Fills the same words into an empty message, by section, without asking for them again."""
    kept: dict[str, Any] = {}

    def filled(message: Any, section: str = "theme") -> None:
        if section not in kept:
            found = type(message)()
            gather(found, section)
            kept[section] = found
        if kept[section].ByteSize():  # an empty section stays one that nobody has written
            message.MergeFrom(kept[section])

    filled.kept = kept  # type: ignore[attr-defined]
    return filled
