"""What the Attention page shows: technique, layer, whose maps, of which images, against what, and the region drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from app import reading
from app.address import KEPT, forget_unless, held, hold, one_of
from app.attention import stored
from app.selection import Selection
from app.widgets.region import drawn_by
from store.judgements import Region
from store.schema import CONTROLS, EXPLAINED
from store.shards import Artifact

AMONG = ("all classes", "this class")
AGAINST = dict(zip(CONTROLS, ("the area", "random maps", "centre prior"), strict=True))
HELP = {
    "whose": "Maps for the true class of each image, or for the class predicted at each epoch.",
    "among": "All evaluated images, or those of the class chosen above.",
    "against": "What a map that knows nothing of the image would put there (dashed): a uniform map puts the region's share "
    "of the area there; a random one uniform noise of the same resolution; the centre prior is a Gaussian about the "
    "middle, a quarter of the side wide.",
    "regions": "Box and parts are those of the data set. Head: in the box, and near beak, crown, forehead, eyes, nape or "
    "throat. Body: the rest of the box. Background: outside it. The three add up to 100%.",
}


@dataclass(frozen=True)
class Scene:
    """`epochs` are the finished ones; `chosen` is the class whose images are looked at, None for all of them."""

    selection: Selection
    artifact: Artifact
    epochs: tuple[int, ...]
    slot: int
    chosen: int | None
    regions: tuple[str, ...]
    against: str

    @property
    def images(self) -> np.ndarray:
        return stored.of_class(self.selection.data, self.chosen)

    @property
    def who(self) -> str:
        return "all evaluated images" if self.chosen is None else f"the images of {self.selection.classes[self.chosen]}"

    @property
    def title(self) -> str:
        return self.artifact.attributes["title"]


def scene(now: Selection, by_layer: dict[str, tuple[Artifact, ...]]) -> Scene:
    """Draws the row of choices and returns what they say."""
    labelled = reading.labelled(now.data)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="attention.controls"):
        layer = box("Layer", {name: words(items[0]) for name, items in by_layer.items()}, "layer")
        items = {item.attributes["technique"]: item for item in by_layer[layer]}
        technique = box("Technique", {name: item.attributes["title"] for name, item in items.items()}, "evidence")
        whose = few("Explained class", EXPLAINED if labelled else EXPLAINED[1:], "whose")
        among = few("Images of", AMONG if labelled else AMONG[:1], "among")
        against = few("Against", CONTROLS, "against", AGAINST)
        artifact = items[technique]
        regions = chosen_regions(artifact)
    return Scene(
        now,
        artifact,
        tuple(epoch for epoch in reading.epochs(artifact) if epoch in now.epochs),
        EXPLAINED.index(whose),
        None if among == AMONG[0] else now.chosen,
        regions,
        against,
    )


def words(artifact: Artifact) -> str:
    of = artifact.attributes
    return f"{of['layer']}, {of['height']} × {of['width']}"


def box(label: str, options: dict[str, str], key: str) -> str:
    forget_unless(key, options)
    return st.selectbox(label, list(options), format_func=options.get, key=key, width=200, **KEPT)


def few(label: str, options: Sequence[str], key: str, titles: dict[str, str] | None = None) -> Any:
    said = titles or dict(zip(options, options, strict=True))
    return one_of(label, options, key, format_func=said.get, help=HELP.get(key))


def chosen_regions(artifact: Artifact) -> tuple[str, ...]:
    """Those of the regions stored that are to be shown, in their order."""
    names = stored.regions(artifact)
    if not names:
        return ()
    if any(name not in names for name in st.session_state.get("regions", ())):
        del st.session_state["regions"]
    asked = st.multiselect(
        "Regions", names, default=stored.told(artifact), key="regions", width=420, help=HELP["regions"], **KEPT
    )
    return tuple(name for name in names if name in asked)


# The region that is drawn: a word of the address, region=0.1/0.2/0.5/0.6


def corners() -> Region | None:
    try:
        return drawn_by([float(share) for share in held("region").split("/")])
    except ValueError:
        return None


def choose_corners(drawn: Region | None) -> None:
    hold("region", "/".join(f"{share:g}" for share in drawn) if drawn else "")
