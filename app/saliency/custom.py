"""A visitor's own picture: taken into memory only, cut like the test images, and followed over the epochs by the probe."""

import numpy as np
import streamlit as st

from app import probe, sections
from app.edge import plain
from app.saliency import cells
from app.saliency.strips import Scene
from precompute import opening
from store.errors import BadInput

MOST_MEGABYTES = 20


def own_image(scene: Scene) -> None:
    """The place to drop a file, and what the network makes of it."""
    sections.folded("Your own image", ":material/add_photo_alternate:", "own", uploaded, scene)


def uploaded(scene: Scene) -> None:
    probe.shared().warm()
    file = st.file_uploader(
        "A picture for this network",
        key="own.file",
        max_upload_size=MOST_MEGABYTES,
        help="It is cut to a square and scaled like the test images. It stays in memory and is never stored.",
    )
    if file is None:
        st.caption(f"JPEG, PNG, WebP, TIFF, GIF or BMP, at most {MOST_MEGABYTES} MB. It is not stored.")
        return
    size, channels = (scene.question.selection.data.attributes[name] for name in ("size", "channels"))
    shape, pixels, notes = prepared(file.getvalue(), file.name, size, channels)
    for note in notes:
        st.caption(plain(note))
    cells.draw(scene, "own", pixels=np.frombuffer(pixels, np.uint8).reshape(shape))


def prepared(data: bytes, name: str, size: int, channels: int) -> tuple[tuple[int, int, int], bytes, list[str]]:
    """Shape (H, W, C) and bytes of the picture as the network takes it, and what was changed. Raises BadInput."""
    if len(data) > MOST_MEGABYTES * 1024**2:  # the browser's own check may have been left out
        raise BadInput(f"{name} has {len(data) / 1024**2:.0f} MB; at most {MOST_MEGABYTES} MB are taken.")
    found = opened(data, name, size, channels)
    if isinstance(found, str):
        raise BadInput(found)
    return found


@st.cache_data(max_entries=50, ttl="10m", show_spinner=False)  # not for good: a busy machine may have been the reason
def opened(data: bytes, name: str, size: int, channels: int) -> tuple[tuple[int, int, int], bytes, list[str]] | str:
    """As prepared; what is wrong with a file is kept as well, because to find out may take many seconds."""
    try:
        pixels, notes = opening.apart(data, name, size, channels)
    except BadInput as error:
        return str(error)
    return pixels.shape, pixels.tobytes(), notes
