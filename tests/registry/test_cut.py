"""A model's cut: from the registry to the loader, and into keys only where it is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.api import ConfigError, Cut
from harness.plugins import installed
from harness.registry import load
from harness.resolve.components import found_model

MODEL = """\
models:
  mine:
    loader: digits
    architecture: alexnet
    family: AlexNet
    classes: 10
    preprocessing: {{size: [32, 32]{cut}}}
    weights: {{file: mine.bin}}
"""


def entry(folder: Path, cut: str):
    (folder / "mine.bin").write_bytes(b"weights")
    path = folder / "mine.yaml"
    path.write_text(MODEL.format(cut=cut))
    return load([path]).models["mine"]


def test_a_cut_reaches_the_loader_and_the_identity(tmp_path: Path) -> None:
    given = entry(tmp_path, ", cut: {crop: 0.911, interpolation: bicubic}")
    component, (_, spec) = found_model(given, installed())
    assert spec.preprocessing.cut == Cut(0.911, "bicubic")
    assert component.identity["preprocessing"]["cut"] == {
        "crop": 0.911,
        "interpolation": "bicubic",
    }


def test_without_a_cut_the_identity_is_what_it_always_was(tmp_path: Path) -> None:
    """Cell keys of databases from before there were cuts."""
    component, (_, spec) = found_model(entry(tmp_path, ""), installed())
    assert spec.preprocessing.cut is None
    assert component.identity["preprocessing"] == {
        "size": [32, 32],
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
        "channels": "rgb",
        "background": None,
    }


@pytest.mark.parametrize(
    "cut",
    [
        "{crop: 0, interpolation: bicubic}",
        "{crop: 1.1, interpolation: bicubic}",
        "{crop: 0.875}",
        "{crop: 0.875, interpolation: nearest}",
    ],
)
def test_a_cut_that_is_none(tmp_path: Path, cut: str) -> None:
    with pytest.raises(ConfigError, match=r"models\.mine\.preprocessing\.cut\."):
        entry(tmp_path, f", cut: {cut}")
