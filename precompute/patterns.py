"""Neural patterns as an artifact: mined from the stored activations of an epoch, with how far each is from chance."""

from collections.abc import Mapping, Sequence

import numpy as np

from precompute import activations, significance
from precompute.bench import Bench, Shard
from precompute.closed import gapped
from precompute.mining import NONE, by_class, contiguous, joined, nothing, ordered
from precompute.recipe import digest
from precompute.wanted import Network
from store.shards import Artifact

KINDS = ("contiguous", "gapped")


def plan(bench: Bench) -> list[Artifact]:
    """One artifact; of a network with too few layers, or without, it has no arrays, but the reason."""
    return [pattern_artifact(bench, source) for source in activations.plan(bench)]


def pattern_artifact(bench: Bench, source: Artifact) -> Artifact:
    options = bench.recipe.artifacts.network or Network()
    mined = options.model_dump(include={"gapped", "support", "length", "most", "permutations"})
    facts: dict[str, object] = {
        "activations": source.name,
        "options": mined,
        "seed": bench.recipe.training.seed,
        "version": 1,
    }
    name = f"patterns-{digest(facts)}"
    if name in bench.run.opened:
        return bench.run.opened[name]
    facts |= mined | {
        key: source.attributes[key] for key in ("reduction", "z_scored", "epochs", "evaluation", "dataset")
    }
    if reason := obstacle(source, options):
        return bench.run.add(name, "patterns", {}, (), facts | {"obstacle": reason})
    sizes = {
        "epoch": bench.run.epochs + 1,
        "pattern": options.most * (1 + options.gapped),
        "layer": len(source.attributes["layers"]),
        "class": len(bench.run.classes),
        "search": len(KINDS),
    }
    return bench.run.add(name, "patterns", sizes, activations.epochs(bench), facts)


def obstacle(source: Artifact, options: Network) -> str:
    """Why there can be no patterns; "" where there can."""
    if "obstacle" in source.attributes:
        return str(source.attributes["obstacle"])
    if (layers := len(source.attributes["layers"])) < options.length:
        one = "1 convolution layer" if layers == 1 else f"{layers} convolution layers"
        return f"Patterns of {options.length} layers or more need as many; this network has {one}."
    return ""


def compute(bench: Bench, artifacts: Sequence[Artifact], epoch: int) -> Mapping[str, Shard]:
    """The patterns of one epoch, from its stored strongest filters."""
    (source,) = activations.plan(bench)
    sequences = np.ascontiguousarray(source.read("strongest", epoch)[..., 0])  # (N, L)
    classes = len(bench.run.classes)
    return {item.path: mined(sequences, bench.labels, classes, item) for item in artifacts}


def mined(sequences: np.ndarray, labels: np.ndarray, classes: int, artifact: Artifact) -> Shard:
    facts = artifact.attributes
    found, counts = nothing(sequences.shape[1]), [0, 0]
    windows = contiguous(sequences, facts["support"], facts["length"])
    counts[0], found = len(windows), ordered(windows, facts["most"])
    if facts["gapped"]:
        skipping = gapped(sequences, facts["support"], facts["length"], facts["most"])
        counts[1] = len(skipping) if len(skipping) < facts["most"] else NONE
        found = joined(found, skipping)
    chance = significance.p_values(
        sequences, found.filters, found.support, permutations=facts["permutations"], seed=facts["seed"]
    )
    shard = {
        "filters": found.filters,
        "support": found.support.astype(np.int32),
        "lift": significance.lift(sequences, found.filters, found.support).astype(np.float32),
        "p_value": chance.astype(np.float32),
        "kind": found.kind,
        "by_class": by_class(sequences, found.filters, labels, classes),
    }
    most = artifact.array("support").shape[1]
    return {name: filled(value, most)[None] for name, value in shard.items()} | {"found": np.array([counts])}


def filled(values: np.ndarray, most: int) -> np.ndarray:
    """Rows up to `most`, those without a pattern with NONE for filters, NaN for what would be measured, and 0."""
    empty = NONE if values.dtype == np.int16 else np.nan if values.dtype.kind == "f" else 0
    rest = np.full((most - len(values), *values.shape[1:]), empty, values.dtype)
    return np.concatenate([values, rest])
