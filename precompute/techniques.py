"""The saliency techniques, by name, with their options. No torch here.

Those of the CAM family explain a layer of the network; the others the image itself, pixel by pixel, at the pseudo layer
INPUT: what the network is given, that is the image after normalisation.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any, Literal

from pydantic import Field

from precompute.entries import Entry, Options

INPUT = "input"  # stands where the name of a layer does
Baseline = Literal["mean", "black", "white"]
BASELINE = "what stands for nothing: the data's mean colour (0 after normalisation), black or white"
CHANNELS = "signed: sum of the colour channels; magnitude: sum of their absolute values, as Remove and Retrain ranks"


class SmoothOptions(Options):
    draws: int = Field(4, ge=1, le=200, description="noisy copies per image")
    noise: float = Field(
        0.15, ge=0, le=1, description="standard deviation of the noise, as a share of the image's value range"
    )
    numerator: Literal["corrected", "paper"] = Field(
        "corrected", description="second derivatives (corrected) or first (as printed) above α's fraction bar"
    )


class Magnitude(Options):
    channels: Literal["signed", "magnitude"] = Field("magnitude", description=CHANNELS)


class Signed(Options):
    channels: Literal["signed", "magnitude"] = Field("signed", description=CHANNELS)


class PathOptions(Signed):
    steps: int = Field(50, ge=1, le=1000, description="points between baseline and image (Gauss-Legendre)")
    baseline: Baseline = Field("mean", description=BASELINE)


class NoisyOptions(Options):
    draws: int = Field(15, ge=1, le=200, description="noisy copies per image")
    noise: float = Field(
        0.15, ge=0, le=1, description="standard deviation of the noise, as a share of the image's value range"
    )


class SmoothGradOptions(NoisyOptions, Magnitude):
    pass


class OcclusionOptions(Options):
    window: float = Field(0.2, gt=0, le=1, description="side of the square put over the image, as a share of its side")
    baseline: Baseline = Field("mean", description=BASELINE)


GRADIENT = "precompute.saliency.gradient:"
TECHNIQUES: dict[str, Entry] = {
    "cam": Entry(
        "precompute.saliency.class_activation:cam",
        "CAM",
        "the linear layer's own weights, laid over the last feature maps; signed",
        signed=True,
    ),
    "grad-cam": Entry(
        "precompute.saliency.class_activation:grad_cam",
        "Grad-CAM",
        "feature maps weighted by their mean gradient, positive part",
    ),
    "grad-cam++": Entry(
        "precompute.saliency.class_activation:grad_cam_pp",
        "Grad-CAM++",
        "feature maps weighted by their positive gradients, place by place",
    ),
    "smooth-grad-cam++": Entry(
        "precompute.saliency.class_activation:smooth_grad_cam_pp",
        "SmoothGradCAM++",
        "Grad-CAM++ with derivatives averaged over noisy copies",
        SmoothOptions,
    ),
    "gradient": Entry(
        GRADIENT + "gradient",
        "Gradient",
        "how strongly the logit answers to a small change of each pixel",
        Magnitude,
        at_input=True,
    ),
    "gradient-x-input": Entry(
        GRADIENT + "gradient_x_input",
        "Gradient × input",
        "the gradient times the normalised pixel; signed",
        Signed,
        signed=True,
        at_input=True,
    ),
    "integrated-gradients": Entry(
        GRADIENT + "integrated_gradients",
        "Integrated gradients",
        "gradients along the way from a baseline to the image, times that way; adds up to the logit's difference; signed",
        PathOptions,
        signed=True,
        at_input=True,
        complete=True,
    ),
    "smooth-grad": Entry(
        GRADIENT + "smooth_grad",
        "SmoothGrad",
        "the mean gradient of noisy copies",
        SmoothGradOptions,
        at_input=True,
    ),
    "smooth-grad-squared": Entry(
        GRADIENT + "smooth_grad_squared",
        "SmoothGrad squared",
        "the mean squared gradient of noisy copies",
        NoisyOptions,
        at_input=True,
    ),
    "var-grad": Entry(
        GRADIENT + "var_grad",
        "VarGrad",
        "the variance of the gradient over noisy copies",
        NoisyOptions,
        at_input=True,
    ),
    "guided-backprop": Entry(
        GRADIENT + "guided_backprop",
        "Guided backpropagation",
        "the gradient with its negative part cut off at every ReLU on the way back",
        Magnitude,
        at_input=True,
    ),
    "occlusion": Entry(
        GRADIENT + "occlusion",
        "Occlusion",
        "how far the logit falls when a square hides the place; signed",
        OcclusionOptions,
        signed=True,
        at_input=True,
    ),
}


def layer_of(technique: str, layer: str) -> str:
    """Where a technique is computed when it is asked for at a layer."""
    return INPUT if technique in TECHNIQUES and TECHNIQUES[technique].at_input else layer


def signed(technique: str, options: Mapping[str, Any]) -> bool:
    """Whether the maps of a technique have negative values with these options."""
    channels = options.get("channels")
    return TECHNIQUES[technique].signed if channels is None else channels == "signed"


def passes(technique: str, options: Mapping[str, Any]) -> float:
    """What a map costs beside the pass that its layer's techniques share, in passes forward and back."""
    if technique == "occlusion":
        return positions(options["window"]) ** 2 / 3  # a pass forward is about a third of both
    return float(options.get("steps", options.get("draws", technique == "guided-backprop")))


def positions(window: float) -> int:
    """How often a square that is `window` of a side wide fits on it, in steps of half its width."""
    return ceil(round((1 - window) / (window / 2), 6)) + 1
