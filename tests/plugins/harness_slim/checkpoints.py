"""Makes checkpoints under TF-Slim's names: ``python checkpoints.py FOLDER NAME:SIZE:FORMAT...``.

``NAME.ckpt`` is one file if FORMAT is V1, an index and data if it is V2, of random weights; in
``NAME.npz`` are images of 2x - 1 at SIZE and at SIZE + 1 pixels, and the logits of TensorFlow's own
operations. In a process of its own: TensorFlow and torch do not mix.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

import numpy as np
import slim_inception
import slim_nasnet
import slim_plain
from slim_layers import Layers

IMAGES = 2
SCOPES = {
    "inception_v1": "InceptionV1",
    "inception_v2": "InceptionV2",
    "inception_v3": "InceptionV3",
    "inception_v4": "InceptionV4",
    "inception_resnet_v2": "InceptionResnetV2",
}


def network(name: str) -> tuple[Layers, Callable[[Any], Any]]:
    """Layers of the network, and the function of images that computes it on them."""
    if name in SCOPES:
        net, function = Layers(SCOPES[name]), getattr(slim_inception, name)
    elif name == "nasnet_large":
        net, function = Layers("", gamma=True), slim_nasnet.nasnet_large
    else:
        return slim_plain.made(name)
    return net, lambda images: function(net, images)


def make(folder: Path, name: str, size: int, *, old: bool) -> None:
    net, logits = network(name)
    arrays = {}
    for number, side in enumerate((size, size + 1)):
        pixels = np.random.default_rng(number).random((IMAGES, side, side, 3))
        images = (2 * pixels - 1).astype(np.float32)
        arrays[f"images{number}"] = images.transpose(0, 3, 1, 2)
        arrays[f"logits{number}"] = logits(images).numpy()
    np.savez(folder / f"{name}.npz", **arrays)
    net.save(folder / f"{name}.ckpt", old=old, others=slim_plain.others(net.variables))


if __name__ == "__main__":
    for wanted in sys.argv[2:]:
        called, pixels_a_side, version = wanted.split(":")
        make(Path(sys.argv[1]), called, int(pixels_a_side), old=version == "V1")
