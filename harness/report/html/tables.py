"""The leaderboards as tables of the page."""

from __future__ import annotations

from dataclasses import dataclass

from harness.analysis.leaderboard import Leaderboard
from harness.report import joint, leaderboard
from harness.report.presentation import Presentation


@dataclass(frozen=True, slots=True)
class BoardTable:
    """A leaderboard of the page; ``choice`` is what selects it."""

    choice: tuple[str, ...]
    table: Presentation


def board_table(board: Leaderboard) -> BoardTable:
    """A leaderboard of one attack and goal."""
    choice = (board.trial.attack.label, board.trial.goal)
    return BoardTable(choice, leaderboard.presentation(board))


def joint_table(board: Leaderboard) -> BoardTable:
    """The multi-metric leaderboard of one goal."""
    return BoardTable((board.trial.goal,), joint.presentation(board))
