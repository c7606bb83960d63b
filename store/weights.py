"""Weights as they are stored: one flat array, cut into tensors again."""

import numpy as np

from store.errors import Corrupt
from store.shards import Artifact


def tensors(artifact: Artifact, epoch: int) -> dict[str, np.ndarray]:
    """The state of the network after `epoch`, by tensor name, bit for bit as it was stored."""
    flat = {name: artifact.read(name, epoch) for name in artifact.attributes["arrays"]}
    state = {}
    for item in artifact.attributes["tensors"]:
        start, shape = item["start"], tuple(item["shape"])
        count = int(np.prod(shape, dtype=np.int64))
        if start + count > len(flat[item["array"]]):
            raise Corrupt(f"{artifact.path} is shorter than its list of tensors says. {artifact.remedy()}")
        state[item["name"]] = flat[item["array"]][start : start + count].reshape(shape)
    return state
