"""What the Sanity page says in words, always with the numbers behind it."""

import math

from app.pictures import percent as percent
from app.sanity.stored import Certificate, Spread

SAME = 1e-3  # change of a logit below which two networks count as one: rounding is 1e-5 and less
MODES = {"exact": "exact", "scalar": "bias only", "noise": "noise image"}  # words of the address and of the page alike
MODE_HELP = {
    "exact": "every pixel gets the same value, and the first layer takes back, position by position, what that adds",
    "scalar": "the same value, taken back by the first layer's bias alone, as in the literature: wrong wherever a filter "
    "sees zero padding",
    "noise": "every pixel gets another value, a fixed noise picture, taken back position by position",
}
ABOUT = {
    "exact": "Both networks are the same function, so a technique that explains the network has no reason to answer "
    "differently. Gradient × input does: it multiplies by the shifted pixels. So do integrated gradients, whose baseline "
    "does not move along. Class activation maps see the same values behind the first layer and stay.",
    "scalar": "At the border the correction is wrong, and every further layer carries the error inwards. What a map shows "
    "then is partly the explanation of another network. This is how the check is usually made.",
    "noise": "Both networks are the same function. One thing moves a map a little although nothing is wrong with it: on a "
    "flat background max pooling chooses among equal values, and rounding now decides anew which of them the gradient goes "
    "to. Techniques that add noise of their own (SmoothGradCAM++, SmoothGrad) get the unshifted image's, so that it does not "
    "grow with the range.",
}
PAPERS = (
    "SalienCNN, which calls this its fallacy view, showed a CAM that became noisy under this check and a SmoothGradCAM++ "
    "that stayed, and concluded that the latter may be trusted more. With the exact correction neither changes, whatever "
    "the network: class activation maps read values behind the first layer, and those are the same. What looks like noise "
    "comes from a correction that is wrong at padded borders, from stretching maps with little contrast, and from "
    "rounding. SalienCNN names Adebayo et al. 2018 as the check's source; it is from Kindermans et al. 2017."
)


def certified(of: Certificate) -> str:
    """The first sentence of all: whether a changed map could be the network's doing."""
    over = f"over {of.images} images; {percent(of.changed)} of the predictions change"
    if of.largest <= SAME:
        return f"The two networks differ by at most {number(of.largest)} in any logit, {over}."
    return f"This is another network: a logit differs by up to {number(of.largest)}, {over}."


def of_one(largest: float, of: Certificate) -> str:
    """How far the logits of one image differ; whether the networks are the same function is told by many."""
    if max(largest, of.largest) <= SAME:
        return f"For this image, the two networks differ by at most {number(largest)} in any logit."
    return f"This is another network; for this image, a logit differs by up to {number(largest)}."


def consequence(of: Certificate) -> str:
    return (
        "What changes in a map is the technique's doing."
        if of.largest <= SAME
        else "What changes in a map may be right, because the network has changed."
    )


def strength(mode: str, value: float) -> str:
    """What is added to the image."""
    said = f"{value:+.2f}".replace("-", "−")
    return f"noise of deviation {abs(value):.2f}" if mode == "noise" else f"{said} on every pixel"


def likeness(of: Spread) -> str:
    """A median with its spread, and what it leaves out."""
    if not of.count:
        return "no value: every map is flat or too small"
    without = f", {of.without} without a value" if of.without else ""
    return f"{signed(of.median)} ({signed(of.low)} to {signed(of.high)}, n = {of.count}{without})"


def signed(value: float) -> str:
    return "–" if not math.isfinite(value) else f"{value:.2f}".replace("-", "−").replace("−0.00", "0.00")


def rounded(value: float) -> float:
    """For a table: two decimals, and no minus before a zero."""
    return round(value, 2) + 0.0


def number(value: float) -> str:
    """Two digits: 3.1e-06, 0.42, 12."""
    return f"{value:.2g}"
