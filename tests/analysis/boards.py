"""Leaderboards of a test's database, and one model of them with all that is known of it."""

from __future__ import annotations

from sqlite3 import Connection
from typing import Any

from harness.analysis import leaderboard as analysis
from harness.analysis.columns import Choice
from harness.analysis.leaderboard import Leaderboard
from harness.analysis.results import Results, SuiteResults
from harness.analysis.transfer import matrix
from harness.analysis.transfer.matrix import View
from harness.api.transfers import TransferMatrix
from harness.plugins import Catalog


def results(sql: Connection, suite: str | None = None) -> SuiteResults:
    return Results(sql).suite(suite)


def leaderboard(
    sql: Connection, suite: str | None = None, catalog: Catalog | None = None, **choice: Any
) -> Leaderboard:
    return analysis.leaderboard(results(sql, suite), Choice(**choice), catalog)


def joint(sql: Connection, suite: str | None = None, **choice: Any) -> Leaderboard:
    return analysis.joint(results(sql, suite), Choice(**choice))


def transfer_matrix(sql: Connection, suite: str | None = None, **asked: Any) -> TransferMatrix:
    view = {name: asked.pop(name) for name in ("k", "denominator", "border") if name in asked}
    return matrix.transfer_matrix(results(sql, suite), View(**view), **asked)


class Shown:
    """A model's entry, place and placing as one; what several have is the first one's."""

    def __init__(self, board: Leaderboard, model: str) -> None:
        (entry,) = [entry for entry in board.entries if entry.model == model]
        place = board.column.places[model]
        self._parts = entry, place, place.placing

    def __getattr__(self, name: str) -> Any:
        for part in self._parts:
            if hasattr(part, name):
                return getattr(part, name)
        raise AttributeError(name)
