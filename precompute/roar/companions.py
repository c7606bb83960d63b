"""Cheap companions of the grid, on few images and the run's own network: deletion, insertion, infidelity, sensitivity.

Deletion and insertion change the images to what the network never saw, as every look without retraining does.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from precompute.bench import Bench, Shard, to_float
from precompute.catalogue import TECHNIQUES, resolve
from precompute.recipe import digest
from precompute.roar import rankings, removal
from precompute.roar.cells import CONTROLS, ranked, title
from precompute.roar.controls import Look, enlarged
from precompute.roar.rankings import hindrance, pixels, wish
from precompute.saliency import explain
from precompute.saliency.passes import arithmetic
from store.shards import Artifact

VERSION = 2
STEPS = tuple(step / 20 for step in range(21))  # shares of the pixels that are gone, or there
DRAWS = 10  # random changes of an image, for infidelity and for sensitivity
SQUARE = 0.25  # side of the square that infidelity hides, as a share of the image's
RADIUS = 0.02  # of the ball of small noise, in pixels of [0, 1]; captum's default


def plan(bench: Bench) -> list[Artifact]:
    """One artifact a technique and control."""
    asked = bench.recipe.artifacts.roar
    if asked is None or not asked.companions or hindrance(bench, asked):
        return []
    return [artifact_of(bench, name) for name in ranked(asked)]


def artifact_of(bench: Bench, name: str) -> Artifact:
    asked = wish(bench)
    facts: dict[str, Any] = {
        "technique": name,
        "images": [asked.companions, asked.test_images],
        "explained": "predicted",
        "square": SQUARE,
        "radius": RADIUS,
        "draws": DRAWS,
        "version": VERSION,
    }
    if name not in CONTROLS:
        facts |= {"layer": rankings.layer(bench, name), "options": asked.of(name)}
        facts |= {"ranking": asked.ranking(name)}
    facts["algorithm"] = (CONTROLS.get(name) or TECHNIQUES[name]).version
    key = f"faithfulness-{name.replace('+', 'p')}-{digest(facts)}"
    if key in bench.run.opened:
        return bench.run.opened[key]
    facts |= {"title": title(name, TECHNIQUES), "steps": list(STEPS), "dataset": bench.images.name}
    if name not in CONTROLS and (reason := rankings.inapplicable(bench, name)):
        return bench.run.add(key, "faithfulness", {}, (), facts | {"obstacle": reason})
    sizes = {"epoch": bench.run.epochs + 1, "image": len(chosen(bench)), "step": len(STEPS)}
    return bench.run.add(key, "faithfulness", sizes, bench.epochs_asked("last"), facts)


def chosen(bench: Bench) -> np.ndarray:
    """Places, among the images the grid tests on, of those that are looked at: spread evenly."""
    count, most = len(rankings.numbers(bench, "test")), wish(bench).companions
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).round().astype(np.int64)


def parts(bench: Bench) -> int:
    """How many tasks an epoch has: one a layer, and one for the controls."""
    asked = bench.recipe.artifacts.roar
    if asked is None or not asked.companions or hindrance(bench, asked):
        return 0
    return len({rankings.layer(bench, name) for name in asked.techniques}) + bool(asked.controls)


def compute(bench: Bench, artifacts: Sequence[Artifact], epoch: int) -> Mapping[str, Shard]:
    with arithmetic(bench.device, "float32"):
        return {item.path: measured(bench, item, epoch) for item in artifacts}


def measured(bench: Bench, artifact: Artifact, epoch: int) -> Shard:
    network, used = bench.classifier(epoch), chosen(bench)
    arrays = {
        "number": used.astype(np.int32),
        "deletion": np.empty((len(used), len(STEPS)), np.float32),
        "insertion": np.empty((len(used), len(STEPS)), np.float32),
        "infidelity": np.empty(len(used), np.float32),
        "sensitivity": np.full(len(used), np.nan, np.float32),
    }
    mean, size = torch.tensor(bench.data.mean), max(1, bench.batch // DRAWS)
    for start in range(0, len(used), size):
        part = slice(start, start + size)
        images = to_float(pixels(bench, "test")[used[part]], bench.device)
        with torch.no_grad():
            classes = network(images).argmax(1)
        ties = rankings.draws("test", rankings.numbers(bench, "test")[used[part]], bench.data.size)
        maps = maps_of(bench, artifact, network, images, classes, ties)  # (n, 1, H, W)
        by = importance(network, images, classes, maps, artifact)
        places = torch.from_numpy(removal.ranks(by[:, 0].cpu().numpy(), ties).astype(np.int32)).to(bench.device)
        arrays["deletion"][part] = curve(network, images, places, classes, mean, gone=True)
        arrays["insertion"][part] = curve(network, images, places, classes, mean, gone=False)
        arrays["infidelity"][part] = unexplained(network, images, maps, classes, mean, seed=start)
        if artifact.attributes["technique"] not in CONTROLS:
            arrays["sensitivity"][part] = moved(network, images, classes, artifact, seed=start)
        bench.progress.tick()
    return {name: values[None] for name, values in arrays.items()}


def maps_of(
    bench: Bench, artifact: Artifact, network: nn.Module, images: Tensor, classes: Tensor, ties: np.ndarray
) -> Tensor:
    """Signed maps (n, 1, H, W) of a technique or control."""
    name = artifact.attributes["technique"]
    if name not in CONTROLS:
        return explained(network, images, classes, artifact, "options")
    mean, std = torch.tensor(bench.data.mean), torch.tensor(bench.data.std)
    found = resolve(CONTROLS[name].function)(Look(images.cpu(), ties, mean, std, rankings.coarse(bench)))
    return torch.from_numpy(np.array(found, np.float32))[:, None].to(images)


def importance(network: nn.Module, images: Tensor, classes: Tensor, maps: Tensor, artifact: Artifact) -> Tensor:
    """By what pixels go (n, 1, H, W), as in the grid: at the input by magnitude, of each colour before they are summed."""
    facts = artifact.attributes
    if facts.get("layer") != rankings.INPUT:
        return maps
    if images.shape[1] > 1 and facts["ranking"] != facts["options"]:
        maps = explained(network, images, classes, artifact, "ranking")
    return maps.abs()


def explained(network: nn.Module, images: Tensor, classes: Tensor, artifact: Artifact, options: str) -> Tensor:
    """Maps (n, 1, H, W) of the technique with its "options", or those of its "ranking"."""
    facts = artifact.attributes
    techniques = {facts["technique"]: facts[options]}
    with torch.enable_grad():  # captum asks without
        found = explain(network, images, classes[:, None], layer=facts["layer"], techniques=techniques)
    return torch.from_numpy(enlarged(found.maps[facts["technique"]], images.shape[2:]))[:, None].to(images)


def curve(
    network: nn.Module, images: Tensor, places: Tensor, classes: Tensor, mean: Tensor, *, gone: bool
) -> np.ndarray:
    """Probability (n, S) of the class while pixels become the mean colour, first ones first; or, not gone, while they come.

    Petsiuk et al., RISE, 2018, https://arxiv.org/abs/1806.07421, section 4.3; there insertion starts from a blurred image.
    """
    found = []
    colour, count = mean.to(images)[:, None, None], places.shape[1] * places.shape[2]
    with torch.inference_mode():
        for share in STEPS:
            first = (places < round(share * count))[:, None]  # (n, 1, H, W)
            shares = network(torch.where(first == gone, colour, images)).softmax(1)
            found.append(shares.gather(1, classes[:, None])[:, 0])
    return torch.stack(found, 1).cpu().numpy()


def unexplained(
    network: nn.Module, images: Tensor, maps: Tensor, classes: Tensor, mean: Tensor, *, seed: int
) -> np.ndarray:
    """Infidelity (n,), 0 to 1: the share of the logit's changes that the map leaves unexplained.

    Squares at random places become the mean colour; the sum of the map in the square, times the factor that suits best,
    should be the fall of the logit. Its mean squared error is divided by that of a map of zeros.

    Yeh et al., On the (In)fidelity and Sensitivity of Explanations, 2019, https://arxiv.org/abs/1901.09392, definition 2.1.
    """
    from captum.metrics import infidelity  # with matplotlib: 1 s, which few runs need

    spread = (maps / images.shape[1]).expand_as(images)
    errors = [
        infidelity(
            network,
            hiding(images, mean, seed),
            images,
            attributions,
            target=classes,
            n_perturb_samples=DRAWS,
            normalize=scaled,
        )
        for attributions, scaled in ((spread, True), (torch.zeros_like(images), False))
    ]
    return (errors[0] / errors[1].clamp_min(1e-20)).clamp(0, 1).cpu().numpy()


def hiding(images: Tensor, mean: Tensor, seed: int) -> Any:
    """captum's perturbation: where a square is hidden (n, C, H, W), and the images with it hidden; the same for one seed."""
    height, width = images.shape[2:]
    side, colour = max(1, round(SQUARE * height)), mean.to(images)[:, None, None]
    generator = torch.Generator().manual_seed(seed)

    def hide(copies: Tensor) -> tuple[Tensor, Tensor]:
        tops = torch.randint(height - side + 1, (len(copies), 1), generator=generator)
        lefts = torch.randint(width - side + 1, (len(copies), 1), generator=generator)
        rows, columns = torch.arange(height) - tops, torch.arange(width) - lefts  # (n, H), (n, W)
        square = ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None]
        hidden = square[:, None].to(copies)  # (n, 1, H, W)
        return hidden.expand_as(copies), torch.where(hidden > 0, colour, copies)

    return hide


def moved(network: nn.Module, images: Tensor, classes: Tensor, artifact: Artifact, *, seed: int) -> np.ndarray:
    """Sensitivity (n,): the largest change of the map, relative to its norm, under noise of at most RADIUS a pixel.

    Yeh et al. 2019, definition 3.1, for the class of the clean image.
    """
    from captum.metrics import sensitivity_max

    def maps(copies: Any, target: Tensor) -> tuple[Tensor]:  # as a tuple: else captum takes each image for an input
        return (explained(network, copies[0] if isinstance(copies, tuple) else copies, target, artifact, "options"),)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = sensitivity_max(maps, images, perturb_radius=RADIUS, n_perturb_samples=DRAWS, target=classes)
    return found.cpu().numpy()
