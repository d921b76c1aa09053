"""What the tests of the registry share: files of it."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for registry_toy

from registry_toy import Overlay


@pytest.fixture
def overlay(tmp_path: Path) -> Overlay:
    def write(text: str) -> Path:
        path = tmp_path / "overlay.yaml"
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return write
