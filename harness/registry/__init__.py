"""The registry: ``registry.yaml`` and overlays as validated, frozen objects."""

from __future__ import annotations

from harness.registry.entries import DatasetEntry, ModelEntry
from harness.registry.fields import Published, SourceEntry, Weights, models_folder
from harness.registry.load import builtin, load
from harness.registry.registry import Registry
from harness.registry.suites import (
    AttackEntry,
    CompositeEntry,
    MeasurementEntry,
    MemberEntry,
    SuiteEntry,
)

__all__ = [
    "AttackEntry",
    "CompositeEntry",
    "DatasetEntry",
    "MeasurementEntry",
    "MemberEntry",
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
