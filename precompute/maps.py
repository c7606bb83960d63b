"""Saliency maps as artifacts: of every evaluated image at every kept epoch, and of the cases recommended in the end."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from precompute import catalogue, evaluation
from precompute.bench import Bench, Shard
from precompute.cases import recommended
from precompute.recipe import digest
from precompute.saliency import explain
from precompute.saliency.layers import layer_at, obstacle
from precompute.techniques import INPUT, signed
from precompute.wanted import Saliency
from store import spool
from store.schema import EXPLAINED, UNLABELLED
from store.shards import Artifact


def plan(bench: Bench) -> list[Artifact]:
    options = bench.recipe.artifacts.saliency
    if options is None:
        return []
    return [saliency_artifact(bench, name, layer) for name, layer in asked(bench)]


def asked(bench: Bench) -> list[tuple[str, str]]:
    """Techniques and where they are computed, each pair once; those that explain the image itself at INPUT alone."""
    options = bench.recipe.artifacts.saliency or Saliency(techniques=())
    layers = [bench.run.attributes["default_layer"] if name == "auto" else name for name in options.layers]
    pairs = [(name, layer) for layer in layers for name in options.techniques if not at_input(name)]
    return list(dict.fromkeys(pairs)) + [(name, INPUT) for name in dict.fromkeys(options.techniques) if at_input(name)]


def at_input(technique: str) -> bool:
    return catalogue.TECHNIQUES[technique].at_input


def parts(bench: Bench) -> int:
    """How many tasks an epoch has: one a layer, the input among them."""
    return len({layer for _, layer in asked(bench)})


def saliency_artifact(bench: Bench, technique: str, layer: str) -> Artifact:
    """The artifact of one technique at one layer; one that does not apply has no arrays, but the reason."""
    entry = catalogue.TECHNIQUES[technique]
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
    } | ({"side": 2} if entry.complete else {})
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
        "precision": "float32" if layer == INPUT else bench.precision(saliency.precision),
    }
    slug = re.sub(r"[^a-z0-9.]+", "-", f"{technique.replace('+', 'p')}-{layer}".lower())
    return f"{kind}-{slug}-{digest(facts)}", facts | {
        "title": entry.title,
        "dataset": outputs.attributes["dataset"],
        "signed": signed(technique, saliency.of(technique)),
    }


def compute(bench: Bench, artifacts: Sequence[Artifact], epoch: int) -> Mapping[str, Shard]:
    """Maps of every evaluated image, for its true class and for the class predicted at this epoch, in one shared pass.

    Both maps of an unlabelled image are for the predicted class.
    """
    predicted = evaluation.plan(bench)[0].read("logits", epoch).argmax(1)
    true = np.where(bench.labels == UNLABELLED, predicted, bench.labels)
    explained = np.stack([true, predicted], 1)  # (N, 2)
    found = maps_of(bench, artifacts, epoch, bench.evaluated, explained)
    classes = explained.T.astype(np.int32)
    return {
        path: {"explained_class": classes[None]} | {name: values[None] for name, values in shard.items()}
        for path, shard in found.items()
    }


def maps_of(
    bench: Bench, artifacts: Sequence[Artifact], epoch: int, numbers: np.ndarray, explained: np.ndarray
) -> dict[str, dict[str, Any]]:
    """What the artifacts' techniques make of test images `numbers` for the classes `explained` (n, E), by artifact's path.

    Maps are packed batch by batch, (E, n, h, w) with scales (E, n): those of many large images would fill the memory, and go
    to a file.
    """
    first, shape = artifacts[0].attributes, explained.T.shape
    found = {item.path: blank(item, shape) for item in artifacts}
    for part, batch in bench.batches(bench.data.test, numbers):
        seen = explain(
            bench.classifier(epoch),
            batch,
            torch.from_numpy(explained[part]),
            layer=first["layer"],
            techniques={item.attributes["technique"]: item.attributes["options"] for item in artifacts},
            precision=first["precision"],
            seed=bench.recipe.training.seed,
        )
        for item in artifacts:
            name, shard = item.attributes["technique"], found[item.path]
            shard["maps"][:, part], shard["scale"][:, part] = packed(seen.maps[name].numpy().swapaxes(0, 1))
            shard["poles"] += seen.poles[name]
            if name in seen.completeness:
                shard["completeness"][:, part] = seen.completeness[name].numpy().swapaxes(0, 1)
        bench.progress.tick(part.stop / len(numbers))
    return found


def blank(artifact: Artifact, shape: tuple[int, ...]) -> dict[str, Any]:
    """Room for what `maps_of` finds; shape: (E, n)."""
    of = artifact.attributes
    maps = spool.room((*shape, of["height"], of["width"]), np.float16)
    room = {"maps": maps, "scale": np.empty(shape, np.float32)}
    complete = (
        {"completeness": np.empty((*shape, 2), np.float32)} if catalogue.TECHNIQUES[of["technique"]].complete else {}
    )
    return {**room, "poles": np.zeros((), np.int64), **complete}


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
    found = maps_of(bench, artifacts, epoch, bench.evaluated[images], classes[:, None])
    return {
        path: {name: shard[name] for name in ("maps", "scale")} for path, shard in found.items()
    }  # E = 1 for the epoch
