"""The fields of a pydantic schema that get a widget each: which one, with which range and help, by annotation and bounds."""

import json
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.edge import plain

NONE = type(None)
LONG_TEXT = 500  # characters
NUMBER = {"ge": "at least {:g}", "gt": "above {:g}", "le": "at most {:g}", "lt": "below {:g}"}


@dataclass(frozen=True)
class Leaf:
    """One field that has a widget. `choices`: what may be chosen, where the annotation does not say so."""

    path: tuple[str, ...]
    info: FieldInfo
    choices: tuple[str, ...] = ()
    when: str = ""  # the choice this field belongs to, where another choice has other fields

    @property
    def name(self) -> str:
        return ".".join(self.path)

    @property
    def title(self) -> str:
        return self.info.title or self.path[-1].replace("_", " ").capitalize()

    @cached_property
    def kinds(self) -> tuple[Any, ...]:
        """The annotation's alternatives, without None."""
        union = get_origin(self.info.annotation) in (Union, types.UnionType)
        each = get_args(self.info.annotation) if union else (self.info.annotation,)
        return tuple(kind for kind in each if kind is not NONE)

    @property
    def optional(self) -> bool:
        return NONE in get_args(self.info.annotation)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """What a Literal lists."""
        return tuple(str(word) for kind in self.kinds if get_origin(kind) is Literal for word in get_args(kind))

    @cached_property
    def widget(self) -> str:
        """Which widget it gets."""
        first, *others = self.kinds
        inner = tuple(core(item) for item in get_args(first))
        if any(section(kind) for kind in self.kinds):
            return "switch"
        if self.words or (first is str and self.choices):
            return "open choice" if others or not self.words else "choice"
        if first in (bool, int, float):
            return "toggle" if first is bool else "number"
        if first is str:
            return "text"
        if get_origin(first) is tuple:
            return "several" if inner[0] is str else "numbers"
        return "weights" if inner == (str, float) and self.choices else "json"

    @property
    def number(self) -> type[int] | type[float]:
        """What a list of numbers is of."""
        return float if float in [core(item) for item in get_args(self.kinds[0])] else int

    @property
    def bounds(self) -> dict[str, Any]:
        """Those it carries, whichever class of annotated_types says them."""
        return {name: getattr(item, name) for item in self.info.metadata for name in NUMBER if hasattr(item, name)}

    @property
    def max_length(self) -> int | None:
        return next((item.max_length for item in self.info.metadata if hasattr(item, "max_length")), None)

    @property
    def wide(self) -> bool:
        """Whether its widget needs a line of its own."""
        return self.widget in ("several", "json", "numbers") or (self.max_length or 0) >= LONG_TEXT

    @property
    def extra(self) -> Mapping[str, Any]:
        return self.info.json_schema_extra if isinstance(self.info.json_schema_extra, dict) else {}

    def default(self) -> Any:
        if self.info.is_required():
            return ""
        found = self.info.get_default(call_default_factory=True, validated_data={})
        return list(found) if isinstance(found, tuple) else found

    def help(self) -> str:
        """What it means, in which unit and range."""
        said = [NUMBER[name].format(value) for name, value in self.bounds.items()]
        said += [f"one of {', '.join(self.words)}"] if self.widget == "choice" else []
        said += [str(self.extra["unit"])] if "unit" in self.extra else []
        said += ["may be left empty"] if self.optional and self.widget != "switch" else []
        text = f"{self.name}: {self.info.description or self.title}"
        return plain(f"{text} ({', '.join(said)})" if said else text)

    # Between the recipe's value and the widget's

    def typed(self, value: Any) -> Any:
        """The widget's value for a recipe's."""
        match self.widget:
            case "open choice":
                return str(value)
            case "text":
                return value or ""
            case "several":
                return [str(item) for item in value]
            case "numbers":
                return ", ".join(map(str, value))
            case "json":
                return json.dumps(value)
        return value

    def meant(self, typed: Any) -> Any:
        """The recipe's value for a widget's; what cannot be understood is left as it is, for the schema to refuse."""
        match self.widget:
            case "text" if self.optional and not str(typed).strip():
                return None
            case "open choice" if any(kind is int for kind in self.kinds):
                return int(typed) if is_number(str(typed)) else typed
            case "numbers":
                words, whole = str(typed).replace(",", " ").split(), self.number is int
                known = all(is_number(word) or (not whole and is_fraction(word)) for word in words)
                return sorted({self.number(word) for word in words}) if known else typed
            case "several":
                return list(typed)
            case "json":
                try:
                    return json.loads(typed)
                except (ValueError, RecursionError):
                    return typed
        return typed


def is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 10


def is_fraction(word: str) -> bool:
    whole, _, rest = word.partition(".")
    return is_number(whole or "0") and is_number(rest or "0")


def core(kind: Any) -> Any:
    """The type inside Annotated[type, ...]."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def section(kind: Any) -> type[BaseModel] | None:
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def leaves(model: type[BaseModel], choices: Mapping[str, Sequence[str]], path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Every field of a schema and of its sections, in order; a section that may be None has a switch before its fields."""
    for name, info in model.model_fields.items():
        leaf = Leaf((*path, name), info, tuple(choices.get(".".join((*path, name)), ())))
        inner = next((found for kind in leaf.kinds if (found := section(kind))), None)
        if inner is None or leaf.optional:
            yield leaf
        if inner:
            yield from leaves(inner, choices, (*path, name))
