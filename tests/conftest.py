"""What many tests share: the command line in this process, and small overlays."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"

Harness = Callable[..., "Result"]

SUITE = """\
suites:
  small:
    summary: two models, two attacks
    dataset: digits
    models: [digits-alexnet, digits-mobilenet_v1_025]
    images: 20
    accuracy_images: 20
    attacks:
      - {attack: fgsm, goals: [untargeted, random], parameters: {epsilon: 0.1}}
      - {attack: ifgsm, goals: [random, least-likely], parameters: {steps: 4, attempts: 5}}
    metrics: [accuracy, success, linf]
"""


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def harness(capsys, monkeypatch, tmp_path) -> Harness:
    """The command line, run in this process with ``tmp_path`` as the current folder."""
    from harness.cli.main import main

    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(int(exit_.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def overlay(tmp_path) -> Path:
    """An overlay with the suite ``small``."""
    path = tmp_path / "small.yaml"
    path.write_text(SUITE)
    return path
