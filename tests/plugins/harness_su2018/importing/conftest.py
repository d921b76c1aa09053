"""Frozen graphs and checkpoints, made in a process of their own: TensorFlow has to be alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

FROZEN = Path(__file__).with_name("frozen.py")
KERAS = Path(__file__).with_name("keras_weights.py")
CHECKPOINTS = Path(__file__).parents[2] / "harness_slim" / "checkpoints.py"
MISSING = [name for name in ("tensorflow", "tf2onnx") if find_spec(name) is None]


def require_tensorflow() -> None:
    if MISSING:
        pytest.skip(f"{', '.join(MISSING)} not installed: pip install -e '.[paper]'")


@pytest.fixture(scope="session")
def freeze(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes graphs of `frozen.py` by name; returns their folder."""
    require_tensorflow()
    return lambda *names: made(tmp_path_factory.mktemp("frozen"), FROZEN, *names)


@pytest.fixture(scope="session")
def save(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes checkpoints of `checkpoints.py` as NAME:SIZE:FORMAT; returns their folder."""
    require_tensorflow()
    return lambda *wanted: made(tmp_path_factory.mktemp("saved"), CHECKPOINTS, *wanted)


@pytest.fixture(scope="session")
def keras_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a MobileNet of Keras's own; see `keras_weights.py`."""
    require_tensorflow()
    return made(tmp_path_factory.mktemp("keras"), KERAS)


def made(folder: Path, script: Path, *arguments: str) -> Path:
    """The folder, with what the script makes."""
    done = subprocess.run(
        [sys.executable, script, folder, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder
