"""MobileNet v1: the network is `harness_models.mobilenet_v1`, whose names are the Hub's."""

from __future__ import annotations

import re

_LAYER = re.compile(r"mobilenet_v1\.(?:conv_stem|layer\.(\d+))\.(\w+)\.(\w+)")


def called(tensor: str) -> str:
    """What the Hub's tensor is called by the rule of `harness_slim.names`.

    >>> called("mobilenet_v1.layer.0.convolution.weight")
    'Conv2d_1_depthwise.depthwise.weight'
    """
    found = _LAYER.fullmatch(tensor)
    if found is None:
        return tensor.replace("classifier.", "Logits.Conv2d_1c_1x1.linear.")
    index, part, last = found.groups()
    scope, kernel = "Conv2d_0", "conv"
    if index is not None:
        pair, pointwise = divmod(int(index), 2)
        scope = f"Conv2d_{pair + 1}_{'pointwise' if pointwise else 'depthwise'}"
        kernel = "conv" if pointwise else "depthwise"
    return f"{scope}.{kernel if part == 'convolution' else 'BatchNorm'}.{last}"
