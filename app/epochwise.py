"""What an artifact holds of one image, read once an epoch: a strip with one epoch more has only that one to read."""

import numpy as np

from app.memory import Memory, same_artifact
from store.shards import Artifact

OF_ONE_IMAGE = Memory(100_000, 64 * 1024**2)
BESIDE = 600  # bytes that Python keeps beside the values: more than a map of 7 × 7


def of_image(artifact: Artifact, name: str, epochs: tuple[int, ...], *place: int | slice) -> np.ndarray:
    """Values (E, ...) of one image at finished epochs; place: what is read of the dimensions after the epochs.

    Raises what `Artifact.read` raises, and keeps nothing then.
    """
    keys = {epoch: (same_artifact(artifact), name, epoch, str(place)) for epoch in epochs}
    kept = {epoch: OF_ONE_IMAGE.get(key) for epoch, key in keys.items()}
    values = {epoch: found[0] for epoch, found in kept.items() if found}
    lacking = [epoch for epoch in keys if epoch not in values]
    if lacking:
        read = artifact.read(name, lacking, *place)
        for epoch, value in zip(lacking, read, strict=True):
            values[epoch] = np.array(value)  # not a view, which would keep the others
            OF_ONE_IMAGE.put(keys[epoch], values[epoch], values[epoch].nbytes + BESIDE)
    return np.stack([values[epoch] for epoch in epochs])
