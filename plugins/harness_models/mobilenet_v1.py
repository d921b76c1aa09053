"""MobileNet v1 (Howard et al. 2017, arXiv 1704.04861) as TensorFlow's slim builds it.

Parameters are called as in the Hugging Face Hub's MobileNetV1ForImageClassification, so that
``google/mobilenet_v1_1.0_224`` loads as it is.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from harness_models.padding import same_padding

EPSILON = 1e-3
_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
_WIDTHS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
_LEAST = 8


class ConvLayer(nn.Module):
    """A convolution with SAME padding, batch norm and relu6."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.normalization = nn.BatchNorm2d(outputs, eps=EPSILON)

    def forward(self, images: Tensor) -> Tensor:
        kernel, stride = self.convolution.kernel_size[0], self.convolution.stride[0]
        height = same_padding(images.shape[2], kernel, stride)
        width = same_padding(images.shape[3], kernel, stride)
        if any(height + width):
            images = F.pad(images, (*width, *height))
        return F.relu6(self.normalization(self.convolution(images)))


class Body(nn.Module):
    """The stem, and 13 pairs of a depthwise and a pointwise convolution."""

    def __init__(self, multiplier: float) -> None:
        super().__init__()
        width = _scaled(32, multiplier)
        self.conv_stem = ConvLayer(3, width, kernel=3, stride=2)
        self.layer = nn.ModuleList()
        for stride, full in zip(_STRIDES, _WIDTHS, strict=True):
            self.layer.append(ConvLayer(width, width, kernel=3, stride=stride, groups=width))
            inputs, width = width, _scaled(full, multiplier)
            self.layer.append(ConvLayer(inputs, width, kernel=1))
        self.width = width

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.conv_stem(images)
        for layer in self.layer:
            features = layer(features)
        return features.mean((2, 3))


class MobileNetV1(nn.Module):
    """Images (n, 3, height, width) of 2x - 1 to logits (n, ``outputs``).

    Attributes:
        multiplier: of every width; 0.25, 0.5, 0.75 and 1 were published.
    """

    def __init__(self, multiplier: float, outputs: int) -> None:
        super().__init__()
        self.mobilenet_v1 = Body(multiplier)
        self.classifier = nn.Linear(self.mobilenet_v1.width, outputs)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.mobilenet_v1(images))
        return logits


def _scaled(width: int, multiplier: float) -> int:
    return max(int(width * multiplier), _LEAST)
