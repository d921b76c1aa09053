"""The model loader ``slim``: TF-Slim's networks with the weights of its own checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.api import Classifier, ModelLoader, ModelSpec, WeightsFile
from harness_models import tensors
from harness_models.network import (
    check_architecture,
    finished,
    outputs_of,
    refuse_options,
    seeded,
    weights_of,
)

if TYPE_CHECKING:
    from torch import nn


class SlimLoader(ModelLoader):
    """The study's models by name: ``inception_v2``, ``resnet_v2_152``. It takes no option.

    A checkpoint has to be imported first (``harness models import FILE``). Those with 1,001 outputs
    have the background first (``preprocessing.background: 0``).
    """

    def weights(self, spec: ModelSpec) -> WeightsFile:
        return WeightsFile(None, how="harness models import CHECKPOINT, then name it weights.file")

    def untrained(self, spec: ModelSpec, device: str) -> Classifier:
        return finished(_build(spec), spec, device)

    def load(self, spec: ModelSpec, device: str) -> Classifier:
        path = weights_of(spec)
        module = _build(spec)
        tensors.fill(module, tensors.read(path), path, spec.architecture)
        return finished(module, spec, device)


def _build(spec: ModelSpec) -> nn.Module:
    from harness_slim.networks import NETWORKS

    refuse_options(spec)
    check_architecture(spec, NETWORKS)
    with seeded():
        return NETWORKS[spec.architecture].build(outputs_of(spec))
