"""The JSON of boards: one envelope for all of them."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from harness.report.presentation import SCHEMA, SCHEMA_VERSION

ENVELOPE = {
    "schema", "version", "table", "suite", "database", "selection", "columns", "fits", "rows",
    "notes",
}  # fmt: skip

BOARDS = {
    "leaderboard": "leaderboard",
    "joint": "leaderboard --joint",
    "attacks": "leaderboard --attacks",
    "ranks": "leaderboard --ranks holm",
    "comparison": "compare {0} {1}",
    "transfer": "transfer",
    "findings": "findings",
    "fingerprint": "fingerprint {0}",
}


@pytest.fixture
def shown(harness: Any, whole_study: Path) -> Any:
    """The JSON and the notes of a board of the toy study."""
    models = [
        row["model"]
        for row in json.loads(
            harness("leaderboard", "--db", whole_study, "--format", "json").out
        )["rows"]
    ]  # fmt: skip

    def board(command: str, *options: str) -> dict[str, Any]:
        words = command.format(*models).split()
        done = harness(*words, "--db", whole_study, "--format", "json", *options)
        assert done.code == 0, done.err
        found: dict[str, Any] = json.loads(done.out)
        assert found["notes"] == [line for line in done.err.splitlines() if line]
        return found

    return board


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_has_the_same_envelope(shown: Any, whole_study: Path, name: str) -> None:
    found = shown(BOARDS[name])
    assert set(found) >= ENVELOPE
    assert (found["schema"], found["version"], found["table"]) == (SCHEMA, SCHEMA_VERSION, name)
    assert found["database"] == str(whole_study)
    assert found["suite"]
    assert found["rows"]
    keys = [column["key"] for column in found["columns"]]
    assert all(list(row) == keys for row in found["rows"])


def test_the_fit_of_a_board_is_in_its_json(shown: Any) -> None:
    found = shown("leaderboard --attack cw")
    (fit,) = found["fits"]
    on = [row["model"] for row in found["rows"] if row["on_frontier"]]
    assert sorted(fit["members"]) == sorted(on)
    if fit["a"] is None:
        assert "a fit needs" in fit["reason"]
    for row in found["rows"]:
        if fit["a"] is not None and row["frontier_distance"] is not None:
            error = max(1 - row["top1"], 0.5 / row["top1_images"])
            fitted = fit["a"] + fit["b"] * math.log(error)
            assert row["frontier_fitted"] == pytest.approx(fitted)


def test_the_documentation_names_every_key(shown: Any) -> None:
    page = (Path(__file__).parents[2] / "docs" / "results.md").read_text()
    documented = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert documented >= ENVELOPE | set(shown("leaderboard")) | set(shown("leaderboard --joint"))
    assert all(f"`{name}`" in page for name in shown("leaderboard")["fits"][0])
