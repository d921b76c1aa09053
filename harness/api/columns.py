"""How a number of a plugin is shown on leaderboards: declared on its class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Leaderboard = Literal["leaderboard", "joint"]
"""The leaderboard of one attack, and the multi-metric one of all (``--joint``)."""


@dataclass(frozen=True, slots=True)
class LeaderboardColumn:
    """A column of leaderboards, on the terminal, the page and in JSON and CSV.

    Attributes:
        higher_is_more_robust: the direction; None: it says nothing of robustness, and the joint
            leaderboard, which ranks by residuals from frontiers, leaves it out.
        title: the column's heading; by default the number's name.
        format: a format specification of Python, such as ``.1%`` or ``.2f``, for people; by default
            four significant digits.
        on: the leaderboards that show it.
        proved: it is a lower bound of distortions for certain, not an estimate of one.

    Raises:
        ValueError: a float has no such format.
    """

    higher_is_more_robust: bool | None = None
    title: str = ""
    format: str = ""
    on: tuple[Leaderboard, ...] = ("leaderboard", "joint")
    proved: bool = False

    def __post_init__(self) -> None:
        format(0.5, self.format)

    def is_on(self, leaderboard: Leaderboard) -> bool:
        """Whether ``leaderboard`` shows it."""
        return leaderboard in self.on and (
            leaderboard == "leaderboard" or self.higher_is_more_robust is not None
        )
