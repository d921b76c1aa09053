"""Logits of reference networks in double precision: ``python doubles.py FOLDER NAME...``, in a
process of its own. In ``NAME.npz`` are images of 2x - 1, their logits, and the variables by name.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

import numpy as np
import slim_inception
import slim_nasnet
from slim_layers import Layers

NETWORKS = {
    "inception_v1": ("InceptionV1", slim_inception.inception_v1),
    "inception_v2": ("InceptionV2", slim_inception.inception_v2),
    "inception_v3": ("InceptionV3", slim_inception.inception_v3),
    "inception_v4": ("InceptionV4", slim_inception.inception_v4),
    "inception_resnet_v2": ("InceptionResnetV2", slim_inception.inception_resnet_v2),
    "nasnet_small": ("", partial(slim_nasnet.nasnet, width=24, repeats=2)),
}

if __name__ == "__main__":
    for name in sys.argv[2:]:
        scope, network = NETWORKS[name]
        net = Layers(scope, gamma=name.startswith("nasnet"))
        images = np.random.default_rng(1).random((2, 107, 90, 3)) * 2 - 1
        logits = network(net, images)
        place = Path(sys.argv[1]) / name
        np.savez(place, images=images.transpose(0, 3, 1, 2), logits=logits, **net.variables)
