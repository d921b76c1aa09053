"""What the loaders that build networks share: a fixed seed, checks, the finished classifier."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.api import Classifier, ModelError, ModelSpec, did_you_mean
from harness_models.files import look

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn


@contextmanager
def seeded() -> Iterator[None]:
    """Random weights are the same ones every time, and torch's own generator stays as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def outputs_of(spec: ModelSpec) -> int:
    """How many outputs the network must have: the classes, and the background where there is."""
    return spec.classes + (spec.preprocessing.background is not None)


def weights_of(spec: ModelSpec) -> Path:
    """The weight file of ``spec``.

    Raises:
        ModelError: there is none. MissingError: it cannot be read, or is a pipe or a device.
    """
    if spec.weights is None:
        raise ModelError("needs a weight file", where=f"model {spec.name}", hint="set weights.file")
    look(spec.weights)
    return spec.weights


def refuse_options(spec: ModelSpec) -> None:
    """Raises ModelError where ``spec`` has options, for a loader that takes none."""
    if spec.options:
        raise ModelError(
            f"unknown option {next(iter(spec.options))!r}",
            where=f"model {spec.name}",
            hint="the loader takes none",
        )


def check_architecture(spec: ModelSpec, known: Collection[str]) -> None:
    """Raises ModelError where the architecture of ``spec`` is none of the ``known``."""
    name = spec.architecture
    if name not in known:
        hint = did_you_mean(name, known, f"choose from {', '.join(known)}")
        raise ModelError(f"unknown architecture {name!r}", where=f"model {spec.name}", hint=hint)


def finished(module: nn.Module, spec: ModelSpec, device: str) -> Classifier:
    """The network on ``device``, in eval mode, its weights frozen."""
    module.eval().requires_grad_(False).to(device)
    return Classifier(module, spec.preprocessing, spec.classes)


def entry_name(text: str) -> str:
    """``text`` as a registry's name."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).lstrip("._+-") or "model"
