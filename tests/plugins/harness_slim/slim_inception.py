"""Inception v1 to v4 and Inception-ResNet-v2 layer by layer, written from the papers and TF-Slim's
published definitions: references for the torch modules, which are tables."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from slim_layers import Layers, avg_pool, join, max_pool, mean


def inception_v1(net: Layers, x: Any) -> Any:
    """Szegedy et al. 2015 (arXiv 1409.4842), table 1: the columns of its rows are the widths."""
    x = net.conv(x, "Conv2d_1a_7x7", 64, 7, stride=2)
    x = max_pool(x, 3, 2)
    x = net.conv(x, "Conv2d_2b_1x1", 64, 1)
    x = net.conv(x, "Conv2d_2c_3x3", 192, 3)
    x = max_pool(x, 3, 2)

    def inception(x: Any, name: str, columns: str, last: str = "0b") -> Any:
        one, reduce3, three, reduce5, five, projected = map(int, columns.split())
        a = net.conv(x, f"{name}/Branch_0/Conv2d_0a_1x1", one, 1)
        b = net.conv(x, f"{name}/Branch_1/Conv2d_0a_1x1", reduce3, 1)
        b = net.conv(b, f"{name}/Branch_1/Conv2d_0b_3x3", three, 3)
        c = net.conv(x, f"{name}/Branch_2/Conv2d_0a_1x1", reduce5, 1)
        c = net.conv(c, f"{name}/Branch_2/Conv2d_{last}_3x3", five, 3)
        d = net.conv(max_pool(x, 3, 1), f"{name}/Branch_3/Conv2d_0b_1x1", projected, 1)
        return join(a, b, c, d)

    x = inception(x, "Mixed_3b", "64 96 128 16 32 32")
    x = inception(x, "Mixed_3c", "128 128 192 32 96 64")
    x = max_pool(x, 3, 2)
    x = inception(x, "Mixed_4b", "192 96 208 16 48 64")
    x = inception(x, "Mixed_4c", "160 112 224 24 64 64")
    x = inception(x, "Mixed_4d", "128 128 256 24 64 64")
    x = inception(x, "Mixed_4e", "112 144 288 32 64 64")
    x = inception(x, "Mixed_4f", "256 160 320 32 128 128")
    x = max_pool(x, 2, 2)
    x = inception(x, "Mixed_5b", "256 160 320 32 128 128", last="0a")
    x = inception(x, "Mixed_5c", "384 192 384 48 128 128")
    x = net.linear(mean(x), "Logits/Conv2d_0c_1x1", 1001, biases=True)
    return tf.squeeze(x, [1, 2])


def inception_v2(net: Layers, x: Any) -> Any:
    """Ioffe and Szegedy 2015 (arXiv 1502.03167), figure 5."""
    x = net.separable(x, "Conv2d_1a_7x7", 64, 7, stride=2, multiplier=8)
    x = tf.nn.relu(x + net.drawn(x, "Conv2d_1a_7x7/biases", 64, 0.1))
    x = max_pool(x, 3, 2)
    x = net.conv(x, "Conv2d_2b_1x1", 64, 1)
    x = net.conv(x, "Conv2d_2c_3x3", 192, 3)
    x = max_pool(x, 3, 2)

    def same_size(x: Any, name: str, columns: str, pool: Any = avg_pool) -> Any:
        one, reduce3, three, reduce33, three3, projected = map(int, columns.split())
        a = net.conv(x, f"{name}/Branch_0/Conv2d_0a_1x1", one, 1)
        b = net.conv(x, f"{name}/Branch_1/Conv2d_0a_1x1", reduce3, 1)
        b = net.conv(b, f"{name}/Branch_1/Conv2d_0b_3x3", three, 3)
        c = net.conv(x, f"{name}/Branch_2/Conv2d_0a_1x1", reduce33, 1)
        c = net.conv(c, f"{name}/Branch_2/Conv2d_0b_3x3", three3, 3)
        c = net.conv(c, f"{name}/Branch_2/Conv2d_0c_3x3", three3, 3)
        d = net.conv(pool(x, 3, 1), f"{name}/Branch_3/Conv2d_0b_1x1", projected, 1)
        return join(a, b, c, d)

    def half_size(x: Any, name: str, columns: str) -> Any:
        reduce3, three, reduce33, three3 = map(int, columns.split())
        a = net.conv(x, f"{name}/Branch_0/Conv2d_0a_1x1", reduce3, 1)
        a = net.conv(a, f"{name}/Branch_0/Conv2d_1a_3x3", three, 3, stride=2)
        b = net.conv(x, f"{name}/Branch_1/Conv2d_0a_1x1", reduce33, 1)
        b = net.conv(b, f"{name}/Branch_1/Conv2d_0b_3x3", three3, 3)
        b = net.conv(b, f"{name}/Branch_1/Conv2d_1a_3x3", three3, 3, stride=2)
        return join(a, b, max_pool(x, 3, 2))

    x = same_size(x, "Mixed_3b", "64 64 64 64 96 32")
    x = same_size(x, "Mixed_3c", "64 64 96 64 96 64")
    x = half_size(x, "Mixed_4a", "128 160 64 96")
    x = same_size(x, "Mixed_4b", "224 64 96 96 128 128")
    x = same_size(x, "Mixed_4c", "192 96 128 96 128 128")
    x = same_size(x, "Mixed_4d", "160 128 160 128 160 96")
    x = same_size(x, "Mixed_4e", "96 128 192 160 192 96")
    x = half_size(x, "Mixed_5a", "128 192 192 256")
    x = same_size(x, "Mixed_5b", "352 192 320 160 224 128")
    x = same_size(x, "Mixed_5c", "352 192 320 192 224 128", pool=max_pool)
    x = net.linear(mean(x), "Logits/Conv2d_1c_1x1", 1001, biases=True)
    return tf.squeeze(x, [1, 2])


def inception_v3(net: Layers, x: Any) -> Any:
    """Szegedy et al. 2016 (arXiv 1512.00567), table 1 and figures 5 to 7."""
    x = net.conv(x, "Conv2d_1a_3x3", 32, 3, stride=2, padding="VALID")
    x = net.conv(x, "Conv2d_2a_3x3", 32, 3, padding="VALID")
    x = net.conv(x, "Conv2d_2b_3x3", 64, 3)
    x = max_pool(x, 3, 2, "VALID")
    x = net.conv(x, "Conv2d_3b_1x1", 80, 1, padding="VALID")
    x = net.conv(x, "Conv2d_4a_3x3", 192, 3, padding="VALID")
    x = max_pool(x, 3, 2, "VALID")

    for name, width, first, second in (
        ("Mixed_5b", 32, "Conv2d_0a_1x1", "Conv2d_0b_5x5"),
        ("Mixed_5c", 64, "Conv2d_0b_1x1", "Conv_1_0c_5x5"),
        ("Mixed_5d", 64, "Conv2d_0a_1x1", "Conv2d_0b_5x5"),
    ):
        a = net.conv(x, f"{name}/Branch_0/Conv2d_0a_1x1", 64, 1)
        b = net.conv(x, f"{name}/Branch_1/{first}", 48, 1)
        b = net.conv(b, f"{name}/Branch_1/{second}", 64, 5)
        c = net.conv(x, f"{name}/Branch_2/Conv2d_0a_1x1", 64, 1)
        c = net.conv(c, f"{name}/Branch_2/Conv2d_0b_3x3", 96, 3)
        c = net.conv(c, f"{name}/Branch_2/Conv2d_0c_3x3", 96, 3)
        d = net.conv(avg_pool(x, 3), f"{name}/Branch_3/Conv2d_0b_1x1", width, 1)
        x = join(a, b, c, d)

    a = net.conv(x, "Mixed_6a/Branch_0/Conv2d_1a_1x1", 384, 3, stride=2, padding="VALID")
    b = net.conv(x, "Mixed_6a/Branch_1/Conv2d_0a_1x1", 64, 1)
    b = net.conv(b, "Mixed_6a/Branch_1/Conv2d_0b_3x3", 96, 3)
    b = net.conv(b, "Mixed_6a/Branch_1/Conv2d_1a_1x1", 96, 3, stride=2, padding="VALID")
    x = join(a, b, max_pool(x, 3, 2, "VALID"))

    for letter, width in zip("bcde", (128, 160, 160, 192), strict=True):
        name = f"Mixed_6{letter}"
        a = net.conv(x, f"{name}/Branch_0/Conv2d_0a_1x1", 192, 1)
        b = net.conv(x, f"{name}/Branch_1/Conv2d_0a_1x1", width, 1)
        b = net.conv(b, f"{name}/Branch_1/Conv2d_0b_1x7", width, (1, 7))
        b = net.conv(b, f"{name}/Branch_1/Conv2d_0c_7x1", 192, (7, 1))
        c = net.conv(x, f"{name}/Branch_2/Conv2d_0a_1x1", width, 1)
        c = net.conv(c, f"{name}/Branch_2/Conv2d_0b_7x1", width, (7, 1))
        c = net.conv(c, f"{name}/Branch_2/Conv2d_0c_1x7", width, (1, 7))
        c = net.conv(c, f"{name}/Branch_2/Conv2d_0d_7x1", width, (7, 1))
        c = net.conv(c, f"{name}/Branch_2/Conv2d_0e_1x7", 192, (1, 7))
        d = net.conv(avg_pool(x, 3), f"{name}/Branch_3/Conv2d_0b_1x1", 192, 1)
        x = join(a, b, c, d)

    a = net.conv(x, "Mixed_7a/Branch_0/Conv2d_0a_1x1", 192, 1)
    a = net.conv(a, "Mixed_7a/Branch_0/Conv2d_1a_3x3", 320, 3, stride=2, padding="VALID")
    b = net.conv(x, "Mixed_7a/Branch_1/Conv2d_0a_1x1", 192, 1)
    b = net.conv(b, "Mixed_7a/Branch_1/Conv2d_0b_1x7", 192, (1, 7))
    b = net.conv(b, "Mixed_7a/Branch_1/Conv2d_0c_7x1", 192, (7, 1))
    b = net.conv(b, "Mixed_7a/Branch_1/Conv2d_1a_3x3", 192, 3, stride=2, padding="VALID")
    x = join(a, b, max_pool(x, 3, 2, "VALID"))

    for name, down in (("Mixed_7b", "Conv2d_0b_3x1"), ("Mixed_7c", "Conv2d_0c_3x1")):
        a = net.conv(x, f"{name}/Branch_0/Conv2d_0a_1x1", 320, 1)
        b = net.conv(x, f"{name}/Branch_1/Conv2d_0a_1x1", 384, 1)
        b1 = net.conv(b, f"{name}/Branch_1/Conv2d_0b_1x3", 384, (1, 3))
        b2 = net.conv(b, f"{name}/Branch_1/{down}", 384, (3, 1))
        c = net.conv(x, f"{name}/Branch_2/Conv2d_0a_1x1", 448, 1)
        c = net.conv(c, f"{name}/Branch_2/Conv2d_0b_3x3", 384, 3)
        c1 = net.conv(c, f"{name}/Branch_2/Conv2d_0c_1x3", 384, (1, 3))
        c2 = net.conv(c, f"{name}/Branch_2/Conv2d_0d_3x1", 384, (3, 1))
        d = net.conv(avg_pool(x, 3), f"{name}/Branch_3/Conv2d_0b_1x1", 192, 1)
        x = join(a, b1, b2, c1, c2, d)

    x = net.linear(mean(x), "Logits/Conv2d_1c_1x1", 1001, biases=True)
    return tf.squeeze(x, [1, 2])


def inception_v4(net: Layers, x: Any) -> Any:
    """Szegedy et al. 2017 (arXiv 1602.07261), figures 3 to 9."""
    x = net.conv(x, "Conv2d_1a_3x3", 32, 3, stride=2, padding="VALID")
    x = net.conv(x, "Conv2d_2a_3x3", 32, 3, padding="VALID")
    x = net.conv(x, "Conv2d_2b_3x3", 64, 3)
    b = net.conv(x, "Mixed_3a/Branch_1/Conv2d_0a_3x3", 96, 3, stride=2, padding="VALID")
    x = join(max_pool(x, 3, 2, "VALID"), b)
    a = net.conv(x, "Mixed_4a/Branch_0/Conv2d_0a_1x1", 64, 1)
    a = net.conv(a, "Mixed_4a/Branch_0/Conv2d_1a_3x3", 96, 3, padding="VALID")
    b = net.conv(x, "Mixed_4a/Branch_1/Conv2d_0a_1x1", 64, 1)
    b = net.conv(b, "Mixed_4a/Branch_1/Conv2d_0b_1x7", 64, (1, 7))
    b = net.conv(b, "Mixed_4a/Branch_1/Conv2d_0c_7x1", 64, (7, 1))
    b = net.conv(b, "Mixed_4a/Branch_1/Conv2d_1a_3x3", 96, 3, padding="VALID")
    x = join(a, b)
    a = net.conv(x, "Mixed_5a/Branch_0/Conv2d_1a_3x3", 192, 3, stride=2, padding="VALID")
    x = join(a, max_pool(x, 3, 2, "VALID"))

    for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_5e"):
        a = net.conv(x, f"{name}/Branch_0/Conv2d_0a_1x1", 96, 1)
        b = net.conv(x, f"{name}/Branch_1/Conv2d_0a_1x1", 64, 1)
        b = net.conv(b, f"{name}/Branch_1/Conv2d_0b_3x3", 96, 3)
        c = net.conv(x, f"{name}/Branch_2/Conv2d_0a_1x1", 64, 1)
        c = net.conv(c, f"{name}/Branch_2/Conv2d_0b_3x3", 96, 3)
        c = net.conv(c, f"{name}/Branch_2/Conv2d_0c_3x3", 96, 3)
        d = net.conv(avg_pool(x, 3), f"{name}/Branch_3/Conv2d_0b_1x1", 96, 1)
        x = join(a, b, c, d)

    a = net.conv(x, "Mixed_6a/Branch_0/Conv2d_1a_3x3", 384, 3, stride=2, padding="VALID")
    b = net.conv(x, "Mixed_6a/Branch_1/Conv2d_0a_1x1", 192, 1)
    b = net.conv(b, "Mixed_6a/Branch_1/Conv2d_0b_3x3", 224, 3)
    b = net.conv(b, "Mixed_6a/Branch_1/Conv2d_1a_3x3", 256, 3, stride=2, padding="VALID")
    x = join(a, b, max_pool(x, 3, 2, "VALID"))

    for letter in "bcdefgh":
        name = f"Mixed_6{letter}"
        a = net.conv(x, f"{name}/Branch_0/Conv2d_0a_1x1", 384, 1)
        b = net.conv(x, f"{name}/Branch_1/Conv2d_0a_1x1", 192, 1)
        b = net.conv(b, f"{name}/Branch_1/Conv2d_0b_1x7", 224, (1, 7))
        b = net.conv(b, f"{name}/Branch_1/Conv2d_0c_7x1", 256, (7, 1))
        c = net.conv(x, f"{name}/Branch_2/Conv2d_0a_1x1", 192, 1)
        c = net.conv(c, f"{name}/Branch_2/Conv2d_0b_7x1", 192, (7, 1))
        c = net.conv(c, f"{name}/Branch_2/Conv2d_0c_1x7", 224, (1, 7))
        c = net.conv(c, f"{name}/Branch_2/Conv2d_0d_7x1", 224, (7, 1))
        c = net.conv(c, f"{name}/Branch_2/Conv2d_0e_1x7", 256, (1, 7))
        d = net.conv(avg_pool(x, 3), f"{name}/Branch_3/Conv2d_0b_1x1", 128, 1)
        x = join(a, b, c, d)

    a = net.conv(x, "Mixed_7a/Branch_0/Conv2d_0a_1x1", 192, 1)
    a = net.conv(a, "Mixed_7a/Branch_0/Conv2d_1a_3x3", 192, 3, stride=2, padding="VALID")
    b = net.conv(x, "Mixed_7a/Branch_1/Conv2d_0a_1x1", 256, 1)
    b = net.conv(b, "Mixed_7a/Branch_1/Conv2d_0b_1x7", 256, (1, 7))
    b = net.conv(b, "Mixed_7a/Branch_1/Conv2d_0c_7x1", 320, (7, 1))
    b = net.conv(b, "Mixed_7a/Branch_1/Conv2d_1a_3x3", 320, 3, stride=2, padding="VALID")
    x = join(a, b, max_pool(x, 3, 2, "VALID"))

    for name in ("Mixed_7b", "Mixed_7c", "Mixed_7d"):
        a = net.conv(x, f"{name}/Branch_0/Conv2d_0a_1x1", 256, 1)
        b = net.conv(x, f"{name}/Branch_1/Conv2d_0a_1x1", 384, 1)
        b1 = net.conv(b, f"{name}/Branch_1/Conv2d_0b_1x3", 256, (1, 3))
        b2 = net.conv(b, f"{name}/Branch_1/Conv2d_0c_3x1", 256, (3, 1))
        c = net.conv(x, f"{name}/Branch_2/Conv2d_0a_1x1", 384, 1)
        c = net.conv(c, f"{name}/Branch_2/Conv2d_0b_3x1", 448, (3, 1))
        c = net.conv(c, f"{name}/Branch_2/Conv2d_0c_1x3", 512, (1, 3))
        c1 = net.conv(c, f"{name}/Branch_2/Conv2d_0d_1x3", 256, (1, 3))
        c2 = net.conv(c, f"{name}/Branch_2/Conv2d_0e_3x1", 256, (3, 1))
        d = net.conv(avg_pool(x, 3), f"{name}/Branch_3/Conv2d_0b_1x1", 256, 1)
        x = join(a, b1, b2, c1, c2, d)

    return net.dense(tf.squeeze(mean(x), [1, 2]), "Logits/Logits", 1001)


def inception_resnet_v2(net: Layers, x: Any) -> Any:
    """Szegedy et al. 2017 (arXiv 1602.07261), figures 15 to 19, with TF-Slim's own stem and widths:
    the published weights do not have the paper's."""
    x = net.conv(x, "Conv2d_1a_3x3", 32, 3, stride=2, padding="VALID")
    x = net.conv(x, "Conv2d_2a_3x3", 32, 3, padding="VALID")
    x = net.conv(x, "Conv2d_2b_3x3", 64, 3)
    x = max_pool(x, 3, 2, "VALID")
    x = net.conv(x, "Conv2d_3b_1x1", 80, 1, padding="VALID")
    x = net.conv(x, "Conv2d_4a_3x3", 192, 3, padding="VALID")
    x = max_pool(x, 3, 2, "VALID")

    a = net.conv(x, "Mixed_5b/Branch_0/Conv2d_1x1", 96, 1)
    b = net.conv(x, "Mixed_5b/Branch_1/Conv2d_0a_1x1", 48, 1)
    b = net.conv(b, "Mixed_5b/Branch_1/Conv2d_0b_5x5", 64, 5)
    c = net.conv(x, "Mixed_5b/Branch_2/Conv2d_0a_1x1", 64, 1)
    c = net.conv(c, "Mixed_5b/Branch_2/Conv2d_0b_3x3", 96, 3)
    c = net.conv(c, "Mixed_5b/Branch_2/Conv2d_0c_3x3", 96, 3)
    d = net.conv(avg_pool(x, 3), "Mixed_5b/Branch_3/Conv2d_0b_1x1", 64, 1)
    x = join(a, b, c, d)

    def residual(x: Any, name: str, scale: float, *branches: Any) -> Any:
        """What the branches give, brought to the width of ``x``, times ``scale``, plus ``x``."""
        up = net.linear(join(*branches), f"{name}/Conv2d_1x1", x.shape[3], biases=True)
        return x + scale * up

    for number in range(1, 11):
        name = f"Repeat/block35_{number}"
        a = net.conv(x, f"{name}/Branch_0/Conv2d_1x1", 32, 1)
        b = net.conv(x, f"{name}/Branch_1/Conv2d_0a_1x1", 32, 1)
        b = net.conv(b, f"{name}/Branch_1/Conv2d_0b_3x3", 32, 3)
        c = net.conv(x, f"{name}/Branch_2/Conv2d_0a_1x1", 32, 1)
        c = net.conv(c, f"{name}/Branch_2/Conv2d_0b_3x3", 48, 3)
        c = net.conv(c, f"{name}/Branch_2/Conv2d_0c_3x3", 64, 3)
        x = tf.nn.relu(residual(x, name, 0.17, a, b, c))

    a = net.conv(x, "Mixed_6a/Branch_0/Conv2d_1a_3x3", 384, 3, stride=2, padding="VALID")
    b = net.conv(x, "Mixed_6a/Branch_1/Conv2d_0a_1x1", 256, 1)
    b = net.conv(b, "Mixed_6a/Branch_1/Conv2d_0b_3x3", 256, 3)
    b = net.conv(b, "Mixed_6a/Branch_1/Conv2d_1a_3x3", 384, 3, stride=2, padding="VALID")
    x = join(a, b, max_pool(x, 3, 2, "VALID"))

    for number in range(1, 21):
        name = f"Repeat_1/block17_{number}"
        a = net.conv(x, f"{name}/Branch_0/Conv2d_1x1", 192, 1)
        b = net.conv(x, f"{name}/Branch_1/Conv2d_0a_1x1", 128, 1)
        b = net.conv(b, f"{name}/Branch_1/Conv2d_0b_1x7", 160, (1, 7))
        b = net.conv(b, f"{name}/Branch_1/Conv2d_0c_7x1", 192, (7, 1))
        x = tf.nn.relu(residual(x, name, 0.1, a, b))

    a = net.conv(x, "Mixed_7a/Branch_0/Conv2d_0a_1x1", 256, 1)
    a = net.conv(a, "Mixed_7a/Branch_0/Conv2d_1a_3x3", 384, 3, stride=2, padding="VALID")
    b = net.conv(x, "Mixed_7a/Branch_1/Conv2d_0a_1x1", 256, 1)
    b = net.conv(b, "Mixed_7a/Branch_1/Conv2d_1a_3x3", 288, 3, stride=2, padding="VALID")
    c = net.conv(x, "Mixed_7a/Branch_2/Conv2d_0a_1x1", 256, 1)
    c = net.conv(c, "Mixed_7a/Branch_2/Conv2d_0b_3x3", 288, 3)
    c = net.conv(c, "Mixed_7a/Branch_2/Conv2d_1a_3x3", 320, 3, stride=2, padding="VALID")
    x = join(a, b, c, max_pool(x, 3, 2, "VALID"))

    for number in range(1, 11):
        last = number == 10
        name = "Block8" if last else f"Repeat_2/block8_{number}"
        a = net.conv(x, f"{name}/Branch_0/Conv2d_1x1", 192, 1)
        b = net.conv(x, f"{name}/Branch_1/Conv2d_0a_1x1", 192, 1)
        b = net.conv(b, f"{name}/Branch_1/Conv2d_0b_1x3", 224, (1, 3))
        b = net.conv(b, f"{name}/Branch_1/Conv2d_0c_3x1", 256, (3, 1))
        x = residual(x, name, 1.0 if last else 0.2, a, b)
        x = x if last else tf.nn.relu(x)

    x = net.conv(x, "Conv2d_7b_1x1", 1536, 1)
    return net.dense(tf.squeeze(mean(x), [1, 2]), "Logits/Logits", 1001)
