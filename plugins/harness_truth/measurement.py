"""The measurement ``truth``: the smallest adversarial distance, of networks where it is known.

It sees a model as any measurement does, through its logits, and so has to find out which of the
known networks it is: the one that returns the same logits for the image and others at random. Of
another model it asks whether it is affine in the pixels: its weights are differences of logits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.api import (
    Access,
    Goal,
    Measurement,
    MeasurementResult,
    Norm,
    Passes,
    Probe,
    Subject,
    look,
)

if TYPE_CHECKING:
    from torch import Tensor

    from harness.testing.truth import Network

IMAGES = 8
"""At random, besides the measured one."""
MOST_PIXELS = 256
"""Of an image whose model may be found affine: that takes a pass for each."""
ALIKE = 1e-4
"""How far logits may differ, relative to the largest: float32 sums in many orders."""


class Truth(Measurement):
    """The smallest distance in the box to an adversarial image, for the networks of this package.

    Numbers: ``<norm>.distance``, exact but for the rounding of the network's own float32, about
    1e-6. ``invalid`` are models that are neither a network of this package nor affine in at most
    256 pixels, and images of which nothing in the box is adversarial.
    """

    goals: ClassVar[frozenset[Goal]] = frozenset(Goal)
    access: ClassVar[Access] = Access.SCORES

    norms: tuple[Norm, ...] = Field(
        tuple(Norm), min_length=1, description="the norms of the distance"
    )

    @property
    def scores(self) -> Mapping[str, str]:
        return {f"{norm}.distance": "px" for norm in dict.fromkeys(self.norms)}

    def passes(self, goal: Goal, classes: int) -> Passes:
        return Passes(2 + IMAGES + MOST_PIXELS, 0)

    def measure(self, probe: Probe, subject: Subject) -> MeasurementResult:
        image = look(subject.image)
        network = recognised(probe, image)
        if network is None:
            return MeasurementResult(problem="the model is no network whose distances are known")
        found = {
            f"{norm}.distance": network.distance(image, subject.label, norm, subject.target)
            for norm in dict.fromkeys(self.norms)
        }
        if math.inf in found.values():
            return MeasurementResult(problem="no image in [0, 1] is adversarial")
        return MeasurementResult(numbers=found)


@cache
def known() -> dict[str, Network]:
    """The networks of the package by name."""
    from harness.testing import truth
    from harness_truth.loader import NETWORKS

    return {path.stem: truth.read(path) for path in sorted(NETWORKS.glob("*.safetensors"))}


def recognised(probe: Probe, image: Tensor) -> Network | None:
    """The network that the model behind ``probe`` is: one of the package's, or an affine one."""
    import torch

    others = torch.rand((IMAGES, *image.shape), generator=torch.Generator().manual_seed(0))
    images = torch.cat((image[None], others))
    logits = look(probe.logits(images))
    for network in known().values():
        if network.shape == tuple(image.shape) and network.classes == logits.shape[1]:
            with torch.no_grad():
                if _alike(network.module(images), logits):
                    return network
    return _affine(probe, images, logits) if image.numel() <= MOST_PIXELS else None


def _affine(probe: Probe, images: Tensor, logits: Tensor) -> Network | None:
    """The linear network that has the logits of black and of each pixel alone, if that is it."""
    import torch

    from harness.testing import truth

    shape = tuple(images.shape[1:])
    pixels = images[0].numel()
    basis = torch.cat((torch.zeros(1, pixels), torch.eye(pixels))).reshape(-1, *shape)
    found = look(probe.logits(basis)).double()
    network = truth.Linear((found[1:] - found[0]).T, found[0], shape)
    flat = images.flatten(1).double().numpy()
    return network if _alike(torch.from_numpy(network.logits(flat)), logits) else None


def _alike(own: Tensor, logits: Tensor) -> bool:
    return bool((own - logits).abs().max() <= ALIKE * max(1.0, float(own.abs().max())))
