"""What the Simulation page and its small charts show: change and measure, which the address holds, and their numbers."""

from dataclasses import dataclass

import numpy as np

from app import ground, reading, selection
from app.address import held, hold
from app.selection import Selection
from app.simulation import charts, stored
from app.simulation.charts import Drawn, Look
from app.simulation.stored import MEASURES, Measure
from app.testing.edited import now as edits_now
from precompute.catalogue import CHANGES
from store.shards import Artifact

CLASSES_SHOWN = charts.MANY


@dataclass(frozen=True)
class Scene:
    """What is looked at: finished curves of the selected epoch by change, the change in large, and the measure."""

    selection: Selection
    curves: dict[str, Artifact]
    change: str
    measure: str

    @property
    def artifact(self) -> Artifact:
        return self.curves[self.change]

    @property
    def kind(self) -> Measure:
        return MEASURES[self.measure]

    @property
    def who(self) -> str:
        return self.selection.classes[self.selection.chosen]

    @property
    def count(self) -> int:
        """Images of the chosen class that were changed."""
        return int(self.artifact.attributes["counts"][self.selection.chosen])

    @property
    def behind(self) -> int:
        """Images that the chosen class's line is a mean over."""
        return sum(self.artifact.attributes["counts"]) if self.measure == "overall" else self.count


def scene(now: Selection, curves: dict[str, Artifact]) -> Scene:
    """What the address names, as far as it is there; else the first change and the first measure."""
    change, measure = held("along"), held("measure")
    return Scene(
        now,
        curves,
        change if change in curves else next(iter(curves)),
        measure if measure in MEASURES else next(iter(MEASURES)),
    )


def choose_change(name: str) -> None:
    hold("along", "" if name == next(iter(CHANGES)) else name)


def choose_measure(name: str) -> None:
    hold("measure", "" if name == next(iter(MEASURES)) else name)


# Numbers


def look(of: Scene, name: str, height: int, *, small: bool) -> Look:
    shown = stored.shown(of.selection, CLASSES_SHOWN)
    names = of.selection.classes
    return Look(
        name,
        of.measure,
        tuple(names[item] for item in shown),
        charts.palette(shown, len(names)),
        len(names),
        height,
        small,
        ground.is_dark(),
    )


def drawn(of: Scene, name: str) -> Drawn:
    """The numbers of one change's chart."""
    now, artifact = of.selection, of.curves[name]
    shown = stored.shown(now, CLASSES_SHOWN)
    values = stored.along(artifact, now.data, now.epoch, of.measure)  # (class, P)
    own = None if now.focus is None else stored.of_image(artifact, now.epoch, now.focus, of.measure)
    own_class = "" if now.focus is None else now.classes[reading.labels(now.data)[now.focus]]
    return Drawn(
        points=stored.points(artifact),
        values=values[list(shown)],
        chosen=shown.index(now.chosen),
        spread=stored.spread(artifact, now.data, now.epoch, of.measure, now.chosen),
        own=own,
        own_name="" if now.focus is None else f"image {now.focus} ({own_class})",
        own_class=own_class,
        setting=edits_now().values.get(name),
        overall=over_all_classes(values) if len(shown) < len(now.classes) else None,
    )


def over_all_classes(values: np.ndarray) -> np.ndarray:
    """10, 50 and 90% of (class, P) over the classes that have images, (3, P)."""
    there = values[~np.isnan(values).all(1)]
    return np.quantile(there, (0.1, 0.5, 0.9), axis=0) if len(there) else np.zeros((3, values.shape[1]))


def withstood(of: Scene) -> list[stored.Withstood]:
    """What the chosen class withstands along each change."""
    now = of.selection
    return [stored.withstood(artifact, now.data, now.epoch, now.chosen) for artifact in of.curves.values()]


def pick_class(chart: str, names: tuple[str, ...], change: str = "") -> None:
    """The class whose line or dot was just clicked is chosen everywhere; `change`: the chart it was clicked in."""
    clicked = selection.picked(chart, charts.PICK) or selection.picked(chart, charts.LEGEND)
    name = clicked.get("class")
    if name in names:
        selection.choose_class(names.index(name))
        if change:
            choose_change(change)
