"""Arrays in, pictures out: saliency maps on a stated scale, in colours, over an image; PNG and NPZ for download.

A raw map (h, w) becomes positions in [0, 1] on a colour scale: 0 to the top of the scale for techniques without sign,
-top to top, with zero at 0.5, for signed ones.
"""

import io
import textwrap
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from precompute.regions import between

INFERNO = (
    "000004 040312 0b0724 150b37 210c4a 2f0a5b 3d0965 4a0c6b 57106e 64156e 71196e 7d1e6d 8a226a 972766 a32c61 b0315b bc3754 "
    "c63d4d d04545 da4e3c e35933 eb6429 f1711f f67e14 f98c0a fb9b06 fcaa0f fbba1f f9c932 f5d949 f2e865 f3f586 fcffa4"
)
VIRIDIS = (
    "440154 470d60 48186a 482374 472d7b 453781 424086 3e4989 3b528b 375b8d 33638d 2f6b8e 2c728e 297a8e 26828e 23898e 21918c "
    "1f978b 1f9f88 21a685 27ad81 31b57b 3dbc74 4cc26c 5cc863 6ece58 81d34d 95d840 aadc32 c0df25 d5e21a eae51a fde725"
)
BLUE_RED = (
    "053061 0e4179 175290 1f63a8 2a71b2 3480b9 3f8ec0 529dc8 6bacd1 84bcd9 9bc9e0 aed3e6 c2ddec d4e6f1 e0ecf3 ecf2f5 f7f6f6 "
    "f9efe9 fbe6da fdddcb fbceb7 f8bda1 f5ac8b ef9979 e58368 dc6e57 d25849 c6413e bb2a34 ae172a 960f27 7f0823 67001f"
)
LIGHT_BLUE_RED = (  # after Crameri's berlin
    "9eb0ff 86b0f3 6eaee4 559dcd 4287b1 347195 285c7a 1d4860 153446 11212d 121417 241108 3f1706 5a2112 753221 8f4737 a85f50 "
    "c2786c dc928a f09f9d ffadad"
)
SCALES = {
    "inferno": INFERNO,
    "viridis": VIRIDIS,
    "grey": "000000 ffffff",
    "diverging": BLUE_RED,
    "on black": LIGHT_BLUE_RED,
}
# What Pillow's own font has no glyph for
PLAIN = str.maketrans({"→": "->", "×": "x", "−": "-", "–": "-", "\N{NO-BREAK SPACE}": " "})
FLAT = 1e-3  # values that differ by a smaller share of the largest magnitude show no place; float16 keeps 5e-4
FINE = 20 * 20  # values of a map that is as fine as an image
BEYOND = 0.01  # share of such a map that lies beyond its scale, in its last colour
DESATURATED = 0.5  # how much of the colour under a map is taken away, so that hue speaks of the map


@cache
def colours(name: str) -> np.ndarray:
    """A colour scale as (256, 3) uint8, low to high."""
    stops = np.array([list(bytes.fromhex(stop)) for stop in SCALES[name].split()], float)
    places = np.linspace(0, len(stops) - 1, 256)
    return np.stack([np.interp(places, range(len(stops)), channel) for channel in stops.T], 1).round().astype(np.uint8)


def scale_of(signed: bool, unsigned_name: str) -> str:
    """The colour scale a technique gets: signed ones always the diverging one."""
    return "diverging" if signed else unsigned_name


def on_ground(name: str, *, dark: bool) -> str:
    """The same scale for a map that stands by itself: no difference is the page's ground, which dazzles nobody in the dark."""
    return "on black" if dark and name == "diverging" else name


def tops(maps: np.ndarray, *, shared: bool) -> np.ndarray:
    """Where the scale of each map of (E, h, w) ends, or, `shared`, that of all of them: (E,). NaN where there is no map.

    It is the largest magnitude; of a fine map, whose single pixels stand out, that which a hundredth of the map exceeds.
    """
    held, magnitudes = ~np.isnan(maps).all((1, 2)), np.abs(np.nan_to_num(maps))
    found = magnitudes.max((1, 2))
    if magnitudes[0].size >= FINE:
        most = np.quantile(magnitudes, 1 - BEYOND, (1, 2))
        found = np.where(most > 0, most, found)
    return np.where(held, found.max(initial=0) if shared else found, np.nan)


def ends(maps: np.ndarray, top: float, signed: bool) -> tuple[str, str]:
    """What stands at the lower and the upper end of the scale of maps that ends at `top`; some values may lie beyond."""
    beyond = np.abs(np.nan_to_num(maps)).max(initial=0) > top * (1 + FLAT)
    high = short(top)
    return ("0" if not signed else f"≤−{high}" if beyond else f"−{high}"), (f"≥{high}" if beyond else high)


def flat(maps: np.ndarray) -> np.ndarray:
    """Which of (..., h, w) single out no place: all values the same, up to FLAT."""
    spread = maps.max((-2, -1)) - maps.min((-2, -1))
    return spread <= FLAT * np.abs(maps).max((-2, -1))


def no_evidence(raw: np.ndarray) -> str:
    """What to say about a flat map instead of stretching it; empty for any other."""
    if not flat(raw):
        return ""
    return "no positive evidence" if raw.max() <= 0 else "the same everywhere"


def positions(raw: np.ndarray, top: float | np.ndarray, signed: bool) -> np.ndarray:
    """Raw values as places in [0, 1] on the colour scale that ends at `top`; flat maps and NaN lie at zero evidence.

    raw: (..., h, w); top: a number, or (..., 1, 1).
    """
    share = np.nan_to_num(raw / np.where(np.nan_to_num(top) > 0, top, 1))
    share = np.where(flat(raw)[..., None, None] | np.isnan(raw), 0, share)
    return np.clip(0.5 + share / 2 if signed else share, 0, 1)


