"""Where models that no registry names lie against the frontier, a line each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import ConfigError

if TYPE_CHECKING:
    from harness.analysis.board import Board
    from harness.analysis.entry import Entry


def placements(db: Path, suite: str, models: Sequence[str]) -> list[str]:
    """Each model's distance to the frontier of the suite's default board, or why it has none."""
    from harness.analysis.board import leaderboard
    from harness.store.database import reading

    if not models:
        return []
    try:
        with reading(db) as stored:
            board = leaderboard(stored.conn, suite=suite)
    except ConfigError as error:  # a suite without attacks has no board
        return [f"{model}: no frontier distance: {error.what}" for model in models]
    entries = {entry.model: entry for entry in board.entries}
    return [_line(board, entries[model]) for model in models]


def _line(board: Board, entry: Entry) -> str:
    attack = board.selection.attack
    under = f"{attack.label}, goal {board.selection.goal}"
    partly = "" if entry.complete else f" ({entry.status})"
    if entry.distance is None or entry.fitted is None or entry.top1 is None:
        return f"{entry.model}{partly}: no frontier distance under {under}: {_why(board, entry)}"
    where = "extrapolated" if entry.extrapolated else "within the frontier's accuracies"
    on = ", on the frontier itself" if entry.on_frontier else ""
    return (
        f"{entry.model}{partly}: frontier distance {entry.distance:+.4g} ({where}{on}): mean"
        f" {attack.norm} {entry.attack.mean:.4g} against {entry.fitted:.4g} at top-1"
        f" {entry.top1:.1%} under {under}"
    )


def _why(board: Board, entry: Entry) -> str:
    """Why the model has no distance."""
    if entry.status == "not run":
        return "it was not attacked so"
    if entry.top1 is None:
        return "it has no accuracy"
    if entry.attack.mean is None:
        return "no attack on it succeeded"
    return board.frontier.reason or "it is not on the board"
