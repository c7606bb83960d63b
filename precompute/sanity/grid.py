"""The checks as artifacts: planned from a recipe, computed for the epochs it asks for. Maps themselves are not kept."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from precompute import evaluation, maps
from precompute.bench import Bench, Shard, network_facts
from precompute.models import build
from precompute.recipe import digest
from precompute.saliency.passes import span_of
from precompute.sanity import likeness, randomisation
from precompute.sanity.shift import Shift, corrected, differences, first_layer, outputs
from precompute.sanity.stability import noisy
from precompute.sanity.subjects import Subject, controls, maps_of
from precompute.wanted import Sanity
from store.errors import BadInput
from store.schema import ORDERS, SHIFTS
from store.shards import Artifact

VERSION = 2
SETTLING = 250  # images at most from which new batch norms get their statistics
LIKENESS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "spearman": likeness.spearman,
    "spearman_absolute": likeness.spearman_absolute,
    "ssim": likeness.ssim,
}


@dataclass(frozen=True)
class Seen:
    """What a network made of some images: raw maps (n, h, w) by subject, and logits (n, K)."""

    maps: list[np.ndarray]
    logits: Tensor


# Planning


Fitted = tuple[dict[str, int], dict[str, object]]  # lengths of dimensions, and facts


def plan_shift(bench: Bench) -> list[Artifact]:
    return planned(bench, "sanity-shift", "images", ("strength",), shifted)


def plan_randomisation(bench: Bench) -> list[Artifact]:
    return planned(bench, "sanity-randomisation", "randomised", ("stages", "draws"), drawn_anew)


def plan_stability(bench: Bench) -> list[Artifact]:
    return planned(bench, "sanity-stability", "images", ("draws", "noise", "earlier"), steady)


def shifted(bench: Bench, options: Sanity) -> Fitted:
    first_layer(bench.first_classifier(), sample(bench))  # raises where there is none
    return {"mode": len(SHIFTS)}, {}


def drawn_anew(bench: Bench, options: Sanity) -> Fitted:
    stages = randomisation.stages_of(bench.first_classifier(), sample(bench), options.stages)
    sizes = {"order": len(ORDERS), "stage": len(stages), "draw": options.draws}
    return sizes, {"layers": [list(stage) for stage in stages]}


def steady(bench: Bench, options: Sanity) -> Fitted:
    return {"draw": options.draws, "lag": options.earlier}, {}


def sample(bench: Bench) -> Tensor:
    return torch.zeros(1, bench.run_channels, bench.data.size, bench.data.size, device=bench.device)


def planned(
    bench: Bench, kind: str, images: str, names: Sequence[str], fitted: Callable[[Bench, Sanity], Fitted]
) -> list[Artifact]:
    """The artifact of a kind; `images` and `names` are those of the options that it depends on.

    fitted: asks the network, once, for dimensions and facts; where it cannot be checked, the artifact holds only why.
    """
    options = bench.recipe.artifacts.sanity
    if options is None or bench.recipe.artifacts.saliency is None:
        return []
    found, obstacles = subjects_of(bench)
    outputs_of = evaluation.plan(bench)[0]
    facts: dict[str, object] = {
        "evaluation": outputs_of.name,
        "techniques": [item.facts for item in found],
        "versions": {item.name: versions(item) for item in found},
        "images": getattr(options, images),
        "options": {name: getattr(options, name) for name in names},
        "epochs": options.epochs,
        "seed": bench.recipe.training.seed,
        "version": VERSION,
    }
    name = f"{kind}-{digest(facts)}"
    if name in bench.run.opened:
        return [bench.run.opened[name]]
    facts |= {"dataset": outputs_of.attributes["dataset"], "obstacles": obstacles}
    try:
        sizes, more = fitted(bench, options)
    except BadInput as error:
        return [bench.run.add(name, kind, {}, (), facts | {"obstacle": str(error)})]
    count = len(chosen(bench, getattr(options, images)))
    every = {"epoch": bench.run.epochs + 1, "technique": len(found), "image": count, **sizes}
    return [bench.run.add(name, kind, every, epochs(bench), facts | more)]


def versions(subject: Subject) -> int:
    from precompute.catalogue import TECHNIQUES

    return 1 if subject.control else TECHNIQUES[subject.name].version


def epochs(bench: Bench) -> tuple[int, ...]:
    options = bench.recipe.artifacts.sanity
    asked = options is not None and bench.recipe.artifacts.saliency is not None
    return bench.epochs_asked(options.epochs) if options and asked else ()


def subjects_of(bench: Bench) -> tuple[list[Subject], dict[str, str]]:
    """The techniques whose maps the recipe asks for, controls beside them, and why others do not apply, by their titles."""
    found, obstacles = [], {}
    for item in maps.plan(bench):
        of = item.attributes
        if "obstacle" in of:
            obstacles[of["title"]] = of["obstacle"]
        else:
            size = of["height"], of["width"]
            found.append(Subject(of["technique"], of["title"], of["layer"], *size, of["signed"], options=of["options"]))
    return [*found, *controls(found, bench.data.size)], obstacles


def chosen(bench: Bench, images: int) -> np.ndarray:
    """Numbers of so many evaluated images, spread evenly over all."""
    count = len(bench.evaluated)
    return np.unique(np.linspace(0, count - 1, min(images, count)).round().astype(np.int64))


# Computing


def compute_shift(bench: Bench, artifacts: Sequence[Artifact], epoch: int) -> Mapping[str, Shard]:
    """How the network and each technique react where the input is shifted and the first layer takes the shift back."""
    return {item.path: shift_of(bench, item, epoch) for item in artifacts}


def shift_of(bench: Bench, artifact: Artifact, epoch: int) -> Shard:
    look, model = Look.at(bench, artifact, epoch), bench.classifier(epoch)
    before, after = look(model, draw=0), []
    for number, mode in enumerate(SHIFTS):
        shift = Shift(mode, artifact.attributes["options"]["strength"], artifact.attributes["seed"])
        after.append(look(model, draw=1 + number, shift=shift))
    pairs = [differences(before.logits, seen.logits) for seen in after]
    found = {
        "number": look.numbers.astype(np.int32),
        "logit": np.stack([logit.numpy() for logit, _ in pairs]),
        "changed": np.stack([changed.numpy() for _, changed in pairs]).astype(np.int8),
        "largest": np.stack([by_subject(likeness.largest, before, seen) for seen in after], 1),
    }
    for name, measure in LIKENESS.items():
        found[name] = np.stack([by_subject(measure, before, seen) for seen in after], 1)  # (technique, mode, image)
    return shard(found)


def compute_randomisation(bench: Bench, artifacts: Sequence[Artifact], epoch: int) -> Mapping[str, Shard]:
    """How alike the maps stay while layers are drawn anew, from the top down and one stage at a time."""
    return {item.path: randomisation_of(bench, item, epoch) for item in artifacts}


def randomisation_of(bench: Bench, artifact: Artifact, epoch: int) -> Shard:
    look, model = Look.at(bench, artifact, epoch), bench.classifier(epoch)
    stages = [tuple(stage) for stage in artifact.attributes["layers"]]
    draws = artifact.attributes["options"]["draws"]
    before, shape = look(model, draw=0), (len(ORDERS), len(stages), draws)
    kept = np.empty(shape, np.float32)
    found = {name: np.empty((len(look.subjects), *shape, len(look.numbers)), np.float32) for name in LIKENESS}
    for number, (place, new) in enumerate(settings(bench, stages, draws)):
        seen = look(randomisation.randomised(model, new, look.settling()), draw=1 + number)
        kept[place] = (seen.logits.argmax(1) == before.logits.argmax(1)).float().mean()
        for name, measure in LIKENESS.items():
            found[name][:, *place] = by_subject(measure, before, seen)
    return shard({"number": look.numbers.astype(np.int32), "kept": kept, **found})


def settings(
    bench: Bench, stages: Sequence[randomisation.Stage], draws: int
) -> Iterator[tuple[tuple[int, int, int], Mapping[str, Tensor]]]:
    """(order, stage, draw), and the new weights there."""
    facts, weights = network_facts(bench.run), bench.run.recipe["model"]["weights"]

    def fresh(seed: int) -> Mapping[str, Tensor]:
        return build(**facts, weights=weights, read_weights=False, seed=seed).network.state_dict()

    for draw in range(draws):
        new = randomisation.drawn(stages, fresh, seed=bench.recipe.training.seed, draw=draw)
        for stage in range(len(stages)):
            yield (0, stage, draw), randomisation.cascaded(new, stage)
            yield (1, stage, draw), new[stage]


def compute_stability(bench: Bench, artifacts: Sequence[Artifact], epoch: int) -> Mapping[str, Shard]:
    """How alike the maps stay under a little noise on the images, and how alike they were at the epochs before."""
    return {item.path: stability_of(bench, item, epoch) for item in artifacts}


def stability_of(bench: Bench, artifact: Artifact, epoch: int) -> Shard:
    look, model, options = Look.at(bench, artifact, epoch), bench.classifier(epoch), artifact.attributes["options"]
    before = look(model, draw=0)
    seen = [look(model, draw=1 + draw, noise=options["noise"]) for draw in range(options["draws"])]
    found = {
        name: np.stack([by_subject(measure, before, each) for each in seen], 1) for name, measure in LIKENESS.items()
    }
    found["kept"] = np.array(
        [float((each.logits.argmax(1) == before.logits.argmax(1)).float().mean()) for each in seen]
    )
    earlier = [item for item in bench.kept_epochs() if item < epoch][::-1][: options["earlier"]]
    over = np.full((len(look.subjects), options["earlier"], len(look.numbers)), np.nan)
    for lag, other in enumerate(earlier):
        over[:, lag] = by_subject(likeness.spearman, before, look(bench.classifier(other), draw=100 + lag))
    lags = np.array(earlier + [-1] * (options["earlier"] - len(earlier)), np.int32)
    return shard({"number": look.numbers.astype(np.int32), "earlier": lags, "over_epochs": over, **found})


@dataclass(frozen=True)
class Look:
    """Looks at the same images again and again, for the classes that the network of an epoch predicts, in float32."""

    bench: Bench
    subjects: tuple[Subject, ...]
    numbers: np.ndarray  # among the evaluated images
    classes: Tensor  # (n,)

    @classmethod
    def at(cls, bench: Bench, artifact: Artifact, epoch: int) -> "Look":
        numbers = chosen(bench, artifact.attributes["images"])
        predicted = evaluation.plan(bench)[0].read("logits", epoch)[numbers].argmax(1)
        subjects = tuple(Subject(**item) for item in artifact.attributes["techniques"])
        return cls(bench, subjects, numbers, torch.from_numpy(predicted))

    def __call__(self, model: nn.Module, *, draw: int, shift: Shift | None = None, noise: float = 0) -> Seen:
        """The images as they are, shifted (the model then takes the shift back), or with noise."""
        parts, logits, seed = [], [], self.bench.recipe.training.seed
        for part, plain in self.bench.batches(self.bench.data.test, self.bench.evaluated[self.numbers]):
            signal = shift.signal(plain) if shift else torch.zeros_like(plain[:1])
            images = noisy(plain, noise=noise, seed=seed, draw=draw) if noise else plain + signal
            span = span_of(plain) if shift else None  # a technique's own noise is not to grow with a noise image
            with corrected(model, signal, shift) if shift else nullcontext():
                logits.append(outputs(model, images).cpu())
                parts.append(
                    maps_of(
                        model, images, self.classes[part], self.subjects,
                        numbers=self.numbers[part], seed=seed, draw=draw, span=span,
                    )
                )  # fmt: skip
        return Seen([np.concatenate(each) for each in zip(*parts, strict=True)], torch.cat(logits))

    def settling(self) -> Tensor:
        """Images (n, C, H, W) from which new batch norms get their statistics: the first of those looked at."""
        numbers = self.bench.evaluated[self.numbers][: min(SETTLING, self.bench.batch)]
        return next(self.bench.batches(self.bench.data.test, numbers))[1]


def by_subject(measure: Callable[[np.ndarray, np.ndarray], np.ndarray], one: Seen, other: Seen) -> np.ndarray:
    """A measure of each subject's maps: (technique, image)."""
    return np.stack([measure(first, second) for first, second in zip(one.maps, other.maps, strict=True)])


def shard(found: Mapping[str, np.ndarray]) -> Shard:
    return {
        name: (values.astype(np.float32) if values.dtype.kind == "f" else values)[None]
        for name, values in found.items()
    }
