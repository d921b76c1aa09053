"""A third party's plugin that misbehaves where it is told to, and a suite with it."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REGISTRY = """\
models:
  toy:
    loader: rude-loader
    family: toy
    year: 2026
    classes: 3
    preprocessing: &size {{size: [4, 4]}}
  twin:
    loader: rude-loader
    family: toy
    year: 2026
    classes: 3
    preprocessing: *size
    options: {{number: 2}}
datasets:
  toy:
    reader: rude-data
    version: "1"
    classes: 3
suites:
  toy:
    dataset: toy
    models: [{models}]
    attacks:
{attacks}      - {{attack: fgsm, goals: [untargeted, random], parameters: {{epsilon: 0.3}}}}
    measurements:
{measurements}      - {{measurement: divergence, parameters: {{steps: 3}}}}
    metrics: [{metrics}accuracy, success]
"""
"""The plugin's own stand before the others, so that these see what it leaves behind."""


Registry = Callable[..., Path]


@pytest.fixture
def rude(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The plugin of ``rude.py``, installed."""
    from harness.plugins import installed

    site = tmp_path.with_name(f"{tmp_path.name}-site")
    info = site / "acme_rude-1.0.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: acme-rude\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text("[harness]\nrude = rude\n")
    shutil.copy(HERE / "rude.py", site)
    monkeypatch.syspath_prepend(site)
    importlib.invalidate_caches()
    installed.cache_clear()
    yield
    installed.cache_clear()
    sys.modules.pop("rude", None)


@pytest.fixture
def registry() -> Registry:
    """Writes the suite ``toy`` with a component of the plugin, if any, to a path."""
    return _registry


def _registry(path: Path, component: str | None, models: str = "toy") -> Path:
    """The suite ``toy`` with ``component`` of the plugin, if any."""
    kinds = {"attack": ("rude-whole", "rude-stepped"), "metric": ("rude-metric",)}
    attack = component if component in kinds["attack"] else None
    metric = component if component in kinds["metric"] else None
    measurement = component if component and not attack and not metric else None
    path.write_text(
        REGISTRY.format(
            models=models,
            attacks=f"      - {{attack: {attack}, goals: [random]}}\n" if attack else "",
            measurements=f"      - {{measurement: {measurement}}}\n" if measurement else "",
            metrics=f"{metric}, " if metric else "",
        )
    )
    return path
