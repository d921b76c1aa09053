"""Where models that no registry names lie relative to the frontier, one line per model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import ConfigError

if TYPE_CHECKING:
    from harness.analysis.leaderboard import Leaderboard
    from harness.analysis.place import Entry


def placements(db: Path, suite: str, models: Sequence[str]) -> list[str]:
    """Each model's frontier residual on the suite's default leaderboard, or why it has none."""
    from harness.analysis.leaderboard import leaderboard
    from harness.analysis.results import Results
    from harness.store.database import reading

    if not models:
        return []
    try:
        with reading(db) as stored:
            board = leaderboard(Results(stored.conn).suite(suite))
    except ConfigError as error:  # a suite without attacks has no leaderboard
        return [f"{model}: no frontier residual: {error.what}" for model in models]
    entries = {entry.model: entry for entry in board.entries}
    return [_line(board, entries[model]) for model in models]


def _line(board: Leaderboard, entry: Entry) -> str:
    attack, place = board.trial.attack, board.column.places[entry.model]
    placing = place.placing
    under = f"{attack.label}, goal {board.trial.goal}"
    partly = "" if entry.complete else f" ({place.status})"
    if placing.distance is None or placing.fitted is None or entry.top1 is None:
        return f"{entry.model}{partly}: no frontier residual under {under}: {_why(board, entry)}"
    where = "extrapolated" if placing.extrapolated else "within the frontier's accuracies"
    on = ", Pareto-optimal" if placing.on_frontier else ""
    return (
        f"{entry.model}{partly}: frontier residual {placing.distance:+.4g} ({where}{on}): mean"
        f" {attack.norm} {place.robustness:.4g} against {placing.fitted:.4g} at top-1"
        f" {entry.top1:.1%} under {under}"
    )


def _why(board: Leaderboard, entry: Entry) -> str:
    """Why the model has no residual."""
    place = board.column.places[entry.model]
    if place.status == "not run":
        return "it was not attacked in this way"
    if entry.top1 is None:
        return "it has no accuracy"
    if place.robustness is None:
        return "no attack on it succeeded"
    return board.column.frontier.reason or "it is not on the leaderboard"
