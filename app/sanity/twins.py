"""Runs of the same data and network that were trained on shuffled labels, and the recipe of such a run."""

from dataclasses import dataclass
from typing import Any

from app import reading
from app.retrain import retraining
from precompute.recipe import Recipe, Training, parse
from store.errors import BadInput
from store.runs import Run
from store.shards import Artifact

MEANT = ("shuffled_labels", "epochs")  # fields of the training that may differ
SAME = ("data", "weights", "code")  # fingerprints


@dataclass(frozen=True)
class Twin:
    """A run on shuffled labels: what it has evaluated, up to which epoch (None: none yet), and what else differs."""

    run: Run
    evaluation: Artifact | None
    epoch: int | None
    differences: tuple[str, ...]

    @property
    def complete(self) -> bool:
        return self.epoch == self.run.epochs


def shuffled(run: Run) -> bool:
    return bool(run.recipe.get("training", {}).get("shuffled_labels"))


def twins(run: Run) -> list[Twin]:
    """All there are, the one to compare with first: evaluated to its end, trained with the same fields, begun, the latest."""
    found = [twin(run, other) for other in reading.all_runs()[0] if other.id != run.id and like(run, other)]
    return sorted(found, key=rank)


def rank(found: Twin) -> tuple[bool, ...]:
    running = reading.status(found.run).state == "running"
    return not found.complete, bool(found.differences), found.epoch is None, not running


def like(run: Run, other: Run) -> bool:
    """Whether the other was trained on shuffled labels of the same data, and is the same network."""
    prints, others = (item.attributes.get("fingerprints", {}) for item in (run, other))
    same = all(prints.get(name) == others.get(name) for name in SAME)
    return shuffled(other) and same and run.recipe.get("model") == other.recipe.get("model")


def twin(run: Run, other: Run) -> Twin:
    evaluation = reading.evaluation(other)
    done = reading.epochs(evaluation) if evaluation else ()
    return Twin(other, evaluation, done[-1] if done else None, differences(run, other))


def differences(run: Run, other: Run) -> tuple[str, ...]:
    """Fields of the two trainings that differ although they should not: "learning_rate 0.1 instead of 0.01"."""
    own, others = training(run), training(other)
    names = [name for name in dict.fromkeys((*own, *others)) if name not in MEANT]
    said = retraining.said
    return tuple(
        f"{name} {said(others.get(name))} instead of {said(own.get(name))}"
        for name in names
        if own.get(name) != others.get(name)
    )


def training(run: Run) -> dict[str, Any]:
    """Its fields; those an older Loupe did not know have their defaults."""
    return Training().model_dump(mode="json") | dict(run.recipe.get("training", {}))


def recipe_of(run: Run, epochs: int) -> Recipe:
    """The run's recipe on shuffled labels, with its saliency maps alone. Raises BadInput where it cannot be trained again."""
    if run.origin != "trained" or not run.epochs:
        raise BadInput("This run was not trained here, so it cannot be trained again on shuffled labels.")
    fields = retraining.start(run)
    changed_training = fields["training"] | {"shuffled_labels": True, "epochs": epochs}
    artifacts = {name: None for name in fields["artifacts"]} | {"saliency": fields["artifacts"]["saliency"]}
    changed = {"name": f"{fields['name'][:31]}-shuffled", "training": changed_training, "artifacts": artifacts}
    return parse(fields | changed | {"note": f"The labels of {run.id}, shuffled"}, "the recipe of this run")
