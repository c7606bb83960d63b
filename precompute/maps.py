"""Saliency maps as artifacts: of every evaluated image at every kept epoch, and of the cases recommended in the end."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from precompute import catalogue, evaluation
from precompute.bench import Bench, Shard
from precompute.cases import recommended
from precompute.recipe import digest
from precompute.saliency import explain
from precompute.saliency.layers import layer_at, obstacle
from precompute.wanted import Saliency
from store.schema import EXPLAINED, UNLABELLED
from store.shards import Artifact


def plan(bench: Bench) -> list[Artifact]:
    options = bench.recipe.artifacts.saliency
    if options is None:
        return []
    return [saliency_artifact(bench, name, layer) for layer in layers_asked(bench) for name in options.techniques]


def layers_asked(bench: Bench) -> list[str]:
    """The layers by name, each once, "auto" replaced by the run's default."""
    asked = bench.recipe.artifacts.saliency.layers if bench.recipe.artifacts.saliency else ()
    return list(dict.fromkeys(bench.run.attributes["default_layer"] if name == "auto" else name for name in asked))


def parts(bench: Bench) -> int:
    """How many tasks an epoch has: one a layer."""
    return len(layers_asked(bench))


def saliency_artifact(bench: Bench, technique: str, layer: str) -> Artifact:
    """The artifact of one technique at one layer; one that does not apply has no arrays, but the reason."""
    name, facts = saliency_facts(bench, technique, layer, "saliency")
    if name in bench.run.opened:
        return bench.run.opened[name]
    sample = torch.zeros(1, bench.run_channels, bench.data.size, bench.data.size)
    place = layer_at(bench.first_classifier(), sample, layer)
    facts |= {"height": place.height, "width": place.width, "explained": list(EXPLAINED)}
    if reason := obstacle(technique, bench.first_classifier(), place, sample):
        return bench.run.add(name, "saliency", {}, (), facts | {"obstacle": reason})
    sizes = {
        "epoch": bench.run.epochs + 1,
        "explained": len(EXPLAINED),
        "image": len(bench.evaluated),
        "y": place.height,
        "x": place.width,
    }
    return bench.run.add(name, "saliency", sizes, bench.kept_epochs(), facts)


def saliency_facts(bench: Bench, technique: str, layer: str, kind: str) -> tuple[str, dict[str, object]]:
    """An artifact's name, which ends in a digest of all that determines its values, and those facts."""
    saliency, entry = bench.recipe.artifacts.saliency or Saliency(), catalogue.TECHNIQUES[technique]
    outputs = evaluation.plan(bench)[0]
    facts: dict[str, object] = {
        "technique": technique,
        "layer": layer,
        "options": saliency.of(technique),
        "version": entry.version,
        "evaluation": outputs.name,
        "precision": bench.precision(saliency.precision),
    }
    slug = re.sub(r"[^a-z0-9.]+", "-", f"{technique.replace('+', 'p')}-{layer}".lower())
    return f"{kind}-{slug}-{digest(facts)}", facts | {
        "title": entry.title,
        "dataset": outputs.attributes["dataset"],
        "signed": entry.signed,
    }


def compute(bench: Bench, artifacts: Sequence[Artifact], epoch: int) -> Mapping[str, Shard]:
    """Maps of every evaluated image, for its true class and for the class predicted at this epoch, in one shared pass.

    Both maps of an unlabelled image are for the predicted class.
    """
    predicted = evaluation.plan(bench)[0].read("logits", epoch).argmax(1)
    true = np.where(bench.labels == UNLABELLED, predicted, bench.labels)
    explained = np.stack([true, predicted], 1)  # (N, 2)
    maps, poles = maps_of(bench, artifacts, epoch, bench.evaluated, explained)
    shards = {}
    for artifact in artifacts:
        values, scale = packed(maps[artifact.path].transpose(1, 0, 2, 3))  # (2, N, h, w), (2, N)
        shards[artifact.path] = {
            "maps": values[None],
            "scale": scale[None],
            "explained_class": explained.T[None].astype(np.int32),
            "poles": np.array([poles[artifact.path]]),
        }
    return shards


def maps_of(
    bench: Bench, artifacts: Sequence[Artifact], epoch: int, numbers: np.ndarray, explained: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Raw maps (n, E, h, w) float32 of test images `numbers` for the classes `explained` (n, E), and poles, by artifact."""
    first = artifacts[0].attributes
    techniques = {item.attributes["technique"]: item.attributes["options"] for item in artifacts}
    parts: dict[str, list[np.ndarray]] = {name: [] for name in techniques}
    poles = dict.fromkeys(techniques, 0)
    for part, batch in bench.batches(bench.data.test, numbers):
        found = explain(
            bench.classifier(epoch),
            batch,
            torch.from_numpy(explained[part]),
            layer=first["layer"],
            techniques=techniques,
            precision=first["precision"],
            seed=bench.recipe.training.seed,
        )
        for name in techniques:
            parts[name].append(found.maps[name].numpy())
            poles[name] += found.poles[name]
    paths = {item.attributes["technique"]: item.path for item in artifacts}
    return {paths[name]: np.concatenate(parts[name]) for name in parts}, {
        paths[name]: count for name, count in poles.items()
    }


def packed(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float16 maps in [-1, 1] and one float32 scale each, so that gradients of 1e-8 survive; their product is the raw map."""
    scale = np.abs(maps).max((-2, -1)).astype(np.float32)
    safe = np.where(scale > 0, scale, 1)[..., None, None]
    return (maps / safe).astype(np.float16), scale


def plan_cases(bench: Bench) -> list[Artifact]:
    """Possible once the last epoch is evaluated: only then is it known which images are wrongly taken for which class."""
    options, outputs = bench.recipe.artifacts.saliency, evaluation.plan(bench)[0]
    last = bench.run.epochs
    if options is None or not options.cases or last not in outputs.marked():
        return []
    logits = outputs.read("logits", last)
    pairs = [
        (int(image), chosen)
        for chosen in range(len(bench.run.classes))
        for image in recommended(logits, bench.labels, chosen).taken_for_it[: options.cases]
    ]
    return [case_artifact(bench, item, pairs) for item in plan(bench) if pairs and "obstacle" not in item.attributes]


def case_artifact(bench: Bench, saliency: Artifact, pairs: list[tuple[int, int]]) -> Artifact:
    of = saliency.attributes
    facts = {
        key: of[key]
        for key in (
            "technique",
            "layer",
            "options",
            "version",
            "evaluation",
            "precision",
            "title",
            "signed",
            "height",
            "width",
        )
    }
    facts |= {"images": [image for image, _ in pairs], "classes": [chosen for _, chosen in pairs]}
    name = saliency.name.replace("saliency-", "cases-", 1) + f"-{len(pairs)}"
    sizes = {"epoch": bench.run.epochs + 1, "case": len(pairs), "y": of["height"], "x": of["width"]}
    return bench.run.add(name, "cases", sizes, bench.kept_epochs(), facts)


def compute_cases(bench: Bench, artifacts: Sequence[Artifact], epoch: int) -> Mapping[str, Shard]:
    """Maps of the images wrongly taken for a class, explained for that class, at this epoch."""
    images, classes = (np.array(artifacts[0].attributes[key]) for key in ("images", "classes"))
    maps, _ = maps_of(bench, artifacts, epoch, bench.evaluated[images], classes[:, None])
    shards = {}
    for path, found in maps.items():
        values, scale = packed(found[:, 0])  # (case, h, w), (case,)
        shards[path] = {"maps": values[None], "scale": scale[None]}
    return shards
