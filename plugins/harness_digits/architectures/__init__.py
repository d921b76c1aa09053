"""The 18 architectures of the embedded suite, small relatives of the study's 18 networks.

Each is a plain module from float32 (N, 3, 32, 32), normalised by the caller, to logits (N, 10).
Widths and depths shrink; the traits of a family and the order of its depths stay.
"""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness_digits.architectures.alexnet import alexnet
from harness_digits.architectures.densenet import densenet
from harness_digits.architectures.inception import inception_v1, inception_v2
from harness_digits.architectures.inception_deep import (
    inception_resnet_v2,
    inception_v3,
    inception_v4,
)
from harness_digits.architectures.mobilenet import mobilenet_v1
from harness_digits.architectures.nasnet import nasnet_large
from harness_digits.architectures.resnet_v2 import resnet_v2
from harness_digits.architectures.vgg import vgg

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

ARCHITECTURES: Mapping[str, Callable[[], nn.Module]] = MappingProxyType(
    {
        "digits-alexnet": alexnet,
        "digits-vgg16": partial(vgg, (2, 2, 3, 3, 3)),
        "digits-vgg19": partial(vgg, (2, 2, 4, 4, 4)),
        "digits-inception_v1": inception_v1,
        "digits-inception_v2": inception_v2,
        "digits-inception_v3": inception_v3,
        "digits-inception_v4": inception_v4,
        "digits-inception_resnet_v2": inception_resnet_v2,
        "digits-resnet_v2_50": partial(resnet_v2, (2, 2, 3, 2)),
        "digits-resnet_v2_101": partial(resnet_v2, (2, 3, 5, 2)),
        "digits-resnet_v2_152": partial(resnet_v2, (2, 4, 7, 2)),
        "digits-densenet121_k32": partial(densenet, (2, 2, 4, 3), 6),
        "digits-densenet169_k32": partial(densenet, (2, 2, 5, 5), 6),
        "digits-densenet161_k48": partial(densenet, (2, 2, 5, 4), 9),
        "digits-mobilenet_v1_025": partial(mobilenet_v1, 0.25),
        "digits-mobilenet_v1_050": partial(mobilenet_v1, 0.5),
        "digits-mobilenet_v1_100": partial(mobilenet_v1, 1.0),
        "digits-nasnet_large": nasnet_large,
    }
)


def build(name: str) -> nn.Module:
    """Return the architecture `name` with untrained weights."""
    if name not in ARCHITECTURES:
        raise ValueError(f"unknown architecture {name!r}: choose from {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]()
