"""A visitor's own picture: taken into memory only, cut like the test images, and followed over the epochs by the probe."""

import numpy as np
import streamlit as st
from PIL import Image

from app import probe, sections
from app.edge import plain
from app.saliency import cells
from app.saliency.strips import Scene
from precompute import decoding

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


@st.cache_data(max_entries=50, show_spinner=False)
def prepared(data: bytes, name: str, size: int, channels: int) -> tuple[tuple[int, int, int], bytes, list[str]]:
    """Shape (H, W, C) and bytes of the picture as the network takes it, and what was changed. Raises BadInput."""
    picture, notes = decoding.decode(data, name)
    square = decoding.square(picture, size, decoding.kept_share(size))  # (size, size, 3)
    if channels == 1:
        if not grey(square):
            notes.append("Its colours are turned into grey values, as the network takes them.")
        square = np.asarray(Image.fromarray(square).convert("L"))[..., None]
    if picture.width != picture.height:
        notes.append(f"Of its {picture.width} × {picture.height} pixels the middle square is taken.")
    return square.shape, square.tobytes(), notes


def grey(square: np.ndarray) -> bool:
    return bool((square[..., 0] == square[..., 1]).all() and (square[..., 1] == square[..., 2]).all())
