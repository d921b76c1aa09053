"""The core without the study: everything works but what the study offers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.plugins import Catalog, installed


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugins of this environment but for su2018."""
    others = Catalog(report for report in installed().reports if report.name != "su2018")
    monkeypatch.setattr("harness.plugins.installed", lambda: others)


def test_boards_are_there_and_claims_and_fits_are_not(
    harness: Any, kept_run: Any, without: None
) -> None:
    found = harness("findings", "--db", kept_run, "--format", "json")
    rows = json.loads(found.out)["rows"]
    assert (found.code, {row["plugin"] for row in rows}) == (0, {"laws"})
    board = harness("leaderboard", "--joint", "--db", kept_run, "--goal", "untargeted")
    assert board.code == 0, board.err
    fit = harness("leaderboard", "--frontier", "paper", "--db", kept_run)
    assert fit.code == 2
    assert "unknown fit 'paper'; there are: fitted" in fit.err
