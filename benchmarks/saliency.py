"""Saliency in images per second, beside the bare forward pass of the same model, batch and precision.

The CAM family beside torchcam 0.5.0 and grad-cam (pytorch-grad-cam) 1.5.7, techniques of the input beside captum, used as
their documentation shows, on whole batches.

Run it from the root with `python -m benchmarks.saliency`. Contenders take turns within one run; a figure is the median
over rounds of processor time. The last line printed is one JSON object, ratio name -> number.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn

from precompute.models import build, frozen
from precompute.saliency import explain
from precompute.saliency.passes import PRECISIONS, arithmetic, device_of, precision_for

DRAWS, STEPS = 4, 10
INSTALL = "pip install --no-deps torchcam==0.5.0 grad-cam==1.5.7 opencv-python-headless ttach"


@dataclass(frozen=True)
class Case:
    """A network, the layer it is explained at, and a batch: `batch` images in full, `few` with --quick."""

    network: str
    layer: str
    side: int
    batch: int
    few: int


CASES = {
    "vgg16-32": Case("vgg16-small", "features.42", 32, 64, 32),
    "resnet18-224": Case("torchvision/resnet18", "layer4", 224, 32, 8),
}
# Ratio name -> (contender above, contender below, how often the one below is counted).
RATIOS = {
    "grad-cam and grad-cam++ in one pass: speed / forward": ("forward", "grad-cam and grad-cam++", 1),
    "the same for two classes each: speed / forward": ("forward", "the same, two classes", 1),
    "smooth-grad-cam++ n=4: time / 5 forwards": ("smooth-grad-cam++", "forward", DRAWS + 1),
    "gradient and gradient-x-input in one pass: speed / forward": ("forward", "gradient and gradient-x-input", 1),
    f"integrated-gradients n={STEPS}: time / {STEPS} gradients": ("integrated-gradients", "gradient", STEPS),
    f"three smooth-grads n={DRAWS}: time / {DRAWS + 1} gradients": ("smooth-grads", "gradient", DRAWS + 1),
    "gradient: speed / captum": ("captum gradient", "gradient", 1),
    f"integrated-gradients n={STEPS}: speed / captum": ("captum integrated-gradients", "integrated-gradients", 1),
    f"smooth-grad n={DRAWS}: speed / captum": ("captum smooth-grad", "smooth-grad", 1),
    "guided-backprop: speed / captum": ("captum guided-backprop", "guided-backprop", 1),
    "occlusion, 9 squares: speed / captum": ("captum occlusion", "occlusion", 1),
    "grad-cam: speed / torchcam": ("torchcam grad-cam", "grad-cam", 1),
    "grad-cam: speed / pytorch-grad-cam": ("pytorch-grad-cam grad-cam", "grad-cam", 1),
    "smooth-grad-cam++ n=4: speed / torchcam": ("torchcam smooth-grad-cam++", "smooth-grad-cam++", 1),
}


def ours(model: nn.Module, images: Tensor, classes: Tensor, layer: str, precision: str) -> dict[str, Callable]:
    """The bare forward pass and Loupe's techniques."""
    fast = images.contiguous(memory_format=torch.channels_last) if precision == "bfloat16" else images

    def forward() -> None:
        with torch.inference_mode(), arithmetic(device_of(model), precision):
            model(fast)

    def explaining(techniques: dict[str, dict], columns: Tensor = classes[:, None]) -> Callable:
        return lambda: explain(model, images, columns, layer=layer, techniques=techniques, precision=precision)

    pair, smooth = {"grad-cam": {}, "grad-cam++": {}}, {"draws": DRAWS}
    return {
        "forward": forward,
        "grad-cam": explaining({"grad-cam": {}}),
        "grad-cam and grad-cam++": explaining(pair),
        "the same, two classes": explaining(pair, torch.stack([classes, (classes + 1) % 10], 1)),
        "smooth-grad-cam++": explaining({"smooth-grad-cam++": smooth}),
        "gradient": explaining({"gradient": {}}),
        "gradient and gradient-x-input": explaining({"gradient": {}, "gradient-x-input": {}}),
        "integrated-gradients": explaining({"integrated-gradients": {"steps": STEPS}}),
        "smooth-grad": explaining({"smooth-grad": smooth}),
        "smooth-grads": explaining({"smooth-grad": smooth, "smooth-grad-squared": smooth, "var-grad": smooth}),
        "guided-backprop": explaining({"guided-backprop": {}}),
        "occlusion": explaining({"occlusion": {"window": 0.5}}),
    }


