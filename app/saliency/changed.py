"""The fourth recommended case: images of the chosen class whose maps changed most while the network learned."""

from dataclasses import dataclass

from app import reading
from app.attention import change, stored
from app.saliency.strips import Scene

NOT_HELD = (
    "This run does not say how maps changed. Add the section artifacts.attention to its recipe and run that again: nothing "
    "is trained twice."
)


@dataclass(frozen=True)
class Changed:
    """Images, most changed first, and what is said of them; `why` says what is missing where there are none."""

    images: list[int]
    what: str
    why: str


def found(scene: Scene, epoch: int) -> Changed:
    """By the first technique at the layer shown: how little a map at `epoch`, or the latest before it, resembles the first."""
    selected, name = scene.question.selection, scene.names[scene.question.selection.chosen]
    what = f"of {name}, whose attention changed most"
    by_layer = stored.layers(selected)
    held = by_layer.get(scene.question.layer) or next(iter(by_layer.values()), ())
    if not held:
        return Changed([], what, NOT_HELD)
    artifact, first = held[0], change.first_trained(held[0])
    done = [item for item in reading.epochs(artifact) if item <= epoch]
    if first is None or not done or done[-1] <= first:
        return Changed([], what, "None exists yet: maps of two trained epochs are compared.")
    images = change.changed(artifact, selected.data, done[-1], selected.chosen).tolist()
    since = f"{what} from epoch {first} to {done[-1]}, by {artifact.attributes['title']}"
    return Changed(images, since, f"None exists: no image of {name} has maps with evidence at both epochs.")
