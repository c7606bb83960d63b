"""What a card is read from: a technique's maps, and the checks beside them, each at the epoch nearest to the selected one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app import reading
from app.saliency.stored import of_kind
from store.runs import Run
from store.shards import Artifact

COMPUTING = "Still being computed."


@dataclass(frozen=True)
class Source:
    """An artifact and the finished epoch of it that is nearest to the selected one; None of both where there is none."""

    artifact: Artifact | None = None
    epoch: int | None = None

    @property
    def ready(self) -> bool:
        return self.epoch is not None

    def note(self, selected: int) -> str:
        """That the numbers are of another epoch than the selected one, if so."""
        return f" After epoch {self.epoch}." if self.ready and self.epoch != selected else ""


@dataclass(frozen=True)
class Sources:
    """All that a card is about. maps: of the technique at its layer; cells: those of the grid that are finished."""

    run: Run
    data: Artifact
    epoch: int
    maps: Artifact
    shift: Source
    randomisation: Source
    stability: Source
    attention: Source
    attention_epochs: tuple[int, ...]
    grid: Artifact | None
    cells: tuple[int, ...]

    @property
    def technique(self) -> str:
        return self.maps.attributes["technique"]

    @property
    def layer(self) -> str:
        return self.maps.attributes["layer"]


def sources(run: Run, evaluation: Artifact, epoch: int, every: Sequence[Artifact]) -> Iterator[Sources]:
    """What there is now of each technique of a run, by its maps: what all have in common is looked up once."""
    shift, randomisation, stability = (
        nearest(next(iter(of_kind(run, f"sanity-{kind}", evaluation)), None), epoch)
        for kind in ("shift", "randomisation", "stability")
    )
    attention = {item.attributes["saliency"]: item for item in reversed(of_kind(run, "attention", evaluation))}
    grid = next(iter(reading.artifacts(run, "roar")), None)
    cells, data = reading.epochs(grid) if grid else (), reading.dataset(evaluation)
    for maps in every:
        own = attention.get(maps.name)
        yield Sources(
            run=run,
            data=data,
            epoch=epoch,
            maps=maps,
            shift=shift,
            randomisation=randomisation,
            stability=stability,
            attention=nearest(own, epoch),
            attention_epochs=reading.epochs(own) if own else (),
            grid=grid,
            cells=cells,
        )


def nearest(artifact: Artifact | None, epoch: int) -> Source:
    there = reading.epochs(artifact) if artifact else ()
    return Source(artifact, min(there, key=lambda item: abs(item - epoch)) if there else None)