def captum(make: Callable[[], nn.Module], images: Tensor, classes: Tensor, layer: str) -> dict[str, Callable]:
    """captum's techniques on a model of their own, of which a baseline of 0.5 is the mean."""
    from captum import attr

    model = make()
    half = images.shape[-1] // 2
    whole, window = torch.full_like(images, 0.5), (images.shape[1], half, half)
    tunnel = attr.NoiseTunnel(attr.Saliency(model))
    made = {
        "gradient": lambda: attr.Saliency(model).attribute(images, target=classes),
        "integrated-gradients": lambda: attr.IntegratedGradients(model).attribute(
            images, whole, target=classes, n_steps=STEPS, internal_batch_size=len(images)
        ),
        "smooth-grad": lambda: tunnel.attribute(
            images, target=classes, nt_samples=DRAWS, nt_samples_batch_size=1, stdevs=0.15, abs=False
        ),
        "guided-backprop": lambda: attr.GuidedBackprop(model).attribute(images, target=classes),
        "occlusion": lambda: attr.Occlusion(model).attribute(
            images, window, strides=(images.shape[1], half // 2, half // 2), baselines=0.5, target=classes
        ),
    }
    return {f"captum {name}": function for name, function in made.items()}


def torchcam(make: Callable[[], nn.Module], images: Tensor, classes: Tensor, layer: str) -> dict[str, Callable]:
    """torchcam's extractors on models of their own, whose parameters ask for gradients as they do by default."""
    from torchcam.methods import GradCAM, SmoothGradCAMpp

    def explaining(method: Callable, **options: int) -> Callable:
        model = make()
        extractor = method(model, f"network.{layer}", **options)
        return lambda: extractor(classes.tolist(), model(images))

    return {
        "torchcam grad-cam": explaining(GradCAM),
        "torchcam smooth-grad-cam++": explaining(SmoothGradCAMpp, num_samples=DRAWS),
    }


def pytorch_grad_cam(make: Callable[[], nn.Module], images: Tensor, classes: Tensor, layer: str) -> dict[str, Callable]:
    """pytorch-grad-cam's Grad-CAM, likewise."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    model = make()
    extractor = GradCAM(model=model, target_layers=[model.get_submodule(f"network.{layer}")])
    targets = [ClassifierOutputTarget(number) for number in classes.tolist()]
    return {"pytorch-grad-cam grad-cam": lambda: extractor(input_tensor=images, targets=targets)}


def contenders(case: Case, count: int, precision: str) -> dict[str, Callable]:
    """Everything that takes turns on one case; peers that are not installed are left out, which is said."""

    def make() -> nn.Module:
        statistics = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
        return build(case.network, classes=10, channels=3, size=case.side, **statistics).eval()

    images = torch.rand(count, 3, case.side, case.side, generator=torch.Generator().manual_seed(0))
    classes = torch.arange(count) % 10
    found = ours(frozen(make()), images, classes, case.layer, precision)
    for peer in (captum, torchcam, pytorch_grad_cam):
        try:
            found |= peer(make, images, classes, case.layer)
        except ImportError as error:
            print(f"left out: {peer.__name__} ({error}); {INSTALL}")
    return found


def medians(functions: dict[str, Callable], rounds: int) -> dict[str, float]:
    """Seconds of processor time per call; the functions take turns, after one round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds + 1):
        for name, function in functions.items():
            start = time.process_time()
            function()
            seconds[name].append(time.process_time() - start)
    return {name: median(values[1:]) for name, values in seconds.items()}


def main() -> None:
    """Measure, print a table for each case, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, epilog=f"The peers come with: {INSTALL}")
    parser.add_argument("--quick", action="store_true", help="smaller batches and fewer rounds")
    parser.add_argument("--case", choices=CASES, help="only this one")
    parser.add_argument("--precision", choices=("auto", *PRECISIONS), default="auto", help="of forward pass and Loupe")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    precision = precision_for("cpu") if options.precision == "auto" else options.precision
    ratios = {}
    for name, case in CASES.items():
        if options.case not in (None, name):
            continue
        count = case.few if options.quick else case.batch
        seconds = medians(contenders(case, count, precision), 5 if options.quick else 9)
        print(f"{name}, {case.layer}, batch {count}, {precision}, {options.threads} thread(s)")
        for contender, taken in seconds.items():
            print(f"  {contender:30} {count / taken:8.1f} images/s")
        for ratio, (above, below, times) in RATIOS.items():
            if above in seconds and below in seconds:
                ratios[f"{name} {ratio}"] = round(seconds[above] / (times * seconds[below]), 3)
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()
