"""Images that are none of the map's dots and are placed on it: the focus as it was edited, and a picture of the visitor's."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import streamlit as st

from app import reading
from app.edge import plain
from app.embedding import stored
from app.network import asking
from app.probe import Answer, Request, of_epoch
from app.saliency import custom
from app.selection import Selection
from app.testing import edited, picture
from app.testing.picture import Picture
from app.widgets import point_cloud
from store.errors import LoupeError
from store.shards import Artifact

ANSWER_SECONDS = 0.3  # that the page waits for a place before it draws the map without it


@dataclass(frozen=True)
class Place:
    """Where one lies: on the map (NaN: nowhere), and among the features: numbers and distances, nearest first."""

    point: np.ndarray = field(repr=False)
    near: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Guest:
    """One image, what was asked about it, and what came back by now. origin: the image it was made of."""

    name: str
    origin: int | None
    request: Request
    reply: Answer | LoupeError | None

    @property
    def title(self) -> str:
        return "Your picture" if self.origin is None else f"Image {self.origin} as edited"

    @property
    def place(self) -> Place | None:
        """Of the image after the edits, if it is known."""
        if not isinstance(self.reply, Answer):
            return None
        near = zip(self.reply.more["place/neighbours"][-1], self.reply.more["place/distances"][-1], strict=True)
        there = tuple((int(image), float(far)) for image, far in near if image >= 0)
        return Place(self.reply.more["place/point"][-1], there)


def guests(now: Selection, perplexity: int, own: Picture | None, *, seconds: float = ANSWER_SECONDS) -> list[Guest]:
    """Those there are, asked about and waited for so long."""
    found = []
    if now.focus is not None:
        of = picture.of_data(now.data, now.focus)
        made = edited.current_edits(of, len(now.classes))
        if not made.nothing:
            found.append(guest("edited", now, of, perplexity, seconds, edits=made))
    if own:
        found.append(guest("yours", now, own, perplexity, seconds))
    return found


def begin(now: Selection, maps: stored.Maps) -> None:
    """Has the edited focus placed on the map that was shown last; nobody waits yet."""
    perplexity = st.session_state.get("perplexity", next(iter(maps.by_perplexity), 0))
    artifact = maps.by_perplexity.get(perplexity)
    if artifact and now.epoch in reading.epochs(artifact):
        guests(now, perplexity, None, seconds=0)


def guest(name: str, now: Selection, of: Picture, perplexity: int, seconds: float, **more: object) -> Guest:
    request = Request(
        **of_epoch(now.run, now.epoch),
        pixels=of.data,
        shape=of.shape,
        classes=(),
        techniques=(),
        layer="",
        wants=("place",),
        perplexity=perplexity,
        **more,  # type: ignore[arg-type]  # the edits, where there are any
    )
    return Guest(name, of.image, request, asking.reply(f"place.{name}", request, seconds))


def marks(artifact: Artifact, epoch: int, found: Sequence[Guest]) -> list[point_cloud.Guest]:
    """The guests whose place is known, where the map shows them."""
    radius, shown = stored.radius(artifact, epoch), []
    for item in found:
        if item.place and np.isfinite(item.place.point).all():
            x, y = (0.5 + item.place.point / (2 * radius)).tolist()
            shown.append(point_cloud.Guest(x, y, item.origin, item.name))
    return shown


def upload(now: Selection) -> Picture | None:
    """A place to drop a picture, which is never stored; the picture as the network takes it."""
    with st.expander("A picture of yours", icon=":material/add_photo_alternate:"):
        file = st.file_uploader(
            "Place it on the map", key="embedding.file", max_upload_size=custom.MOST_MEGABYTES,
            help="It is cut to a square and scaled like the test images. It stays in memory and is never stored.",
        )  # fmt: skip
        if file is None:
            return None
        size, channels = (now.data.attributes[name] for name in ("size", "channels"))
        shape, pixels, notes = custom.prepared(file.getvalue(), file.name, size, channels)
        for note in notes:
            st.caption(plain(note))
        return Picture(pixels, shape)


def state(item: Guest) -> None:
    """Says that a place is waited for, or why there is none."""
    if item.reply is None:
        asking.waiting(f"place.{item.name}", item.request)
    elif not isinstance(item.reply, Answer):
        asking.failed(f"place.{item.name}", item.request, item.reply)
