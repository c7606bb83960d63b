"""What the pixels of a grid were ranked by, beside the maps that a card is about: a verdict on other maps is none on these."""

from collections.abc import Mapping
from typing import Any

from app.reliability.sources import Sources
from precompute.techniques import INPUT, layer_of

MAGNITUDE = "channels"  # colours always count by magnitude in a ranking, whatever the maps show


def note(of: Sources) -> str:
    """Pixels are ranked by the maps of the last epoch, whichever is selected."""
    return f" After epoch {of.run.epochs}." if of.epoch != of.run.epochs else ""


def unlike(of: Sources, grid: Mapping[str, Any]) -> str:
    """What the pixels were ranked by instead, where it is not these maps: another layer, or other options. grid: its facts."""
    default = of.run.attributes["default_layer"]
    layer = layer_of(of.technique, default if grid["layer"] == "auto" else grid["layer"])
    if layer != of.layer:
        return f"pixels were ranked at layer {layer}, these are at {of.layer}"
    used, own = grid["options"].get(of.technique, {}), of.maps.attributes["options"]
    other = [name for name in used if name in own and used[name] != own[name] and name != MAGNITUDE]
    listed = ", ".join(f"{name.replace('_', ' ')} {used[name]} (here {own[name]})" for name in other)
    return f"pixels were ranked with {listed}" if other else ""


def control(of: Sources) -> str:
    """The random ranking a technique is judged by."""
    return "random" if of.layer == INPUT else "random-blurred"


def like(of: Sources) -> str:
    return "which is as fine as its maps" if of.layer == INPUT else "which is as coarse as its maps"


def coarser(of: Sources) -> str:
    """Why the control is no match, where these maps have another size than it: that of the default layer's maps."""
    if of.layer == INPUT:
        return ""
    default = of.run.attributes["default_layer"]
    sizes = {item["name"]: (item["height"], item["width"]) for item in of.run.attributes["layers"]}
    own, other = (of.maps.attributes["height"], of.maps.attributes["width"]), sizes.get(default)
    if other in (None, own):
        return ""
    return (
        f"its control is as coarse as the default layer's maps, {other[0]} × {other[1]}, these are {own[0]} × {own[1]}"
    )
