"""A small registry file, and the one line that a wrong one comes to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import ConfigError, ExitCode
from harness.registry import load

MODEL = """\
models:
  mine:
    loader: onnx
    family: Own
    classes: 10
    preprocessing: {size: [8, 9], std: [0.5, 0.5, 1], channels: bgr, background: 0}
    weights: {file: nets/mine.onnx}
"""
SUITE = """\
suites:
  own:
    dataset: digits
    models: ["digits-vgg*"]
    metrics: [accuracy]
    attacks:
      - attack: fgsm
        goals: [untargeted]
      - attack: ifgsm
        goals: [random, least-likely]
        parameters: {steps: 3}
"""

Overlay = Callable[[str], Path]
"""Writes text to a file of the registry."""


def complaint(path: Path) -> str:
    """The one line, from the file's name on."""
    with pytest.raises(ConfigError) as caught:
        load([path])
    assert caught.value.exit_code == ExitCode.USAGE
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{path}")
    return line.removeprefix(str(path.parent) + "/")
