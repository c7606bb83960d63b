"""A synthetic embedding for the runs of tests/worlds.py."""

from collections.abc import Sequence

import numpy as np

from app.embedding.colouring import Outcome
from store.runs import Run


def add_embedding(
    run: Run, kept: Sequence[int], labels: np.ndarray, finished: int, perplexities: Sequence[int], width: int = 6
) -> None:
    """Features in which classes part with each epoch, their true neighbours, and maps that are two of their axes."""
    count, near = len(labels), min(10, len(labels) - 1)
    sizes = {"epoch": run.epochs + 1, "image": count, "feature": width, "neighbour": near, "axis": 2}
    facts = {"evaluation": "evaluation-0a", "dataset": run.attributes["dataset"], "version": 1}
    features = run.add("features-0a", "features", sizes, kept, facts | {"width": width})
    maps = []
    for perplexity in perplexities:
        of = facts | {"features": "features-0a", "perplexity": abs(perplexity)}
        reason = {"obstacle": f"A perplexity of {-perplexity} needs more images."} if perplexity < 0 else {}
        promised = () if reason else kept
        maps.append(
            run.add(f"embedding-{abs(perplexity)}", "embedding", {} if reason else sizes, promised, of | reason)
        )
    for epoch in (item for item in kept if item <= finished):
        values = features_at(epoch, labels, width)
        far = np.linalg.norm(values[:, None] - values[None], axis=-1) + 1e9 * np.eye(count)  # (image, image)
        found = np.argsort(far, 1)[:, :near]
        shard = {"features": values.astype(np.float16), "scale": np.ones(count, np.float32)}
        shard |= {"neighbours": found.astype(np.int32)}
        shard |= {"distances": np.take_along_axis(far, found, 1).astype(np.float32)}
        features.write(epoch, {name: value[None] for name, value in shard.items()})
        for number, artifact in enumerate(maps):
            if artifact.promised:
                points = {
                    "points": 10 * (values[:, number : number + 2] - values[:, number : number + 2].mean(0))[None]
                }
                numbers = {"divergence": 1.5 - epoch / 10, "trustworthiness": 0.9, "move": 0.2 if epoch else np.nan}
                artifact.write(epoch, points | {name: np.array([value]) for name, value in numbers.items()})


def features_at(epoch: int, labels: np.ndarray, width: int) -> np.ndarray:
    """(image, feature), as exact as float16 keeps them."""
    random = np.random.default_rng(300 + epoch)
    centres = np.random.default_rng(9).normal(size=(labels.max() + 1, width))
    values = random.normal(size=(len(labels), width)) + epoch * centres[labels]
    return values.astype(np.float16).astype(np.float32)


def outcome(true: np.ndarray, probabilities: np.ndarray) -> Outcome:
    """From probabilities (image, class)."""
    last = np.partition(probabilities, -2, axis=-1)[:, -2:]
    return Outcome(true, probabilities.argmax(-1), last[:, 1], last[:, 1] - last[:, 0])
