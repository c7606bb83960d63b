"""The state a widget has when Streamlit's client mounts it: what it was told to show, or its default."""

from collections.abc import Callable, Sequence
from typing import Any

from streamlit.proto.WidgetStates_pb2 import WidgetState

Filled = Callable[[Any, WidgetState, bool], None]  # element, state to fill, whether the server sets a value


def chosen(texts: Sequence[str], default: Sequence[Any]) -> list[str]:
    return [texts[int(number)] for number in default if int(number) < len(texts)]


def of_slider(element: Any, state: WidgetState, told: bool) -> None:
    if element.options:
        state.string_array_value.data.extend(element.raw_value if told else chosen(element.options, element.default))
    else:
        state.double_array_value.data.extend(element.value if told else element.default)


def of_selectbox(element: Any, state: WidgetState, told: bool) -> None:
    if told:
        state.string_value = element.raw_value
    elif element.HasField("default") and element.options:
        state.string_value = element.options[element.default]


def of_buttons(element: Any, state: WidgetState, told: bool) -> None:
    texts = [option.content for option in element.options]
    state.string_array_value.data.extend(element.raw_values if told else chosen(texts, element.default))


def of_list(element: Any, state: WidgetState, told: bool) -> None:
    state.string_array_value.data.extend(element.raw_values if told else chosen(element.options, element.default))


def of_number(element: Any, state: WidgetState, told: bool) -> None:
    if told or element.HasField("default"):
        state.double_value = element.value if told else element.default


def of_text(element: Any, state: WidgetState, told: bool) -> None:
    state.string_value = element.value if told else element.default


def of_checkbox(element: Any, state: WidgetState, told: bool) -> None:
    state.bool_value = element.value if told else element.default


def of_pagination(element: Any, state: WidgetState, told: bool) -> None:
    state.int_value = element.value if told else element.default


MOUNTED: dict[str, Filled] = {
    "slider": of_slider,
    "selectbox": of_selectbox,
    "button_group": of_buttons,
    "multiselect": of_list,
    "number_input": of_number,
    "text_input": of_text,
    "text_area": of_text,
    "checkbox": of_checkbox,
    "pagination": of_pagination,
}


def mounted(kind: str, element: Any) -> tuple[WidgetState | None, bool]:
    """The state, None where the client says nothing of such a widget by itself; and whether the server set it just now."""
    told = bool(getattr(element, "set_value", False))
    if kind not in MOUNTED:
        return None, told
    state = WidgetState(id=element.id)
    MOUNTED[kind](element, state, told)
    return (state, told) if state.WhichOneof("value") else (None, told)
