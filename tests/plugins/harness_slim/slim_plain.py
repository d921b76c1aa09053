"""ResNet v2, VGG and MobileNet v1 layer by layer, written from the papers and TF-Slim's published
definitions: references for the torch modules."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from slim_layers import Layers, max_pool, mean

relu = tf.nn.relu


def resnet_v2(net: Layers, x: Any, units: tuple[int, int, int, int]) -> Any:
    """He et al. 2016, figure 4 (e); each of the first three blocks halves the size at its end."""
    x = net.linear(_around(x, 3), "conv1", 64, 7, stride=2, padding="VALID", biases=True)
    x = max_pool(x, 3, 2)
    for block, count in enumerate(units, 1):
        for unit in range(1, count + 1):
            stride = 2 if unit == count and block < 4 else 1
            x = _bottleneck(net, x, f"block{block}/unit_{unit}/bottleneck_v2", 32 << block, stride)
    x = mean(relu(net.norm(x, "postnorm")))
    return tf.squeeze(net.linear(x, "logits", 1001, biases=True), [1, 2])


def _bottleneck(net: Layers, x: Any, scope: str, width: int, stride: int) -> Any:
    before = relu(net.norm(x, f"{scope}/preact"))
    if x.shape[3] != 4 * width:
        x = net.linear(before, f"{scope}/shortcut", 4 * width, stride=stride, biases=True)
    else:
        x = x[:, ::stride, ::stride]
    y = net.conv(before, f"{scope}/conv1", width, 1)
    if stride == 1:
        y = net.conv(y, f"{scope}/conv2", width, 3)
    else:
        y = net.conv(_around(y, 1), f"{scope}/conv2", width, 3, stride=stride, padding="VALID")
    return x + net.linear(y, f"{scope}/conv3", 4 * width, biases=True)


def _around(x: Any, zeros: int) -> Any:
    return tf.pad(x, [[0, 0], [zeros, zeros], [zeros, zeros], [0, 0]])


def vgg(net: Layers, x: Any, counts: tuple[int, int, int, int, int]) -> Any:
    """Simonyan and Zisserman 2014, table 1, columns D and E."""
    widths = (64, 128, 256, 512, 512)
    for block, (width, count) in enumerate(zip(widths, counts, strict=True), 1):
        for layer in range(1, count + 1):
            scope = f"conv{block}/conv{block}_{layer}"
            x = relu(net.linear(x, scope, width, 3, biases=True))
        x = max_pool(x, 2, 2, "VALID")
    x = relu(net.linear(x, "fc6", 4096, 7, padding="VALID", biases=True))
    x = relu(net.linear(x, "fc7", 4096, biases=True))
    return tf.squeeze(net.linear(x, "fc8", 1000, biases=True), [1, 2])


def mobilenet_v1(net: Layers, x: Any, multiplier: float) -> Any:
    """Howard et al. 2017, table 1; widths are at least 8."""
    rows = (
        "64 1, 128 2, 128 1, 256 2, 256 1, 512 2, 512 1, 512 1, 512 1, 512 1, 512 1, 1024 2, 1024 1"
    )

    def width(full: int) -> int:
        return max(int(full * multiplier), 8)

    def active(x: Any, scope: str) -> Any:
        return tf.nn.relu6(net.norm(x, f"{scope}/BatchNorm"))

    x = active(net.linear(x, "Conv2d_0", width(32), 3, stride=2), "Conv2d_0")
    for number, row in enumerate(rows.split(", "), 1):
        full, stride = map(int, row.split())
        scope = f"Conv2d_{number}_depthwise"
        name, shape = f"{scope}/depthwise_weights", (3, 3, x.shape[3], 1)
        kernel = net.weights(x, name, shape, fan=9)
        x = active(tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], "SAME"), scope)
        scope = f"Conv2d_{number}_pointwise"
        x = active(net.linear(x, scope, width(full)), scope)
    logits = net.linear(mean(x), "Logits/Conv2d_1c_1x1", 1001, biases=True)
    return tf.squeeze(logits, [1, 2])


RESNETS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
VGGS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
MOBILENETS = {"025": 0.25, "050": 0.5, "100": 1.0}
EPSILON = 1.001e-5


def made(name: str) -> tuple[Layers, Any]:
    """Layers for the network ``name``, and the function of images that computes it on them."""
    last = name.rpartition("_")[2].removeprefix("vgg")
    if name.startswith("resnet"):
        net = Layers(name, gamma=True, epsilon=EPSILON)
        return net, lambda x: resnet_v2(net, x, RESNETS[int(last)])
    if name.startswith("vgg"):
        net = Layers(f"vgg_{last}")
        return net, lambda x: vgg(net, x, VGGS[int(last)])
    net = Layers("MobilenetV1", gamma=True)
    return net, lambda x: mobilenet_v1(net, x, MOBILENETS[last])


def others(variables: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What training leaves beside them: a step, a slot and a shadow of the first, an Aux head."""
    name, value = next(iter(variables.items()))
    return {
        "global_step": np.int64(7),
        f"{name}/RMSProp": value * 0,
        f"{name}/ExponentialMovingAverage": value * 2,
        f"{name.partition('/')[0]}/AuxLogits/Conv2d_2b_1x1/weights": value + 1,
    }
