"""Frozen graphs, made once in a process of their own: TensorFlow and torch do not mix."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

MISSING = [name for name in ("tensorflow", "tf2onnx") if find_spec(name) is None]


def require_tensorflow() -> None:
    if MISSING:
        pytest.skip(f"{', '.join(MISSING)} not installed: pip install -e '.[paper]'")


@pytest.fixture(scope="session")
def freeze(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes graphs of `frozen.py` by name; returns their folder."""
    require_tensorflow()

    def make(*names: str) -> Path:
        folder = tmp_path_factory.mktemp("frozen")
        script = Path(__file__).with_name("frozen.py")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(
            [sys.executable, script, folder, *names],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return folder

    return make
