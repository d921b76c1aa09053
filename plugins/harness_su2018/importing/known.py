"""The study's 18 models, as Su et al. 2018 publish them: graph tensors, preprocessing, Table 1.

Sources: the paper's Table 1 (layers, published top-1/top-5 accuracies) and its released code
(huanzhang12/Adversarial_Survey: tensors, sizes, normalisation). The small MobileNets stand at the
sizes that their accuracies belong to, 128 and 160; a graph that fixes another size keeps its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Normalisation:
    """See `harness.api.Preprocessing`: (x - mean) / std on pixels x in [0, 1], RGB order."""

    mean: Triple = (0.5, 0.5, 0.5)
    std: Triple = (0.5, 0.5, 0.5)
    channels: Literal["rgb", "bgr"] = "rgb"


def _bytes(
    mean: Triple, scale: float = 1.0, channels: Literal["rgb", "bgr"] = "rgb"
) -> Normalisation:
    """``(x * 255 - mean) * scale``; ``mean`` in RGB order, whatever the network's."""
    red, green, blue = mean
    deviation = 1 / (255 * scale)
    return Normalisation(
        (red / 255, green / 255, blue / 255), (deviation, deviation, deviation), channels
    )


SYMMETRIC = Normalisation()
"""2x - 1."""
_VGG = _bytes((123.68, 116.78, 103.94))
_DENSENET = _bytes((123.68, 116.78, 103.94), scale=0.017)
_CAFFE = _bytes((124.0, 117.0, 104.0), channels="bgr")  # the code's B, G, R: 104, 117, 124


@dataclass(frozen=True, slots=True)
class Known:
    """One of the 18.

    Attributes:
        size: side of the square input.
        input, logits: tensors of the authors' graph.
        top1, top5: published accuracies in percent.
        aliases: other names of its graph.
    """

    name: str
    family: str
    year: int
    layers: int | None
    size: int
    logits: str
    top1: float
    top5: float
    input: str = "input:0"
    normalisation: Normalisation = SYMMETRIC
    aliases: tuple[str, ...] = ()


_PREDICTIONS = "Predictions/Reshape:0"

MODELS = (
    Known("alexnet", "AlexNet", 2012, 8, 227, "fc8/fc8:0", 56.9, 80.1, "Placeholder:0", _CAFFE),
    Known("vgg16", "VGG", 2014, 16, 224, "vgg_16/fc8/squeezed:0", 71.5, 89.8, normalisation=_VGG),
    Known("vgg19", "VGG", 2014, 19, 224, "vgg_19/fc8/squeezed:0", 71.1, 89.8, normalisation=_VGG),
    Known("inception_v1", "Inception", 2014, 22, 224,
          f"InceptionV1/Logits/{_PREDICTIONS}", 69.8, 89.6),
    Known("inception_v2", "Inception", 2015, 48, 224, f"InceptionV2/{_PREDICTIONS}", 73.9, 91.8),
    Known("inception_v3", "Inception", 2015, 48, 299, f"InceptionV3/{_PREDICTIONS}", 78.0, 93.9),
    Known("inception_v4", "Inception", 2016, 76, 299,
          "InceptionV4/Logits/Logits/BiasAdd:0", 80.2, 95.2),
    Known("inception_resnet_v2", "Inception", 2016, 96, 299,
          "InceptionResnetV2/Logits/Logits/BiasAdd:0", 80.4, 95.3),
    Known("resnet_v2_50", "ResNet", 2016, 50, 299, "resnet_v2_50/predictions/Reshape:0",
          75.6, 92.8),
    Known("resnet_v2_101", "ResNet", 2016, 101, 299, "resnet_v2_101/predictions/Reshape:0",
          77.0, 93.7),
    Known("resnet_v2_152", "ResNet", 2016, 152, 299, "resnet_v2_152/predictions/Reshape:0",
          77.8, 94.1),
    Known("densenet121_k32", "DenseNet", 2016, 121, 224, "densenet121/predictions/Reshape:0",
          74.9, 92.2, normalisation=_DENSENET, aliases=("densenet121",)),
    Known("densenet169_k32", "DenseNet", 2016, 169, 224, "densenet169/predictions/Reshape:0",
          76.1, 93.1, normalisation=_DENSENET, aliases=("densenet169",)),
    Known("densenet161_k48", "DenseNet", 2016, 161, 224, "densenet161/predictions/Reshape:0",
          77.6, 93.8, normalisation=_DENSENET, aliases=("densenet161",)),
    # Table 1's "layers" of the MobileNets are their input sizes.
    Known("mobilenet_v1_025", "MobileNet", 2017, None, 128, f"MobilenetV1/{_PREDICTIONS}",
          41.5, 66.3, aliases=("mobilenet_v1_0.25_128",)),
    Known("mobilenet_v1_050", "MobileNet", 2017, None, 160, f"MobilenetV1/{_PREDICTIONS}",
          59.1, 81.9, aliases=("mobilenet_v1_0.5_160",)),
    Known("mobilenet_v1_100", "MobileNet", 2017, None, 224, f"MobilenetV1/{_PREDICTIONS}",
          70.9, 89.9, aliases=("mobilenet_v1_1.0_224",)),
    Known("nasnet_large", "NASNet", 2017, None, 331, "final_layer/FC/BiasAdd:0", 82.7, 96.2),
)  # fmt: skip


def _key(name: str) -> str:
    return re.sub(r"frozen|[^a-z0-9]", "", name.lower())


_BY_NAME = {_key(name): known for known in MODELS for name in (known.name, *known.aliases)}


def find(name: str) -> Known | None:
    """The model that a graph called ``name`` is: ``frozen_vgg_16`` is vgg16."""
    return _BY_NAME.get(_key(name))
