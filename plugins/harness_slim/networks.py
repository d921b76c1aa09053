"""The networks that TF-Slim published checkpoints of, by the names of the study's models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from harness_models.mobilenet_v1 import MobileNetV1
from harness_slim.inception_resnet_v2 import inception_resnet_v2
from harness_slim.inception_v1 import inception_v1
from harness_slim.inception_v2 import inception_v2
from harness_slim.inception_v3 import inception_v3
from harness_slim.inception_v4 import inception_v4
from harness_slim.mobilenet_v1 import called
from harness_slim.names import Place, places
from harness_slim.nasnet_large import nasnet_large
from harness_slim.resnet_v2 import ResNetV2
from harness_slim.vgg import VGG


@dataclass(frozen=True, slots=True)
class Network:
    """One of them.

    Attributes:
        build: makes the network, with random weights, for a number of outputs.
        scope: the top scope of its checkpoint's variables; empty where there is none.
        size: side of the square input that the study takes.
        background: the output that is no class; None where every output is one.
        files: how the names of published archives and checkpoints begin.
        called: see `harness_slim.names.places`.
    """

    build: Callable[[int], nn.Module]
    scope: str
    size: int
    background: int | None = 0
    files: tuple[str, ...] = ()
    called: Callable[[str], str] = str

    @property
    def outputs(self) -> int:
        """Of the published checkpoint: ImageNet's classes, and the background where there is."""
        return 1000 + (self.background is not None)

    def places(self, module: nn.Module) -> dict[str, Place]:
        """The variables of the tensors of ``module``, which `build` made."""
        return places(module, self.scope, self.called)


def _resnet(layers: int, units: tuple[int, int, int, int]) -> Network:
    name = f"resnet_v2_{layers}"
    return Network(partial(ResNetV2, units), name, 299, files=(name,))


def _vgg(layers: int, counts: tuple[int, int, int, int, int]) -> Network:
    name = f"vgg_{layers}"
    return Network(partial(VGG, counts), name, 224, None, (name,))


def _mobilenet(multiplier: float, size: int, keras: str) -> Network:
    """``keras``: the multiplier in the names of Keras's files."""
    # In 2017 the names had two digits: 0.50.
    called_by = (f"v1_{multiplier}", f"v1_{multiplier:.2f}", keras)
    files = tuple(f"mobilenet_{each}_{size}" for each in called_by)
    return Network(partial(MobileNetV1, multiplier), "MobilenetV1", size, 0, files, called)


NETWORKS = {
    "vgg16": _vgg(16, (2, 2, 3, 3, 3)),
    "vgg19": _vgg(19, (2, 2, 4, 4, 4)),
    "inception_v1": Network(inception_v1, "InceptionV1", 224, files=("inception_v1",)),
    "inception_v2": Network(inception_v2, "InceptionV2", 224, files=("inception_v2",)),
    "inception_v3": Network(inception_v3, "InceptionV3", 299, files=("inception_v3",)),
    "inception_v4": Network(inception_v4, "InceptionV4", 299, files=("inception_v4",)),
    "inception_resnet_v2": Network(
        inception_resnet_v2, "InceptionResnetV2", 299, files=("inception_resnet_v2",)
    ),
    "resnet_v2_50": _resnet(50, (3, 4, 6, 3)),
    "resnet_v2_101": _resnet(101, (3, 4, 23, 3)),
    "resnet_v2_152": _resnet(152, (3, 8, 36, 3)),
    "mobilenet_v1_025": _mobilenet(0.25, 128, "2_5"),
    "mobilenet_v1_050": _mobilenet(0.5, 160, "5_0"),
    "mobilenet_v1_100": _mobilenet(1.0, 224, "1_0"),
    "nasnet_large": Network(nasnet_large, "", 331, files=("nasnet-a_large", "nasnet_large")),
}


def called_so(file: str) -> str | None:
    """The network that a file's name begins with, the longest one: ``vgg_16_2016_08_28.tar.gz``."""
    text = file.lower()
    found = [
        (len(start), name)
        for name, network in NETWORKS.items()
        for start in (name, *network.files)
        if text.startswith(start) and not text[len(start) :][:1].isalnum()
    ]
    return max(found)[1] if found else None
