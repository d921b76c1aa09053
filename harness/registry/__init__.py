"""The registry: ``registry.yaml`` and overlays as validated, frozen objects."""

from __future__ import annotations

from harness.registry.entries import (
    AttackEntry,
    DatasetEntry,
    MeasurementEntry,
    ModelEntry,
    SuiteEntry,
)
from harness.registry.fields import Published, SourceEntry, Weights, models_folder
from harness.registry.load import builtin, load
from harness.registry.registry import Registry

__all__ = [
    "AttackEntry",
    "DatasetEntry",
    "MeasurementEntry",
    "ModelEntry",
    "Published",
    "Registry",
    "SourceEntry",
    "SuiteEntry",
    "Weights",
    "builtin",
    "load",
    "models_folder",
]
