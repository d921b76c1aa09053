"""Networks whose smallest adversarial distances are known exactly, image by image.

    from harness.testing.truth import Linear, ReLU
    network = ReLU([(weights, bias), (head, shift)], shape=(3, 4, 4))
    network.distance(image, label, "l2")             # untargeted
    network.distance(image, label, "linf", target=2)
    network.module, network.classifier()             # what an attack or a bound is given

An attack's distance is never smaller than these, and a good one's is hardly larger; a lower bound
is one where it never is larger. Distances are those in the box [0, 1], in pixel space.
"""

from __future__ import annotations

from harness.testing.truth.files import read, save
from harness.testing.truth.fold import Fold
from harness.testing.truth.halfspace import Nearest
from harness.testing.truth.masked import MASKS, Masked
from harness.testing.truth.maxout import MaxOfAffine
from harness.testing.truth.named import images, networks
from harness.testing.truth.network import Linear, Network
from harness.testing.truth.relu import ReLU

__all__ = [
    "MASKS",
    "Fold",
    "Linear",
    "Masked",
    "MaxOfAffine",
    "Nearest",
    "Network",
    "ReLU",
    "images",
    "networks",
    "read",
    "save",
]
