"""A run's summary as one JSON document, for CI and for observers: docs/ci.md describes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.store.replacing import replacing
from harness.version import __version__

if TYPE_CHECKING:
    from harness.analysis.results import SuiteResults, Trial
    from harness.api import RunStarted
    from harness.execute.ending import Ending

SCHEMA, VERSION = "frontier-harness/summary", 1
"""A key that goes or changes its meaning raises the version; a new one does not."""

REPLICATES = 1000
"""Of the bootstrap behind the intervals, as the leaderboard's default."""

COUNTS = ("clean_wrong", "robust", "broken", "invalid", "error", "missing")


def document(ending: Ending) -> dict[str, Any]:
    """The summary; without leaderboards where the run did not come to its end."""
    started, summary = ending.started, ending.summary
    boards, notes = [], list(summary.notes) if summary else []
    if started is not None and summary is not None:
        try:
            boards = _boards(started)
        except HarnessError as error:
            notes.append(f"no leaderboards: {error}")
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "harness": __version__,
        "status": ending.status,
        "exit_code": ending.exit_code,
        "error": ending.error,
        "began": ending.began,
        "seconds": round(ending.seconds, 3),
        "run": started and started.run,
        "database": started and started.database,
        "suite": started and started.suite,
        "dataset": started and started.dataset,
        "models": list(started.models) if started else [],
        "seed": started and started.seed,
        "numerics": started and started.numerics,
        "shard": started and started.shard,
        "cells": summary and summary.cells,
        "images_computed": summary and summary.computed,
        "images_found": summary and summary.found,
        "transfers_computed": summary and summary.transfers,
        "failures": list(summary.failures) if summary else [],
        "files_lost": [str(each.file) for each in summary.lost] if summary else [],
        "notes": notes,
        "counts": counts([row for board in boards for row in board["rows"]]),
        "leaderboards": boards,
    }


def keeping(path: Path) -> Callable[[str], None]:
    """What writes the text of a summary to the file ``path``, whole or not at all."""

    def write(text: str) -> None:
        with replacing(path) as partial:
            partial.write_text(text, "utf-8")

    return write


def counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The images of attack cells by status, over all rows of leaderboards."""
    found: Counter[str] = Counter()
    for row in rows:
        found["robust"] += row["attacked"] - row["broken"]
        found["error"] += row["errors"]
        for status in ("clean_wrong", "broken", "invalid", "missing"):
            found[status] += row[status]
    return {status: found[status] for status in COUNTS}


def _boards(started: RunStarted) -> list[dict[str, Any]]:
    """One for each attack and goal of the run, with a row for each of its models."""
    from harness.analysis.results import Results
    from harness.store.database import snapshot

    ran = {(cell.task, cell.goal) for cell in started.cells if cell.task}
    database = Path(started.database)
    with snapshot(database) as stored:
        suite = Results(stored.conn).suite(started.suite)
        if not suite.attacks:
            return []
        return [
            _board(suite, trial, started.models, database)
            for trial in suite.trials()
            if (trial.attack.label, trial.goal) in ran
        ]


def _board(
    suite: SuiteResults, trial: Trial, models: Sequence[str], database: Path
) -> dict[str, Any]:
    """The leaderboard's JSON."""
    from harness.analysis.columns import Choice
    from harness.analysis.leaderboard import leaderboard
    from harness.plugins import installed
    from harness.report.leaderboard import presentation

    choice = Choice(attack=trial.attack.label, goal=trial.goal, replicates=REPLICATES)
    found = presentation(leaderboard(suite, choice, installed())).of(
        database, points=suite.results.points
    )
    assert found.table is not None
    table = found.envelope(found.table)
    # Of the run's own models; what the columns mean is the same everywhere, and long.
    rows = [row for row in table["rows"] if row["model"] in models]
    return {key: value for key, value in table.items() if key != "columns"} | {"rows": rows}
