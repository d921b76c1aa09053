"""The registry: ``registry.yaml`` and overlays as validated, frozen objects."""

from __future__ import annotations

from harness.registry.entries import (
    AttackEntry,
    DatasetEntry,
    ModelEntry,
    Published,
    SuiteEntry,
    Weights,
)
from harness.registry.load import builtin, load
from harness.registry.registry import Registry

__all__ = [
    "AttackEntry",
    "DatasetEntry",
    "ModelEntry",
    "Published",
    "Registry",
    "SuiteEntry",
    "Weights",
    "builtin",
    "load",
]
