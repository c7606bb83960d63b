"""What one line of a table of the catalogue says. No torch here."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """The options of one entry: unknown names are refused, values are checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Entry:
    """One line of a table: where its function is, what a person reads about it, and what it lets one choose."""

    function: str
    title: str
    help: str
    options: type[Options] = Options
    signed: bool = False  # its maps have negative values: shown on a scale centred at zero
    version: int = 1  # raised when the algorithm changes its result, so that stored artifacts are told apart
    at_input: bool = False  # it explains the image itself, whatever layer is asked for
    complete: bool = False  # its maps promise to add up to a difference of logits, and say how nearly they do
