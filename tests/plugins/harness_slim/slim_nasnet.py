"""NASNet-A (Zoph et al. 2018, arXiv 1707.07012) as TF-Slim names it, on TensorFlow alone.

Figure 4 gives the cells, appendix A.4 their inputs: h is what the cell before made, p what the one
before that made; each is brought to the width of the cell, p also to the size of h.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from slim_layers import Layers, avg_pool, join, max_pool


def nasnet_large(net: Layers, x: Any) -> Any:
    return nasnet(net, x, width=168, repeats=6)


def nasnet(net: Layers, x: Any, *, width: int, repeats: int) -> Any:
    """Two reduction cells of a quarter and half the width, then three times ``repeats`` normal
    cells, with a reduction cell between, each of which doubles the width."""
    stem = net.linear(x, "conv0", 96, 3, stride=2, padding="VALID")
    stem = net.norm(stem, "conv0_bn")
    first = reduction(net, "cell_stem_0", stem, None, width // 4)
    second = reduction(net, "cell_stem_1", first, stem, width // 2)
    before, x = first, second
    number = 0
    for group in range(3):
        skipped = before
        if group:
            width *= 2
            before, x = x, reduction(net, f"reduction_cell_{group - 1}", x, before, width)
        for inner in range(repeats):
            # The first normal cell behind a reduction looks past what the reduction saw.
            other = skipped if inner == 0 else before
            before, x = x, normal(net, f"cell_{number}", x, other, width)
            number += 1
    return net.dense(tf.reduce_mean(tf.nn.relu(x), [1, 2]), "final_layer/FC", 1001)


def normal(net: Layers, name: str, h: Any, p: Any, width: int) -> Any:
    p = fitted(net, name, p, h, width)
    h = projected(net, name, h, width)

    def separable(x: Any, place: str, kernel: int) -> Any:
        return twice(net, x, f"{name}/{place}", width, kernel, 1)

    sums = [
        separable(h, "comb_iter_0/left", 5) + separable(p, "comb_iter_0/right", 3),
        separable(p, "comb_iter_1/left", 5) + separable(p, "comb_iter_1/right", 3),
        avg_pool(h, 3) + p,
        avg_pool(p, 3) + avg_pool(p, 3),
        separable(h, "comb_iter_4/left", 3) + h,
    ]
    return join(p, *sums)


def reduction(net: Layers, name: str, h: Any, p: Any, width: int) -> Any:
    p = h if p is None else fitted(net, name, p, h, width)
    h = projected(net, name, h, width)

    def separable(x: Any, place: str, kernel: int, stride: int = 2) -> Any:
        return twice(net, x, f"{name}/{place}", width, kernel, stride)

    a = separable(h, "comb_iter_0/left", 5) + separable(p, "comb_iter_0/right", 7)
    b = max_pool(h, 3, 2) + separable(p, "comb_iter_1/right", 7)
    c = avg_pool(h, 3, 2) + separable(p, "comb_iter_2/right", 5)
    d = b + avg_pool(a, 3)
    e = separable(a, "comb_iter_4/left", 3, 1) + max_pool(h, 3, 2)
    return join(b, c, d, e)


def projected(net: Layers, name: str, h: Any, width: int) -> Any:
    h = net.linear(tf.nn.relu(h), f"{name}/1x1", width)
    return net.norm(h, f"{name}/beginning_bn")


def fitted(net: Layers, name: str, p: Any, h: Any, width: int) -> Any:
    """``p`` at the size of ``h`` and of ``width`` channels: where sizes differ, two grids a pixel
    apart give half of the channels each."""
    if p.shape[2] == h.shape[2]:
        if p.shape[3] == width:
            return p
        p = net.linear(tf.nn.relu(p), f"{name}/prev_1x1", width)
        return net.norm(p, f"{name}/prev_bn")
    p = tf.nn.relu(p)
    here = net.linear(p[:, ::2, ::2], f"{name}/path1_conv", width // 2)
    beside = tf.pad(p, [[0, 0], [0, 1], [0, 1], [0, 0]])[:, 1::2, 1::2]
    beside = net.linear(beside, f"{name}/path2_conv", width // 2)
    return net.norm(join(here, beside), f"{name}/final_path_bn")


def twice(net: Layers, x: Any, place: str, width: int, kernel: int, stride: int) -> Any:
    """Relu, separable convolution, batch norm; and once more without the stride."""
    for number in (1, 2):
        layer = f"{kernel}x{kernel}_{number}"
        x = net.separable(tf.nn.relu(x), f"{place}/separable_{layer}", width, kernel, stride=stride)
        x = net.norm(x, f"{place}/bn_sep_{layer}")
        stride = 1
    return x
