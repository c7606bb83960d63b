"""How the maps of a run change from epoch to epoch, and from when on they stay as they are, as far as it is stored."""

from dataclasses import dataclass

import numpy as np

from app import reading
from app.memory import OF_ALL_IMAGES, remembered
from precompute.cases import most_changed
from precompute.drift import settled
from precompute.regions import interval
from store.shards import Artifact


@dataclass(frozen=True, eq=False)
class Change:
    """Rank correlations over epochs, mean and 95% interval over images (3, E): with the kept epoch before, with the last.

    `last` is full of NaN as long as the last epoch is not there. settled: the epoch from which on each image's map stays
    ALIKE with the last one, (n,), NaN where that one is flat; empty likewise. all_settled: the same of the mean, None if unknown.
    """

    epochs: tuple[int, ...]
    step: np.ndarray
    last: np.ndarray
    settled: np.ndarray
    all_settled: int | None


@remembered(OF_ALL_IMAGES)
def likeness(artifact: Artifact, epoch: int, earlier: int) -> np.ndarray:
    """Rank correlation (N,) of each image's map at an epoch with that at an earlier one; NaN where it is not known."""
    return reading.frozen(artifact.read("likeness", epoch, earlier).astype(np.float32))


def change(artifact: Artifact, epochs: tuple[int, ...], images: np.ndarray) -> Change:
    """How the maps of some images change over finished epochs."""
    none, promised = np.full(len(images), np.nan, np.float32), artifact.promised
    before = dict(zip(promised[1:], promised, strict=False))
    step = [likeness(artifact, epoch, before[epoch])[images] if epoch in before else none for epoch in epochs]
    if promised[-1] not in epochs or not compared(artifact, promised[-1], epochs):
        unknown = np.full((3, len(epochs)), np.nan)
        return Change(epochs, interval(np.stack(step).T), unknown, np.zeros(0), None)
    last = with_all(artifact, promised[-1])[list(epochs)][:, images].astype(np.float32)  # (E, n)
    mean = interval(last.T)
    of_all = settled(mean[:1].T, epochs)[0]
    whole = None if np.isnan(of_all) else int(of_all)
    return Change(epochs, interval(np.stack(step).T), mean, settled(last, epochs), whole)


def with_all(artifact: Artifact, epoch: int) -> np.ndarray:
    """The same (epoch, N) with every earlier epoch: one chunk, so read at once."""
    return reading.measured(artifact, "likeness", epoch)


def compared(artifact: Artifact, last: int, epochs: tuple[int, ...]) -> bool:
    """Whether the maps of an epoch were compared with all these; a recorded run that stopped early may end at one that was not.

    Flat maps have no rank correlation, not even with themselves, although they were compared.
    """
    known = np.isfinite(with_all(artifact, last)).any(1)  # (epoch,)
    return not known[last] or all(
        known[epoch] or not np.isfinite(likeness(artifact, epoch, epoch)).any() for epoch in epochs
    )


def first_trained(artifact: Artifact) -> int | None:
    """The first epoch whose map is that of a trained network; what an untrained one looks at is chance."""
    return next((epoch for epoch in artifact.promised if epoch), None)


def changed(artifact: Artifact, data: Artifact, epoch: int, chosen: int) -> np.ndarray:
    """Images of a class by how much their maps changed between the first trained epoch and `epoch`, most first."""
    first = first_trained(artifact)
    if first is None or first >= epoch or epoch not in reading.epochs(artifact):
        return np.zeros(0, np.int64)
    return most_changed(likeness(artifact, epoch, first), reading.labels(data), chosen)
