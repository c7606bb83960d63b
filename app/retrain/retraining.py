"""A re-train before it is asked for: the form over a run's recipe, what it would cost, and whether that run exists already."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app import memory, reading
from app.edge import plain
from app.news import duration
from app.retrain.fields import Leaf, leaves
from app.retrain.form import Form
from precompute import catalogue
from precompute.estimate import estimate
from precompute.recipe import Recipe, parse
from precompute.roar.cells import CONTROLS, REPLACEMENTS
from store.errors import BadInput
from store.runs import Run

OPTIONS = {"data.options": ("data.set", catalogue.DATASETS), "model.options": ("model.network", catalogue.MODELS)}
TECHNIQUE_OPTIONS = "artifacts.saliency.options"
ORIGINS = {
    "imported": "This run was made from checkpoints of a training elsewhere",
    "recorded": "This run was recorded by a training elsewhere",
}
NOT_SET = "not set"
LONGEST = 60  # characters of a value in the list of changes


# The form


@memory.remembered(200)
def start(run: Run) -> dict[str, Any]:
    """The run's recipe with today's defaults; raises BadInput where today's Loupe cannot make it."""
    return parse(dict(run.recipe), "the recipe of this run").model_dump(mode="json")


def form_of(run: Run, *, disabled: bool) -> Form:
    """The form, filled from a run; options follow the data set, the network and the techniques chosen in it."""
    fields, choices = start(run), offered(run)
    base = [leaf for leaf in leaves(Recipe, choices) if leaf.name not in (*OPTIONS, TECHNIQUE_OPTIONS)]
    first = Form(run.id, Recipe, fields, tuple(base))
    chosen = {leaf.name: first.now(leaf) for leaf in base}
    resets = [name for name, (choice, _) in OPTIONS.items() if chosen[choice] != first.before(leaf_of(first, choice))]
    extra = [leaf for name, (choice, table) in OPTIONS.items() for leaf in options(name, str(chosen[choice]), table)]
    techniques = chosen["artifacts.saliency.techniques"]
    extra += [leaf for name in techniques for leaf in technique_options(str(name))]
    return Form(run.id, Recipe, fields, (*base, *extra), disabled, tuple(resets))


def leaf_of(form: Form, name: str) -> Leaf:
    return next(leaf for leaf in form.fields if leaf.name == name)


def offered(run: Run) -> dict[str, tuple[str, ...]]:
    """What may be chosen where the schema does not say so."""
    layers = tuple(str(layer["name"]) for layer in run.attributes.get("layers", ()))
    return {
        "training.class_weights": run.classes,
        "artifacts.saliency.techniques": tuple(catalogue.TECHNIQUES),
        "artifacts.saliency.layers": ("auto", *layers),
        "artifacts.roar.techniques": tuple(catalogue.TECHNIQUES),
        "artifacts.roar.controls": tuple(CONTROLS),
        "artifacts.roar.retrained": tuple(REPLACEMENTS),
        "artifacts.roar.not_retrained": tuple(REPLACEMENTS)[:-1],
        "artifacts.roar.layer": ("auto", *layers),
        "data.set": tuple(catalogue.DATASETS),
        "model.network": tuple(catalogue.MODELS),
    }


def options(name: str, choice: str, table: Mapping[str, catalogue.Entry]) -> Iterator[Leaf]:
    """What one data set or network lets one choose; of one's own function, everything in one field."""
    path = tuple(name.split("."))
    if choice in table:
        yield from (Leaf(leaf.path, leaf.info, when=choice) for leaf in leaves(table[choice].options, {}, path))
    else:
        section = next(leaf for leaf in leaves(Recipe, {}) if leaf.name == name)
        yield Leaf(path, section.info, when=choice)


def technique_options(name: str) -> Iterator[Leaf]:
    if name in catalogue.TECHNIQUES:
        yield from leaves(catalogue.TECHNIQUES[name].options, {}, (*TECHNIQUE_OPTIONS.split("."), name))


def said(value: Any) -> str:
    """A value in the list of changes."""
    if isinstance(value, Mapping):
        value = [f"{name} {item}" for name, item in value.items()]
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    text = {"True": "on", "False": "off", "None": "", "": ""}.get(text, text) or NOT_SET
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 2]} …"


# What would come of it


@dataclass(frozen=True)
class Twin:
    """A run that is there already with the very weights asked for."""

    run: Run
    complete: bool  # and with everything else asked for
    state: str  # of its status

    def text(self) -> str:
        name = plain(self.run.id)
        if self.complete:
            return f"This very run exists already: {name}. Nothing is left to compute."
        if self.state == "running":
            later = "When it is finished, what is still missing can be asked for."
            return f"This run is being computed at this moment: {name}. {later}"
        there = "The weights of this run exist already" if self.state == "finished" else "This run was begun already"
        return f"{there}: {name}. Only what is missing is computed."


def twin(parent: Run, recipe: Recipe) -> Twin | None:
    """The run that this recipe leads to, where it is in the store; None also where only its data can tell."""
    before = parse(start(parent))
    if (recipe.data, recipe.model.weights) != (before.data, before.model.weights):
        return None
    asked = recipe.training.precision
    used = parent.attributes.get("provenance", {}).get("precision", "float32") if asked == "auto" else asked
    found = reading.run_named(recipe.run_id(dict(parent.attributes.get("fingerprints", {})), used))
    if found is None:
        return None
    state = reading.status(found).state
    complete = state == "finished" and any(equal(kept, recipe) for kept in found.kept("asked"))
    return Twin(found, complete, state)


def equal(kept: Mapping[str, Any], recipe: Recipe) -> bool:
    """Whether a recipe that was carried out asks for the same, whatever it is called."""
    try:
        return bool(parse(dict(kept)).model_copy(update={"note": recipe.note}) == recipe)
    except BadInput:  # of an older Loupe, or for data that is not here
        return False


def cost(parent: Run, recipe: Recipe, existing: Twin | None) -> tuple[str, str]:
    """Time and disk in a few words, and what they were taken from in a sentence."""
    found = estimate(parent, parse(start(parent)), recipe, trained_already=existing is not None)
    about = "more than" if found.unknown else "about"
    known = [f"{about} {duration(found.seconds)}" if found.seconds is not None else "time not known"]
    known += [f"{size(found.bytes)} of disk" if found.bytes is not None else "disk not known"]
    named = found.basis.startswith(parent.id)
    basis = plain(found.basis if named else found.basis[:1].upper() + found.basis[1:]) + "."
    if found.unknown:
        basis += f" Not known, and not counted: {', '.join(found.unknown)}."
    return ", ".join(known), basis


def size(bytes_: float) -> str:
    """Bytes as a person says them."""
    for unit, most in (("kB", 1e6), ("MB", 1e9), ("GB", 1e12)):
        if bytes_ < most:
            return f"{bytes_ * 1e3 / most:.{0 if bytes_ * 1e3 / most >= 10 else 1}f} {unit}"
    return f"{bytes_ / 1e12:.1f} TB"


UNTRAINED = (
    "Nothing was trained in this run: its weights are looked at as they come. To train the network, choose a data set that "
    "has training images, and more than 0 epochs."
)


def origin(run: Run) -> str:
    """What must be known before an imported or recorded run, or one that was not trained, is trained again; or ""."""
    if run.origin == "trained":
        return "" if run.epochs else UNTRAINED
    first = ORIGINS.get(run.origin, "This run was not trained here")
    return (
        f"{first}, so its own hyperparameters are not all known. A re-train begins anew, here, with the fields below."
    )
