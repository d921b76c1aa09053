"""A model to measure passes with: its weights do not matter, so they may be random."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from harness.api import ModelError, ModelLoader, ModelSpec
from harness.definition import Numerics
from harness.engine.classifier import PixelClassifier
from harness.engine.opening import opened


@dataclass(frozen=True, slots=True)
class Built:
    """A network as a run has it.

    Attributes:
        parameters: their number before batch norms are folded; None where torch does not see them.
        random: whether the weights are random.
    """

    model: PixelClassifier
    parameters: int | None
    random: bool


def build(
    loader: ModelLoader,
    spec: ModelSpec,
    device: torch.device,
    *,
    numerics: Numerics = "fp32",
    random: bool = True,
) -> Built:
    """The network of ``spec`` with random weights, or with its own; its gradients in ``numerics``.

    Raises:
        HarnessError: the loader's own, or ModelError for anything else that it raises.
    """
    load = loader.untrained if random else loader.load
    found = opened(load, spec, device, fold_batch_norm=True, numerics=numerics)
    module = found.classifier.module
    count = None if module is None else sum(part.numel() for part in module.parameters())
    return Built(found.model, count, random)


def build_either(
    loader: ModelLoader, spec: ModelSpec, device: torch.device, *, numerics: Numerics
) -> Built:
    """With random weights where the loader can, else with its own where they are here.

    Raises:
        HarnessError: it can do neither.
    """
    try:
        return build(loader, spec, device, numerics=numerics)
    except ModelError:
        if spec.weights is None:
            raise
        return build(loader, spec, device, numerics=numerics, random=False)
