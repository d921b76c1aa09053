"""The model loader ``mobilenet_v1``: slim's MobileNets with weights of the Hugging Face Hub."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.api import (
    Classifier,
    ConfigError,
    Cut,
    Described,
    ModelError,
    ModelLoader,
    ModelSpec,
    Preprocessing,
    WeightsFile,
)
from harness_models import tensors
from harness_models.hub import HubFile
from harness_models.network import finished, outputs_of, refuse_options, seeded, weights_of

if TYPE_CHECKING:
    from pathlib import Path

    from harness.api import Progress
    from harness_models.mobilenet_v1 import MobileNetV1

_PUBLISHED = ("mobilenet_v1_1.0_224", "mobilenet_v1_0.75_192")
"""Those of which the hub has weights, as ``google/<name>``."""

_HALF = (0.5, 0.5, 0.5)


class MobileNetV1Loader(ModelLoader):
    """``mobilenet_v1_<width>_<size>`` with width 0.25, 0.5, 0.75 or 1.0. It takes no option.

    The hub's files have 1,001 outputs with the background first (``preprocessing.background: 0``).
    """

    def weights(self, spec: ModelSpec) -> WeightsFile:
        file = _hub_file(spec.architecture)
        if file is None:
            return WeightsFile(None, how="no hub has them: take another source, or weights.file")
        return file.weights(licence="other")

    def fetch(self, spec: ModelSpec, progress: Progress) -> Path:
        file = _hub_file(spec.architecture)
        return super().fetch(spec, progress) if file is None else file.fetch(progress)

    def untrained(self, spec: ModelSpec, device: str) -> Classifier:
        return finished(_build(spec), spec, device)

    def load(self, spec: ModelSpec, device: str) -> Classifier:
        path = weights_of(spec)
        module = _build(spec)
        tensors.fill(module, tensors.read(path), path, spec.architecture)
        return finished(module, spec, device)

    def describe(self, reference: str) -> Described:
        found = _parsed(reference)
        if found is None or reference not in _PUBLISHED:
            raise ConfigError(
                f"no MobileNet v1 {reference!r} with public weights",
                where="--models",
                hint=f"choose from {', '.join(_PUBLISHED)}",
            )
        size = found[1]
        return Described(
            name=reference,
            architecture=reference,
            family="MobileNet",
            parameters=None,
            classes=1000,
            preprocessing=Preprocessing(
                (size, size), _HALF, _HALF, background=0, cut=Cut(0.875, "bilinear")
            ),
        )


def _hub_file(architecture: str) -> HubFile | None:
    return HubFile(f"google/{architecture}") if architecture in _PUBLISHED else None


def _parsed(architecture: str) -> tuple[float, int] | None:
    """The width multiplier and the input size in a name."""
    found = re.fullmatch(r"mobilenet_v1_(0\.25|0\.5|0\.75|1\.0)_(\d+)", architecture)
    return None if found is None else (float(found[1]), int(found[2]))


def _build(spec: ModelSpec) -> MobileNetV1:
    from harness_models.mobilenet_v1 import MobileNetV1

    refuse_options(spec)
    found = _parsed(spec.architecture)
    if found is None:
        raise ModelError(
            f"unknown architecture {spec.architecture!r}",
            where=f"model {spec.name}",
            hint="write it as mobilenet_v1_<0.25|0.5|0.75|1.0>_<input size>",
        )
    with seeded():
        return MobileNetV1(found[0], outputs_of(spec))
