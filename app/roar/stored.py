"""The finished cells of a run's grid of Remove and Retrain, and what follows of them for each technique."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from app import reading
from app.memory import HASHES, Memory, remembered, same_artifact
from precompute.catalogue import TECHNIQUES
from precompute.roar import tables
from precompute.roar.cells import NONE, Cell, determining, title
from store.runs import Run
from store.shards import Artifact

CELLS = Memory(20_000, 256 * 1024**2)
GRIDS = Memory(10, 256 * 1024**2)


@dataclass(frozen=True)
class Result:
    """What one cell came to. confusion: (K, K) test images by true and predicted class; loss: (epochs,)."""

    cell: Cell
    confusion: np.ndarray
    train_accuracy: float
    loss: np.ndarray
    seconds: float

    @cached_property
    def accuracy(self) -> float:
        return float(tables.accuracy(self.confusion))

    @cached_property
    def collapsed(self) -> bool:
        """Whether the training ended in naming one class, or its loss was no number any more."""
        return self.cell.retrained and bool(tables.collapsed(self.confusion) | tables.diverged(self.loss))

    @property
    def nbytes(self) -> int:
        return self.confusion.nbytes + self.loss.nbytes


@dataclass(frozen=True)
class Point:
    """All trainings of one technique at one fraction, or the one look. What leaves collapsed ones out is NaN where all are."""

    technique: str
    fraction: float
    results: tuple[Result, ...]

    @property
    def accuracies(self) -> np.ndarray:
        return np.array([item.accuracy for item in self.results])

    @property
    def kept(self) -> np.ndarray:
        """Accuracies of those that did not collapse."""
        return np.array([item.accuracy for item in self.results if not item.collapsed])

    @property
    def collapses(self) -> int:
        return sum(item.collapsed for item in self.results)

    def range(self, *, with_collapsed: bool) -> tuple[float, float, float]:
        """Lowest accuracy, median and highest."""
        values = self.accuracies if with_collapsed else self.kept
        return tuple(np.quantile(values, (0, 0.5, 1)).tolist()) if len(values) else (np.nan,) * 3

    @property
    def mean(self) -> float:
        return float(tables.mean(self.accuracies))

    @property
    def mean_kept(self) -> float:
        return float(tables.mean(self.kept))

    @property
    def deviation(self) -> float:
        """Standard deviation over the trainings, ddof 0."""
        return float(tables.deviation(self.accuracies))


@dataclass(frozen=True)
class Grid:
    """The grid a run was asked for last, with the cells finished so far, also those of an earlier grid alike."""

    artifact: Artifact
    results: dict[Cell, Result]

    @cached_property
    def asked(self) -> tuple[Cell, ...]:
        facts = self.artifact.attributes["cells"]
        return tuple(Cell(**facts[index]) for index in self.artifact.promised)

    @property
    def nbytes(self) -> int:
        return sum(item.nbytes for item in self.results.values())

    @cached_property
    def by_key(self) -> dict[tuple[str, float, str, bool], list[Result]]:
        found: dict[tuple[str, float, str, bool], list[Result]] = {}
        for cell in sorted(self.results, key=lambda cell: cell.seed):
            found.setdefault(key(cell), []).append(self.results[cell])
        return found

    @property
    def done(self) -> int:
        return sum(cell in self.results for cell in self.asked)

    @property
    def obstacles(self) -> dict[str, str]:
        """Why techniques that were asked for have no cells, by their name."""
        return self.artifact.attributes["obstacles"]

    @property
    def ways(self) -> list[tuple[str, bool]]:
        """Replacement, and whether retrained: what there are curves of, retrained ones first."""
        found = dict.fromkeys((cell.replacement, cell.retrained) for cell in self.asked if cell.technique != NONE)
        return sorted(found, key=lambda way: not way[1])

    @property
    def techniques(self) -> list[str]:
        """What was ranked by, techniques before controls."""
        there = {cell.technique for cell in self.asked}
        return [name for name in self.artifact.attributes["ranked"] if name in there]

    def baseline(self, retrained: bool = True) -> Point | None:
        """Nothing removed; None as long as none is finished."""
        return self.point(NONE, 0.0, NONE, retrained)

    def point(self, technique: str, fraction: float, replacement: str, retrained: bool) -> Point | None:
        """None as long as no training of it is finished."""
        found = self.by_key.get((technique, fraction, replacement, retrained))
        return Point(technique, fraction, tuple(found)) if found else None

    def curve(self, technique: str, replacement: str, retrained: bool) -> list[Point]:
        """Its points by rising fraction, without the baseline."""
        fractions = sorted({cell.fraction for cell in self.asked if cell.technique != NONE})
        points = (self.point(technique, fraction, replacement, retrained) for fraction in fractions)
        return [point for point in points if point]


HASHES[Grid] = lambda grid: (same_artifact(grid.artifact), len(grid.results))  # cells never change, there are only more


def key(cell: Cell) -> tuple[str, float, str, bool]:
    return cell.technique, cell.fraction, cell.replacement, cell.retrained


def grid(run: Run) -> Grid | None:
    """The run's grid; None where it has none, or only the reason (see `obstacle`)."""
    found = [item for item in reading.artifacts(run, "roar") if "obstacle" not in item.attributes]
    return assembled(*found, marked=tuple(map(reading.epochs, found))) if found else None


@remembered(GRIDS)
def assembled(*grids: Artifact, marked: tuple[tuple[int, ...], ...]) -> Grid:
    """Grids, the one asked for last first, and the finished cells of each. Of equal cells that of the latest counts."""
    results: dict[Cell, Result] = {}
    for artifact, indices in zip(grids, marked, strict=True):
        cells = {index: Cell(**artifact.attributes["cells"][index]) for index in indices}
        wanted = [index for index, cell in cells.items() if cell not in results and alike(artifact, grids[0], cell)]
        results |= {cells[index]: result for index, result in finished(artifact, wanted).items()}
    return Grid(grids[0], results)


def alike(one: Artifact, other: Artifact, cell: Cell) -> bool:
    """Whether two grids of a run compute a cell in the same way."""
    return determining(one.attributes, cell) == determining(other.attributes, cell)


def obstacle(run: Run) -> str:
    """Why there can be no grid; "" where there can, or none was asked for."""
    latest = next(iter(reading.artifacts(run, "roar")), None)
    return latest.attributes.get("obstacle", "") if latest else ""


def finished(artifact: Artifact, indices: Sequence[int]) -> dict[int, Result]:
    """What these cells came to, by index; one that was read before is remembered."""
    own = same_artifact(artifact)
    found = {index: held[0] for index in indices if (held := CELLS.get((own, index)))}
    new = read(artifact, [index for index in indices if index not in found])
    for index, result in new.items():
        CELLS.put((own, index), result, result.nbytes)
    return found | new


def read(artifact: Artifact, indices: Sequence[int]) -> dict[int, Result]:
    """Each array of all these cells is read at once, so that those of a remote grid take a few round trips."""
    if not indices:
        return {}
    confusion, accuracy, loss, seconds = (
        reading.frozen(artifact.read(name, indices)) for name in ("confusion", "accuracy", "loss", "seconds")
    )
    cells = artifact.attributes["cells"]
    return {
        index: Result(Cell(**cells[index]), confusion[at], float(accuracy[at, 0]), loss[at], float(seconds[at]))
        for at, index in enumerate(indices)
    }


def named(technique: str) -> str:
    return title(technique, TECHNIQUES)