def enlarge(map_: np.ndarray, side: int) -> np.ndarray:
    """A map (h, w) at (side, side), bilinear between the centres of its cells, constant beyond the outermost."""
    rows, columns = (between(length, side) for length in map_.shape)
    return rows @ map_ @ columns.T


def shrunk(places: np.ndarray, most: int) -> np.ndarray:
    """Maps (E, h, w) averaged down to at most (E, most, most): what a small picture of them can show."""
    if max(places.shape[1:]) <= most:
        return places
    rows, columns = (averages(length, min(length, most)) for length in places.shape[1:])
    return rows @ places @ columns.T


@cache
def averages(cells: int, fewer: int) -> np.ndarray:
    """Weights (fewer, cells) that average cells over equal parts of their length."""
    edges, at = np.linspace(0, cells, fewer + 1), np.arange(cells)
    shared = np.minimum(edges[1:, None], at + 1) - np.maximum(edges[:-1, None], at)
    return np.clip(shared, 0, None) * fewer / cells


def rgb(image: np.ndarray, side: int) -> np.ndarray:
    """An image (H, W, 1 or 3) uint8 as (side, side, 3): pixels stay squares where it grows, are averaged where it shrinks."""
    colour = np.repeat(image, 3, 2) if image.shape[2] == 1 else image
    if colour.shape[:2] == (side, side):
        return colour
    method = Image.Resampling.NEAREST if side >= colour.shape[0] else Image.Resampling.BOX
    return np.asarray(Image.fromarray(colour).resize((side, side), method))


def coloured(place: np.ndarray, name: str) -> np.ndarray:
    """Positions (H, W) in their colours: (H, W, 3) uint8."""
    return colours(name)[np.rint(place * 255).astype(np.uint8)]


def overlay(image: np.ndarray, place: np.ndarray, name: str, opacity: float) -> np.ndarray:
    """An RGB image under a map of the same size: (H, W, 3) uint8.

    Where there is no evidence the image shows, half desaturated; opacity is the map's where evidence is strongest. The
    strip widget does the same in the browser.
    """
    base = image.astype(float)
    base += DESATURATED * (base @ [0.299, 0.587, 0.114] - base.transpose(2, 0, 1)).transpose(1, 2, 0)
    strength = opacity * (np.abs(2 * place - 1) if name == "diverging" else place)[..., None]  # (H, W, 1)
    return np.rint(base + strength * (coloured(place, name) - base)).astype(np.uint8)


def over(image: np.ndarray, raw: np.ndarray, top: float, signed: bool) -> np.ndarray:
    """A square RGB image under a raw map (h, w) whose scale ends at `top`, in the colours and opacity one begins with."""
    place = enlarge(positions(raw, top, signed), image.shape[0])
    return overlay(image, place, scale_of(signed, "inferno"), 0.7)


def whole(native: int, side: int) -> int:
    """The multiple of an image's own side that is nearest to `side`, so that its pixels stay squares; at least its own."""
    return native * max(1, round(side / native))


def png(picture: np.ndarray) -> bytes:
    """(H, W, 3 or 4) uint8 as PNG."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()


def beside(panels: Sequence[np.ndarray], gap: float) -> np.ndarray:
    """RGB panels of one height side by side: (H, W, 4) uint8; between two, transparent, that share of the height."""
    height = panels[0].shape[0]
    between = np.zeros((height, max(1, round(gap * height)), 4), np.uint8)
    parts = [between]
    for panel in panels:
        parts += [np.dstack([panel, np.full(panel.shape[:2], 255, np.uint8)]), between]
    return np.concatenate(parts[1:-1], 1)


def bar(name: str, width: int, height: int) -> np.ndarray:
    """A colour bar, high at the top: (height, width, 3) uint8."""
    return np.repeat(coloured(np.linspace(1, 0, height)[:, None], name), width, 1)


def sheet(panels: Sequence[np.ndarray], caption: str) -> bytes:
    """Panels of one height side by side on white with a caption below, as PNG."""
    gap, height = 12, panels[0].shape[0]
    caption = caption.translate(PLAIN)
    width = sum(panel.shape[1] + gap for panel in panels) + gap
    lines = [line for part in caption.split("\n") for line in textwrap.wrap(part, max(20, width // 7))]
    page = Image.new("RGB", (width, height + 2 * gap + 18 * len(lines) + gap // 2), "white")
    at = gap
    for panel in panels:
        page.paste(Image.fromarray(panel), (at, gap))
        at += panel.shape[1] + gap
    ink, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for number, line in enumerate(lines):
        ink.text((gap, height + 2 * gap + 18 * number), line, fill="black", font=font)
    return png(np.asarray(page))


def npz(values: Mapping[str, np.ndarray | str | float]) -> bytes:
    """Named values as an .npz file, without pickle."""
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **{name: np.asarray(value) for name, value in values.items()})
    return file.getvalue()


def percent(share: float) -> str:
    """A probability with the precision it deserves: 87%, <1%, >99%; – of a network that has diverged."""
    if share != share:
        return "–"
    rounded = "<1" if 0 < share < 0.005 else ">99" if 0.995 <= share < 1 else f"{share * 100:.0f}"
    return f"{rounded}%"


def short(value: float) -> str:
    """A number in three digits: 0.0123, −4.1e-08."""
    return "0" if value == 0 else f"{'−' if value < 0 else ''}{abs(value):.3g}"
