"""What the tests of the study share: the synthetic databases of the tests of analyses."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for findings_toy
sys.path.insert(0, str(Path(__file__).parents[2] / "analysis"))  # for board_toy and boards

from board_toy import Bench, definition


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "harness.db")


@pytest.fixture
def define() -> Any:
    return definition
